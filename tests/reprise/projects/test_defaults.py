"""What a run had by default it has in its replay too, whatever default the MLproject declares."""

import pytest

from reprise.projects import entry_points
from reprise.record.schema import Step

MLPROJECT = """\
name: tiny
entry_points:
  step:
    parameters:
      depth: {type: float, default: 5}
      rate: {type: float, default: 0.5}
      data: {default: iris}
      flag: {default: "true"}
      name: string
    command: "python -m step --depth {depth} --rate {rate} --name {name}"
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "MLproject").write_text(MLPROJECT)
    return tmp_path


def step(raw=None, **parameters):
    return Step(
        entry_point="step",
        raw_parameters=raw or {},
        parameters=parameters,
        locations=("data",),
    )


def test_another_default_of_the_program_is_given(folder):
    ran = step(depth=3, rate=0.5, name="a")

    assert entry_points.other_defaults(folder, ran) == {"depth": "3", "name": "a"}


def test_what_was_given_stays_as_it_was_given(folder):
    assert entry_points.other_defaults(folder, step({"depth": "3.0"}, depth=3)) == {}


def test_the_place_of_an_input_and_what_the_mlproject_does_not_declare_are_left_out(folder):
    assert entry_points.other_defaults(folder, step(data="wine", seed=1)) == {}


def test_a_value_is_written_as_an_mlproject_has_it(folder):
    assert entry_points.other_defaults(folder, step(flag=True, rate=None)) == {"rate": ""}


def test_without_an_mlproject_there_are_none(tmp_path):
    assert entry_points.other_defaults(tmp_path, step(depth=3)) == {}


def test_of_an_entry_point_that_is_not_declared_there_are_none(folder):
    ran = step(depth=3).model_copy(update={"entry_point": "other"})

    assert entry_points.other_defaults(folder, ran) == {}
