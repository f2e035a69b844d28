"""The page of a verdict: what was asked, on what the verdict stands, what differs, and why.

One file for people, without scripts and without anything from elsewhere. It has no times, so that
the same replay has the same page.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from reprise.record.page import render, template
from reprise.record.patch import first_lines, split_patch
from reprise.record.verdict import Difference, Judgement

PAGE_NAME = "report.html"
_TEMPLATE = "verdict.html.j2"
_MOST_ROWS = 500
_DIGITS = 16
_DIGEST = re.compile(r"[0-9a-f]{32,64}")
_MOST_LINES = 3000  # of a patch
_JSON_NAME = "verdict.json"


@dataclass(frozen=True)
class ComparedRun:
    """A run and its replay, and what their comparison says; the worst verdict of its family."""

    name: str
    original: str
    replay: str | None
    verdict: str
    judgement: Judgement

    @property
    def kind(self) -> str:
        """The class of its verdict on the page: one word."""
        return self.verdict.partition(" ")[0]


@dataclass(frozen=True)
class VerdictPage(ComparedRun):
    """What the page of a replay shows.

    Attributes
    ----------
    asked : sequence of (str, str)
        What was asked for, by name.
    command : str
        The command that asks for the same.
    children : sequence of ComparedRun
        Its child runs, and theirs.
    patch_title, patch : str
        A patch of git, and what it changes; "": there is none to show.
    missing : sequence of str
        Why there is no patch where there should be one.
    is_exact : bool
        Whether the replay was to equal the original run.
    """

    asked: Sequence[tuple[str, str]] = ()
    command: str = ""
    children: Sequence[ComparedRun] = ()
    patch_title: str = ""
    patch: str = ""
    missing: Sequence[str] = ()
    is_exact: bool = True

    @property
    def compared(self) -> int:
        """How many metrics and digests were compared, child runs included."""
        return sum(each.judgement.compared for each in (self, *self.children))

    @property
    def equal(self) -> int:
        """How many of them are equal."""
        return self.compared - self.different

    @property
    def different(self) -> int:
        """How many of them differ."""
        return sum(len(each.judgement.differences) for each in (self, *self.children))

    def to_html(self) -> str:
        """Return the page."""
        files, hidden = first_lines(split_patch(self.patch), _MOST_LINES) if self.patch else ([], 0)
        title = f"Verdict: {self.verdict}"
        if not self.is_exact and self.judgement.compared:
            title = f"{self.different} of {self.compared} changed"
        values = {
            "page": self,
            "title": title,
            "files": files,
            "hidden": hidden,
            "most": _MOST_ROWS,
            "json_name": _JSON_NAME,
        }
        return render(template(_TEMPLATE), values, filters={"change": _change, "brief": _brief})


def _brief(value: float | str | None) -> float | str | None:
    """Return the beginning of a digest; the JSON file has all of it."""
    return f"{value[:_DIGITS]}…" if isinstance(value, str) and _DIGEST.fullmatch(value) else value


def _change(difference: Difference) -> float | None:
    """Return the second run's value minus the first's, if both are measured."""
    a, b = difference.recorded, difference.found
    return b - a if isinstance(a, float) and isinstance(b, float) else None
