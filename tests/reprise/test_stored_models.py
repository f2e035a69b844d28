"""A model is restored exactly as it was logged, without pickle, or not at all."""

import json
import pickle
from importlib.metadata import version

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest
import skops.io
import yaml
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from reprise import tracking
from reprise.errors import DigestMismatchError, ModelError
from reprise.models import model_store
from reprise.record.digest import sha256_model
from steps.models import decision_tree, logistic_regression
from steps.parameters import TrainDecisionTreeParameters, TrainLogisticRegressionParameters

X = pd.DataFrame(
    {
        "length": [1.0, 2.0, np.nan, 4.0, 5.0, 6.0, 7.0, 8.0],
        "colour": pd.Series(
            ["red", "red", "blue", np.nan, "blue", "green", "red", "blue"], dtype=object
        ),
    }
)
Y = np.array(["a", "a", "a", "a", "b", "b", "b", "b"], dtype=object)
KINDS = {
    "train_lr": (TrainLogisticRegressionParameters, logistic_regression),
    "train_dt": (TrainDecisionTreeParameters, decision_tree),
}


class Logged:
    """A model in a training run, and the files of it in the store."""

    def __init__(self, store, run_id, model, digest):
        self.run_id, self.model, self.digest = run_id, model, digest
        self.model_id = model_store.model_id_of(run_id)
        self.folder = store.folder / "models" / self.model_id / "artifacts"
        self.file = self.folder / "model.skops"

    def load(self):
        return model_store.load_model(self.run_id, recorded=self.digest)


@pytest.fixture
def log(store, recording):
    """Log a model fitted by a step, as the step does."""

    def log(name="train_lr"):
        parameters_type, build = KINDS[name]
        with recording(parameters_type()) as run:
            model = build(parameters_type(), X).fit(X, Y)
            digest = model_store.log_model(run, model, X.head(5))
            run.log_metrics({"train_accuracy": 0.875})
        return Logged(store, run.run_id, model, digest)

    return log


@pytest.fixture(params=KINDS)
def logged(request, log):
    return log(request.param)


class TestRoundTrip:
    def test_the_loaded_model_has_the_digest_and_predictions_of_the_fitted_one(self, logged):
        loaded = logged.load()

        assert logged.digest == sha256_model(logged.model) == sha256_model(loaded)
        assert loaded.predict_proba(X).tobytes() == logged.model.predict_proba(X).tobytes()
        assert loaded.predict(X).tolist() == logged.model.predict(X).tolist()
        assert loaded.classes_.tolist() == ["a", "b"]

    def test_the_digest_is_on_the_record_and_in_a_tag(self, store, logged):
        assert tracking.read_record(logged.run_id).outputs.model == logged.digest
        assert store.tags(logged.run_id)["reprise.model_digest"] == logged.digest

    def test_a_model_is_loaded_where_pickle_is_not_allowed(self, logged, monkeypatch):
        monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")

        # MLflow's own loaders then refuse every format; ours never unpickles.
        assert sha256_model(logged.load()) == logged.digest

    def test_mlflow_itself_can_load_it(self, logged):
        loaded = mlflow.pyfunc.load_model(f"models:/{logged.model_id}")

        assert loaded.predict(X).tolist() == logged.model.predict(X).tolist()


class TestLoggedModel:
    def test_has_its_loader_its_signature_and_its_requirements(self, log):
        logged = log()

        described = yaml.safe_load((logged.folder / "MLmodel").read_text())
        requirements = (logged.folder / "requirements.txt").read_text().split()
        inputs = json.loads(described["signature"]["inputs"])
        assert set(described["flavors"]) == {"python_function", "sklearn"}
        assert described["flavors"]["sklearn"]["serialization_format"] == "skops"
        assert [(i["name"], i["type"]) for i in inputs] == [
            ("length", "double"),
            ("colour", "string"),
        ]
        (output,) = json.loads(described["signature"]["outputs"])
        assert output["tensor-spec"] == {"dtype": "object", "shape": [-1]}
        assert requirements == [
            f"{name}=={version(name)}"
            for name in ("mlflow", "scikit-learn", "skops", "numpy", "scipy", "pandas", "pyarrow")
        ]

    def test_accepts_text_even_if_the_example_has_none(self, store, recording):
        X_late = X.assign(colour=pd.Series([np.nan] * 5 + ["red", "blue", "red"], dtype=object))
        with recording(TrainDecisionTreeParameters()) as run:
            model = decision_tree(TrainDecisionTreeParameters(), X_late).fit(X_late, Y)
            model_store.log_model(run, model, X_late.head(5))

        loaded = mlflow.pyfunc.load_model(f"models:/{model_store.model_id_of(run.run_id)}")

        assert loaded.predict(X_late).tolist() == model.predict(X_late).tolist()
        assert loaded.input_example["colour"].isna().all()

    def test_has_an_input_example_that_it_can_predict(self, log):
        logged = log()

        loaded = mlflow.pyfunc.load_model(f"models:/{logged.model_id}")

        assert loaded.input_example.shape == (5, 2)
        predicted = loaded.predict(loaded.input_example)
        assert predicted.tolist() == logged.model.predict(X.head(5)).tolist()

    def test_is_ready_and_has_its_runs_parameters_and_metrics(self, store, log):
        logged = log()

        found = store.client.get_logged_model(logged.model_id)

        assert str(found.status) == "READY"
        assert found.source_run_id == logged.run_id
        assert found.model_type == "train_lr"
        assert found.params == TrainLogisticRegressionParameters().raw()
        assert {m.key: (m.value, m.run_id) for m in found.metrics} == {
            "train_accuracy": (0.875, logged.run_id)
        }

    def test_is_linked_to_metrics_that_a_later_run_logs(self, store, log):
        logged = log()

        tracking.log(logged.run_id, metrics={"test_accuracy": 0.75}, model_id=logged.model_id)

        found = store.client.get_logged_model(logged.model_id)
        assert {m.key for m in found.metrics} == {"train_accuracy", "test_accuracy"}

    def test_holds_no_pickle(self, log):
        logged = log()

        names = sorted(path.name for path in logged.folder.iterdir())

        assert "model.skops" in names
        assert [name for name in names if name.endswith((".pkl", ".pickle", ".joblib"))] == []


