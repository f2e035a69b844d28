"""A grid file is read or refused in words, and its points are exact, bounded and repeatable."""

import itertools
import math
from functools import partial
from typing import ClassVar

import pytest
import refusing
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import Field

from reprise.errors import ExperimentFileError, ParameterError, RepriseError
from reprise.runtime.parameters import Parameters
from reprise.sweeps.grid import Interval, points, read, size, understood


class ModelParameters(Parameters):
    """Fit a model."""

    entry_point: ClassVar[str] = "model"

    depth: int = 1
    leaf: int | None = None
    rate: float = Field(1.0)
    kind: str | None = None


refusal = partial(refusing.refusal, error=ExperimentFileError)


def drawn(values, samples=50, seed=0):
    values = {name: understood(name, value) for name, value in values.items()}
    return list(points(values, ModelParameters, strategy="random", samples=samples, seed=seed))


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "grid.yaml"
        path.write_text(text)
        return path

    return write


class TestRange:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ({"from": 1, "to": 4}, [1, 2, 3, 4]),
            ({"from": 1, "to": 10, "step": 4}, [1, 5, 9]),
            ({"from": 3, "to": 1, "step": -1}, [3, 2, 1]),
            ({"from": 2, "to": 2}, [2]),
            ({"from": -2, "to": 2, "step": 2}, [-2, 0, 2]),
            ({"from": 0.1, "to": 0.3, "step": 0.1}, [0.1, 0.2, 0.3]),
            ({"from": 0.3, "to": 0.1, "step": -0.1}, [0.3, 0.2, 0.1]),
            ({"from": 1e-3, "to": 3e-3, "step": 1e-3}, [0.001, 0.002, 0.003]),
            ({"from": 0, "to": 1, "step": 0.25}, [0.0, 0.25, 0.5, 0.75, 1.0]),
        ],
    )
    def test_has_both_bounds_where_the_steps_meet_them(self, value, expected):
        assert understood("depth", value) == expected

    def test_of_whole_numbers_has_whole_numbers(self):
        found = understood("depth", {"from": 1, "to": 3, "step": 1})

        assert [type(value) for value in found] == [int] * 3

    def test_with_one_other_number_has_none(self):
        found = understood("rate", {"from": 1, "to": 3.0})

        assert [type(value) for value in found] == [float] * 3

    @given(
        st.integers(-1000, 1000),
        st.integers(0, 200),
        st.integers(1, 50),
        st.sampled_from([1, 10, 1000]),
    )
    def test_has_the_numbers_that_a_person_would_write(self, start, count, step, parts):
        text = [f"{(start + i * step) / parts!r}" for i in range(count + 1)]

        found = understood(
            "rate",
            {"from": start / parts, "to": (start + count * step) / parts, "step": step / parts},
        )

        assert [repr(value) for value in found] == text

    @pytest.mark.parametrize(
        "value",
        [
            {"from": 1},
            {"from": 1, "to": "x"},
            {"from": True, "to": 3},
            {"from": 1, "to": math.inf},
            {"from": math.nan, "to": 1},
            {"from": 1, "to": 3, "step": None},
            {"from": 1, "to": 3, "by": 1},
            {"from": [1], "to": 3},
        ],
    )
    def test_of_anything_else_is_refused(self, value):
        found = refusal(understood, "depth", value, error=ValueError)

        assert found == "depth must be {from: number, to: number, step: number}"

    @pytest.mark.parametrize(("stop", "step"), [(3, 0), (3, -1), (-3, 1)])
    def test_without_values_is_refused(self, stop, step):
        found = refusal(
            understood, "depth", {"from": 1, "to": stop, "step": step}, error=ValueError
        )

        assert found == f"depth has no values from 1 to {stop} by steps of {step}"

    def test_of_more_values_than_anybody_means_is_refused_before_it_fills_the_memory(self):
        found = refusal(understood, "depth", {"from": 0, "to": 10**12}, error=ValueError)

        assert found == "depth has 1000000000001 values"

    def test_of_a_number_beyond_all_floats_is_refused(self, file):
        refusal(read, file(f"params: {{depth: {{from: 1, to: 1{'0' * 400}}}}}\n"))


