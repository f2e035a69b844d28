"""The pipelines recover true coefficients, accept any frame, and do not change it."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from steps import models
from steps.parameters import TrainDecisionTreeParameters, TrainLogisticRegressionParameters


def regression(X, **parameters):
    return models.logistic_regression(TrainLogisticRegressionParameters(**parameters), X)


def tree(X, **parameters):
    return models.decision_tree(TrainDecisionTreeParameters(**parameters), X)


BUILDS = {"train_lr": regression, "train_dt": tree}
every_build = pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)


def normal(rows, columns, seed=0):
    values = np.random.default_rng(seed).normal(size=(rows, columns))
    return pd.DataFrame(values, columns=[f"x{i}" for i in range(columns)])


def mixed():
    """Numbers and text with missing values, and the labels that go with them."""
    colours = ["red", "red", np.nan, "red", "blue", "blue", "green", "blue"]
    X = pd.DataFrame(
        {
            "length": [1.0, 2.0, np.nan, 4.0, 11.0, 12.0, 13.0, 14.0],
            "colour": pd.Series(colours, dtype=object),
            "width": np.array([1, 2, 3, np.nan, 5, 6, 7, 8], dtype=np.float32),
        }
    )
    return X, np.array(["a"] * 4 + ["b"] * 4, dtype=object)


class TestLogisticRegression:
    def test_recovers_the_coefficients_that_made_the_labels(self):
        X = normal(20_000, 3)
        odds = 0.5 + X.to_numpy() @ [2.0, -1.0, 0.0]
        y = np.random.default_rng(1).random(len(X)) < 1 / (1 + np.exp(-odds))

        model = regression(X, scale=False, C=1e6).fit(X, y)

        classifier = model.named_steps["classifier"]
        assert classifier.coef_[0] == pytest.approx([2.0, -1.0, 0.0], abs=0.1)
        assert classifier.intercept_ == pytest.approx([0.5], abs=0.1)

    def test_finds_the_same_for_any_unit_of_a_column_if_it_scales(self):
        X = normal(500, 2)
        y = X["x0"] + X["x1"] > 0
        in_millimetres = X * [1000.0, 1.0]

        coefficients = [
            regression(frame).fit(frame, y).named_steps["classifier"].coef_
            for frame in (X, in_millimetres)
        ]

        assert coefficients[0] == pytest.approx(coefficients[1], rel=1e-6)

    def test_an_l1_penalty_drops_features_without_information(self):
        X = normal(400, 5)
        y = X["x0"] > 0

        model = regression(X, l1_ratio=1.0, C=0.05, max_iter=5000).fit(X, y)

        classifier = model.named_steps["classifier"]
        assert classifier.solver == "saga"
        assert classifier.coef_[0, 0] > 0
        assert classifier.coef_[0, 1:].tolist() == [0.0] * 4

    def test_an_l2_penalty_shrinks_but_drops_no_feature(self):
        X = normal(400, 5)
        y = X["x0"] > 0

        weak, strong = (regression(X, C=C).fit(X, y).named_steps["classifier"] for C in (1.0, 0.01))

        assert weak.solver == "lbfgs"
        assert np.abs(strong.coef_).sum() < np.abs(weak.coef_).sum()
        assert np.all(strong.coef_ != 0)

    def test_balanced_classes_give_the_rare_one_its_due(self):
        X = normal(1000, 1)
        y = X["x0"] + normal(1000, 1, seed=1)["x0"] > 2

        usual, balanced = (
            regression(X, class_weight=weight).fit(X, y).predict(X).sum()
            for weight in (None, "balanced")
        )

        assert balanced > 2 * usual

    def test_takes_its_settings_from_the_parameters(self):
        chosen = {"C": 0.5, "max_iter": 7, "tol": 0.01, "seed": 9, "l1_ratio": 0.25}

        classifier = regression(normal(2, 1), **chosen).named_steps["classifier"]

        assert (classifier.C, classifier.max_iter, classifier.tol) == (0.5, 7, 0.01)
        assert (classifier.random_state, classifier.l1_ratio) == (9, 0.25)


class TestDecisionTree:
    def test_finds_the_threshold_that_made_the_labels(self):
        X = normal(5000, 3)
        y = np.where(X["x1"] > 0.7, "above", "below").astype(object)

        fitted = tree(X).fit(X, y).named_steps["classifier"].tree_

        assert fitted.node_count == 3
        assert fitted.feature[0] == 1
        assert fitted.threshold[0] == pytest.approx(0.7, abs=0.01)

    def test_takes_its_settings_from_the_parameters(self):
        chosen = {
            "criterion": "entropy",
            "max_depth": 4,
            "min_samples_split": 5,
            "min_samples_leaf": 3,
            "ccp_alpha": 0.25,
            "class_weight": "balanced",
        }

        classifier = tree(normal(2, 1), **chosen, seed=9).named_steps["classifier"]

        assert chosen.items() <= classifier.get_params().items()
        assert classifier.random_state == 9

    def test_is_no_deeper_than_it_may_be(self):
        X = normal(300, 2)
        y = (X["x0"] * X["x1"] > 0).to_numpy()

        free, cut = (
            tree(X, max_depth=depth).fit(X, y).named_steps["classifier"] for depth in (None, 2)
        )

        assert free.get_depth() > cut.get_depth() == 2

    def test_its_thresholds_are_in_the_units_of_the_data(self):
        X = pd.DataFrame({"x": [1000.0, 2000.0, 3000.0, 4000.0]})

        fitted = tree(X).fit(X, [0, 0, 1, 1]).named_steps["classifier"].tree_

        assert fitted.threshold[0] == 2500.0


FRAMES = {
    "numbers": normal(8, 2),
    "missing numbers": normal(8, 2).mask(normal(8, 2, seed=1) > 0.5),
    "float32": normal(8, 2).mask(normal(8, 2, seed=1) > 0.5).astype(np.float32),
    "mixed precision": normal(8, 2).mask(normal(8, 2, seed=1) > 0.5).astype({"x0": np.float32}),
    "text": mixed()[0],
    "text alone": mixed()[0][["colour"]],
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
@pytest.mark.parametrize(
    ("build", "parameters"),
    [(regression, {"scale": True}), (regression, {"scale": False}), (tree, {})],
    ids=["train_lr scaled", "train_lr", "train_dt"],
)
def test_fitting_and_predicting_do_not_change_the_frame(build, parameters, frame):
    X = frame.copy(deep=True)
    y = mixed()[1]

    model = build(X, **parameters).fit(X, y)
    model.predict(X)
    model.predict_proba(X)

    pd.testing.assert_frame_equal(X, frame, check_exact=True)


@pytest.mark.parametrize("scale", [True, False])
def test_missing_numbers_count_as_the_mean_of_the_training_part(scale):
    X = pd.DataFrame({"x": [0.0, 1.0, np.nan, 5.0, 6.0]})
    model = regression(X, scale=scale).fit(X, [0, 0, 0, 1, 1])

    at_missing, at_mean = model.predict_proba(pd.DataFrame({"x": [np.nan, 3.0]}))

    assert at_missing == pytest.approx(at_mean, rel=1e-12)


@every_build
def test_a_column_that_had_no_gaps_may_have_them_later(build):
    X = normal(50, 2)
    y = (X["x0"] > 0).to_numpy()
    model = build(X).fit(X, y)

    found = model.predict_proba(pd.DataFrame({"x0": [np.nan, 3.0], "x1": [0.0, np.nan]}))

    assert np.isfinite(found).all()
    assert found[1].argmax() == 1


@every_build
def test_missing_text_is_a_category_of_its_own(build):
    X = pd.DataFrame({"colour": pd.Series(["red", "red", np.nan, np.nan], dtype=object)})

    model = build(X).fit(X, ["a", "a", "b", "b"])

    assert model.predict(X).tolist() == ["a", "a", "b", "b"]
    assert models.feature_names(model) == ["colour_missing", "colour_red"]


@every_build
def test_a_category_that_was_never_seen_is_none_of_those_that_were(build):
    X, y = mixed()
    model = build(X).fit(X, y)
    new = X.iloc[[0]].assign(colour=pd.Series(["violet"], dtype=object))

    encoded = model.named_steps["columns"].transform(new)

    names = models.feature_names(model)
    indicators = [i for i, name in enumerate(names) if name.startswith("colour_")]
    assert len(indicators) == 4
    assert encoded[0, indicators].tolist() == [0.0] * 4
    assert model.predict(new).tolist() == ["a"]


@every_build
def test_fitting_again_gives_the_same_bits(build):
    X, y = mixed()
    model = build(X, seed=3)

    first, second = (clone(model).fit(X, y).predict_proba(X) for _ in range(2))

    assert first.tobytes() == second.tobytes()


class TestFeatureNames:
    @every_build
    def test_are_the_columns_where_all_are_numbers(self, build):
        X = normal(8, 3)

        assert models.feature_names(build(X).fit(X, mixed()[1])) == ["x0", "x1", "x2"]

    @every_build
    def test_are_numbers_then_text_with_its_categories(self, build):
        X, y = mixed()

        found = models.feature_names(build(X).fit(X, y))

        assert found == [
            "length",
            "width",
            "colour_blue",
            "colour_green",
            "colour_missing",
            "colour_red",
        ]

    def test_are_as_many_as_the_coefficients(self):
        X, y = mixed()
        model = regression(X).fit(X, y)

        assert len(models.feature_names(model)) == model.named_steps["classifier"].coef_.shape[1]


def test_an_encoded_column_may_be_named_like_another():
    frame = pd.DataFrame({"color_red": [0.0, 1.0] * 4, "color": ["red", "blue"] * 4})
    model = models.decision_tree(TrainDecisionTreeParameters(), frame)

    model.fit(frame, ["a", "b"] * 4)

    assert len(set(models.feature_names(model))) == 3