EXECUTED = []


def execute(X):
    """The code that a hostile model would run."""
    EXECUTED.append("function")
    return X


class Hostile:
    """The code that a hostile pickle would run."""

    def __reduce__(self):
        return EXECUTED.append, ("pickle",)


class TestRefusal:
    @pytest.fixture(autouse=True)
    def _nothing_executed(self):
        EXECUTED.clear()
        yield
        assert EXECUTED == []

    def test_of_a_pickle_in_place_of_the_skops_file(self, log):
        logged = log()
        logged.file.unlink()
        (logged.folder / "model.pkl").write_bytes(pickle.dumps(Hostile()))

        with pytest.raises(ModelError) as refused:
            logged.load()

        assert f"expected model.skops in model {logged.model_id}" in str(refused.value)
        assert "model.pkl" in str(refused.value)

    def test_of_a_pickle_under_the_name_of_the_skops_file(self, log):
        logged = log()
        logged.file.write_bytes(pickle.dumps(Hostile()))

        with pytest.raises(ModelError, match="found a damaged one"):
            logged.load()

    def test_of_a_type_that_is_not_trusted(self, log):
        logged = log()
        hostile = FunctionTransformer(execute)
        skops.io.dump(Pipeline([("a", hostile), ("b", logged.model)]), logged.file)

        with pytest.raises(ModelError) as refused:
            logged.load()

        assert "execute" in str(refused.value)
        assert "\n" not in str(refused.value)

    @pytest.mark.parametrize(
        "alter",
        [
            lambda c: c.coef_.__setitem__((0, 0), np.nextafter(c.coef_[0, 0], 1)),
            lambda c: c.intercept_.__iadd__(1e-9),
            lambda c: c.classes_.__setitem__(slice(None), c.classes_[::-1].copy()),
            lambda c: setattr(c, "coef_", c.coef_.astype(np.float32)),
        ],
        ids=["last bit of a coefficient", "intercept", "classes", "type"],
    )
    def test_of_altered_coefficients(self, log, alter):
        logged = log()
        alter(logged.model.named_steps["classifier"])
        skops.io.dump(logged.model, logged.file)

        with pytest.raises(DigestMismatchError) as refused:
            logged.load()

        assert f"model {logged.model_id} of run {logged.run_id}" in str(refused.value)
        assert logged.digest in str(refused.value)

    def test_of_another_sound_model(self, log):
        logged = log()
        other = LogisticRegression().fit(np.arange(8.0).reshape(-1, 1), Y)
        skops.io.dump(other, logged.file)

        with pytest.raises(DigestMismatchError, match=sha256_model(other)):
            logged.load()

    @pytest.mark.parametrize("kept", [0, 10, 1000, -1], ids=["nothing", "bytes", "some", "most"])
    def test_of_a_truncated_file_in_one_line(self, log, kept):
        logged = log()
        logged.file.write_bytes(logged.file.read_bytes()[:kept])

        with pytest.raises(ModelError, match="found a damaged one") as refused:
            logged.load()

        assert "\n" not in str(refused.value)

    def test_of_a_model_without_its_files(self, log):
        logged = log()
        for path in logged.folder.iterdir():
            path.unlink()

        with pytest.raises(ModelError, match="found nothing"):
            logged.load()

    def test_of_a_run_that_logged_no_model(self, store):
        run_id = store.make_run()

        with pytest.raises(ModelError, match=f"found run {run_id} without one"):
            model_store.load_model(run_id, recorded=None)
