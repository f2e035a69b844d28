"""Tables become what classifiers are fitted on, or one line says why not."""

import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import partial

import numpy as np
import pyarrow as pa
import pytest
import refusing
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

from reprise.errors import DataError
from steps.dataset import NAMED, features_and_labels, named, prepare, profile, split

LABELS = ["a", "b", "a", "b"]


def prepared(target=None, features=None, **columns):
    return prepare(pa.table(columns), target=target, features=features)


refusal = partial(refusing.refusal, error=DataError)


def labelled(*counts):
    """Prepared table of classes a, b, ... with so many rows each, and the row's number."""
    labels = [chr(97 + i) for i, count in enumerate(counts) for _ in range(count)]
    return prepared(row=np.arange(len(labels)), label=labels)


class TestNamedDataSets:
    @pytest.mark.parametrize(
        ("name", "target", "shape", "some", "labels"),
        [
            ("iris", "species", (150, 5), "sepal_length", ["setosa", "versicolor", "virginica"]),
            ("wine", "cultivar", (178, 14), "od280_od315_of_diluted_wines", None),
            ("breast_cancer", "diagnosis", (569, 31), "mean_radius", ["benign", "malignant"]),
            ("digits", "digit", (1797, 65), "pixel_0_0", list(range(10))),
        ],
    )
    def test_have_plain_names_and_their_target_last(self, name, target, shape, some, labels):
        table, found = named(name)

        assert found == target == table.column_names[-1]
        assert table.shape == shape
        assert some in table.column_names
        assert all(column.isidentifier() for column in table.column_names)
        assert all(column == column.lower() for column in table.column_names)
        assert set(table.schema.types[:-1]) == {pa.float64()}
        assert sorted(set(table[target].to_pylist())) == (
            labels or ["class_0", "class_1", "class_2"]
        )

    def test_iris_has_scikit_learns_values(self):
        table, _ = named("iris")

        bunch = load_iris()
        assert table.column_names[:2] == ["sepal_length", "sepal_width"]
        assert table.column_names[2:4] == ["petal_length", "petal_width"]
        assert np.array_equal(np.column_stack(table.columns[:4]), bunch.data)
        assert table["species"].to_pylist() == [bunch.target_names[i] for i in bunch.target]

    @pytest.mark.parametrize("name", NAMED)
    def test_are_prepared_already(self, name):
        table, target = named(name)

        assert prepare(table, target=None, features=None).equals(table)
        assert prepare(table, target=target, features=None).equals(table)

    def test_of_another_name_are_refused(self):
        text = refusal(named, "irsi")

        assert "Did you mean 'iris'?" in text
        assert "iris, wine, breast_cancer, digits" in text


