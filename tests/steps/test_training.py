"""Every training step trains, stores and is judged for its task; its model takes the source."""

import csv
import datetime as dt
import json
from decimal import Decimal

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import skops.io
from mlflow.pyfunc import scoring_server

from reprise import tracking
from reprise.data import splits
from reprise.errors import BelowMinimumError, DataError
from reprise.models import model_store
from steps import dataset, evaluate, load_data, models, training
from steps.parameters import (
    EvaluateParameters,
    LoadDataParameters,
    TrainDecisionTreeParameters,
    TrainDummyParameters,
    TrainForestParameters,
    TrainGradientBoostingParameters,
    TrainLogisticRegressionParameters,
    TrainRidgeParameters,
)

ROWS = 90
SMALL = {
    "train_lr": (TrainLogisticRegressionParameters, models.logistic_regression, {}),
    "train_dt": (TrainDecisionTreeParameters, models.decision_tree, {"max_depth": 4}),
    "train_ridge": (TrainRidgeParameters, models.ridge, {}),
    "train_rf": (TrainForestParameters, models.random_forest, {"n_estimators": 5}),
    "train_gb": (TrainGradientBoostingParameters, models.gradient_boosting, {"max_iter": 5}),
    "train_dummy": (TrainDummyParameters, models.baseline, {}),
}
OF_CLASSES = [name for name in SMALL if name != "train_ridge"]
OF_NUMBERS = [name for name in SMALL if name != "train_lr"]
EVERY = [(name, "label") for name in OF_CLASSES] + [(name, "price") for name in OF_NUMBERS]


