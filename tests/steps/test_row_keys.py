"""A split by group or time keeps rows together, or in order, and so do the folds of a training."""

import json

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    StratifiedGroupKFold,
    TimeSeriesSplit,
    cross_val_score,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from reprise import tracking
from reprise.data import splits
from reprise.errors import DataError, ParameterError
from reprise.runtime import recorder
from reprise.sweeps.experiment_file import ExperimentFile
from steps import dataset, evaluate, folds, load_data, models, row_keys, training
from steps.main import planned
from steps.parameters import EvaluateParameters, LoadDataParameters, TrainDecisionTreeParameters
from steps.report.screen import heading

ROWS = 120


@pytest.fixture
def frame():
    """Rows of 24 patients on 40 days, of which three rows share each; every patient has a class."""
    random = np.random.default_rng(5)
    patient = random.integers(0, 24, ROWS)
    days = pd.date_range("2024-01-01", periods=40).repeat(3)
    x = patient % 2 + random.normal(0, 0.7, ROWS)
    return pd.DataFrame(
        {
            "x": x,
            "z": random.normal(size=ROWS),
            "patient": [f"P{number:02d}" for number in patient],
            "day": days.strftime("%Y-%m-%d"),
            "price": x * 3 + random.normal(size=ROWS),
            "y": np.where(patient % 2, "ill", "well"),
        }
    ).sample(frac=1, random_state=3, ignore_index=True)


@pytest.fixture
def load(recording, tmp_path):
    def load(frame, **parameters):
        path = tmp_path / "table.csv"
        frame.to_csv(path, index=False)
        chosen = LoadDataParameters(**{"source": str(path), "target": "y", **parameters})
        with recording(chosen) as run:
            load_data.main(chosen, run)
        return run.run_id

    return load


@pytest.fixture
def train(recording):
    def train(data, **parameters):
        chosen = TrainDecisionTreeParameters(data=data, **{"max_depth": 3, **parameters})
        with recording(chosen) as run:
            training.train(chosen, run, build=models.decision_tree)
        return run.run_id

    return train


def part(run_id, name):
    return splits.verified(
        *[splits.located(run_id, name)[0], name, splits.located(run_id, name)[1]]
    )


def rows_of(frame, stored):
    """Return the rows of a frame that a stored part has, in its order."""
    places = {value: place for place, value in enumerate(frame["z"])}
    return [places[value] for value in stored.column("z").to_pylist()]


def facts(store, run_id):
    return json.loads((store.artifacts(run_id) / "data_report.json").read_text())


def test_groups_are_split_as_scikit_learn_splits_them(store, load, frame, capsys):
    run_id = load(frame, group="patient", drop="price,day", test_size=0.25, seed=7)

    splitter = GroupShuffleSplit(1, test_size=0.25, random_state=7)
    train, test = next(splitter.split(frame, groups=frame["patient"]))
    assert rows_of(frame, part(run_id, "train")) == list(train)
    assert rows_of(frame, part(run_id, "test")) == list(test)
    both = [set(frame["patient"].iloc[rows]) for rows in (train, test)]
    words = f"by groups of 'patient', {len(both[0])} to train on and {len(both[1])} to test on"
    assert f"split: {words}" in capsys.readouterr().out
    assert facts(store, run_id)["split"] == words
    assert words in (store.artifacts(run_id) / "data_report.html").read_text().replace("&#39;", "'")


