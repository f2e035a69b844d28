"""The report of a load: what the table is, what will be predicted from what, and warnings."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from reprise.record.digest import canonical_json, sha256_json
from steps.report import table_checks
from steps.report.column_checks import NUMBER_IN_TEXT
from steps.report.survey import MOST_PICTURES, Column, Survey, Warned

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reprise.data.notices import Notice
    from steps.report.table_checks import Fitted

JSON_NAME = "data_report.json"
PAGE_NAME = "data_report.html"
FORMAT = 1
_READING = "reading"  # kind of a warning that came with the table


@dataclass(frozen=True)
class DataReport:
    """All that is reported of a table.

    Attributes
    ----------
    source : str
        Address of the table, without credentials.
    rows, sampled : int
        Rows as read, and those of which distinct values and histograms were made.
    train, test : int
        Rows of both parts.
    split : str
        How they were chosen: "at random", or by which column.
    target, chosen : str
        The target, and why this column is.
    task : str
        "classification" or "regression".
    classes : mapping of str to int
        Rows of each class; empty for a regression.
    features : tuple of str
        Columns to predict from, in that order.
    columns : tuple of Column
        All columns as read.
    warnings : tuple of Warned
    """

    source: str
    rows: int
    sampled: int
    train: int
    test: int
    split: str
    target: str
    chosen: str
    task: str
    classes: Mapping[str, int]
    features: tuple[str, ...]
    columns: tuple[Column, ...]
    warnings: tuple[Warned, ...]

    @property
    def remarks(self) -> list[str]:
        """What the report leaves out, so that nobody takes it for all there is."""
        remarks = []
        if self.sampled < self.rows:
            remarks.append(
                f"Distinct values and histograms are of a sample of {self.sampled:,} of "
                f"{self.rows:,} rows."
            )
        if len(self.columns) > MOST_PICTURES:
            remarks.append(f"Histograms are of the first {MOST_PICTURES:,} columns.")
        return remarks

    def to_json(self) -> str:
        """Return the report as canonical JSON, for scripts."""
        return canonical_json({"source": self.source, **self.facts()})

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of what the report says of the table, however it was read.

        Equal content has an equal digest: without the address, the reason for the target, and what
        was noticed in reading; nor the split, which is in the digests of both parts.
        """
        facts = {name: value for name, value in self.facts().items() if name != "split"}
        warnings = [each for each in facts["warnings"] if each["kind"] != _READING]
        target = facts["target"]["name"]
        return sha256_json({**facts, "target": target, "warnings": warnings})

    def facts(self) -> dict[str, Any]:
        """Return all that the report says of the table, ready for JSON."""
        return {
            "format": FORMAT,
            "rows": {"read": self.rows, "train": self.train, "test": self.test},
            "split": self.split,
            "target": {"name": self.target, "chosen": self.chosen},
            "task": self.task,
            "classes": dict(self.classes),
            "columns": [_column(column) for column in self.columns],
            "warnings": [{"kind": each.kind, **asdict(each.notice)} for each in self.warnings],
            "remarks": self.remarks,
        }


def _column(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "role": column.role,
        "type": column.kind,
        "missing": column.missing,
        "distinct": column.distinct,
        "example": column.example,
        "histogram": column.picture and asdict(column.picture),
    }


def report(
    survey: Survey,
    fitted: Fitted,
    notices: Sequence[Notice] = (),
    *,
    source: str,
    chosen: str,
    split: str = "at random",
    key: Mapping[str, str] | None = None,
) -> DataReport:
    """Put together what was found of a table before and after it was converted.

    Parameters
    ----------
    survey : Survey
        Of the table as read.
    fitted : Fitted
        What models would be fitted on.
    notices : sequence of Notice
        What was odd when the table was read and converted.
    source : str
        Address of the table.
    chosen : str
        Why the target is this column.
    split : str
        How the rows were split.
    key : mapping of str to str, optional
        The column by which they were split, and as what: "group" or "time".
    """
    features = tuple(fitted.table.column_names[:-1])
    noticed = {notice.column for notice in notices}
    roles = {**(key or {}), **dict.fromkeys(features, "feature"), fitted.target: "target"}
    return DataReport(
        source=source,
        rows=survey.rows,
        sampled=survey.sampled,
        train=len(fitted.train),
        test=len(fitted.test),
        split=split,
        target=fitted.target,
        chosen=chosen,
        task="regression" if fitted.is_regression else "classification",
        classes=fitted.classes,
        features=features,
        columns=tuple(replace(c, role=roles.get(c.name, "not used")) for c in survey.columns),
        warnings=(
            *(Warned(_READING, notice) for notice in notices),
            *(
                each
                for each in survey.warnings
                if roles.get(str(each.notice.column)) == "feature"
                and not (each.kind == NUMBER_IN_TEXT and each.notice.column in noticed)
            ),
            *(
                Warned(kind, notice)
                for kind, check in table_checks.CHECKS.items()
                for notice in check(fitted)
            ),
        ),
    )