class TestInterval:
    def test_is_two_bounds(self):
        assert understood("rate", {"low": 0, "high": 1}) == Interval(low=0, high=1)

    def test_may_be_logarithmic(self):
        assert understood("rate", {"low": 1, "high": 9, "log": True}).log

    @pytest.mark.parametrize(
        ("value", "words"),
        [
            ({"low": "a", "high": 1}, "valid number"),
            ({"low": 0, "high": math.inf}, "finite number"),
            ({"low": math.nan, "high": 1}, "finite number"),
            ({"low": 1, "high": 2, "log": "perhaps"}, "valid boolean"),
        ],
    )
    def test_of_anything_but_numbers_is_refused(self, value, words):
        found = refusal(understood, "rate", value, error=ValueError)

        assert found.startswith("rate: ")
        assert words in found

    @pytest.mark.parametrize(
        ("value", "words"),
        [
            ({"low": 2, "high": 1}, "low 2 is not below high 1"),
            ({"low": 1, "high": 1}, "low 1 is not below high 1"),
            ({"low": 0, "high": 1, "log": True}, "low 0 is not above 0, as log asks"),
            ({"low": -1, "high": 1, "log": True}, "low -1 is not above 0, as log asks"),
        ],
    )
    def test_out_of_order_is_refused_in_words(self, value, words):
        found = refusal(understood, "rate", value, error=ValueError)

        assert words in found
        assert "pydantic" not in found

    @given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.booleans(), st.integers(0, 2**32 - 1))
    def test_no_number_drawn_is_out_of_bounds(self, low, high, log, seed):
        assume(low < high)
        assume(not log or 1e-300 < low < high * (1 - 1e-9))  # logarithms are rounded, too

        found = drawn({"rate": {"low": low, "high": high, "log": log}}, samples=5, seed=seed)

        assert all(low <= point["rate"] <= high for point in found)

    @given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.booleans(), st.integers(0, 2**32 - 1))
    def test_no_whole_number_drawn_is_out_of_bounds(self, low, high, log, seed):
        assume(math.ceil(low) <= math.floor(high))
        assume(low < high)
        assume(not log or low > 0)

        found = drawn({"depth": {"low": low, "high": high, "log": log}}, samples=5, seed=seed)

        assert all(low <= point["depth"] <= high for point in found)
        assert all(point["depth"] == int(point["depth"]) for point in found)

    @pytest.mark.parametrize("log", [False, True])
    @pytest.mark.parametrize("name", ["depth", "leaf"])
    def test_of_a_whole_number_gives_all_of_them_the_bounds_included(self, name, log):
        found = drawn({name: {"low": 1, "high": 3, "log": log}}, samples=100)

        assert {point[name] for point in found} == {1, 2, 3}
        assert {ModelParameters.parse({name: str(p[name])}).raw()[name] for p in found} == set(
            "123"
        )

    def test_drawn_logarithmically_has_as_many_in_each_order_of_magnitude(self):
        found = drawn({"rate": {"low": 1e-3, "high": 1e3, "log": True}}, samples=600)

        counts = [
            sum(10.0**power <= point["rate"] < 10.0 ** (power + 1) for point in found)
            for power in range(-3, 3)
        ]
        assert sum(counts) == 600
        assert min(counts) > 60

    def test_drawn_evenly_has_as_many_in_each_part(self):
        found = drawn({"rate": {"low": 0, "high": 6}}, samples=600)

        counts = [sum(part <= point["rate"] < part + 1 for point in found) for part in range(6)]
        assert min(counts) > 60

    @pytest.mark.parametrize("log", [False, True])
    def test_without_a_whole_number_is_refused_for_a_parameter_that_takes_these(self, log):
        refusal(drawn, {"depth": {"low": 1.2, "high": 1.8, "log": log}}, error=RepriseError)