@pytest.mark.parametrize(
    ("target", "kind", "model"),
    [
        ("y", StratifiedGroupKFold, DecisionTreeClassifier),
        ("price", GroupKFold, DecisionTreeRegressor),
    ],
)
def test_folds_keep_groups_together_as_scikit_learn_does(load, train, frame, target, kind, model):
    data = load(frame, target=target, features="x,z", group="patient")

    trained = train(data, cv=4, seed=9)

    stored = rows_of(frame, part(data, "train"))
    X, y, groups = (frame[c].iloc[stored] for c in (["x", "z"], target, "patient"))
    expected = cross_val_score(
        model(max_depth=3, random_state=9),
        X,
        y,
        groups=groups,
        cv=kind(4, shuffle=True, random_state=9),
        scoring="accuracy" if target == "y" else "r2",
    )
    metrics = tracking.get_run(trained).data.metrics
    name = "accuracy" if target == "y" else "r2"
    assert metrics[f"cv_{name}_mean"] == pytest.approx(expected.mean(), abs=1e-12)
    assert metrics[f"cv_{name}_std"] == pytest.approx(expected.std(), abs=1e-12)


def test_the_latest_rows_are_held_out_and_folds_look_ahead(store, load, train, frame):
    data = load(frame, time="day", target="price", features="x,z", test_size=0.3)

    stored = [rows_of(frame, part(data, name)) for name in ("train", "test")]
    days = [frame["day"].iloc[rows].tolist() for rows in stored]
    assert days == [sorted(days[0]), sorted(days[1])]
    assert days[0][-1] < days[1][0]
    assert len(days[1]) == 36
    assert facts(store, data)["split"] == (
        f"by 'day', up to {days[0][-1]} to train on and from {days[1][0]} to test on"
    )
    expected = cross_val_score(
        DecisionTreeRegressor(max_depth=3, random_state=0),
        frame[["x", "z"]].iloc[stored[0]],
        frame["price"].iloc[stored[0]],
        cv=TimeSeriesSplit(4),
        scoring="r2",
    )
    metrics = tracking.get_run(train(data, cv=4, seed=0)).data.metrics
    assert metrics["cv_r2_mean"] == pytest.approx(expected.mean(), abs=1e-12)


@pytest.mark.parametrize(("option", "column"), [("group", "patient"), ("time", "day")])
class TestTheColumn:
    def test_is_no_feature_and_said_so_without_a_warning_to_refuse(
        self, store, load, frame, option, column
    ):
        run_id = load(frame[["x", "z", column, "y"]], **{option: column, "features": ""})

        found = facts(store, run_id)
        roles = {each["name"]: each["role"] for each in found["columns"]}
        assert roles == {"x": "feature", "z": "feature", column: option, "y": "target"}
        assert [w["column"] for w in found["warnings"] if w["is_asked_for"]] == [column]
        assert json.loads((store.artifacts(run_id) / "data" / "schema.json").read_text())[
            "split"
        ] == {option: column}

    def test_is_a_feature_if_it_is_named_as_one(self, load, frame, option, column):
        run_id = load(frame, **{option: column, "features": f"x,z,{column}"})

        X, _ = dataset.features_and_labels(part(run_id, "train"))
        assert list(X.columns) == ["x", "z", column]

    def test_is_not_chosen_as_the_target(self, load, frame, option, column):
        run_id = load(frame[["x", "z", "y", column]], **{option: column, "target": None})

        assert part(run_id, "train").column_names[-1] == "y"

    def test_that_is_the_target_or_is_missing_is_refused(self, load, frame, option, column):
        with pytest.raises(DataError, match=f"other than the target to split by, found '{column}'"):
            load(frame, **{option: column, "target": column})
        with pytest.raises(DataError, match=f"column for `{option}` 'other', found none"):
            load(frame, **{option: "other"})

    @pytest.mark.parametrize("kind", ["csv", "nan"])
    def test_with_missing_values_is_refused_in_one_line(self, load, frame, option, column, kind):
        if kind == "nan":
            frame[column] = np.arange(ROWS) / 2
        frame.loc[[4, 9], column] = None

        with pytest.raises(
            DataError, match=r"found 2 of 120 missing, the first in row 5\. Fill"
        ) as e:
            load(frame, **{option: column})

        assert "\n" not in str(e.value)

    def test_follows_the_rows_that_are_left_out(self, load, frame, option, column):
        frame.loc[::10, "y"] = None
        kept = frame.dropna(subset="y", ignore_index=True)
        choice = {option: column, "features": "x,z"}

        found = part(load(frame, drop_missing_labels=True, **choice), "train")

        assert found == part(load(kept, **choice), "train")

    def test_trains_and_is_replayed_bit_identically(
        self, store, load, train, frame, record_of, option, column
    ):
        data = load(frame, **{option: column, "features": "x,z"})
        other = load(frame, features="x,z")

        first, second = (train(data, cv=3) for _ in range(2))

        record = tracking.read_record(first)
        assert record.outputs == tracking.read_record(second).outputs
        parameters = TrainDecisionTreeParameters(data=data, max_depth=3, cv=3)
        with mlflow.start_run() as run:
            again = recorder.RunRecorder(
                run, record_of(parameters), parameters=parameters, tags={}, original=record
            )
            with again.recorded():
                training.train(parameters, again, build=models.decision_tree)
        assert again.record.outputs == record.outputs
        assert tracking.read_record(train(other, cv=3)).outputs != record.outputs

    def test_needs_no_place_in_the_model_or_its_evaluation(
        self, recording, load, train, frame, option, column
    ):
        trained = train(load(frame, **{option: column, "features": "x,z"}), cv=0)

        with recording(EvaluateParameters(run_id=trained, bootstrap=0)) as run:
            judged, _ = evaluate.judge(trained, run)

        assert list(judged.features.columns) == ["x", "z"]


