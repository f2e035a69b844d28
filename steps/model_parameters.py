"""The parameters of the training steps: names, types, bounds, defaults and help."""

import os
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from reprise import env
from reprise.record.reference import NamedRun
from reprise.runtime.fields import (
    Address,
    AllowLarge,
    AllowUntracked,
    ExperimentName,
    Seed,
)
from reprise.runtime.parameters import Parameters


def _none_or_two(folds: int) -> int:
    if folds == 1:
        raise ValueError
    return folds


Folds = Annotated[
    int,
    Field(
        ge=0,
        description="folds of the cross-validation; 0: none",
        json_schema_extra={"expected": "0 (no cross-validation) or a whole number >= 2"},
    ),
    AfterValidator(_none_or_two),
]
MaxCategories = Annotated[
    int | None,
    Field(
        ge=2,
        description="categories of a text column that are told apart, the most frequent ones; the "
        "others are treated as one; empty: all",
        examples=[50],
    ),
]
ClassWeight = Annotated[
    Literal["balanced"] | None,
    Field(
        description="balanced: weight classes by inverse frequency; empty: equal weights",
        examples=["balanced"],
    ),
]
_MAX_CATEGORIES = 1000
LOADING = "load_data"  # the entry point


def loaded(data: str) -> NamedRun | None:
    """Return the load_data run that `data` may name; None: it is a source."""
    from steps.dataset import NAMED  # which help does without

    if data in NAMED or "://" in data:
        return None
    try:
        is_file = any(Path(folder, data).expanduser().exists() for folder in ("", _elsewhere()))
    except (OSError, ValueError, RuntimeError):  # no path: the step says why
        return None
    return None if is_file else NamedRun(data, steps=(LOADING,), may_be_other=True)


def _elsewhere() -> str:
    return os.environ.get(env.DATA_FOLDER, "")


class TrainingParameters(Parameters):
    """The parameters of every training step."""

    locations: ClassVar[frozenset[str]] = frozenset({"data"})

    data: Address = Field(
        "iris",
        min_length=1,
        description="a load_data run (its id, `latest`, or as runs are named), or a source as "
        "load_data takes it",
        json_schema_extra={
            "expected": "a load_data run, a data set's name, a file, or a URI without credentials"
        },
    )

    def named_runs(self) -> dict[str, NamedRun]:
        """Return the run whose data is read, unless the data is a source."""
        named = loaded(self.data)
        return {**super().named_runs(), **({"data": named} if named else {})}


class TrainLogisticRegressionParameters(TrainingParameters):
    """Train a logistic regression on a stored split and log it as one run."""

    entry_point: ClassVar[str] = "train_lr"

    C: float = Field(1.0, gt=0, description="inverse of the regularisation strength")
    l1_ratio: float = Field(
        0.0, ge=0, le=1, description="0 is an L2 penalty, 1 is L1, between: elastic net"
    )
    max_iter: int = Field(100, ge=1, description="maximum number of iterations of the solver")
    tol: float = Field(1e-4, gt=0, description="tolerance at which the solver stops")
    class_weight: ClassWeight = None
    scale: bool = Field(True, description="standardise numeric columns first")
    max_categories: MaxCategories = _MAX_CATEGORIES
    cv: Folds = 5
    seed: Seed = Field(0, description="seed of the folds and of the solver")
    experiment: ExperimentName = None
    allow_large: AllowLarge = False
    allow_untracked: AllowUntracked = None


