"""What a check has found, and how it is told: one line each."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from reprise.visible import visible

_STATUS_WIDTH = 8
_LONGEST = 240  # characters of what somebody else said
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
    """What a check has found, and what to do about it ("" where there is nothing to do)."""

    check: str
    status: Status
    found: str
    advice: str = ""


def ok(check: str, found: str) -> CheckResult:
    """Tell that all is well."""
    return CheckResult(check, Status.OK, found)


def warning(check: str, found: str, advice: str) -> CheckResult:
    """Tell what works, and should not be so."""
    return CheckResult(check, Status.WARNING, found, advice)


def failed(check: str, found: str, advice: str) -> CheckResult:
    """Tell what does not work."""
    return CheckResult(check, Status.FAILED, found, advice)


def line(finding: CheckResult, *, width: int) -> str:
    """Write a finding as one line, with its check's name in a column of this width."""
    text = f"{finding.found.rstrip('.')}. {finding.advice}" if finding.advice else finding.found
    words = visible(without_secrets(" ".join(text.split())))
    return f"{finding.status:<{_STATUS_WIDTH}} {finding.check:<{width}} {words}"


def without_secrets(text: str, secrets: Collection[str] = ()) -> str:
    """Drop the logins and the queries of URLs, which may be signatures, and the secrets given."""
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    return _QUERY.sub("?…", _USER_INFO.sub("", text))


def quoted(text: str, secrets: Collection[str] = ()) -> str:
    """Shorten what somebody else said to a part of a line, without secrets."""
    words = _POOL.sub("", without_secrets(" ".join(text.split()), secrets))
    cause = _CAUSE.search(words)
    words = (cause[1] if cause else words).rstrip(" .")
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]}…"


def skipped(check: str, cause: str) -> CheckResult:
    """Tell that a check makes no sense, as another has failed."""
    return CheckResult(check, Status.SKIPPED, f"stands on {cause}, which failed")


def obstacles(stands_on: Collection[str], failures: Mapping[str, str]) -> list[str]:
    """Return which checks must first be mended, of those that another stands on.

    Parameters
    ----------
    stands_on : collection of str
    failures : mapping of str to str
        The check that failed, keyed by itself and by those that were skipped for it.
    """
    return [failures[name] for name in stands_on if name in failures]
