"""A whole experiment file is checked before anything runs, and the best of its runs is chosen."""

import pytest

from reprise.errors import ExperimentFileError, ParameterError, RunFailedError
from reprise.sweeps import experiment_file
from reprise.sweeps.leaderboard import best_run
from reprise.sweeps.outcome import Outcome, succeeded
from steps import main
from steps.main import planned
from steps.parameters import (
    TRAINING_STEPS,
    EvaluateParameters,
    LoadDataParameters,
    MainParameters,
    TrainDecisionTreeParameters,
    TrainDummyParameters,
    TrainLogisticRegressionParameters,
)


class NoExecutor:
    """An executor that must not be asked for anything."""

    def open(self, code, environment):
        raise AssertionError(f"code was brought: {code}")

    def run(self, tasks):
        raise AssertionError(f"these ran: {tasks}")


def read(tmp_path, text):
    path = tmp_path / "experiment.yaml"
    path.write_text(text)
    return experiment_file.read(path)


def outcome(run_id, error="", **metrics):
    return Outcome(TrainDecisionTreeParameters(), run_id, metrics, 1.0, error)


class TestPlanned:
    def test_gives_the_parameters_of_every_run(self, tmp_path):
        file = read(
            tmp_path,
            """
            data: {source: wine, stratify: false}
            steps:
              - {step: train_lr, parameters: {C: [0.1, 1], scale: no}}
              - {step: train_dt, parameters: {max_depth: [null, 3]}}
            evaluation: {metric: log_loss, minimum: 0.5}
            """,
        )

        loading, trainings, evaluation = planned(file)

        assert loading == LoadDataParameters(source="wine", stratify=False)
        assert trainings == [
            TrainLogisticRegressionParameters(C=0.1, scale=False),
            TrainLogisticRegressionParameters(C=1.0, scale=False),
            TrainDecisionTreeParameters(),
            TrainDecisionTreeParameters(max_depth=3),
        ]
        assert evaluation == EvaluateParameters(metric="log_loss", minimum=0.5)

    def test_takes_defaults_for_what_the_file_leaves_out(self, tmp_path):
        file = read(tmp_path, "steps: [{step: train_dt}]")

        assert planned(file) == (
            LoadDataParameters(),
            [TrainDecisionTreeParameters()],
            EvaluateParameters(),
        )

    def test_evaluates_nothing_where_the_file_says_so(self, tmp_path):
        file = read(tmp_path, "{steps: [{step: train_dt}], evaluation: null}")

        assert planned(file)[2] is None


class TestBaseline:
    def test_is_trained_after_the_steps_of_the_file_and_validated_as_they_are(self, tmp_path):
        text = (
            "steps: [{step: train_dt, parameters: {cv: 3}}, {step: train_lr, parameters: {cv: 0}}]"
        )

        _, trainings, _ = planned(read(tmp_path, text), baseline=True)

        assert trainings[2:] == [TrainDummyParameters(cv=3)]

    def test_is_not_validated_if_nothing_is_so_that_it_is_not_the_best_for_that(self, tmp_path):
        text = "steps: [{step: train_dt, parameters: {cv: 0}}]"

        _, trainings, _ = planned(read(tmp_path, text), baseline=True)

        assert trainings[1:] == [TrainDummyParameters(cv=0)]

    def test_is_trained_once_if_the_file_has_it(self, tmp_path):
        text = "steps: [{step: train_dummy, parameters: {seed: 4}}, {step: train_dt}]"

        _, trainings, _ = planned(read(tmp_path, text), baseline=True)

        assert trainings == [TrainDummyParameters(seed=4), TrainDecisionTreeParameters()]


WRONG = {
    "data inside a step": (
        "steps: [{step: train_dt, parameters: {data: wine}}]",
        ExperimentFileError,
        "expected the data once, under data:; found it in train_dt too.",
    ),
    "an unknown step": (
        "steps: [{step: train_lr}, {step: train_dx}]",
        ExperimentFileError,
        "found 'train_dx'; did you mean train_dt?",
    ),
    "a step that trains nothing": (
        "steps: [{step: load_data}]",
        ExperimentFileError,
        f"expected a step out of {', '.join(TRAINING_STEPS)}; found 'load_data'",
    ),
    "a wrong value at the end of a grid": (
        "steps: [{step: train_dt, parameters: {max_depth: [1, 2, deep]}}]",
        ParameterError,
        "max_depth must be a whole number >= 1, or empty; found 'deep'.",
    ),
    "a misspelt parameter": (
        "steps: [{step: train_dt, parameters: {max_dept: 1}}]",
        ParameterError,
        "there is no parameter 'max_dept'; did you mean 'max_depth'?",
    ),
    "a wrong value of the data": (
        "{data: {test_size: 2}, steps: [{step: train_dt}]}",
        ParameterError,
        "test_size must be a number > 0 and < 1; found '2'.",
    ),
    "a wrong metric": (
        "{steps: [{step: train_dt}], evaluation: {metric: auc}}",
        ParameterError,
        "metric must be one of accuracy, ",
    ),
}


