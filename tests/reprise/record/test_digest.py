"""Equal content in any form gives equal digests; any change of content gives another digest."""

import hashlib
import json
import math
import operator
from functools import partial
from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import skops.io
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from reprise.record.digest import (
    canonical_json,
    sha256_array,
    sha256_file,
    sha256_json,
    sha256_model,
    sha256_table,
    sha256_text,
)

VALUES = {
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.int8(): st.integers(-128, 127),
    pa.float64(): st.floats(),
    pa.float32(): st.floats(width=32),
    pa.bool_(): st.booleans(),
    pa.string(): st.text(max_size=5),
}


@st.composite
def tables(draw, *, min_rows=0):
    """A table of up to four columns of any stored type, with missing values."""
    rows = draw(st.integers(min_rows, 8))
    names = draw(st.lists(st.text(max_size=3), min_size=1, max_size=4, unique=True))
    columns = {}
    for name in names:
        kind = draw(st.sampled_from(list(VALUES)))
        values = st.lists(st.none() | VALUES[kind], min_size=rows, max_size=rows)
        columns[name] = pa.array(draw(values), kind)
    return pa.table(columns)


def frame(rows=60, seed=0):
    """Two numeric columns and one of text, with missing values, and a class to learn."""
    random = np.random.default_rng(seed)
    x = pd.DataFrame(
        {
            "length": random.normal(size=rows),
            "width": random.integers(0, 50, rows).astype(float),
            "colour": random.choice(["red", "grün", "blue"], rows),
        }
    )
    y = np.where(x["length"] + (x["colour"] == "red") > 0.5, "yes", "no")
    x.loc[::7, "length"] = np.nan
    x.loc[::11, "colour"] = np.nan
    return x, y


def columns():
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    text = make_pipeline(
        SimpleImputer(strategy="constant", fill_value="missing"),
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    )
    return ColumnTransformer(
        [("numbers", numbers, ["length", "width"]), ("text", text, ["colour"])]
    )


def fitted_tree(*, seed=0, data=0, **parameters):
    classifier = DecisionTreeClassifier(random_state=seed, max_features=2, **parameters)
    return make_pipeline(columns(), classifier).fit(*frame(seed=data))


def fitted_regression(*, seed=0, data=0, **parameters):
    classifier = LogisticRegression(solver="saga", max_iter=20, random_state=seed, **parameters)
    return make_pipeline(columns(), classifier).fit(*frame(seed=data))


class Pair:
    def __init__(self, *, left, right):
        self.left = left
        self.right = right


class Couple(Pair):
    pass


both_models = pytest.mark.parametrize("fit", [fitted_tree, fitted_regression])
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@given(tables(), st.data())
def test_chunks_do_not_matter(table, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, table.num_rows), max_size=4)))
    bounds = [0, *cuts, table.num_rows]
    pieces = [table.slice(a, b - a) for a, b in pairwise(bounds)]

    chunked = pa.concat_tables(pieces)

    assert sha256_table(chunked) == sha256_table(table)


@given(tables(), st.integers(0, 9), st.integers(0, 9))
def test_a_slice_has_the_digest_of_its_own_values(table, before, after):
    padding = pa.concat_tables([table] * 3) if table.num_rows else table
    start, end = min(before, padding.num_rows), min(after, padding.num_rows)
    surrounded = pa.concat_tables([padding.slice(0, start), table, padding.slice(0, end)])

    sliced = surrounded.combine_chunks().slice(start, table.num_rows)

    assert sha256_table(sliced) == sha256_table(table)


@given(tables())
def test_dictionaries_and_wide_text_do_not_matter(table):
    encoded = pa.table(
        {n: c.dictionary_encode() for n, c in zip(table.column_names, table.columns, strict=True)}
    )
    wide = table.cast(
        pa.schema(
            [(f.name, pa.large_string() if f.type == pa.string() else f.type) for f in table.schema]
        )
    )

    digests = {sha256_table(table), sha256_table(encoded), sha256_table(wide)}

    assert len(digests) == 1


@given(tables())
def test_the_file_that_a_table_was_stored_in_does_not_matter(table):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)

    read = pa.ipc.open_file(sink.getvalue()).read_all()

    assert sha256_table(read) == sha256_table(table)


