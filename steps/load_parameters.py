"""The parameters of `load_data`: what to read, how to read it, and how to split it."""

import re
from typing import ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from reprise.data import read_options
from reprise.data.encodings import is_encoding
from reprise.record import lists
from reprise.runtime.fields import (
    Address,
    AllowLarge,
    AllowUntracked,
    ExperimentName,
    Seed,
    Several,
)
from reprise.runtime.parameters import Parameters


def _texts(several: str | None) -> tuple[str, ...]:
    return () if several is None else tuple(lists.split(several))


def _date(text: str) -> tuple[str, str | None]:
    """Split `day=%d/%m/%Y`; a name without a format may have an equals sign."""
    found = re.fullmatch(r"(.*?)=([^=]*%.*)", text, re.DOTALL)
    return (found[1], found[2]) if found else (text, None)


class LoadDataParameters(Parameters):
    """Read, check, split and store a data set, so that training steps can verify it."""

    entry_point: ClassVar[str] = "load_data"
    locations: ClassVar[frozenset[str]] = frozenset({"source"})
    lists: ClassVar[frozenset[str]] = frozenset({"features", "drop", "na_values", "names", "dates"})

    source: Address = Field(
        "iris",
        min_length=1,
        description="iris, wine, breast_cancer, digits; a CSV, TSV, Parquet, Excel, Feather or "
        "JSON Lines file; an http(s) URL; or `s3://bucket/key[?versionId=…]`",
        json_schema_extra={
            "expected": "a data set's name, a file, or a URL or s3:// URI without credentials"
        },
    )
    target: str | None = Field(
        None,
        description="the column to predict; empty: the source's own, else the last column",
        examples=["species"],
    )
    features: Several = Field(
        None,
        description="columns to predict from; empty: all others",
        examples=["sepal_length,petal_length"],
    )
    drop: Several = Field(
        None,
        description="columns not to predict from; empty: none",
        examples=['id,"name, first"'],
    )
    drop_missing_labels: bool = Field(False, description="true: leave out the rows without a label")
    na_values: Several = Field(
        None,
        description="what stands for a missing value besides pandas' markers; empty: nothing",
        examples=["?,-999"],
    )
    separator: str = Field(
        "auto",
        pattern=r"^(auto|tab|comma|semicolon|pipe|space|whitespace|\\t|\\s\+|[^\w\s\"])$",
        description="character between values; auto: the extension's own, or what the first lines "
        "have; whitespace: any number of spaces and tabs",
        examples=[";"],
        json_schema_extra={
            "expected": "auto, one character, or one of tab, comma, semicolon, pipe, space, "
            "whitespace"
        },
    )
    decimal: Literal["auto", ".", ","] = Field(
        "auto",
        description="decimal sign; auto: a point, or a comma where semicolons separate",
        json_schema_extra={"expected": "auto, a point or a comma"},
    )
    thousands: Literal[",", ".", " ", "'", "_"] | None = Field(
        None,
        description="character that groups digits; empty: none",
        examples=[","],
        json_schema_extra={"expected": "one of `,` `.` `'` `_` or a space, or empty"},
    )
    percent: bool = Field(False, description="true: `12%` is the number 0.12")
    currency: bool = Field(False, description="true: `$1,200` and `12 EUR` are numbers")
    encoding: str = Field(
        "auto",
        description="encoding of a text file; auto: UTF-8",
        examples=["cp1252"],
        json_schema_extra={"expected": "auto, or an encoding that Python knows"},
    )
    header: str = Field(
        "first",
        pattern=r"^(first|none|[1-9][0-9]{0,6})$",
        description="line with the names: first, none, or its number, counted from 1",
        examples=["3"],
        json_schema_extra={"expected": "first, none, or the number of a line, counted from 1"},
    )
    names: Several = Field(
        None,
        description="names of the columns, instead of those in the file; empty: the file's",
        examples=["length,width,species"],
    )
    comment: str | None = Field(
        None,
        pattern=r"^[^\w\s\"]$",
        description="character that starts a comment in a line; empty: none",
        examples=["#"],
        json_schema_extra={"expected": "one character that is no letter or digit, or empty"},
    )
    dates: Several = Field(
        None,
        description="columns of dates, each with its format as in `day=%d/%m/%Y`; dates of "
        "ISO 8601 need neither",
        examples=["day=%d/%m/%Y"],
    )
    sheet: str | None = Field(
        None,
        description="sheet of an Excel workbook: its name, or its number from 1; empty: the first",
        examples=["2024"],
    )
    test_size: float = Field(
        0.33, gt=0, lt=1, description="fraction of the rows held out for evaluate"
    )
    task: Literal["auto", "classification", "regression"] = Field(
        "auto",
        description="predict classes (classification) or numbers (regression); auto: numbers, if "
        "the target has fractions or many different whole numbers",
    )
    stratify: bool = Field(
        True,
        description="keep the proportion of the classes in both parts, of a split at random",
    )
    group: str | None = Field(
        None,
        description="column of groups: all rows of one are in one part, and in one fold; it is no "
        "feature unless `features` names it; empty: none",
        examples=["patient"],
    )
    time: str | None = Field(
        None,
        description="column of dates, times or numbers: the latest rows are held out, and each "
        "fold is scored on rows after those it is fitted on; it is no feature unless `features` "
        "names it; empty: none",
        examples=["day"],
        json_schema_extra={"expected": "the name of a column, or empty; empty if group names one"},
    )
    seed: Seed = Field(2, description="seed of the split")
    strict: bool = Field(False, description="true: refuse a table that the report warns about")
    experiment: ExperimentName = None
    allow_large: AllowLarge = False
    allow_untracked: AllowUntracked = None

    @field_validator("encoding")
    @classmethod
    def _known(cls, encoding: str) -> str:
        if encoding != read_options.AUTO and not is_encoding(encoding):
            raise ValueError
        return encoding

    @field_validator("time")
    @classmethod
    def _alone(cls, time: str | None, info: ValidationInfo) -> str | None:
        if time is not None and info.data.get("group") is not None:
            raise ValueError
        return time

    def feature_names(self) -> list[str] | None:
        """Return the names of `features`, or None for all columns."""
        return None if self.features is None else lists.split(self.features)

    def dropped(self) -> list[str]:
        """Return the names of `drop`."""
        return list(_texts(self.drop))

    def read_options(self) -> read_options.ReadOptions:
        """Return how to read the source."""
        return read_options.ReadOptions(
            separator=self.separator,
            decimal=self.decimal,
            thousands=self.thousands,
            percent=self.percent,
            currency=self.currency,
            encoding=self.encoding,
            header=int({"first": "1", "none": "0"}.get(self.header, self.header)),
            names=_texts(self.names),
            comment=self.comment,
            dates=tuple(_date(text) for text in _texts(self.dates)),
            sheet=self.sheet,
            na_values=_texts(self.na_values),
        )