class TrainDecisionTreeParameters(TrainingParameters):
    """Train a decision tree on a stored split and log it as one run."""

    entry_point: ClassVar[str] = "train_dt"

    criterion: Literal["gini", "entropy", "log_loss"] = Field(
        "gini",
        description="quality of a split: gini, entropy or log_loss; a regression reduces the "
        "squared error",
    )
    max_depth: int | None = Field(
        None, ge=1, description="maximum depth of the tree; empty: unlimited", examples=[5]
    )
    min_samples_split: int = Field(2, ge=2, description="minimum rows of a node that is split")
    min_samples_leaf: int = Field(1, ge=1, description="minimum rows of a leaf")
    ccp_alpha: float = Field(0.0, ge=0, description="cost-complexity pruning; 0: none")
    class_weight: ClassWeight = None
    max_categories: MaxCategories = _MAX_CATEGORIES
    cv: Folds = 5
    seed: Seed = Field(1, description="seed of the folds and of ties between splits")
    experiment: ExperimentName = None
    allow_large: AllowLarge = False
    allow_untracked: AllowUntracked = None


class TrainRidgeParameters(TrainingParameters):
    """Train a linear regression with an L2 penalty on a stored split and log it as one run."""

    entry_point: ClassVar[str] = "train_ridge"

    alpha: float = Field(1.0, gt=0, description="strength of the L2 penalty")
    scale: bool = Field(True, description="standardise numeric columns first")
    max_categories: MaxCategories = _MAX_CATEGORIES
    cv: Folds = 5
    seed: Seed = Field(0, description="seed of the folds and of the solver")
    experiment: ExperimentName = None
    allow_large: AllowLarge = False
    allow_untracked: AllowUntracked = None


class TrainForestParameters(TrainingParameters):
    """Train a random forest on a stored split and log it as one run."""

    entry_point: ClassVar[str] = "train_rf"

    n_estimators: int = Field(100, ge=1, description="number of trees")
    max_depth: int | None = Field(
        None, ge=1, description="maximum depth of each tree; empty: unlimited", examples=[10]
    )
    min_samples_leaf: int = Field(1, ge=1, description="minimum rows of a leaf")
    max_features: float | None = Field(
        None,
        gt=0,
        le=1,
        description="fraction of the columns that each split chooses from; empty: the square root "
        "of their number for classes, all for numbers",
        examples=[0.5],
    )
    class_weight: ClassWeight = None
    max_categories: MaxCategories = _MAX_CATEGORIES
    cv: Folds = 5
    seed: Seed = Field(0, description="seed of the folds and of the trees")
    experiment: ExperimentName = None
    allow_large: AllowLarge = False
    allow_untracked: AllowUntracked = None


class TrainGradientBoostingParameters(TrainingParameters):
    """Train gradient boosting on histograms on a stored split and log it as one run."""

    entry_point: ClassVar[str] = "train_gb"

    learning_rate: float = Field(0.1, gt=0, description="weight of each iteration")
    max_iter: int = Field(100, ge=1, description="number of iterations, all of which are made")
    max_leaf_nodes: int | None = Field(
        31, ge=2, description="maximum leaves of each tree; empty: unlimited", examples=[15]
    )
    min_samples_leaf: int = Field(20, ge=1, description="minimum rows of a leaf")
    l2_regularization: float = Field(0.0, ge=0, description="strength of the L2 penalty; 0: none")
    class_weight: ClassWeight = None
    max_categories: MaxCategories = _MAX_CATEGORIES
    cv: Folds = 5
    seed: Seed = Field(0, description="seed of the folds and of the bins of large data")
    experiment: ExperimentName = None
    allow_large: AllowLarge = False
    allow_untracked: AllowUntracked = None


class TrainDummyParameters(TrainingParameters):
    """Train the baseline that ignores the features on a stored split and log it as one run."""

    entry_point: ClassVar[str] = "train_dummy"

    cv: Folds = 5
    seed: Seed = Field(0, description="seed of the folds")
    experiment: ExperimentName = None
    allow_large: AllowLarge = False
    allow_untracked: AllowUntracked = None


AnyTraining = (
    TrainLogisticRegressionParameters
    | TrainDecisionTreeParameters
    | TrainRidgeParameters
    | TrainForestParameters
    | TrainGradientBoostingParameters
    | TrainDummyParameters
)