@given(tables(min_rows=1), st.data())
def test_a_change_of_any_one_value_or_missingness_matters(table, data):
    name = data.draw(st.sampled_from(table.column_names))
    row = data.draw(st.integers(0, table.num_rows - 1))
    kind = table.schema.field(name).type
    values = table[name].to_pylist()
    old, new = values[row], data.draw(st.none() | VALUES[kind])
    assume(repr(old) != repr(new))  # as repr: NaN is NaN, and 0.0 is not -0.0
    values[row] = new

    position = table.column_names.index(name)
    changed = table.set_column(position, name, pa.array(values, kind))

    assert sha256_table(changed) != sha256_table(table)


@given(tables(), st.text(max_size=3), st.data())
def test_a_change_of_any_name_matters(table, name, data):
    assume(name not in table.column_names)
    position = data.draw(st.integers(0, table.num_columns - 1))
    names = [*table.column_names]
    names[position] = name

    changed = table.rename_columns(names)

    assert sha256_table(changed) != sha256_table(table)


@given(tables(), st.data())
def test_a_change_of_the_columns_order_matters(table, data):
    names = data.draw(st.permutations(table.column_names))
    assume(names != table.column_names)

    changed = table.select(names)

    assert sha256_table(changed) != sha256_table(table)


@given(st.lists(st.integers(0, 5), min_size=2), st.data())
def test_a_change_of_the_rows_order_matters(values, data):
    shuffled = data.draw(st.permutations(values))
    assume(shuffled != values)

    digests = [sha256_table(pa.table({"x": v})) for v in (values, shuffled)]

    assert digests[0] != digests[1]


@given(tables(), st.data())
def test_a_change_of_any_type_matters(table, data):
    position = data.draw(st.integers(0, table.num_columns - 1))
    old = table.schema.field(position)
    new = pa.string() if old.type != pa.string() else pa.int64()
    cleared = pa.nulls(table.num_rows, old.type)
    table = table.set_column(position, old.name, cleared)

    changed = table.set_column(position, old.name, pa.nulls(table.num_rows, new))

    assert sha256_table(changed) != sha256_table(table)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"x": [0.0]}, {"x": [-0.0]}),
        ({"x": [math.nan]}, {"x": pa.array([None], pa.float64())}),
        ({"x": [""]}, {"x": pa.array([None], pa.string())}),
        ({"x": ["ab", "c"]}, {"x": ["a", "bc"]}),
        ({"x": ["1"]}, {"x": [1]}),
        ({"x": [1]}, {"x": [1.0]}),
        ({"x": [True]}, {"x": [1]}),
        ({"x": [1, 1]}, {"x": [1]}),
        ({"ab": [1], "c": [1]}, {"a": [1], "bc": [1]}),
        ({"x": [1]}, {"x": [1], "y": [1]}),
        ({"x": ["e\u0301"]}, {"x": ["\u00e9"]}),
        ({}, {"x": pa.array([], pa.int64())}),
    ],
)
def test_nearly_equal_tables_have_different_digests(one, other):
    digests = [sha256_table(pa.table(columns)) for columns in (one, other)]

    assert digests[0] != digests[1]


@pytest.mark.parametrize(
    ("kind", "garbage", "clean"),
    [
        (pa.float64(), np.array([1.5, 99.0]), np.array([1.5, 0.0])),
        (pa.float64(), np.array([1.5, np.nan]), np.array([1.5, -1.0])),
        (pa.int64(), np.array([7, 99]), np.array([7, 0])),
        (pa.int8(), np.array([7, 99], np.int8), np.array([7, 0], np.int8)),
        (pa.bool_(), np.array([0b11], np.uint8), np.array([0b01], np.uint8)),
    ],
)
def test_the_bytes_of_a_missing_value_do_not_count(kind, garbage, clean):
    only_first = pa.py_buffer(b"\x01")
    arrays = [
        pa.Array.from_buffers(kind, 2, [only_first, pa.py_buffer(values)])
        for values in (garbage, clean)
    ]

    digests = [sha256_table(pa.table({"x": array})) for array in arrays]

    assert [array.null_count for array in arrays] == [1, 1]
    assert digests[0] == digests[1]


def test_text_beneath_a_missing_value_does_not_matter():
    offsets = pa.py_buffer(np.array([0, 3, 6], np.int32))
    hidden = pa.Array.from_buffers(
        pa.string(), 2, [pa.py_buffer(b"\x01"), offsets, pa.py_buffer(b"abcxyz")]
    )

    digest = sha256_table(pa.table({"x": hidden}))

    assert digest == sha256_table(pa.table({"x": ["abc", None]}))


@pytest.mark.parametrize("kind", [pa.date32(), pa.null(), pa.list_(pa.int64()), pa.binary()])
def test_a_column_of_a_type_that_is_never_stored_is_refused(kind):
    table = pa.table({"x": pa.nulls(1, kind)})

    with pytest.raises(TypeError, match="cannot digest a column of type"):
        sha256_table(table)