def test_group_and_time_together_are_refused_before_anything_is_read():
    with pytest.raises(ParameterError, match="time must be the name of a column, or empty; empty"):
        LoadDataParameters.parse({"group": "patient", "time": "day"})


@pytest.mark.parametrize("option", ["group", "time"])
def test_an_experiment_file_may_say_it(option):
    file = ExperimentFile(
        data={"source": "visits.csv", option: "visit, first"}, steps=[{"step": "train_dt"}]
    )

    loading, _, _ = planned(file)

    assert loading == LoadDataParameters(source="visits.csv", **{option: "visit, first"})


def test_times_in_text_are_refused_with_the_option_that_reads_them(load, frame):
    frame["day"] = pd.to_datetime(frame["day"]).dt.strftime("%d/%m/%Y")

    with pytest.raises(DataError, match=r"-P dates=day=%d/%m/%Y\.$"):
        load(frame, time="day")

    assert load(frame, time="day", dates="day=%d/%m/%Y")


def test_one_group_and_one_time_cannot_be_split(load, frame):
    frame["patient"], frame["day"] = "P1", "2024-01-01"

    with pytest.raises(DataError, match="groups of column 'patient' in both parts, found 1 in all"):
        load(frame, group="patient")
    with pytest.raises(DataError, match="different times in column 'day', found 2024-01-01 in"):
        load(frame, time="day")


def test_a_class_that_only_test_rows_have_is_refused(load, frame):
    frame.loc[frame["day"] > "2024-02-07", "y"] = "new"

    with pytest.raises(DataError, match=r"no row of new\. Lower -P test_size, change the split"):
        load(frame, time="day")


def test_more_folds_than_groups_are_refused_with_the_number_there_is(load, train, frame):
    data = load(frame, group="patient", features="x,z")
    groups = len(set(part(data, "train")["reprise.group"].to_pylist()))

    with pytest.raises(DataError, match=f"found {groups}. Use -P cv={groups} or"):
        train(data, cv=groups + 1)


def test_a_table_with_the_name_of_a_stored_key_can_only_be_split_at_random(load, frame):
    frame["reprise.time"] = range(ROWS)

    with pytest.raises(DataError, match=r"no column 'reprise\.time' in a table that is split by"):
        load(frame, group="patient")


def key_of(values, kind=row_keys.TIME):
    table = pa.table({"key": values, "y": ["a"] * len(values)})
    chosen = {"group": None, "time": None, kind: "key"}
    marked = row_keys.marked(table, **chosen)
    return row_keys.of_source(marked, marked, kind)


