"""Writes runs, and all that it takes to reproduce them, into one file."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reprise import console, signatures, tracking
from reprise.archive import bag, exporting
from reprise.archive.contents import PARTS
from reprise.archive.exporting import Exported
from reprise.archive.writer import refuse_existing
from reprise.errors import ParameterError
from reprise.runtime import named_runs
from reprise.trust.documents import size_text

RECIPE = "recipe"


@dataclass(frozen=True)
class Asked:
    """Which runs to write, and where to.

    Attributes
    ----------
    runs : sequence of str
        As people name them.
    experiment, model : str
        Names of an experiment and of a registered model, whose runs are written; "" for none.
    output : str
        Path of the archive.
    parts : str
        What else to write, comma-separated: see `contents.PARTS`.
    form : str
        `ro-crate` or `recipe`.
    key : str
        Path of the key to sign with, or `none`; "" for git's.
    """

    runs: Sequence[str]
    experiment: str
    model: str
    output: str
    parts: str
    form: str
    key: str


def start(asked: Asked) -> None:
    """Write an archive, and report what it holds."""
    parts = _parts(asked.parts)
    path = Path(asked.output)
    here = Path.cwd()
    refuse_existing(path)
    key = signatures.signing_key(here, asked.key)
    tracking.limit_waiting()
    with tracking.translating_errors():
        run_ids = _run_ids(asked)
        if asked.form == RECIPE:
            count = exporting.write_recipe(run_ids, path)
            console.say(f"{path}: how to make {count} run{'s' * (count != 1)} again by hand")
            console.next_commands({f"less {shlex.quote(str(path))}": "read it"})
            return
        exported = exporting.export(run_ids, path, parts=parts, at_hand=here, key=key)
    _report(exported, path)


def _parts(text: str) -> list[str]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    for part in parts:
        if part not in PARTS:
            raise ParameterError(
                f"expected of --with some of {', '.join(PARTS)}, found {part!r}. Correct it."
            )
    return parts


def _run_ids(asked: Asked) -> list[str]:
    """Return the ids of the runs that are named in one of three ways."""
    if sum(map(bool, (asked.runs, asked.experiment, asked.model))) != 1:
        raise ParameterError(
            "expected run ids, or --experiment NAME, or --model NAME: one of the three. "
            "See: reprise export --help"
        )
    if asked.experiment:
        runs = tracking.all_runs(tracking.experiment_id(asked.experiment))
        return [run.info.run_id for run in runs]
    if asked.model:
        versions = tracking.versions_named(asked.model)
        return [version.run_id for version in versions if version.run_id]
    return named_runs.full_ids(asked.runs)


def _report(exported: Exported, path: Path) -> None:
    contents = exported.contents
    runs = len(contents.runs)
    more = runs - len(contents.asked)
    needed = f", {more} of them because others need them" if more else ""
    console.say(f"{path}: {runs} run{'s' * (runs != 1)}{needed}, {size_text(path.stat().st_size)}")
    console.say(f"  code: {len(contents.commits)} commits, with their history")
    for commit, reason in contents.without_code.items():
        console.warn(f"the code of commit {commit} is not in it: {reason}")
    console.say(f"  with: {', '.join(contents.parts) or 'neither data nor models'}")
    console.say(f"  {'signed' if exported.is_signed else 'not signed: see docs/moving.md'}")
    console.next_commands(
        {
            f"unzip -q -d check {shlex.quote(str(path))} && (cd check && "
            f"sha256sum --check --quiet {bag.SEAL} {bag.MANIFEST})": "check it without Reprise",
            f"reprise import {shlex.quote(str(path))}": "read it into the server that "
            "MLFLOW_TRACKING_URI names",
        }
    )