def test_the_digests_of_earlier_versions_do_not_change():
    table = pa.table(
        {
            "length": [5.1, None, -0.0],
            "count": pa.array([1, 2, None], pa.int64()),
            "flag": [True, None, False],
            "species": ["setosa", "", None],
        }
    )

    digests = [
        sha256_table(table),
        sha256_array(np.array([[0.25, 0.75], [1.0, 0.0]])),
        sha256_array(np.array(["setosa", "virginica"])),
        sha256_json({"b": [1, 2.5, None], "a": "é"}),
    ]

    assert digests == [
        "f4069f02dedf3169515c33c3e440917acea53bc23b7c2c0dfce03df16dec00df",
        "b6b2c32779c5e84267eba41f05733435a4e7821a3b2446724eac32b4ca7b39ed",
        "2bce0699c97eb1fdb2bfb2a563263bae556d77b33d77fea95fb01b93891dd758",
        "a2222b046e865b63ed4f4e77f7481b354f2cbb40854e8988693de0ff7d36941d",
    ]


@both_models
def test_two_fits_of_the_same_data_have_the_same_digest(fit):
    first, second = fit(), fit()

    assert sha256_model(first) == sha256_model(second)


@both_models
@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"data": 1}, {"class_weight": "balanced"}],
    ids=["seed", "data", "parameter"],
)
def test_another_seed_data_or_parameter_gives_another_model_digest(fit, change):
    digests = [sha256_model(fit()), sha256_model(fit(**change))]

    assert digests[0] != digests[1]


def test_a_change_of_one_bit_of_one_coefficient_gives_another_model_digest():
    model = fitted_regression()
    before = sha256_model(model)

    model[-1].coef_[0, 0] = np.nextafter(model[-1].coef_[0, 0], np.inf)

    assert sha256_model(model) != before


def test_a_change_of_one_threshold_of_a_tree_gives_another_model_digest():
    model = fitted_tree()
    before = sha256_model(model)

    model[-1].tree_.threshold[0] = np.nextafter(model[-1].tree_.threshold[0], np.inf)

    assert sha256_model(model) != before


@both_models
def test_predicting_does_not_change_a_model_digest(fit):
    model = fit()
    before = sha256_model(model)

    model.predict_proba(frame()[0])

    assert sha256_model(model) == before


@both_models
def test_a_model_digest_survives_storing_and_loading(fit):
    model = fit()
    stored = skops.io.dumps(model)

    loaded = skops.io.loads(stored, trusted=skops.io.get_untrusted_types(data=stored))

    assert sha256_model(loaded) == sha256_model(model)


@both_models
def test_a_model_digest_survives_storing_twice(fit):
    model = fit()
    load = partial(skops.io.loads, trusted=skops.io.get_untrusted_types(data=skops.io.dumps(model)))

    again = load(skops.io.dumps(load(skops.io.dumps(model))))

    assert sha256_model(again) == sha256_model(model)


def with_padding(nodes, byte):
    """Copy a structured array with every byte that belongs to no field set to a value."""
    used = {
        offset + i
        for kind, offset in (value[:2] for value in nodes.dtype.fields.values())
        for i in range(kind.itemsize)
    }
    unused = [i for i in range(nodes.dtype.itemsize) if i not in used]
    assert unused
    raw = np.frombuffer(nodes.tobytes(), np.uint8).reshape(len(nodes), -1).copy()
    raw[:, unused] = byte
    return raw.reshape(-1).view(nodes.dtype)


def test_the_padding_bytes_of_a_trees_nodes_do_not_matter():
    nodes = fitted_tree()[-1].tree_.__getstate__()["nodes"]
    zeros, ones = with_padding(nodes, 0), with_padding(nodes, 255)

    digests = {sha256_array(array) for array in (nodes, zeros, ones)}

    assert zeros.tobytes() != ones.tobytes()
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.array([1, 2]), np.array([[1, 2]])),
        (np.array([1, 2]), np.array([1.0, 2.0])),
        (np.array([1, 2], np.int64), np.array([1, 2], np.int32)),
        (np.array([1, 2]), np.array([2, 1])),
        (np.zeros((2, 3)), np.zeros((3, 2))),
        (np.array([0.0]), np.array([-0.0])),
        (np.array(["a", "b"]), np.array(["ab", ""])),
        (np.array(["1"]), np.array([1])),
        (np.array(["2024"], "M8[Y]"), np.array(["2025"], "M8[Y]")),
    ],
)
def test_nearly_equal_arrays_have_different_digests(one, other):
    digests = [sha256_array(one), sha256_array(other)]

    assert digests[0] != digests[1]