@pytest.mark.parametrize(
    "values",
    [
        pa.array([3, 1, 2, 2]),
        pa.array([3.5, 1.0, 2.0, 2.0], "float32"),
        pa.array([3, 1, 2, 2]).cast(pa.uint8()),
        pa.array([3, 1, 2, 2]).cast(pa.decimal128(21, 1)),
        pa.array([3, 1, 2, 2], pa.int32()).cast(pa.date32()),
        pa.array([3, 1, 2, 2]).cast(pa.timestamp("us", "Europe/Paris")),
        pa.array([3, 1, 2, 2]).cast(pa.time64("ns")),
        pa.array([3, 1, 2, 2]).cast(pa.duration("s")),
        pa.array([3.0, 1.0, 2.0, 2.0]).cast(pa.float16()),
        pa.array([30, 10, 20, 20]).dictionary_encode(),
    ],
    ids=lambda values: str(values.type),
)
def test_every_type_that_has_an_order_is_a_time(values):
    train, test = key_of(values).split(0.25, 0)

    assert (train.tolist(), test.tolist()) == ([1, 2, 3], [0])


@pytest.mark.parametrize(
    "values",
    [
        pa.array(["b", "a", "a"]),
        pa.array(["b", "a", "a"], pa.large_string()),
        pa.array(["b", "a", "a"], pa.string_view()),
        pa.array(["b", "a", "a"]).dictionary_encode(),
        pa.array([True, False, False]),
        pa.array([2**60 + 1, 2**60, 2**60]),
    ],
    ids=lambda values: str(values.type),
)
def test_every_type_of_equal_values_is_a_group(values):
    assert key_of(values, row_keys.GROUP).codes.tolist() == [1, 0, 0]


@pytest.mark.parametrize("kind", [row_keys.GROUP, row_keys.TIME])
def test_values_without_an_order_are_refused(kind):
    with pytest.raises(DataError, match=r"to split by (group|time), found list"):
        key_of(pa.array([[1], [2]]), kind)


@given(
    times=st.lists(st.integers(0, 9), min_size=2, max_size=40).filter(lambda t: len(set(t)) > 1),
    test_size=st.floats(0.01, 0.99),
)
def test_no_time_is_in_both_parts_and_no_cut_is_nearer_to_the_wanted_size(times, test_size):
    train, test = key_of(times).split(test_size, 0)

    values = np.array(times)
    assert values[train].max() < values[test].min()
    assert sorted([*train, *test]) == list(range(len(times)))
    wanted = np.ceil(test_size * len(times))
    sizes = [(values >= time).sum() for time in set(times) if time > min(times)]
    assert abs(len(test) - wanted) == min(abs(size - wanted) for size in sizes)


@given(groups=st.lists(st.integers(0, 30), min_size=20, max_size=60), data=st.data())
def test_no_group_is_in_two_parts_or_two_folds(groups, data):
    codes = np.unique(groups, return_inverse=True)[1]
    letters = st.lists(st.sampled_from("ab"), min_size=len(groups), max_size=len(groups))
    y = np.array(data.draw(letters), dtype=object)
    key = folds.StoredKey("group", codes)

    try:
        found = list(folds.parts(y, folds=2, seed=0, key=key))
    except DataError:  # all classes of one group, or one group
        return

    for train, test in found:
        assert not set(codes[train]) & set(codes[test])
    assert sorted(np.concatenate([test for _, test in found])) == list(range(len(groups)))


def test_reports_of_the_first_versions_are_shown_without_a_split():
    old = {
        "rows": {"read": 3, "train": 2, "test": 1},
        "target": {"name": "y", "chosen": "a test"},
        "classes": {},
        "columns": [],
        "task": "regression",
    }

    assert not [line for line in heading(old) if "split" in line]
