"""The result of a check, and its line of output."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from reprise.backports import StrEnum
from reprise.visible import visible

_STATUS_WIDTH = 8
_LONGEST = 240  # characters of a text from others
_USER_INFO = re.compile(r"(?<=://)[^/\s]*@")
_QUERY = re.compile(r"\?[^\s'\"<>]*=[^\s'\"<>]*")
_POOL = re.compile(r"HTTPS?ConnectionPool\([^)]*\): ")
_CAUSE = re.compile(r"\(Caused by (.*)\)")


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "FAILED"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class CheckResult:
    """What a check has found, and what to do about it ("" if there is nothing to do)."""

    check: str
    status: Status
    found: str
    advice: str = ""


def ok(check: str, found: str) -> CheckResult:
    """Return the result of a check that passed."""
    return CheckResult(check, Status.OK, found)


def warning(check: str, found: str, advice: str) -> CheckResult:
    """Return the result of a check that passed, but found a risk."""
    return CheckResult(check, Status.WARNING, found, advice)


def failed(check: str, found: str, advice: str) -> CheckResult:
    """Return the result of a check that failed."""
    return CheckResult(check, Status.FAILED, found, advice)


def line(result: CheckResult, *, width: int) -> str:
    """Write a result as one line, with its check's name in a column of this width."""
    text = f"{result.found.rstrip('.')}. {result.advice}" if result.advice else result.found
    words = visible(without_secrets(" ".join(text.split())))
    return f"{result.status:<{_STATUS_WIDTH}} {result.check:<{width}} {words}"


def without_secrets(text: str, secrets: Collection[str] = ()) -> str:
    """Remove these secrets, and the logins and queries (maybe signatures) of URLs."""
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    return _QUERY.sub("?…", _USER_INFO.sub("", text))


def quoted(text: str, secrets: Collection[str] = ()) -> str:
    """Shorten a text from others to a part of a line, without secrets."""
    words = _POOL.sub("", without_secrets(" ".join(text.split()), secrets))
    cause = _CAUSE.search(words)
    words = (cause[1] if cause else words).rstrip(" .")
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]}…"


def skipped(check: str, cause: str) -> CheckResult:
    """Return the result of a check that did not run, because another failed."""
    return CheckResult(check, Status.SKIPPED, f"needs {cause}, which failed")


def obstacles(stands_on: Collection[str], failures: Mapping[str, str]) -> list[str]:
    """Return the failed checks that must be fixed before another check can run.

    Parameters
    ----------
    stands_on : collection of str
    failures : mapping of str to str
        The check that failed, keyed by its own name and by those of the skipped checks.
    """
    return [failures[name] for name in stands_on if name in failures]