@given(st.lists(st.lists(st.floats(), min_size=3, max_size=3), min_size=1, max_size=4))
def test_how_an_array_lies_in_memory_does_not_matter(rows):
    array = np.array(rows)
    wider = np.zeros((2 * len(rows), 6))
    wider[::2, ::2] = array

    digests = {sha256_array(a) for a in (array, np.asfortranarray(array), wider[::2, ::2])}

    assert len(digests) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1}, {"a": True}),
        ({"a": 1}, {"a": 1.0}),
        ({"a": "1"}, {"a": 1}),
        ({"a": None}, {"a": "None"}),
        ({"a": None}, {}),
        ([1, [2]], [[1], 2]),
        (["ab", "c"], ["a", "bc"]),
        ({1, 2}, [1, 2]),
        (np.float32(1), np.float64(1)),
        (np.mean, np.median),
        (np.add, np.subtract),
        (slice(1, 2), slice(1, 3)),
        (partial(max, 1), partial(max, 2)),
        (Pair(left=1, right=2), Pair(left=2, right=1)),
        (Pair(left=1, right=2), Couple(left=1, right=2)),
    ],
)
def test_nearly_equal_values_have_different_digests(one, other):
    digests = [sha256_model(one), sha256_model(other)]

    assert digests[0] != digests[1]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({0, 8}, {8, 0}),  # which iterate in another order
        ([1, 2], (1, 2)),
        (math.nan, -math.nan),
        (1.5, np.float64(1.5)),
    ],
)
def test_values_that_say_the_same_have_the_same_digest(one, other):
    assert sha256_model(one) == sha256_model(other)


def test_a_value_without_a_digest_is_refused(tmp_path):
    circle = []
    circle.append(circle)
    with (tmp_path / "text").open("w") as text, (tmp_path / "raw").open("wb") as raw:
        untellable = [
            lambda x: x,
            partial(lambda x: x),
            {"function": lambda x: x},
            np.array([lambda x: x], dtype=object),
            text,
            raw,
            (x for x in ()),
            operator,
            circle,
        ]
        for value in untellable:
            with pytest.raises(TypeError):
                sha256_model(value)


def test_a_function_without_a_name_is_named_in_the_refusal():
    with pytest.raises(TypeError, match=r"cannot digest .*<lambda>: a function without a name"):
        sha256_model(StandardScaler(with_mean=lambda: True))


def test_canonical_json_is_sorted_indented_utf_8_and_ends_in_a_line():
    text = canonical_json({"b": {"d": 1, "c": (1, 2)}, "a": "é"})

    assert text == '{\n "a": "é",\n "b": {\n  "c": [\n   1,\n   2\n  ],\n  "d": 1\n }\n}\n'


def test_canonical_json_writes_floats_by_repr_and_not_finite_ones_as_text():
    text = canonical_json([0.1, 1e-4, 1e300, -0.0, 2.0, math.nan, math.inf, -math.inf])

    assert json.loads(text) == [0.1, 1e-4, 1e300, -0.0, 2.0, "NaN", "Infinity", "-Infinity"]
    assert "0.0001" in text
    assert "1e+300" in text
    assert "-0.0" in text


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.text()
        | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_canonical_json_survives_a_round_trip(value):
    text = canonical_json(value)

    assert json.loads(text) == value
    assert canonical_json(json.loads(text)) == text


@given(st.dictionaries(st.text(), st.integers(), min_size=2), st.randoms())
def test_the_order_of_keys_does_not_matter(values, random):
    items = list(values.items())
    random.shuffle(items)

    assert sha256_json(dict(items)) == sha256_json(values)


@given(st.binary(max_size=100))
def test_a_files_digest_is_the_sha_256_of_its_bytes(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "content"
    path.write_bytes(content)

    assert sha256_file(path) == hashlib.sha256(content).hexdigest()


def test_a_texts_digest_is_the_sha_256_of_its_utf_8_bytes():
    assert sha256_text("é") == hashlib.sha256(b"\xc3\xa9").hexdigest()


def test_a_generator_of_random_numbers_has_the_digest_of_its_state():
    first, second = np.random.RandomState(1), np.random.RandomState(2)
    unequal = sha256_model(second)
    second.set_state(first.get_state())

    assert sha256_model(first) == sha256_model(second) != unequal
