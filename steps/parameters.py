"""The parameters of every entry point: names, types, bounds, defaults and help, in one place.

Tests compare MLproject and the README's tables with these models.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from reprise.commands.parameters import AuditParameters, CompareParameters, ReproduceParameters
from reprise.errors import ParameterError
from reprise.record.reference import NamedRun
from reprise.runtime.fields import (
    EXAMPLE_ID,
    AllowLarge,
    AllowUntracked,
    ExperimentName,
    OptionalRunId,
    Seed,
)
from reprise.runtime.parameters import Parameters
from steps.load_parameters import LoadDataParameters
from steps.model_parameters import (
    TrainDecisionTreeParameters,
    TrainDummyParameters,
    TrainForestParameters,
    TrainGradientBoostingParameters,
    TrainingParameters,
    TrainLogisticRegressionParameters,
    TrainRidgeParameters,
)

if TYPE_CHECKING:
    from reprise.sweeps.experiment_file import ExperimentFile

__all__ = [
    "ENTRY_POINTS",
    "TRAINING_STEPS",
    "EvaluateParameters",
    "LoadDataParameters",
    "MainParameters",
    "Metric",
    "SweepParameters",
    "TrainDecisionTreeParameters",
    "TrainDummyParameters",
    "TrainForestParameters",
    "TrainGradientBoostingParameters",
    "TrainLogisticRegressionParameters",
    "TrainRidgeParameters",
    "TrainingParameters",
]


Metric = Literal[
    "accuracy",
    "balanced_accuracy",
    "f1_macro",
    "log_loss",
    "roc_auc",
    "mcc",
    "r2",
    "rmse",
    "mae",
    "median_ae",
    "mape",
]


class MainParameters(Parameters):
    """Run an experiment file: load the data, train every model of it, evaluate the best."""

    entry_point: ClassVar[str] = "main"
    locations: ClassVar[frozenset[str]] = frozenset({"params"})

    params: str = Field("params/iris.yaml", description="the experiment file")
    baseline: bool = Field(
        True, description="train train_dummy too, which every other model should beat"
    )
    experiment: ExperimentName = None
    allow_untracked: AllowUntracked = None

    def file(self) -> "ExperimentFile":
        """Read the experiment file.

        Raises
        ------
        DataError, ExperimentFileError
            If it is not there, or not what it should be.
        """
        from reprise.data import sources
        from reprise.sweeps import experiment_file

        example = str(type(self).model_fields["params"].default)
        return experiment_file.read(sources.located(self.params), example=example)

    def wanted_experiment(self) -> str | None:
        """Return the experiment that the user names, here or in the file."""
        return self.experiment or self.file().experiment


class EvaluateParameters(Parameters):
    """Judge a trained model on the test split, and register it if it is good enough."""

    entry_point: ClassVar[str] = "evaluate"
    locations: ClassVar[frozenset[str]] = frozenset({"run_id"})

    run_id: OptionalRunId = Field(
        None,
        description="the training run; empty: the experiment's best by cross-validated `metric`, "
        "of those on the data of its latest training run",
        examples=[EXAMPLE_ID],
    )
    metric: Metric | None = Field(
        None,
        description="the metric to judge by: accuracy, balanced_accuracy, f1_macro, log_loss, "
        "roc_auc or mcc of classes; r2, rmse, mae, median_ae or mape of numbers; empty: accuracy, "
        "or r2",
        examples=["f1_macro"],
    )
    minimum: float = Field(
        0.0,
        description="least acceptable `metric` of the test split (of log_loss and errors: the "
        "greatest; 0: any)",
    )
    bootstrap: int = Field(
        200,
        ge=0,
        description="samples of the test split by which the 95 % interval of each metric is "
        "estimated; 0: none",
    )
    seed: Seed = Field(0, description="seed of those samples, and of permuted columns")
    register_as: str | None = Field(
        None,
        pattern=r"^[^/:]+$",
        description="name to register the model under; empty: do not register",
        examples=["iris"],
        json_schema_extra={"expected": "a name without / and :, or empty"},
    )
    promote: bool = Field(
        False,
        description="true: make it the champion, if an identical replay of its training meets the "
        "policy of reprise.toml, and it is better than the present one",
    )
    experiment: ExperimentName = None
    allow_large: AllowLarge = False
    allow_untracked: AllowUntracked = None

    def refuse_unregistered(self) -> None:
        """Refuse to promote what is not registered.

        Raises
        ------
        ParameterError
        """
        if self.promote and not self.register_as:
            raise ParameterError(
                "expected register_as with promote, found none. Name the registered model: "
                "-P register_as=NAME"
            )

    def named_runs(self) -> dict[str, NamedRun]:
        """Return the run to judge, which is one of a training."""
        steps = tuple(TRAINING_STEPS)
        return {n: replace(named, steps=steps) for n, named in super().named_runs().items()}


class SweepParameters(Parameters):
    """Train over a grid, or a sample of one, in warm processes here or on a cluster."""

    entry_point: ClassVar[str] = "sweep"
    locations: ClassVar[frozenset[str]] = frozenset({"grid", "workers", "scheduler", "confirm"})

    step: str = Field("train_dt", description="the training step, such as train_dt or train_rf")
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
    experiment: ExperimentName = None
    allow_large: AllowLarge = False
    allow_untracked: AllowUntracked = None


ENTRY_POINTS: dict[str, type[Parameters]] = {
    model.entry_point: model
    for model in (
        MainParameters,
        LoadDataParameters,
        TrainLogisticRegressionParameters,
        TrainDecisionTreeParameters,
        TrainRidgeParameters,
        TrainForestParameters,
        TrainGradientBoostingParameters,
        TrainDummyParameters,
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
