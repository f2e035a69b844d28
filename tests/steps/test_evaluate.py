"""The best run is found by its cross-validation, and a model below the minimum is refused."""

from typing import get_args

import numpy as np
import pandas as pd
import pytest

from reprise import tracking
from reprise.data import splits
from reprise.errors import BelowMinimumError, TrackingError
from reprise.models.model_store import log_model
from reprise.record.schema import InputData
from steps import dataset, evaluate, models
from steps.evaluate import best_run, check_minimum
from steps.metrics import GREATER_IS_BETTER
from steps.parameters import (
    EvaluateParameters,
    LoadDataParameters,
    Metric,
    TrainDecisionTreeParameters,
    TrainLogisticRegressionParameters,
)


@pytest.fixture
def train(store):
    """Make a training run with a cross-validated metric, as it is once it has ended."""

    def train(
        step="train_dt", *, start_time=None, status="FINISHED", data=None, tags=None, **metrics
    ):
        run_id = store.make_run(
            status=status,
            metrics=metrics,
            tags={tracking.ENTRY_POINT: step, **(tags or {})},
            start_time=start_time,
        )
        if data:
            part = InputData(name=splits.TRAIN, uri="runs:/x", sha256=data * 64)
            tracking.log_inputs(run_id, [part], context="training")
        return run_id

    return train


class TestBestRun:
    def test_has_the_greatest_mean_over_both_kinds_of_training(self, store, train):
        train("train_lr", cv_accuracy_mean=0.7)
        best = train("train_dt", cv_accuracy_mean=0.9)
        train("train_lr", cv_accuracy_mean=0.8)

        assert best_run(store.experiment_id, "accuracy") == best

    def test_has_the_least_log_loss(self, store, train):
        train("train_lr", cv_log_loss_mean=0.7)
        train("train_dt", cv_log_loss_mean=0.9)
        best = train("train_lr", cv_log_loss_mean=0.2)

        assert best_run(store.experiment_id, "log_loss") == best

    @pytest.mark.parametrize("steps", [("train_dt", "train_dt"), ("train_lr", "train_dt")])
    @pytest.mark.parametrize("metric", ["accuracy", "log_loss"])
    def test_is_the_earliest_of_equals(self, store, train, steps, metric):
        score = {f"cv_{metric}_mean": 0.5}
        for late in (300, 200):
            train(steps[0], start_time=late, **score)
        earliest = train(steps[1], start_time=100, **score)
        train(steps[0], start_time=150, **score)

        assert best_run(store.experiment_id, metric) == earliest

    def test_is_judged_by_the_metric_that_is_asked_for(self, store, train):
        first = train(cv_accuracy_mean=0.9, cv_mcc_mean=0.1)
        second = train(cv_accuracy_mean=0.8, cv_mcc_mean=0.2)

        assert best_run(store.experiment_id, "accuracy") == first
        assert best_run(store.experiment_id, "mcc") == second

    def test_is_no_run_that_failed_was_not_validated_or_trains_nothing(self, store, train):
        train(status="FAILED", cv_accuracy_mean=0.99)
        train(status="RUNNING", cv_accuracy_mean=0.99)
        train("main", cv_accuracy_mean=0.99)
        train(train_accuracy=1.0)
        only = train(cv_accuracy_mean=0.1)

        assert best_run(store.experiment_id, "accuracy") == only

    def test_is_one_on_the_data_of_the_latest_training(self, store, train):
        train(start_time=1, data="a", cv_accuracy_mean=0.99)
        best = train(start_time=2, data="b", cv_accuracy_mean=0.8)
        train("train_lr", start_time=3, data="b", cv_accuracy_mean=0.7)

        assert best_run(store.experiment_id, "accuracy") == best

    def test_is_no_replay(self, store, train):
        train(tags={tracking.REPLAY_OF: "0" * 32}, start_time=1, cv_accuracy_mean=0.9)
        best = train(start_time=2, cv_accuracy_mean=0.9)

        assert best_run(store.experiment_id, "accuracy") == best

    def test_is_one_line_if_there_is_no_run(self, store, train):
        train(train_accuracy=1.0)

        with pytest.raises(TrackingError) as refused:
            best_run(store.experiment_id, "accuracy")

        assert "expected a finished training run with cv_accuracy_mean" in str(refused.value)
        assert "\n" not in str(refused.value)


