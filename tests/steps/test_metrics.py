"""Metrics: known values, agreement with scikit-learn, and the cases it warns of or refuses."""

import math
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from reprise.errors import DataError
from steps.metrics import (
    CLASS_METRICS,
    GREATER_IS_BETTER,
    class_positions,
    score,
    score_by_class,
)


@pytest.fixture
def three_classes():
    """60 samples of 3 classes, with imperfect probabilities."""
    random = np.random.default_rng(0)
    classes = np.array(["ape", "bee", "cat"], dtype=object)
    y_true = classes[random.integers(0, 3, 60)]
    probabilities = random.dirichlet([1, 1, 1], 60) + 0.4 * (y_true[:, None] == classes)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return y_true, classes[probabilities.argmax(axis=1)], probabilities, classes


def test_headline_metrics_have_the_values_worked_out_by_hand():
    y_true = ["no", "no", "no", "yes"]
    y_pred = ["no", "no", "yes", "yes"]
    p_yes = np.array([0.1, 0.2, 0.9, 0.6])

    scores = score(y_true, y_pred, np.column_stack([1 - p_yes, p_yes]), ["no", "yes"])

    assert scores == pytest.approx(
        {
            "accuracy": 3 / 4,
            "balanced_accuracy": (2 / 3 + 1) / 2,
            "f1_macro": (4 / 5 + 2 / 3) / 2,
            "log_loss": -(math.log(0.9) + math.log(0.8) + math.log(0.1) + math.log(0.6)) / 4,
            "roc_auc": 2 / 3,
            "mcc": (2 * 1 - 1 * 0) / math.sqrt(3 * 1 * 2 * 2),
        }
    )


def test_score_agrees_with_scikit_learn_on_three_classes(three_classes):
    y_true, y_pred, probabilities, classes = three_classes

    scores = score(y_true, y_pred, probabilities, classes)

    assert scores == pytest.approx(
        {
            "accuracy": sk.accuracy_score(y_true, y_pred),
            "balanced_accuracy": sk.balanced_accuracy_score(y_true, y_pred),
            "f1_macro": sk.f1_score(y_true, y_pred, average="macro"),
            "log_loss": sk.log_loss(y_true, probabilities),
            "roc_auc": sk.roc_auc_score(y_true, probabilities, multi_class="ovr"),
            "mcc": sk.matthews_corrcoef(y_true, y_pred),
        },
        rel=1e-12,
    )


def test_values_are_plain_floats_in_the_order_of_the_one_list(three_classes):
    y_true, y_pred, probabilities, classes = three_classes

    scores = score(y_true, y_pred, probabilities, classes)

    assert list(scores) == list(CLASS_METRICS)
    by_class = score_by_class(y_true, y_pred, classes)
    assert {type(value) for value in (scores | by_class).values()} == {float}


def test_of_a_loss_and_of_errors_is_less_better():
    less = [name for name, greater in GREATER_IS_BETTER.items() if not greater]

    assert less == ["log_loss", "rmse", "mae", "median_ae", "mape"]


@pytest.mark.parametrize(
    "labels", [[10, 7], [False, True], ["x", "y"], [np.str_("x"), np.str_("y")]]
)
def test_int_bool_and_str_labels_score_alike(labels):
    positions = np.array([0, 0, 1, 1, 0])
    predicted = np.array([0, 1, 1, 1, 0])
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [0.2, 0.8], [0.6, 0.4]])
    expected = score(positions, predicted, probabilities, [0, 1])
    labels = np.array(labels)

    scores = score(labels[positions], labels[predicted], probabilities, labels)

    assert scores == expected
    assert scores["roc_auc"] == 1.0


def test_probabilities_are_read_in_the_order_of_classes(three_classes):
    y_true, y_pred, probabilities, classes = three_classes
    order = [2, 0, 1]

    shuffled = score(y_true, y_pred, probabilities[:, order], classes[order])

    assert shuffled == pytest.approx(score(y_true, y_pred, probabilities, classes), rel=1e-12)


def test_a_class_absent_from_the_truth_is_left_out_of_the_area_and_of_balanced_accuracy(
    three_classes,
):
    y_true, y_pred, probabilities, classes = three_classes
    kept = y_true != "cat"
    y_true, y_pred, probabilities = y_true[kept], y_pred[kept], probabilities[kept]
    assert "cat" in y_pred

    scores = score(y_true, y_pred, probabilities, classes)

    areas = [sk.roc_auc_score(y_true == c, probabilities[:, i]) for i, c in enumerate(classes[:2])]
    assert scores["roc_auc"] == pytest.approx(np.mean(areas))
    assert areas[0] != areas[1]
    recalls = [np.mean(y_pred[y_true == c] == c) for c in classes[:2]]
    assert scores["balanced_accuracy"] == pytest.approx(np.mean(recalls))
    assert scores["log_loss"] == pytest.approx(sk.log_loss(y_true, probabilities, labels=classes))


