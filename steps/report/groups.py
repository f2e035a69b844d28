"""Warnings of one kind together: a thousand constant columns are one thing to know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reprise.data.notices import Notice
    from steps.report.survey import Warned

MOST_SHOWN = 5  # warnings of a kind that are written out
_MOST_NAMED = 30  # of the others


@dataclass(frozen=True)
class Group:
    """Warnings of one kind.

    Attributes
    ----------
    kind : str
    shown : tuple of Notice
        The first ones.
    others : str
        The columns of the others on one line; empty: there are none.
    columns : tuple of str
        All columns.
    """

    kind: str
    shown: tuple[Notice, ...]
    others: str
    columns: tuple[str, ...]


def grouped(warnings: Iterable[Warned]) -> list[Group]:
    """Put warnings together by kind, in the order of the kinds' first ones."""
    by_kind: dict[str, list[Notice]] = {}
    for each in warnings:
        by_kind.setdefault(each.kind, []).append(each.notice)
    return [_group(kind, notices) for kind, notices in by_kind.items()]


def _group(kind: str, notices: list[Notice]) -> Group:
    left = [str(notice.column) for notice in notices[MOST_SHOWN:]]
    more = f" and {len(left) - _MOST_NAMED:,} more" if len(left) > _MOST_NAMED else ""
    return Group(
        kind=kind,
        shown=tuple(notices[:MOST_SHOWN]),
        others=", ".join(left[:_MOST_NAMED]) + more,
        columns=tuple(notice.column for notice in notices if notice.column is not None),
    )