class TestSelection:
    def test_takes_the_last_column_as_target_unless_told(self):
        table = prepared(x=[1.0, 2.0], y=["a", "b"])

        assert table.column_names == ["x", "y"]

    def test_puts_the_target_last_and_keeps_the_order_of_the_features(self):
        table = prepared("y", x=[1.0, 2.0], y=["a", "b"], w=[3.0, 4.0])

        assert table.column_names == ["x", "w", "y"]

    def test_takes_the_features_in_the_order_they_are_listed(self):
        table = prepared("y", ["w", "x"], x=[1.0, 2.0], y=["a", "b"], w=[3.0, 4.0], v=["", ""])

        assert table.column_names == ["w", "x", "y"]
        assert table.to_pydict() == {"w": [3.0, 4.0], "x": [1.0, 2.0], "y": ["a", "b"]}

    @pytest.mark.parametrize(
        ("target", "features", "words"),
        [
            ("specie", None, ["target 'specie'", "Did you mean 'species'?", "species, x, w."]),
            ("SPECIES", None, ["Did you mean 'species'?"]),
            ("zzz", None, ["target 'zzz'", "Choose from x, w, species."]),
            (None, ["x", "ww"], ["feature 'ww'", "Did you mean 'w'?"]),
            (None, ["x", "w", "x"], ["`features`", "more than one x."]),
            (None, ["x", "species"], ["'species' as both"]),
            (None, [], ["at least one feature"]),
        ],
    )
    def test_that_is_not_possible_is_refused(self, target, features, words):
        text = refusal(prepared, target, features, x=[1, 2], w=[1, 2], species=["a", "b"])

        assert all(word in text for word in words), text

    def test_lists_all_columns_when_one_is_not_found(self):
        text = refusal(prepared, "c77x", **{f"c{i}": [1, 2] for i in range(99)})

        assert "Did you mean 'c77'? Choose from c77, " in text
        assert all(f"c{i}," in text or f"c{i}." in text for i in range(99))

    def test_needs_a_feature(self):
        assert "at least one feature besides the target 'y'" in refusal(prepared, y=["a", "b"])

    def test_needs_rows(self):
        assert "found none" in refusal(prepared, x=pa.array([], "int64"), y=pa.array([], "int64"))

    def test_needs_different_column_names(self):
        table = pa.table([[1], [2], [3], [4], ["a"]], names=["x", "w", "x", "w", "y"])

        text = refusal(prepare, table, target=None, features=None)

        assert "more than one x, w." in text


class TestFeatures:
    @pytest.mark.parametrize(
        ("column", "expected"),
        [
            (pa.array([1.5, None], "float64"), pa.array([1.5, None], "float64")),
            (pa.array([1.5, None], "float32"), pa.array([1.5, None], "float32")),
            (pa.array(np.array([1.5, 2], "float16")), pa.array([1.5, 2.0])),
            (pa.array([1.5, np.nan]), pa.array([1.5, None], "float64")),
            (pa.array([1.5, np.nan], "float32"), pa.array([1.5, None], "float32")),
            (pa.array([1, None], "int8"), pa.array([1.0, None])),
            (pa.array([2**63, 1], "uint64"), pa.array([2.0**63, 1.0])),
            (pa.array([2**53 + 1, 1], "int64"), pa.array([2.0**53, 1.0])),
            (pa.array([True, None]), pa.array([1.0, None])),
            (pa.array([False, True]), pa.array([0.0, 1.0])),
            (pa.array([Decimal("1.25"), None]), pa.array([1.25, None])),
            (pa.array([date(1970, 1, 11), None]), pa.array([10.0, None])),
            (pa.array([date(1970, 1, 11), None], pa.date64()), pa.array([10.0, None])),
            (pa.array(["x", None], "large_string"), pa.array(["x", None])),
            (pa.array(["x", None], pa.string_view()), pa.array(["x", None])),
            (pa.array(["x", None]).dictionary_encode(), pa.array(["x", None])),
            (pa.array([7, None]).dictionary_encode(), pa.array(["7", None])),
        ],
        ids=lambda value: str(value.type),
    )
    def test_are_stored_as_floats_or_text(self, column, expected):
        table = prepared(x=column, y=["a", "b"])

        assert table["x"].combine_chunks().equals(expected)

    @pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
    @pytest.mark.parametrize("zone", [None, "UTC", "Asia/Kolkata"])
    def test_of_time_are_days_since_1970_in_utc(self, unit, zone):
        moment = datetime(2024, 2, 29, 18, 0, 1, tzinfo=UTC)
        column = pa.array([moment, None], pa.timestamp(unit, zone))

        table = prepared(x=column, y=["a", "b"])

        assert table["x"].to_pylist() == [19782 + (18 * 3600 + 1) / 86400, None]

    @pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
    def test_of_times_of_day_and_of_durations_are_seconds(self, unit):
        bits = 32 if unit in ("s", "ms") else 64
        moment = pa.array([time(1, 1, 1), None]).cast(getattr(pa, f"time{bits}")(unit))
        duration = pa.array([timedelta(days=2, seconds=1), None], pa.duration(unit))

        table = prepared(x=moment, z=duration, y=["a", "b"])

        assert table["x"].to_pylist() == [3661.0, None]
        assert table["z"].to_pylist() == [172801.0, None]

    @pytest.mark.parametrize(
        ("column", "kind"),
        [
            (pa.array([[1], [2]]), "list"),
            (pa.array([{"a": 1}, {"a": 2}]), "struct"),
            (pa.array([b"a", b"b"]), "binary"),
        ],
    )
    def test_of_other_types_are_refused(self, column, kind):
        text = refusal(prepared, x=column, y=["a", "b"])

        assert "column 'x'" in text
        assert f"found {kind}" in text

    @pytest.mark.parametrize("kind", ["float64", "float32", "float16"])
    def test_that_are_infinite_are_counted_and_refused(self, kind):
        column = pa.array(np.array([np.inf, 1, -np.inf, np.nan], kind))

        assert "column 'x', found 2 infinite" in refusal(prepared, x=column, y=LABELS)

    @pytest.mark.parametrize("features", [None, ["nothing", "nan", "x", "text"]])
    def test_that_are_missing_everywhere_are_left_out_with_a_notice(self, features):
        notices = []
        table = pa.table(
            {
                "nothing": pa.nulls(4),
                "nan": [np.nan] * 4,
                "x": [None, 1, 2, 3],
                "text": pa.array([None] * 4, "string"),
                "y": LABELS,
            }
        )

        kept = prepare(table, target="y", features=features, notices=notices)

        assert kept.column_names == ["x", "y"]
        assert [notice.column for notice in notices] == ["nothing", "nan", "text"]
        assert all("no values" in notice.text for notice in notices)

    def test_that_are_all_missing_everywhere_are_refused(self):
        text = refusal(prepared, nothing=pa.nulls(4), nan=[np.nan] * 4, y=LABELS)

        assert "besides the target 'y', found none in nothing, nan." in text