@pytest.mark.parametrize("classes", [["a", "b"], ["a", "b", "c"]])
def test_the_area_is_left_out_where_the_truth_holds_one_class(classes):
    probabilities = np.full((2, len(classes)), 1 / len(classes))

    scores = score(["a", "a"], ["a", "b"], probabilities, classes)

    assert set(CLASS_METRICS) - set(scores) == {"roc_auc"}
    assert scores["mcc"] == 0.0
    assert scores["accuracy"] == scores["balanced_accuracy"] == 0.5


def test_a_classifier_of_one_class_has_neither_area_nor_log_loss():
    scores = score(["a", "a"], ["a", "a"], np.ones((2, 1)), ["a"])

    assert scores == {"accuracy": 1.0, "balanced_accuracy": 1.0, "f1_macro": 1.0, "mcc": 0.0}


@pytest.mark.parametrize(
    "truth", [[0] * 30, [*range(25), 0, 0, 0, 0, 0], [1] * 15 + [2] * 15, [24] * 30]
)
def test_no_metric_warns_of_absent_single_or_many_classes(truth):
    predicted = np.full(30, 24)
    probabilities = np.full((30, 25), 1 / 25)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = score(truth, predicted, probabilities, range(25))
        by_class = score_by_class(truth, predicted, range(25))

    assert scores["log_loss"] == pytest.approx(math.log(25))
    assert len(by_class) == 50


@pytest.mark.parametrize("measure", [score_by_class, lambda t, p, c: score(t, p, np.eye(2), c)])
def test_a_label_the_model_does_not_know_is_named(measure):
    with pytest.raises(DataError, match=r"2 classes .* found class 'cow'"):
        measure(["ape", "cow"], ["ape", "ape"], ["ape", "bee"])


def test_positions_follow_the_order_of_classes():
    assert class_positions(["b", "a", "b"], ["b", "a"]).tolist() == [0, 1, 0]


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_the_order_of_rows_does_not_change_a_score(data):
    rows = data.draw(
        st.lists(st.tuples(*[st.integers(0, 2)] * 2, *[st.integers(1, 9)] * 3), min_size=1)
    )
    permuted = data.draw(st.permutations(rows))

    def scores(rows):
        true, predicted, *weights = map(np.array, zip(*rows, strict=True))
        probabilities = np.column_stack(weights) / np.sum(weights, axis=0)[:, None]
        return score(true, predicted, probabilities, [0, 1, 2]) | score_by_class(
            true, predicted, [0, 1, 2]
        )

    assert scores(permuted) == pytest.approx(scores(rows), rel=1e-12, abs=1e-12)


def test_precision_and_recall_of_each_class_come_in_the_order_of_classes():
    scores = score_by_class(["b", "b", "b", "a"], ["b", "b", "a", "a"], ["b", "a", "never"])

    assert list(scores.items()) == [
        ("precision_b", 1.0),
        ("recall_b", pytest.approx(2 / 3)),
        ("precision_a", 0.5),
        ("recall_a", 1.0),
        ("precision_never", 0.0),
        ("recall_never", 0.0),
    ]


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Iris-setosa 1.0: x/y", "recall_Iris-setosa 1.0: x/y"),
        ("50% (é)", "recall_50_ ___"),
        ("a//b", "recall_a__b"),
        ("a/", "recall_a_"),
        (True, "recall_True"),
        (np.int64(7), "recall_7"),
    ],
)
def test_a_class_is_named_with_the_characters_mlflow_takes(label, name):
    scores = score_by_class([label], [label], [label])

    assert scores[name] == 1.0


def test_classes_that_collide_are_numbered_and_keep_their_own_values():
    classes = ["a?", "a!", "a__2", "a*"]

    scores = score_by_class(["a?", "a!", "a__2", "a*"], ["a?", "a?", "a__2", "a?"], classes)

    recalls = {name: value for name, value in scores.items() if name.startswith("recall")}
    assert recalls == {"recall_a_": 1, "recall_a__2": 0, "recall_a__2_2": 1, "recall_a__3": 0}


def test_long_class_names_are_cut_and_stay_distinct():
    classes = ["x" * 300 + "a", "x" * 300 + "b"]

    scores = score_by_class(classes, classes[::-1], classes)

    assert sorted(len(name) for name in scores) == [247, 247, 250, 250]


@settings(deadline=None)  # the first example imports mlflow
@given(st.lists(st.text(max_size=400) | st.integers(), unique_by=str, min_size=1, max_size=5))
def test_mlflow_accepts_the_name_of_any_class(classes):
    from mlflow.utils.validation import _validate_length_limit, _validate_metric_name

    scores = score_by_class(classes, classes, classes)

    assert len(scores) == 2 * len(classes)
    for name in scores:
        _validate_metric_name(name)
        _validate_length_limit("Metric name", 250, name)
    assert list(scores) == list(score_by_class(classes, classes, classes))


@pytest.mark.parametrize("module", ["steps.metrics", "steps.plots"])
def test_importing_the_module_loads_no_heavy_library(module):
    heavy = "{'numpy', 'pandas', 'sklearn', 'matplotlib', 'mlflow'}"
    code = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"

    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout

    assert loaded.strip() == "[]"