@pytest.mark.parametrize(("text", "error", "line"), WRONG.values(), ids=WRONG)
def test_a_mistake_is_one_line_before_anything_runs(tmp_path, text, error, line):
    path = tmp_path / "experiment.yaml"
    path.write_text(text)

    with pytest.raises(error) as refused:
        main.main(MainParameters(params=str(path)), None, executor=NoExecutor())

    assert line in str(refused.value)
    assert "\n" not in str(refused.value)


class TestBestRun:
    def test_is_decided_by_the_cross_validated_metric(self):
        trained = [
            outcome("1", cv_accuracy_mean=0.8, train_accuracy=1.0),
            outcome("2", cv_accuracy_mean=0.9, train_accuracy=0.9),
        ]

        assert best_run(trained, "accuracy", ascending=False) == "2"

    def test_is_decided_by_the_training_metric_where_nothing_was_validated(self):
        trained = [outcome("1", train_accuracy=0.9), outcome("2", train_accuracy=1.0)]

        assert best_run(trained, "accuracy", ascending=False) == "2"

    def test_has_the_least_log_loss(self):
        trained = [outcome("1", cv_log_loss_mean=0.9), outcome("2", cv_log_loss_mean=0.1)]

        assert best_run(trained, "log_loss", ascending=True) == "2"

    def test_is_the_first_of_equals(self):
        trained = [outcome(name, cv_accuracy_mean=0.9) for name in "bca"]

        assert best_run(trained, "accuracy", ascending=False) == "b"

    def test_is_none_of_those_that_failed(self):
        trained = [
            outcome("1", error="no", cv_accuracy_mean=0.9),
            outcome("2", cv_accuracy_mean=0.8),
        ]

        assert best_run(trained, "accuracy", ascending=False) == "2"

    def test_is_an_error_where_all_failed(self):
        trained = [outcome("1", error="no data"), outcome("2", error="no memory")]

        with pytest.raises(RunFailedError) as failed:
            best_run(trained, "accuracy", ascending=False)

        assert str(failed.value) == (
            "2 of 2 runs failed: [train_dt 1] no data [train_dt 2] no memory"
        )


class TestSucceeded:
    def test_returns_outcomes_that_all_finished(self):
        outcomes = [outcome("1"), outcome("2")]

        assert succeeded(outcomes) == outcomes

    def test_tells_each_that_failed_in_one_line(self):
        outcomes = [outcome("1"), outcome("2", error="first line\nsecond line"), outcome("3")]

        with pytest.raises(RunFailedError) as failed:
            succeeded(outcomes)

        assert str(failed.value) == "1 of 3 runs failed: [train_dt 2] first line second line"


def test_the_best_run_of_the_experiment_is_not_for_a_file_to_name(tmp_path):
    file = tmp_path / "x.yaml"
    file.write_text("steps: [{step: train_dt}]\nevaluation: {run_id: 0}\n")

    with pytest.raises(ExperimentFileError, match="expected no run_id under evaluation"):
        planned(experiment_file.read(file))


def test_a_list_of_columns_is_a_value_of_data(tmp_path):
    file = tmp_path / "x.yaml"
    file.write_text(
        "data:\n"
        "  features: ['Deaths, lon', b, ' c']\n"
        "  na_values: ['?', -999]\n"
        "  names: 'a, b'\n"
        "  dates: {day: '%d/%m/%Y', when: null}\n"
        "  drop: []\n"
        "steps: [{step: train_dt}]\n"
    )

    loading, *_ = planned(experiment_file.read(file))

    assert loading.feature_names() == ["Deaths, lon", "b", " c"]
    assert loading.dropped() == []
    options = loading.read_options()
    assert options.na_values == ("?", "-999")
    assert options.names == ("a", "b")
    assert options.dates == (("day", "%d/%m/%Y"), ("when", None))
    assert loading.raw()["features"] == '"Deaths, lon",b," c"'


@pytest.mark.parametrize("value", ["{target: [a, b]}", "{features: [[a], b]}"])
def test_other_lists_are_no_value_of_data(value, tmp_path):
    file = tmp_path / "x.yaml"
    file.write_text(f"data: {value}\nsteps: [{{step: train_dt}}]\n")

    with pytest.raises(ParameterError, match="load_data: expected one value each for"):
        planned(experiment_file.read(file))
