"""Classifiers of scikit-learn can be restored, and no trusted type runs code of a file."""

import importlib
import inspect

import numpy as np
import pytest
import skops.io
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, RadiusNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, KBinsDiscretizer
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from reprise.errors import ModelError
from reprise.models import model_store
from reprise.models.trusted_types import TRUSTED_TYPES
from reprise.record.digest import sha256_model
from steps.parameters import TrainDecisionTreeParameters

Y = np.array(["a", "b", "c"] * 20)
X = np.random.default_rng(0).normal(size=(60, 4)) + np.arange(60).reshape(-1, 1) % 3
BOTH = [("linear", LogisticRegression()), ("tree", DecisionTreeClassifier(random_state=0))]
CLASSIFIERS = [
    CalibratedClassifierCV(LogisticRegression(), method="isotonic", cv=2),
    CalibratedClassifierCV(LogisticRegression(), method="sigmoid", cv=2),
    GaussianNB(),
    GaussianProcessClassifier(),
    GradientBoostingClassifier(n_estimators=2, random_state=0),
    HistGradientBoostingClassifier(max_iter=2, random_state=0),
    HistGradientBoostingClassifier(max_iter=2, random_state=0, early_stopping=True),
    KNeighborsClassifier(),
    KNeighborsClassifier(algorithm="ball_tree", metric="canberra"),
    KNeighborsClassifier(algorithm="brute", p=3),
    KNeighborsClassifier(algorithm="kd_tree", metric="manhattan", weights="distance"),
    MLPClassifier(max_iter=2, random_state=0),
    MLPClassifier(max_iter=2, random_state=0, solver="sgd"),
    RadiusNeighborsClassifier(radius=10),
    RandomForestClassifier(n_estimators=2, random_state=0),
    StackingClassifier(BOTH, cv=2),
    SVC(probability=True, random_state=0),
    VotingClassifier(BOTH, voting="soft"),
    make_pipeline(KBinsDiscretizer(quantile_method="averaged_inverted_cdf"), LogisticRegression()),
]


@pytest.mark.filterwarnings("ignore")  # of models that have not converged
@pytest.mark.parametrize("classifier", CLASSIFIERS, ids=lambda c: f"{c!r:.60}")
def test_a_classifier_is_restored_unchanged(tmp_path, classifier):
    classifier.fit(X, Y)
    expected = classifier.predict_proba(X)

    model_store.refuse_unrestorable(classifier, sha256_model(classifier))
    skops.io.dump(classifier, tmp_path / "model.skops")
    loaded = model_store.load_file(tmp_path / "model.skops")

    assert sha256_model(loaded) == sha256_model(classifier)
    assert loaded.predict_proba(X).tobytes() == expected.tobytes()


CATEGORIES = HistGradientBoostingClassifier(max_iter=2, categorical_features=[0])


def function_of_the_user(X):
    return X


@pytest.mark.parametrize(
    ("model", "named"),
    [
        (FunctionTransformer(function_of_the_user), "function_of_the_user"),
        (KNeighborsClassifier(metric=function_of_the_user), "function_of_the_user"),
        (CATEGORIES.fit(np.c_[X[:, :1] > 1, X], Y), "functools.partial"),
    ],
    ids=["transformer", "metric", "categories of a boosted tree"],
)
def test_a_function_is_refused_before_it_is_stored_and_the_list_is_named(model, named):
    with pytest.raises(ModelError, match=named) as refused:
        model_store.refuse_unrestorable(model, sha256_model(model))

    assert "reprise/models/trusted_types.py" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_model_that_is_not_restored_unchanged_is_refused_before_it_is_stored():
    with pytest.raises(ModelError, match="this GaussianNB comes back with another digest"):
        model_store.refuse_unrestorable(GaussianNB().fit(X, Y), "0" * 64)


def test_a_refused_model_leaves_nothing_in_the_store(store, recording):
    model = KNeighborsClassifier(metric=function_of_the_user)

    with pytest.raises(ModelError), recording(TrainDecisionTreeParameters()) as run:
        model_store.log_model(run, model, None)

    assert not model_store.has_model(run.run_id)
    assert store.client.search_logged_models([store.experiment_id]) == []


OF_DATES = {"pandas.to_datetime", "numpy.reshape", "sklearn.utils.validation.check_array"}
OF_NUMBERS = {
    "numpy.asarray", "pandas.to_timedelta", "pyarrow.compute.replace_substring_regex",
}  # fmt: skip
FUNCTIONS = OF_DATES | OF_NUMBERS


def test_the_only_trusted_functions_are_those_that_read_dates_and_numbers_in_text():
    split = [name.rpartition(".") for name in TRUSTED_TYPES]

    functions = {
        f"{module}.{last}"
        for module, _, last in split
        if inspect.isroutine(getattr(importlib.import_module(module), last))
    }

    assert functions == FUNCTIONS


@pytest.mark.parametrize("name", sorted(set(TRUSTED_TYPES) - FUNCTIONS))
def test_a_trusted_type_is_a_class_that_calls_nothing(name):
    module, _, last = name.rpartition(".")

    found = getattr(importlib.import_module(module), last)

    assert inspect.isclass(found)
    assert name.startswith(("numpy.", "scipy.", "sklearn."))
    is_kernel = module == "sklearn.gaussian_process.kernels"  # computes by a formula of its own
    assert is_kernel or "__call__" not in vars(found)
    assert not any(word in last for word in ("PyFunc", "Scorer", "Function"))
