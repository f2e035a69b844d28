"""Describe every column of a table as it was read, and check each on its own.

It is done before the table is converted: what is reported is what was understood, and the table's
memory can be given back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reprise.data.notices import Notice
from steps.report import column_checks
from steps.report.pictures import Picture, picture
from steps.report.values import SAMPLE, Values, sampled_rows

if TYPE_CHECKING:
    import pyarrow as pa

MOST_PICTURES = 200  # columns with a histogram


@dataclass(frozen=True)
class Column:
    """A column as it was understood.

    Attributes
    ----------
    name, kind : str
        Its name, and its type in words.
    missing : int
        Cells without a value.
    distinct : int or None
        Different values in the sample; None: they cannot be counted.
    example : str or None
        The first value.
    picture : Picture or None
        Of the first columns only.
    role : str
        "feature", "target", "group", "time" or "not used"; empty until that is known.
    """

    name: str
    kind: str
    missing: int
    distinct: int | None
    example: str | None
    picture: Picture | None = None
    role: str = ""


@dataclass(frozen=True)
class Warned:
    """A warning and its kind, which is the name of its check."""

    kind: str
    notice: Notice


@dataclass(frozen=True)
class Survey:
    """What is known of a table before it is converted.

    Attributes
    ----------
    rows : int
    sampled : int
        Rows of which distinct values and histograms were made.
    columns : tuple of Column
    warnings : tuple of Warned
        At most one for a column.
    """

    rows: int
    sampled: int
    columns: tuple[Column, ...]
    warnings: tuple[Warned, ...]

    @property
    def warned(self) -> dict[str, str]:
        """The kind of warning of each column that has one."""
        return {str(each.notice.column): each.kind for each in self.warnings}


def survey(table: pa.Table) -> Survey:
    """Describe and check the columns of a table.

    Parameters
    ----------
    table : pyarrow.Table
        As read; of any types.
    """
    sampled = sampled_rows(table.num_rows)
    columns: list[Column] = []
    warnings: list[Warned] = []
    for place, name in enumerate(table.column_names):
        values = Values.of(name, table.column(place), sampled)
        drawn = picture(values) if place < MOST_PICTURES else None
        columns.append(
            Column(name, values.kind, values.missing, values.distinct, values.example, drawn)
        )
        warnings += _checked(values)
    return Survey(table.num_rows, min(table.num_rows, SAMPLE), tuple(columns), tuple(warnings))


def _checked(values: Values) -> list[Warned]:
    """Return the first warning of a column; what it is decides what else can be said of it."""
    for kind, check in column_checks.CHECKS.items():
        found = check(values)
        if found is not None:
            return [Warned(kind, Notice(values.name, *found))]
    return []
