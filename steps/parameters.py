"""The parameters of every entry point: names, types, bounds, defaults and help, in one place.

Tests compare MLproject and the README's tables with these models.
"""

import re
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, field_validator

from reprise.commands.parameters import AuditParameters, CompareParameters, ReproduceParameters
from reprise.data import read_options
from reprise.data.encodings import is_encoding
from reprise.record import lists
from reprise.runtime.fields import (
    EXAMPLE_ID,
    RUN_ID,
    Address,
    AllowLarge,
    AllowUntracked,
    Seed,
    Several,
)
from reprise.runtime.parameters import Parameters


def _none_or_two(folds: int) -> int:
    if folds == 1:
        raise ValueError
    return folds


Folds = Annotated[
    int,
    Field(ge=0, json_schema_extra={"expected": "0 (no cross-validation) or a whole number >= 2"}),
    AfterValidator(_none_or_two),
]


def _texts(several: str | None) -> tuple[str, ...]:
    return () if several is None else tuple(lists.split(several))


def _date(text: str) -> tuple[str, str | None]:
    """Split `day=%d/%m/%Y`; a name without a format may have an equals sign."""
    found = re.fullmatch(r"(.*?)=([^=]*%.*)", text, re.DOTALL)
    return (found[1], found[2]) if found else (text, None)


Metric = Literal["accuracy", "balanced_accuracy", "f1_macro", "log_loss", "roc_auc", "mcc"]


class MainParameters(Parameters):
    """Run an experiment file: load the data, train every model of it, evaluate the best."""

    entry_point: ClassVar[str] = "main"
    locations: ClassVar[frozenset[str]] = frozenset({"params"})

    params: str = Field("params/iris.yaml", description="the experiment file")
    allow_untracked: AllowUntracked = None


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
    stratify: bool = Field(True, description="keep the proportion of the classes in both parts")
    seed: Seed = Field(2, description="seed of the split")
    strict: bool = Field(False, description="true: refuse a table that the report warns about")
    allow_large: AllowLarge = False
    allow_untracked: AllowUntracked = None

    @field_validator("encoding")
    @classmethod
    def _known(cls, encoding: str) -> str:
        if encoding != read_options.AUTO and not is_encoding(encoding):
            raise ValueError
        return encoding

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


class TrainingParameters(Parameters):
    """The parameters of every training step."""

    locations: ClassVar[frozenset[str]] = frozenset({"data"})

    data: Address = Field(
        "iris",
        min_length=1,
        description="a load_data run (its id, or `runs:/<id>`), or a source as load_data takes it",
        json_schema_extra={
            "expected": "a load_data run, a data set's name, a file, or a URI without credentials"
        },
    )


class TrainLogisticRegressionParameters(TrainingParameters):
    """Train a logistic regression on a stored split and log it as one run."""

    entry_point: ClassVar[str] = "train_lr"

    C: float = Field(1.0, gt=0, description="inverse of the regularisation strength")
    l1_ratio: float = Field(
        0.0, ge=0, le=1, description="0 is an L2 penalty, 1 is L1, between: elastic net"
    )
    max_iter: int = Field(100, ge=1, description="maximum number of iterations of the solver")
    tol: float = Field(1e-4, gt=0, description="tolerance at which the solver stops")
    class_weight: Literal["balanced"] | None = Field(
        None,
        description="balanced: weight classes by inverse frequency; empty: equal weights",
        examples=["balanced"],
    )
    scale: bool = Field(True, description="standardise numeric columns first")
    cv: Folds = Field(5, description="folds of the cross-validation; 0: none")
    seed: Seed = Field(0, description="seed of the folds and of the solver")
    allow_large: AllowLarge = False
    allow_untracked: AllowUntracked = None


