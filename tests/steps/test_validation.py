"""Cross-validation agrees with scikit-learn, with rare classes and empty columns too."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, StratifiedKFold, TimeSeriesSplit, cross_val_score
from sklearn.tree import DecisionTreeClassifier

from reprise.errors import DataError
from steps import models
from steps.folds import StoredKey
from steps.metrics import CLASS_METRICS
from steps.parameters import (
    TrainDecisionTreeParameters,
    TrainForestParameters,
    TrainGradientBoostingParameters,
    TrainLogisticRegressionParameters,
)
from steps.validation import cross_validate, rare_classes


@pytest.fixture
def frame():
    """40 rows of 2 features; the first feature separates most rows of the 2 classes."""
    random = np.random.default_rng(1)
    y = np.repeat([0, 1], 20)
    return pd.DataFrame({"a": y + random.normal(0, 0.6, 40), "b": random.normal(size=40)}), y


def test_cross_validation_agrees_with_scikit_learn(frame):
    X, y = frame
    model = LogisticRegression()

    summary = cross_validate(model, X, y, folds=4, seed=3)

    folds = StratifiedKFold(4, shuffle=True, random_state=3)
    for name, scoring, sign in [
        ("accuracy", "accuracy", 1),
        ("log_loss", "neg_log_loss", -1),
        ("roc_auc", "roc_auc", 1),
        ("mcc", "matthews_corrcoef", 1),
    ]:
        values = sign * cross_val_score(model, X, y, cv=folds, scoring=scoring)
        assert summary[f"cv_{name}_mean"] == pytest.approx(values.mean(), rel=1e-12)
        assert summary[f"cv_{name}_std"] == pytest.approx(values.std(ddof=0), rel=1e-12)
        assert values.std() > 0


def test_cross_validation_gives_a_mean_and_a_deviation_of_each_headline_metric(frame):
    X, y = frame

    summary = cross_validate(DecisionTreeClassifier(random_state=0), X, y, folds=2, seed=0)

    assert list(summary) == [
        f"cv_{name}_{part}" for name in CLASS_METRICS for part in ("mean", "std")
    ]
    assert {type(value) for value in summary.values()} == {float}


def test_cross_validation_depends_on_the_seed_alone(frame):
    X, y = frame
    model = LogisticRegression()

    first, again, other = (cross_validate(model, X, y, folds=5, seed=s) for s in (1, 1, 2))

    assert first == again
    assert first != other
    assert not hasattr(model, "coef_")


@pytest.mark.parametrize("labels", [["x", "y"], [False, True]])
def test_cross_validation_takes_str_and_bool_labels(frame, labels):
    X, y = frame
    named = np.array(labels, dtype=object if labels[0] == "x" else bool)[y]

    summary = cross_validate(LogisticRegression(), X, named, folds=3, seed=0)

    assert summary == cross_validate(LogisticRegression(), X, y, folds=3, seed=0)


def test_a_metric_undefined_in_a_fold_is_left_out():
    X, y = pd.DataFrame({"a": range(6)}), np.array(["only"] * 6, dtype=object)

    summary = cross_validate(DecisionTreeClassifier(), X, y, folds=3, seed=0)

    assert summary["cv_accuracy_mean"] == 1.0
    assert not {"cv_roc_auc_mean", "cv_roc_auc_std", "cv_log_loss_mean"} & set(summary)


def test_a_fit_that_fails_in_one_fold_is_not_scored_as_nan(frame):
    class Fragile(LogisticRegression):
        def fit(self, X, y):
            if 0 in X.index:
                raise ValueError("cannot be fitted")
            return super().fit(X, y)

    X, y = frame

    with pytest.raises(ValueError, match="cannot be fitted"):
        cross_validate(Fragile(), X, y, folds=2, seed=0)


def with_rare_class(count):
    """13 rows of two classes, and a class with few."""
    y = np.array(["common"] * 9 + ["rare"] * count + ["scarce"] * 4, dtype=object)
    return pd.DataFrame({"a": np.arange(len(y), dtype=float)}), y


@pytest.mark.parametrize(
    ("count", "line"),
    [
        (3, "Class 'rare' (3 rows to train on) and 1 more: fewer rows than the 5 folds"),
        (1, "Class 'rare' (1 row to train on) and 1 more: fewer rows than the 5 folds"),
    ],
)
def test_a_class_with_fewer_rows_than_folds_is_named_in_a_line(count, line):
    _, y = with_rare_class(count)

    found = rare_classes(y, 5)

    assert found.startswith(line)
    assert "\n" not in found
    assert rare_classes(y, 2) == "" or count == 1


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("count", [1, 3])
def test_cross_validation_goes_on_with_a_rare_class_as_scikit_learn_does(count):
    X, y = with_rare_class(count)
    model = DecisionTreeClassifier(random_state=0)

    summary = cross_validate(model, X, y, folds=5, seed=0)

    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    with warnings.catch_warnings(action="ignore"):
        values = cross_val_score(model, X, y, cv=folds)
    assert summary["cv_accuracy_mean"] == pytest.approx(values.mean(), rel=1e-12)


def test_a_fold_without_a_class_defines_no_log_loss_and_no_area():
    X, y = with_rare_class(1)

    summary = cross_validate(DecisionTreeClassifier(random_state=0), X, y, folds=5, seed=0)

    assert {"cv_accuracy_mean", "cv_mcc_mean", "cv_f1_macro_mean"} <= set(summary)
    assert not {"cv_log_loss_mean", "cv_roc_auc_mean"} & set(summary)


def forward(y):
    """Features and the key of rows in order of time."""
    return pd.DataFrame({"a": np.arange(len(y), dtype=float)}), StoredKey("time", np.arange(len(y)))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "model",
    [
        DecisionTreeClassifier(random_state=0),
        RandomForestClassifier(5, random_state=0),
        HistGradientBoostingClassifier(max_iter=2, random_state=0),
        LogisticRegression(),
        DummyClassifier(),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.parametrize(
    "y",
    [[0] * 6 + [1, 0] * 5, [0, 1] * 5 + [1] * 6, [0] * 8 + [1] * 8],
    ids=["fitted on one class", "scored on one class", "both"],
)
def test_metrics_that_a_fold_of_one_class_defines_are_scikit_learns_and_the_others_are_named(
    model, y, capsys
):
    y = np.array(y)
    X, key = forward(y)

    summary = cross_validate(model, X, y, folds=3, seed=0, key=key)

    names = {"accuracy": "accuracy", "f1_macro": "f1_macro", "mcc": "matthews_corrcoef"}
    if not isinstance(model, HistGradientBoostingClassifier):  # which ranks by a class not seen
        names["roc_auc"] = "roc_auc"
    with warnings.catch_warnings(action="ignore"):
        for name, scoring in names.items():
            values = cross_val_score(model, X, y, cv=TimeSeriesSplit(3), scoring=scoring)
            found = summary.get(f"cv_{name}_mean", np.nan)
            assert found == pytest.approx(values.mean(), abs=1e-12, nan_ok=True)
    left_out = [name for name in CLASS_METRICS if f"cv_{name}_mean" not in summary]
    line = f"Cross-validation has no {', '.join(left_out)}: not defined in fold "
    lines = capsys.readouterr().err.splitlines()
    assert left_out
    assert [line in each for each in lines] == [True]


def test_an_error_of_a_fit_on_several_classes_is_not_hidden(frame):
    class Fragile(LogisticRegression):
        def fit(self, X, y):
            raise ValueError("for another reason")

    with pytest.raises(ValueError, match="for another reason"):
        cross_validate(Fragile(), *frame, folds=2, seed=0)


def test_a_metric_of_numbers_that_a_fold_does_not_define_is_named(capsys):
    y = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 5.0, 5.0, 0.0])
    X, key = forward(y)

    summary = cross_validate(Ridge(), X, y, folds=3, seed=0, key=key)

    assert not {"cv_r2_mean", "cv_mape_mean"} & set(summary)
    found = capsys.readouterr().err
    assert "Cross-validation has no r2, mape: not defined in fold 2, 3 of 3, whose numbers" in found


def test_nothing_is_said_of_a_cross_validation_that_defines_all(frame, capsys):
    X, y = frame

    cross_validate(LogisticRegression(), X, y, folds=4, seed=0)

    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("y", [np.array([0, 0, 1, 1, 2]), np.array([0.5, 1.5, 2.5])])
def test_more_folds_than_rows_of_any_class_are_refused_as_by_scikit_learn(y):
    X = pd.DataFrame({"a": np.arange(len(y), dtype=float)})

    with pytest.raises(DataError, match=r"expected at least 4 rows .*, found [23]\. Use -P cv="):
        cross_validate(LogisticRegression(), X, y, folds=4, seed=0)


def test_cross_validation_of_a_regression_agrees_with_scikit_learn():
    random = np.random.default_rng(0)
    X = pd.DataFrame(random.normal(size=(40, 2)), columns=["a", "b"])
    y = 5 + X["a"].to_numpy() + random.normal(size=40)
    model = Ridge()

    summary = cross_validate(model, X, y, folds=4, seed=3)

    folds = KFold(4, shuffle=True, random_state=3)
    for name, scoring, sign in [
        ("r2", "r2", 1),
        ("rmse", "neg_root_mean_squared_error", -1),
        ("mae", "neg_mean_absolute_error", -1),
        ("median_ae", "neg_median_absolute_error", -1),
        ("mape", "neg_mean_absolute_percentage_error", -1),
    ]:
        values = sign * cross_val_score(model, X, y, cv=folds, scoring=scoring)
        assert summary[f"cv_{name}_mean"] == pytest.approx(values.mean(), rel=1e-12)
        assert summary[f"cv_{name}_std"] == pytest.approx(values.std(ddof=0), rel=1e-12)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "column",
    [
        pd.Series([7.0] + [np.nan] * 19),
        pd.Series(["u"] + [np.nan] * 19, dtype=object),
        pd.Series(pd.to_datetime(["2020-01-01"] + [None] * 19)),
    ],
    ids=["number", "text", "date"],
)
@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize(
    ("parameters", "build"),
    [
        (TrainLogisticRegressionParameters(), models.logistic_regression),
        (TrainLogisticRegressionParameters(scale=False), models.logistic_regression),
        (TrainDecisionTreeParameters(), models.decision_tree),
        (TrainForestParameters(n_estimators=2), models.random_forest),
        (TrainGradientBoostingParameters(max_iter=2), models.gradient_boosting),
    ],
    ids=["train_lr", "train_lr unscaled", "train_dt", "train_rf", "train_gb"],
)
def test_a_column_that_is_empty_in_a_fold_is_no_obstacle(parameters, build, alone, column):
    X = pd.DataFrame({"n": column} if alone else {"a": np.arange(20.0), "n": column})
    y = np.array(["x", "z"] * 10, dtype=object)

    summary = cross_validate(build(parameters, X), X, y, folds=5, seed=0)

    assert 0 <= summary["cv_accuracy_mean"] <= 1


def test_as_many_rows_as_folds_are_enough():
    X, y = pd.DataFrame({"a": range(6)}), np.array([0, 0, 0, 1, 1, 1])

    assert cross_validate(DecisionTreeClassifier(), X, y, folds=3, seed=0)