def table():
    """Columns of each type, of which some have gaps, and a target for each task."""
    random = np.random.default_rng(0)
    warm = random.random(ROWS) > 0.5
    numbers = random.integers(0, 40, ROWS)
    days = [dt.date(2024, 1, 1) + dt.timedelta(days=i) for i in range(ROWS)]
    times = [dt.datetime(2024, 1, 1, i % 24, 30, tzinfo=dt.UTC) for i in range(ROWS)]

    def gaps(values, every):
        return [None if i % every == 0 else value for i, value in enumerate(values)]

    return {
        "whole": numbers.tolist(),
        "whole with gaps": gaps(numbers.tolist(), 7),
        "flag": warm.tolist(),
        "flag with gaps": gaps(warm.tolist(), 11),
        "fraction": (warm * 3 + random.normal(size=ROWS)).tolist(),
        "colour": gaps(["red, dark", "blue", "grün"] * (ROWS // 3), 13),
        "day": gaps(days, 17),
        "moment": times,
        "label": np.where(warm, "yes", "no").tolist(),
        "price": (2.0 * numbers + warm + random.normal(size=ROWS)).round(3).tolist(),
    }


def write_csv(path, columns):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in zip(*columns.values(), strict=True):
            writer.writerow(["" if value is None else value for value in row])
    return path


@pytest.fixture
def files(tmp_path):
    """The table as CSV and as Parquet, and how pandas reads each."""
    columns = table()
    pq.write_table(pa.table(columns), tmp_path / "table.parquet")
    return {
        "csv": (write_csv(tmp_path / "table.csv", columns), pd.read_csv),
        "parquet": (tmp_path / "table.parquet", pd.read_parquet),
    }


@pytest.fixture
def loaded(recording):
    """Load a file, and return the id of the run."""

    def loaded(path, target, **chosen):
        features = ",".join(name for name in table() if name not in ("label", "price"))
        parameters = LoadDataParameters(
            source=str(path), target=target, features=chosen.pop("features", features), **chosen
        )
        with recording(parameters) as run:
            load_data.main(parameters, run)
        return run.run_id

    return loaded


@pytest.fixture
def trained(recording):
    """Run a training step on loaded data, and return the id of the run."""

    def trained(name, data, **chosen):
        kind, build, small = SMALL[name]
        parameters = kind(data=data, **{"cv": 2, **small, **chosen})
        with recording(parameters) as run:
            training.train(parameters, run, build=build)
        return run.run_id

    return trained


@pytest.fixture
def judged(recording):
    """Judge a trained model, and return the run's metrics and plots."""

    def judged(run_id, **chosen):
        parameters = EvaluateParameters(run_id=run_id, bootstrap=20, **chosen)
        with recording(parameters) as run:
            evaluate.main(parameters, run)
        plots = {name.removesuffix(".png") for name in tracking.artifact_sizes(run.run_id, "plots")}
        return tracking.get_run(run.run_id).data.metrics, plots

    return judged


@pytest.mark.parametrize(("name", "target"), EVERY)
def test_a_step_trains_and_its_replay_and_its_restored_model_are_bit_identical(
    files, loaded, trained, name, target
):
    data = loaded(files["csv"][0], target)

    first, second = (tracking.read_record(trained(name, data)).outputs for _ in range(2))

    assert first == second
    values = {"values"} if target == "price" else {"labels", "probabilities"}
    assert set(first.predictions) == values
    assert ("cv_r2_mean" in first.metrics) == (target == "price")
    assert ("cv_accuracy_mean" in first.metrics) == (target == "label")


@pytest.mark.parametrize(
    ("name", "target", "form"),
    [*((name, target, "csv") for name, target in EVERY), ("train_dt", "label", "parquet")],
)
def test_the_model_predicts_from_the_table_as_pandas_reads_it(
    files, loaded, trained, name, target, form
):
    path, read = files[form]
    data = loaded(path, target)
    run_id = trained(name, data, cv=0)

    served = mlflow.pyfunc.load_model(f"models:/{model_store.model_id_of(run_id)}")
    found = served.predict(read(path))

    holder, digest, _ = splits.located(data, "train")
    part = splits.verified(holder, "train", digest)
    X, _ = dataset.features_and_labels(part)
    expected = model_store.load_model(run_id, recorded=None).predict(X)
    places = [table()["fraction"].index(value) for value in part.column("fraction").to_pylist()]
    assert found[places].tolist() == expected.tolist()


def signature(run_id):
    model = mlflow.pyfunc.load_model(f"models:/{model_store.model_id_of(run_id)}")
    return {column["name"]: column["type"] for column in model.metadata.signature.inputs.to_dict()}


def test_the_signature_describes_the_columns_of_the_source(files, loaded, trained):
    found = {
        form: signature(trained("train_dt", loaded(path, "label")))
        for form, (path, _) in files.items()
    }

    common = {
        "whole": "long", "whole with gaps": "double", "flag": "boolean",
        "flag with gaps": "any", "fraction": "double", "colour": "string",
    }  # fmt: skip
    assert found["csv"] == {**common, "day": "string", "moment": "string"}
    assert found["parquet"] == {**common, "day": "datetime", "moment": "any"}


def test_a_column_of_each_type_is_served_over_http(files, loaded, trained):
    path, read = files["csv"]
    run_id = trained("train_rf", loaded(path, "label"))
    model = mlflow.pyfunc.load_model(f"models:/{model_store.model_id_of(run_id)}")
    source = read(path).head(20)
    rows = json.loads(source.to_json(orient="split", index=False))

    answer = scoring_server.invocations(
        data=json.dumps({"dataframe_split": rows}),
        content_type="application/json",
        model=model,
        input_schema=model.metadata.get_input_schema(),
    )

    assert answer.status == 200, answer.response
    assert json.loads(answer.response)["predictions"] == model.predict(source).tolist()


@pytest.mark.parametrize("name", OF_NUMBERS)
def test_a_model_holds_no_type_that_needs_the_project(files, loaded, trained, name):
    run_id = trained(name, loaded(files["csv"][0], "price"), cv=0)

    with model_store.stored_file(run_id) as path:
        found = skops.io.get_untrusted_types(file=path)

    assert not [kind for kind in found if kind.startswith(("steps", "reprise"))]


class TestEvaluate:
    def test_numbers_have_metrics_intervals_and_plots(self, files, loaded, trained, judged):
        run_id = trained("train_dt", loaded(files["csv"][0], "price"))

        metrics, plots = judged(run_id)

        for name in ("r2", "rmse", "mae", "median_ae"):
            value = metrics[f"test_{name}"]
            assert metrics[f"test_{name}_low"] <= value <= metrics[f"test_{name}_high"]
        assert plots == {
            "predicted_against_true",
            "residuals",
            "permutation",
            "importances",
            "tree",
        }
        assert tracking.get_run(run_id).data.metrics["test_r2_low"] == metrics["test_r2_low"]

    def test_a_linear_regression_is_drawn_by_its_coefficients(self, files, loaded, trained, judged):
        _, plots = judged(trained("train_ridge", loaded(files["csv"][0], "price")))

        assert plots == {"predicted_against_true", "residuals", "permutation", "coefficients"}

    def test_boosting_is_drawn_by_permutation(self, files, loaded, trained, judged):
        _, plots = judged(trained("train_gb", loaded(files["csv"][0], "label")))

        assert plots >= {"permutation", "confusion_matrix", "roc"}

    def test_classes_have_intervals_and_a_baseline_is_drawn_by_its_mistakes_alone(
        self, files, loaded, trained, judged
    ):
        metrics, plots = judged(trained("train_dummy", loaded(files["csv"][0], "label")))

        assert metrics["test_accuracy_low"] <= metrics["test_accuracy"]
        assert plots == {"confusion_matrix", "roc", "precision_recall", "calibration"}

    def test_the_seed_decides_the_intervals(self, recording, files, loaded, trained):
        run_id = trained("train_ridge", loaded(files["csv"][0], "price"), cv=0)
        with recording(EvaluateParameters()) as run:
            judged, _ = evaluate.judge(run_id, run)

        first, again, other = (evaluate.intervals(judged, samples=9, seed=s) for s in (1, 1, 2))

        assert first == again
        assert first != other

    def test_the_minimum_of_an_error_is_the_greatest_that_is_accepted(
        self, files, loaded, trained, judged
    ):
        run_id = trained("train_dummy", loaded(files["csv"][0], "price"), cv=0)

        with pytest.raises(BelowMinimumError, match=r"test rmse of at most 0\.001, found"):
            judged(run_id, metric="rmse", minimum=0.001)

    def test_the_best_of_numbers_is_found_without_a_metric(self, store, files, loaded, trained):
        data = loaded(files["csv"][0], "price")
        trained("train_dummy", data)
        best = trained("train_ridge", data)

        class Run:
            experiment_id = store.experiment_id
            recorded_uri = staticmethod(lambda name: None)

        assert evaluate.training_run(EvaluateParameters(), Run()) == best


@pytest.mark.parametrize(
    ("name", "target", "words"),
    [
        ("train_lr", "price", "train_lr is for classes. Train train_ridge"),
        ("train_ridge", "label", "train_ridge is for numbers. Train train_lr"),
    ],
)
def test_a_step_of_the_other_task_names_the_right_one(files, loaded, trained, name, target, words):
    data = loaded(files["csv"][0], target)

    with pytest.raises(DataError, match=words) as refused:
        trained(name, data)

    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["train_dt", "train_rf", "train_gb"])
def test_class_weights_are_refused_for_numbers(files, loaded, trained, name):
    data = loaded(files["csv"][0], "price")

    with pytest.raises(DataError, match="no class_weight for a regression, found balanced"):
        trained(name, data, class_weight="balanced")


def test_a_rare_class_is_reported_and_the_training_goes_on(tmp_path, loaded, trained, capsys):
    labels = ["a"] * 30 + ["b"] * 30 + ["c"] * 3
    path = write_csv(tmp_path / "rare.csv", {"x": range(63), "y": labels})

    run_id = trained("train_dt", loaded(path, "y", features="x"), cv=5)

    assert "Class 'c' (2 rows to train on): fewer rows than the 5 folds" in capsys.readouterr().err
    assert "cv_accuracy_mean" in tracking.get_run(run_id).data.metrics


def test_ids_of_which_each_is_a_category_are_trained_on(tmp_path, loaded, trained):
    rows = 3000
    ids = {
        "x": range(rows),
        "id": [f"C{i:06d}" for i in range(rows)],
        "y": ["a", "b"] * (rows // 2),
    }
    path = write_csv(tmp_path / "ids.csv", ids)

    run_id = trained("train_lr", loaded(path, "y", features="x,id"), cv=0, max_iter=5)

    model = model_store.load_model(run_id, recorded=None)
    assert model.named_steps["classifier"].coef_.shape == (1, 1001)


def test_columns_of_the_rarer_types_of_parquet_are_predicted_from_as_pandas_reads_them(
    tmp_path, loaded, trained
):
    zoned = pa.timestamp("us", tz="Europe/Paris")
    columns = {
        "small": pa.array([i % 9 for i in range(60)], "int8"),
        "unsigned": pa.array([i % 9 for i in range(60)], "uint16"),
        "long unsigned": pa.array([i % 9 for i in range(60)], "uint64"),
        "half": pa.array(np.arange(60, dtype=np.float16) / 4),
        "single": pa.array([None if i % 9 == 0 else i / 4 for i in range(60)], "float32"),
        "decimal": pa.array([Decimal(i) / 4 for i in range(60)], pa.decimal128(10, 2)),
        "category": pa.array(["u", None, "v"] * 20).dictionary_encode(),
        "zoned": pa.array([1_700_000_000_000_000 + i * 10**9 for i in range(60)], zoned),
        "stamp": pa.array(
            [None if i % 9 == 0 else i * 10**9 for i in range(60)], pa.timestamp("ns")
        ),
        "y": pa.array(["a", "b"] * 30),
    }
    path = tmp_path / "types.parquet"
    pq.write_table(pa.table(columns), path)
    data = loaded(path, "y", features=",".join(name for name in columns if name != "y"))
    run_id = trained("train_dt", data, cv=0, max_depth=None)

    served = mlflow.pyfunc.load_model(f"models:/{model_store.model_id_of(run_id)}")
    found = served.predict(pd.read_parquet(path))

    holder, digest, _ = splits.located(data, "train")
    part = splits.verified(holder, "train", digest)
    places = [columns["decimal"].to_pylist().index(Decimal(v)) for v in part["decimal"].to_pylist()]
    assert found[places].tolist() == part["y"].to_pylist()