class TestTarget:
    @pytest.mark.parametrize(
        ("labels", "kind"),
        [
            (pa.array(["a", "b"]), "string"),
            (pa.array(["a", "b"], "large_string"), "string"),
            (pa.array(["a", "b"]).dictionary_encode(), "string"),
            (pa.array([1, 2], "int8"), "int64"),
            (pa.array([1, 2], "uint64"), "int64"),
            (pa.array([1.0, -2.0]), "int64"),
            (pa.array(np.array([1, 2], "float16")), "int64"),
            (pa.array([Decimal("1.0"), Decimal("2.0")]), "int64"),
            (pa.array([True, False]), "bool"),
        ],
    )
    def test_is_text_whole_numbers_or_booleans(self, labels, kind):
        table = prepared(x=[1.0, 2.0], y=labels)

        assert str(table.schema.field("y").type) == kind
        assert table["y"].to_pylist() == labels.to_pylist()

    @pytest.mark.parametrize(
        ("labels", "words"),
        [
            (["a", "b", None, None], ["found 2 of 4 missing", "first in row 3"]),
            ([1.0, np.nan, 2.0, 1.0], ["found 1 of 4 missing", "first in row 2"]),
            (pa.nulls(4), ["found 4 of 4 missing", "first in row 1"]),
            ([1.5, 2.5, 1.5, 1.0], ["found 2 distinct fractional", "Use -P task=regression"]),
            ([Decimal("1.5"), Decimal(2), 3, 4], ["found 1 distinct fractional"]),
            ([1.0, np.inf, 2.0, 3.0], ["'y', found 1 infinite"]),
            ([1e300, 1.0, 2.0, 3.0], ["64-bit", "found 1e+300"]),
            (pa.array([2**64 - 1, 1, 2, 3], "uint64"), ["64-bit", "found 18446744073709551615"]),
            (["a", "a", "a", "a"], ["two or more classes in target 'y'", "found only a."]),
            ([3, 3, 3, 3], ["found only 3."]),
            ([True, True, True, True], ["found only True."]),
            ([date(2024, 1, 1)] * 4, ["target 'y', found date32", "Name another target"]),
            ([datetime(2024, 1, 1, tzinfo=UTC)] * 4, ["found timestamp"]),
            ([[1], [1], [2], [2]], ["found list"]),
        ],
    )
    def test_that_is_not_classes_is_refused(self, labels, words):
        text = refusal(prepared, x=[1.0, 2.0, 3.0, 4.0], y=labels)

        assert all(word in text for word in words), text