class TestPoints:
    def test_of_a_grid_are_all_combinations(self):
        values = {"depth": [1, 2], "kind": ["a", None], "rate": 0.5}

        found = list(points(values, ModelParameters))

        assert len(found) == size(values) == 4
        assert {(p["depth"], p["kind"], p["rate"]) for p in found} == set(
            itertools.product([1, 2], ["a", None], [0.5])
        )

    def test_of_one_value_each_are_one(self):
        assert list(points({"kind": "abc", "depth": 1}, ModelParameters)) == [
            {"kind": "abc", "depth": 1}
        ]

    def test_drawn_with_one_seed_are_the_same_and_with_another_are_not(self):
        values = {
            "rate": {"low": 0.001, "high": 1, "log": True},
            "depth": {"low": 1, "high": 99},
            "kind": ["a", "b", "c"],
        }

        assert drawn(values, seed=1) == drawn(values, seed=1)
        assert drawn(values, seed=1) != drawn(values, seed=2)

    def test_drawn_do_not_depend_on_the_order_of_a_file(self):
        values = {
            "rate": {"low": 0, "high": 1},
            "depth": {"low": 1, "high": 99},
            "kind": ["a", "b"],
        }

        assert drawn(values) == drawn(dict(reversed(values.items())))

    def test_drawn_of_lists_are_each_another(self):
        found = drawn({"depth": [1, 2, 3], "kind": ["a", "b"]}, samples=5)

        assert len({(p["depth"], p["kind"]) for p in found}) == 5

    def test_drawn_of_lists_are_no_more_than_there_are(self):
        found = drawn({"depth": [1, 2, 3], "rate": 0.5}, samples=20)

        assert sorted(point["depth"] for point in found) == [1, 2, 3]

    def test_drawn_are_as_many_as_asked_for(self):
        assert len(drawn({"rate": {"low": 0, "high": 1}}, samples=7)) == 7

    def test_of_an_interval_are_no_grid(self):
        values = {"rate": Interval(low=0, high=1), "depth": [1]}

        found = refusal(points, values, ModelParameters)

        assert "expected values for rate, found low and high" in found
        assert "-P strategy=random" in found

    def test_of_a_grid_cannot_be_counted_by_samples(self):
        found = refusal(points, {"depth": [1]}, ModelParameters, samples=3, error=ParameterError)

        assert "samples is for a random search; found 3 and strategy=grid" in found

    def test_are_drawn_only_where_it_is_said_how_many(self):
        found = refusal(
            points, {"depth": [1]}, ModelParameters, strategy="random", error=ParameterError
        )

        assert "samples must be how many points to draw; found none" in found


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"a": 1}, 1),
        ({"a": "text", "b": None}, 1),
        ({"a": [1, 2], "b": [1, 2, 3], "c": "d"}, 6),
        ({"a": [1, 2], "b": Interval(low=0, high=1)}, 2),
    ],
)
def test_the_size_of_a_grid_is_known_without_making_it(values, expected):
    assert size(values) == expected


def read_with_example(path):
    return read(path, example="params/sweep_dt.yaml")


class TestFile:
    def test_is_read(self, file):
        path = file(
            "data: wine\n"
            "params:\n"
            "  depth: {from: 1, to: 3}\n"
            "  rate: {low: 0.1, high: 1, log: true}\n"
            "  kind: [a, null]\n"
            "  leaf: 5\n"
            "metric: cv_mcc_mean\n"
        )

        found = read(path)

        assert (found.data, found.metric) == ("wine", "cv_mcc_mean")
        assert found.params == {
            "depth": [1, 2, 3],
            "rate": Interval(low=0.1, high=1, log=True),
            "kind": ["a", None],
            "leaf": 5,
        }

    def test_needs_parameters_only(self, file):
        found = read(file("params: {depth: 1}\n"))

        assert (found.data, found.metric) == (None, None)

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("", ["data, params and metric", "found nothing", "params/sweep_dt.yaml"]),
            ("- depth: 1\n", ["data, params and metric", "found list"]),
            ("depth\n", ["found str"]),
            ("params: [\n", ["expected YAML", "found a mistake"]),
            ("params: {depth: 2024-13-45}\n", ["expected YAML", "month"]),
            ("data: iris\n", ["params", "required"]),
            ("params: {}\n", ["params", "at least 1"]),
            ("params: [1]\n", ["params", "found [1]"]),
            ("parms: {depth: 1}\n", ["no key 'parms'", "did you mean 'params'?"]),
            ("params: {depth: 1}\nmetrc: x\n", ["no key 'metrc'", "did you mean 'metric'?"]),
            ("params: {depth: 1}\nzzz: x\n", ["no key 'zzz'."]),
            ("params: {depth: 1}\ndata: {source: iris}\n", ["data", "found {'source': 'iris'}"]),
            ("params: {depth: []}\n", ["depth is an empty list"]),
            ("params: {depth: [[1]]}\n", ["depth is neither a value nor a list"]),
            ("params: {depth: [{from: 1, to: 2}]}\n", ["depth is neither"]),
            ("params: {depth: {low: 1}}\n", ["depth is neither"]),
            ("params: {depth: {low: 1, high: 2, lg: true}}\n", ["depth is neither"]),
            ("params: {depth: {to: 1, step: 2}}\n", ["depth is neither"]),
            ("params: {depth: {from: 2, to: 1}}\n", ["depth has no values from 2 to 1"]),
            ("params: {depth: {from: a, to: 1}}\n", ["depth must be {from: number,"]),
            ("params: {depth: {low: a, high: 1}}\n", ["depth: ", "valid number"]),
        ],
    )
    def test_that_says_something_else_is_refused_in_words(self, file, text, words):
        found = refusal(read_with_example, file(text))

        assert [word for word in words if word not in found] == []

    def test_that_is_not_there_is_refused(self, tmp_path):
        found = refusal(read, tmp_path / "missing.yaml")

        assert "expected a grid file, found no file" in found