class TestMinimum:
    @pytest.mark.parametrize("score", [0.8, 0.81, 1.0])
    def test_is_met_by_a_score_that_is_as_great(self, score):
        check_minimum({"accuracy": score}, EvaluateParameters(minimum=0.8), "1")

    @pytest.mark.parametrize("score", [0.2, 0.19, 0.0])
    def test_is_met_by_a_loss_that_is_as_small(self, score):
        parameters = EvaluateParameters(metric="log_loss", minimum=0.2)

        check_minimum({"log_loss": score}, parameters, "1")

    @pytest.mark.parametrize(
        ("metric", "score", "line"),
        [
            ("accuracy", 0.7999999, "expected a test accuracy of at least 0.8, found 0.8 "),
            ("mcc", 0.5, "expected a test mcc of at least 0.8, found 0.5 for run r1."),
            ("log_loss", 0.9, "expected a test log_loss of at most 0.8, found 0.9 for run r1."),
            ("rmse", 0.9, "expected a test rmse of at most 0.8, found 0.9 for run r1."),
            ("r2", 0.7, "expected a test r2 of at least 0.8, found 0.7 for run r1."),
        ],
    )
    def test_refuses_a_worse_model_in_one_line(self, metric, score, line):
        parameters = EvaluateParameters(metric=metric, minimum=0.8)

        with pytest.raises(BelowMinimumError) as refused:
            check_minimum({metric: score}, parameters, "r1")

        assert str(refused.value).startswith(line)
        assert "\n" not in str(refused.value)

    def test_of_zero_sets_no_limit_to_a_loss(self):
        check_minimum({"log_loss": 9.0}, EvaluateParameters(metric="log_loss"), "1")

    def test_of_zero_refuses_a_model_worse_than_chance(self):
        with pytest.raises(BelowMinimumError):
            check_minimum({"mcc": -0.1}, EvaluateParameters(metric="mcc"), "1")

    def test_may_be_negative_for_mcc(self):
        parameters = EvaluateParameters(metric="mcc", minimum=-0.5)

        check_minimum({"mcc": -0.4}, parameters, "1")
        with pytest.raises(BelowMinimumError):
            check_minimum({"mcc": -0.6}, parameters, "1")

    def test_refuses_a_metric_that_the_test_part_does_not_define(self):
        with pytest.raises(BelowMinimumError, match="expected roc_auc of the test part"):
            check_minimum({"accuracy": 1.0}, EvaluateParameters(metric="roc_auc"), "1")

    @pytest.mark.parametrize(
        ("metric", "scores", "words"),
        [
            ("accuracy", {"r2": 1.0, "rmse": 0.1}, "accuracy is for classes.*one of r2, rmse,"),
            ("rmse", {"accuracy": 1.0}, "rmse is for numbers.*one of accuracy,"),
            ("mape", {"rmse": 1.0}, "mape for ones other than 0.*one of rmse,"),
        ],
    )
    def test_names_the_metrics_of_the_task_if_the_chosen_one_is_not_among_them(
        self, metric, scores, words
    ):
        with pytest.raises(BelowMinimumError, match=words):
            check_minimum(scores, EvaluateParameters(metric=metric), "1")

    @pytest.mark.parametrize(
        ("scores", "metric"), [({"accuracy": 0.9}, "accuracy"), ({"rmse": 1.0, "r2": 0.9}, "r2")]
    )
    def test_is_of_accuracy_or_of_r2_if_no_metric_is_named(self, scores, metric):
        assert check_minimum(scores, EvaluateParameters(minimum=0.8), "1") == metric
        with pytest.raises(BelowMinimumError, match=f"test {metric} of at least 0.95"):
            check_minimum(scores, EvaluateParameters(minimum=0.95), "1")


def test_the_metrics_of_the_parameters_are_those_that_are_computed():
    assert get_args(Metric) == tuple(GREATER_IS_BETTER)


def test_the_training_steps_are_those_that_take_data():
    assert tuple(evaluate.TRAINING_STEPS) == (
        *("train_lr", "train_dt", "train_ridge", "train_rf", "train_gb", "train_dummy"),
    )


class TestJudge:
    @pytest.fixture
    def trained(self, recording):
        """Runs of load_data, and of a training step on its training part."""
        with recording(LoadDataParameters()) as loading:
            table, target = dataset.named("iris")
            parts = dataset.split(
                dataset.prepare(table, target=target, features=None),
                test_size=0.33,
                stratify=True,
                seed=2,
            )
            splits.store(loading, zip(("train", "test"), parts, strict=True), {"target": target})
        parameters = TrainDecisionTreeParameters(data=loading.run_id)
        with recording(parameters) as training:
            X, y = dataset.features_and_labels(splits.read(training, loading.run_id, "train"))
            model = models.decision_tree(parameters, X).fit(X, y)
            log_model(training, model, X.head(5))
        return loading.run_id, training.run_id

    def test_predicts_the_test_part_that_belongs_to_the_training_part(self, recording, trained):
        loaded, training = trained

        with recording(EvaluateParameters()) as run:
            judged, test_digest = evaluate.judge(training, run)

        recorded = tracking.read_record(run.run_id).inputs
        assert [item.name for item in recorded] == ["model", "test"]
        assert recorded[0].sha256 == tracking.read_record(training).outputs.model
        assert recorded[1].uri == f"runs:/{loaded}/data/test.parquet"
        assert test_digest == recorded[1].sha256
        assert len(judged.truth) == len(judged.predicted) == 50
        assert judged.probabilities.shape == (50, 3)
        assert (judged.truth == judged.predicted).mean() > 0.9

    def test_refuses_a_run_that_trained_nothing(self, recording, trained):
        loaded, _ = trained

        with recording(EvaluateParameters()) as run, pytest.raises(TrackingError) as refused:
            evaluate.judge(loaded, run)

        assert f"found run {loaded} (load_data)" in str(refused.value)
        assert "train_lr or train_dt or train_ridge" in str(refused.value)


class TestExplain:
    def test_a_tree_is_drawn_with_its_importances(self):
        X, y = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0]}), np.array([0, 0, 1, 1])
        model = models.decision_tree(TrainDecisionTreeParameters(), X).fit(X, y)

        assert sorted(evaluate.explain(model)) == ["importances", "tree"]

    def test_a_regression_is_drawn_by_its_coefficients(self):
        X, y = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0]}), np.array([0, 0, 1, 1])
        model = models.logistic_regression(TrainLogisticRegressionParameters(), X).fit(X, y)

        assert sorted(evaluate.explain(model)) == ["coefficients"]