class TestPreparedTables:
    def test_have_one_chunk_per_column_and_no_metadata(self):
        field = pa.field("x", pa.float64(), nullable=False, metadata={"unit": "cm"})
        schema = pa.schema([field, ("y", pa.string())], metadata={"pandas": "{}"})
        half = pa.table([[1.0, 2.0], ["a", "b"]], schema=schema)

        table = prepare(pa.concat_tables([half, half]), target=None, features=None)

        assert [column.num_chunks for column in table.columns] == [1, 1]
        assert table.schema.equals(
            pa.schema([("x", pa.float64()), ("y", pa.string())]), check_metadata=True
        )
        assert table["x"].to_pylist() == [1.0, 2.0, 1.0, 2.0]

    def test_share_the_memory_of_columns_that_need_no_conversion(self):
        column = pa.array(np.arange(1000.0))

        before = pa.total_allocated_bytes()
        table = prepared(x=column, y=pa.array(np.arange(1000)))

        assert table["x"].chunk(0).buffers()[1].address == column.buffers()[1].address
        assert pa.total_allocated_bytes() - before < 1000

    def test_are_not_changed_by_preparing_again(self):
        table = prepared(x=[1, None], d=[date(2024, 1, 1)] * 2, t=["x", None], y=[1.0, 2.0])

        assert prepare(table, target=None, features=None).equals(table)


class TestSplit:
    @pytest.mark.parametrize("stratify", [False, True])
    @pytest.mark.parametrize(("test_size", "seed"), [(0.33, 2), (0.2, 0), (0.5, 42)])
    def test_of_iris_is_scikit_learns(self, stratify, test_size, seed):
        X, y = load_iris(return_X_y=True)
        X_train, X_test, y_train, y_test = train_test_split(
            X, y, test_size=test_size, random_state=seed, stratify=y if stratify else None
        )

        parts = split(named("iris")[0], test_size=test_size, stratify=stratify, seed=seed)

        names = load_iris().target_names
        expected = ((X_train, y_train), (X_test, y_test))
        for part, (features, labels) in zip(parts, expected, strict=True):
            assert np.array_equal(np.column_stack(part.columns[:4]), features)
            assert part["species"].to_pylist() == names[labels].tolist()

    @pytest.mark.parametrize(
        "labels",
        [
            ["é", "z", "Z", "aa", "", "\U0001f600"] * 5,
            [10, 9, -1, 2**62, 0, 2] * 5,
            [True, False, False] * 10,
        ],
    )
    def test_stratified_is_scikit_learns_for_any_labels(self, labels):
        table = prepared(row=np.arange(30), y=labels)

        train, test = split(table, test_size=0.4, stratify=True, seed=7)

        expected = train_test_split(np.arange(30), test_size=0.4, random_state=7, stratify=labels)
        assert [train["row"].to_pylist(), test["row"].to_pylist()] == [
            part.tolist() for part in expected
        ]

    def test_gives_every_row_to_one_part(self):
        train, test = split(labelled(30, 20), test_size=0.25, stratify=False, seed=1)

        assert (train.num_rows, test.num_rows) == (37, 13)
        assert sorted(train["row"].to_pylist() + test["row"].to_pylist()) == list(range(50))

    def test_depends_on_the_seed_only(self):
        one, same, other = (
            list(split(labelled(30, 20), test_size=0.25, stratify=True, seed=seed))
            for seed in (1, 1, 2)
        )

        assert one[0].equals(same[0])
        assert one[1].equals(same[1])
        assert not one[0].equals(other[0])

    @pytest.mark.parametrize(
        ("counts", "test_size", "stratify", "words"),
        [
            ((9, 1, 5, 1), 0.5, True, ["one of b (1), d (1)", "-P stratify=false"]),
            ((9, 9, 9), 0.05, True, ["found 2 rows to test on for 3 classes", "test_size"]),
            ((9, 9, 9), 0.95, True, ["found 1 rows to train on for 3 classes"]),
            ((1, 1), 0.5, False, ["training part", "no row of ", "-P seed"]),
            ((99, 2), 0.9, True, ["training part", "no row of b."]),
            ((2, 2), 0.9, False, ["found 0 to train and 4 to test on"]),
            ((2, 2), 1.0, False, ["found 0 to train"]),
            ((2, 2), 0.0, True, ["found 4 to train and 0 to test on"]),
        ],
    )
    def test_that_cannot_train_and_test_is_refused(self, counts, test_size, stratify, words):
        text = refusal(split, labelled(*counts), test_size=test_size, stratify=stratify, seed=0)

        assert all(word in text for word in words), text