class TrainDecisionTreeParameters(TrainingParameters):
    """Train a decision tree on a stored split and log it as one run."""

    entry_point: ClassVar[str] = "train_dt"

    criterion: Literal["gini", "entropy", "log_loss"] = Field(
        "gini", description="quality of a split: gini, entropy or log_loss"
    )
    max_depth: int | None = Field(
        None, ge=1, description="maximum depth of the tree; empty: unlimited", examples=[5]
    )
    min_samples_split: int = Field(2, ge=2, description="minimum rows of a node that is split")
    min_samples_leaf: int = Field(1, ge=1, description="minimum rows of a leaf")
    ccp_alpha: float = Field(0.0, ge=0, description="cost-complexity pruning; 0: none")
    class_weight: Literal["balanced"] | None = Field(
        None,
        description="balanced: weight classes by inverse frequency; empty: equal weights",
        examples=["balanced"],
    )
    cv: Folds = Field(5, description="folds of the cross-validation; 0: none")
    seed: Seed = Field(1, description="seed of the folds and of ties between splits")
    allow_large: AllowLarge = False
    allow_untracked: AllowUntracked = None


class EvaluateParameters(Parameters):
    """Judge a trained model on the test split, and register it if it is good enough."""

    entry_point: ClassVar[str] = "evaluate"
    locations: ClassVar[frozenset[str]] = frozenset({"run_id"})

    run_id: str | None = Field(
        None,
        pattern=RUN_ID,
        description="the training run; empty: the experiment's best by cross-validated `metric`",
        examples=[EXAMPLE_ID],
        json_schema_extra={"expected": "a run id (32 hex digits, also as `runs:/<id>`), or empty"},
    )
    metric: Metric = Field(
        "accuracy",
        description="the metric to judge by: accuracy, balanced_accuracy, f1_macro, log_loss, "
        "roc_auc or mcc",
    )
    minimum: float = Field(
        0.0,
        description="least acceptable `metric` of the test split (log_loss: greatest; 0: any)",
    )
    register_as: str | None = Field(
        None,
        pattern=r"^[^/:]+$",
        description="name to register the model under; empty: do not register",
        examples=["iris"],
        json_schema_extra={"expected": "a name without / and :, or empty"},
    )
    allow_large: AllowLarge = False
    allow_untracked: AllowUntracked = None


class SweepParameters(Parameters):
    """Train over a grid, or a sample of one, in warm processes here or on a cluster."""

    entry_point: ClassVar[str] = "sweep"
    locations: ClassVar[frozenset[str]] = frozenset({"grid", "workers", "scheduler", "confirm"})

    step: str = Field("train_dt", description="the training step: train_lr or train_dt")
    grid: str = Field("params/sweep_dt.yaml", description="the grid file")
    strategy: Literal["grid", "random"] = Field(
        "grid", description="grid: every combination; random: `samples` of them"
    )
    samples: int | None = Field(
        None, ge=1, description="number of points that a random search draws", examples=[20]
    )
    seed: Seed = Field(0, description="seed of the random search")
    models: Literal["best", "all", "none"] = Field(
        "best", description="runs that store their model; `reproduce` restores the others' models"
    )
    workers: int | None = Field(
        None,
        ge=1,
        description="maximum number of runs at a time on this machine; empty: one per core",
        examples=[2],
    )
    scheduler: str | None = Field(
        None,
        pattern=r"^tls://[^/\s@\x00]+:[0-9]+$",
        description="address of a Dask scheduler; empty: this machine",
        examples=["tls://cluster.example.org:8786"],
        json_schema_extra={"expected": "an address tls://host:port, or empty"},
    )
    confirm: bool = Field(False, description="true: also a sweep of more than 10000 points")
    allow_large: AllowLarge = False
    allow_untracked: AllowUntracked = None


ENTRY_POINTS: dict[str, type[Parameters]] = {
    model.entry_point: model
    for model in (
        MainParameters,
        LoadDataParameters,
        TrainLogisticRegressionParameters,
        TrainDecisionTreeParameters,
        EvaluateParameters,
        SweepParameters,
        ReproduceParameters,
        CompareParameters,
        AuditParameters,
    )
}

TRAINING_STEPS = {
    name: model for name, model in ENTRY_POINTS.items() if issubclass(model, TrainingParameters)
}