class TestProfile:
    def test_describes_columns_and_classes_ready_for_json(self):
        table = prepared(
            x=[1.0, np.nan, 2.0, 6.0],
            z=pa.array([0.5, 0.5, 0.5, 0.5], "float32"),
            t=["u", None, "v", "u"],
            y=["b", "a", "b", "b"],
        )

        found = json.loads(json.dumps(profile(table), allow_nan=False))

        assert found == {
            "target": "y",
            "task": "classification",
            "rows": 4,
            "classes": {"a": 1, "b": 3},
            "columns": [
                {"name": "x", "type": "float64", "missing": 1, "min": 1.0, "max": 6.0, "mean": 3.0},
                {"name": "z", "type": "float32", "missing": 0, "min": 0.5, "max": 0.5, "mean": 0.5},
                {"name": "t", "type": "string", "missing": 1, "distinct": 2},
                {"name": "y", "type": "string", "missing": 0, "distinct": 2},
            ],
        }

    @pytest.mark.parametrize(
        ("labels", "classes", "kind"),
        [
            ([10, 9, 10, -1], {"-1": 1, "9": 1, "10": 2}, "int64"),
            ([True, False, True, True], {"False": 1, "True": 3}, "bool"),
        ],
    )
    def test_keys_classes_by_their_text_in_order(self, labels, classes, kind):
        found = profile(prepared(x=[1, 2, 3, 4], y=labels))

        assert list(found["classes"].items()) == list(classes.items())
        assert found["columns"][-1] == {
            "name": "y",
            "type": kind,
            "missing": 0,
            "distinct": len(classes),
        }

    def test_holds_finite_numbers_only(self):
        found = profile(prepared(x=[1.7e308, 1.7e308], y=["a", "b"]))

        assert found["columns"][0]["max"] == 1.7e308
        assert found["columns"][0]["mean"] is None

    def test_of_a_part_without_values_in_a_column_has_none(self):
        part = prepared(x=[None, None, 1.0, 2.0], y=LABELS).slice(0, 2)

        column = profile(part)["columns"][0]

        assert column["missing"] == 2
        assert column["min"] is column["max"] is column["mean"] is None


class TestFeaturesAndLabels:
    def test_have_floats_with_nan_and_text_with_nan(self):
        table = prepared(
            x=[1.0, None], z=pa.array([0.5, None], "float32"), t=["u", None], y=["a", "b"]
        )

        features, _ = features_and_labels(table)

        assert list(features.columns) == ["x", "z", "t"]
        assert [str(kind) for kind in features.dtypes] == ["float64", "float32", "object"]
        assert features.isna().to_numpy().tolist() == [[False] * 3, [True] * 3]
        assert isinstance(features["t"][0], str)

    @pytest.mark.parametrize(
        ("labels", "dtype", "kind"),
        [(LABELS, object, str), ([1, 2, 1, 2], "int64", int), ([True, False] * 2, "bool", bool)],
    )
    def test_have_labels_that_estimators_give_back(self, labels, dtype, kind):
        features, found = features_and_labels(prepared(x=[1, 5, 1, 5], y=labels))

        model = DecisionTreeClassifier().fit(features, found)

        assert found.dtype == model.classes_.dtype == dtype
        assert found.tolist() == labels
        assert all(type(label) is kind for label in model.classes_.tolist())
        assert model.predict(features).tolist() == labels

    @pytest.mark.parametrize("strategy", ["most_frequent", "constant"])
    def test_go_through_imputing_and_encoding(self, strategy):
        features, labels = features_and_labels(
            prepared(x=[1, None, 3, 4], t=["u", None, "v", "u"], y=LABELS)
        )
        text = make_pipeline(
            SimpleImputer(strategy=strategy, fill_value="none"),
            OneHotEncoder(sparse_output=False),
        )

        encoded = text.fit_transform(features[["t"]])
        model = make_pipeline(
            make_column_transformer((text, ["t"]), (SimpleImputer(), ["x"])), LogisticRegression()
        ).fit(features, labels)

        assert encoded.shape == (4, {"most_frequent": 2, "constant": 3}[strategy])
        assert model.predict(features).shape == (4,)

    @pytest.mark.parametrize("kind", ["float32", "float64"])
    @pytest.mark.parametrize(
        "model",
        [
            LogisticRegression(max_iter=1000),
            DecisionTreeClassifier(),
            HistGradientBoostingClassifier(max_iter=5),
        ],
    )
    def test_fit_models_as_plain_arrays_do(self, model, kind):
        table, _ = named("iris")
        table = pa.table(
            {n: c.cast(kind) for n, c in zip(table.column_names[:4], table.columns, strict=False)}
            | {"species": table["species"]}
        )

        features, labels = features_and_labels(table)

        X = load_iris().data.astype(kind)
        y = load_iris().target_names[load_iris().target]
        expected = model.set_params(random_state=0).fit(X, y).predict_proba(X)
        assert np.array_equal(model.fit(features, labels).predict_proba(features), expected)

    def test_are_the_same_for_a_table_in_chunks(self):
        table = prepared(x=[1.0, None, 3.0, 4.0], t=["u", None, "v", "u"], y=LABELS)

        features, labels = features_and_labels(pa.concat_tables([table[:1], table[1:]]))

        expected_features, expected_labels = features_and_labels(table)
        assert features.equals(expected_features)
        assert labels.tolist() == expected_labels.tolist()

    @pytest.mark.parametrize("others", [{}, {"w": [3.0, 4.0]}, {"t": ["u", "v"]}])
    def test_can_be_changed_and_leave_the_table_as_it_is(self, others):
        table = prepared(x=[1.0, 2.0], **others, y=["a", "b"])
        features, labels = features_and_labels(table)

        features["twice"] = features["x"] * 2
        features.loc[features["x"] > 1, "x"] = 0.0
        labels[0] = "b"

        assert features["x"].tolist() == [1.0, 0.0]
        assert features["twice"].tolist() == [2.0, 4.0]
        assert table["x"].to_pylist() == [1.0, 2.0]
        assert table["y"].to_pylist() == ["a", "b"]

    def test_have_labels_that_can_be_changed(self):
        table = prepared(x=[1.0, 2.0], y=[1, 2])
        _, labels = features_and_labels(table)

        labels[0] = 2

        assert table["y"].to_pylist() == [1, 2]

    def test_may_be_text_alone(self):
        features, _ = features_and_labels(prepared(s=["u", "v"], t=["w", None], y=["a", "b"]))

        assert list(features.columns) == ["s", "t"]
        assert features["s"].tolist() == ["u", "v"]
