"""An experiment file is checked whole before anything runs, and its grids are expanded."""

from functools import partial
from typing import ClassVar, Literal

import pytest
import refusing
from pydantic import Field

from reprise.errors import ExperimentFileError, ParameterError
from reprise.runtime.parameters import Parameters
from reprise.sweeps.experiment_file import PlannedStep, check, expand, read


class TreeParameters(Parameters):
    """Grow a tree."""

    entry_point: ClassVar[str] = "tree"

    data: str = "iris"
    max_depth: int | None = Field(None, ge=1)
    criterion: Literal["gini", "entropy"] = "gini"
    alpha: float = Field(0.0, ge=0)
    scale: bool = True


class LineParameters(Parameters):
    """Draw a line."""

    entry_point: ClassVar[str] = "line"

    C: float = Field(1.0, gt=0)


MODELS = {"tree": TreeParameters, "line": LineParameters}


refusal = partial(refusing.refusal, error=ExperimentFileError)


def grid(**parameters):
    return expand(PlannedStep(step="tree", parameters=parameters), MODELS)


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "experiment.yaml"
        path.write_text(text)
        return path

    return write


def test_a_file_is_read(file):
    path = file(
        "data: {source: wine, seed: 3}\n"
        "steps:\n"
        "  - step: line\n"
        "    parameters: {C: [0.1, 1]}\n"
        "  - step: tree\n"
        "evaluation: {metric: accuracy}\n"
    )

    found = read(path)

    assert found.data == {"source": "wine", "seed": 3}
    assert [(step.step, step.parameters) for step in found.steps] == [
        ("line", {"C": [0.1, 1]}),
        ("tree", {}),
    ]
    assert found.evaluation == {"metric": "accuracy"}


def test_data_and_evaluation_take_their_defaults(file):
    found = read(file("steps: [{step: tree}]\n"))

    assert (found.data, found.evaluation) == ({}, {})


def test_an_experiment_may_do_without_evaluation(file):
    found = read(file("steps: [{step: tree}]\nevaluation: null\n"))

    assert found.evaluation is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["data, steps and evaluation", "found nothing"]),
        ("- step: tree\n", ["data, steps and evaluation", "found list"]),
        ("tree\n", ["found str"]),
        ("steps: [\n", ["expected YAML", "found a mistake"]),
        ("steps: [{step: tree, parameters: {data: 2024-13-45}}]\n", ["expected YAML", "month"]),
        ("steps: [{? [a]: b}]\n", ["expected YAML"]),
        ("data: {}\n", ["steps", "required"]),
        ("steps: []\n", ["steps", "at least 1"]),
        ("steps: tree\n", ["steps", "found 'tree'"]),
        ("steps: [tree]\n", ["steps.0", "found 'tree'"]),
        ("steps: [{parameters: {}}]\n", ["steps.0.step"]),
        ("steps: [{step: tree, parameters: {max_depth: []}}]\n", ["max_depth is an empty list"]),
        ("steps: [{step: tree, parameters: {max_depth: [[1]]}}]\n", ["max_depth is neither"]),
        ("steps: [{step: tree, parameters: {max_depth: {a: 1}}}]\n", ["max_depth is neither"]),
        ("steps: [{step: tree}]\nevalution: {}\n", ["'evalution'", "did you mean 'evaluation'"]),
        ("steps: [{step: tree, params: {}}]\n", ["'steps.0.params'", "did you mean 'parameters'"]),
        ("steps: [{step: tree}]\nzzz: 1\n", ["there is no key 'zzz'"]),
        ("steps: [{step: tree}]\ndata: iris\n", ["data", "found 'iris'"]),
        ("steps: [{step: tree}]\ndata: iris\nzzz: 1\n", ["found 'iris'", "'zzz'"]),
    ],
)
def test_a_file_that_says_something_else_is_refused_in_words(file, text, words):
    found = refusal(read, file(text))

    assert [word for word in words if word not in found] == []


def test_a_file_that_is_not_there_is_refused(tmp_path):
    found = refusal(read, tmp_path / "missing.yaml")

    assert "found no file" in found
    assert "missing.yaml" in found


def test_a_folder_in_place_of_a_file_is_refused(tmp_path):
    found = refusal(read, tmp_path)

    assert "file that can be read" in found


def test_a_file_that_is_not_text_is_refused(tmp_path):
    path = tmp_path / "experiment.yaml"
    path.write_bytes(b"steps: \xff\xfe\n")

    found = refusal(read, path)

    assert "file that can be read" in found


def test_a_step_without_lists_is_one_run():
    found = grid(max_depth=3)

    assert found == [TreeParameters(max_depth=3)]


def test_a_step_without_parameters_is_one_run_with_defaults():
    assert grid() == [TreeParameters()]


def test_lists_make_a_grid():
    found = grid(max_depth=[3, 2], criterion=["gini", "entropy"], alpha=0.5)

    assert [(p.max_depth, p.criterion, p.alpha) for p in found] == [
        (3, "gini", 0.5),
        (2, "gini", 0.5),
        (3, "entropy", 0.5),
        (2, "entropy", 0.5),
    ]


def test_values_that_mean_the_same_make_one_run():
    found = grid(alpha=[1, 1.0, "1"], max_depth=[None, ""], scale=[True, "yes"])

    assert found == [TreeParameters(alpha=1.0, max_depth=None, scale=True)]


def test_fixed_parameters_reach_every_run():
    planned = PlannedStep(step="tree", parameters={"max_depth": [1, 2]})

    found = expand(planned, MODELS, data="runs:/0123")

    assert [(p.max_depth, p.data) for p in found] == [(1, "runs:/0123"), (2, "runs:/0123")]


def test_every_wrong_point_of_a_grid_is_named():
    planned = PlannedStep(step="tree", parameters={"max_depth": [0, 1, -5], "alpha": 0})

    found = refusal(expand, planned, MODELS, error=ParameterError)

    assert "found '0'" in found
    assert "found '-5'" in found
    assert "found '1'" not in found


def test_the_same_mistake_at_many_points_is_said_once():
    planned = PlannedStep(step="tree", parameters={"max_depth": [1, 2, 3], "alhpa": 0})

    found = refusal(expand, planned, MODELS, error=ParameterError)

    assert found.count("did you mean 'alpha'") == 1


def test_an_unknown_step_is_refused_with_the_nearest():
    found = refusal(check, "trea", {}, MODELS)

    assert "expected a step out of tree, line; found 'trea'; did you mean tree?" in found


def test_a_step_unlike_any_is_refused_without_a_suggestion():
    found = refusal(check, "zzz", {}, MODELS)

    assert "found 'zzz'" in found
    assert "did you mean" not in found


def test_values_of_a_file_are_checked_as_the_step_would_check_them():
    found = check("tree", {"max_depth": None, "scale": False, "alpha": 1}, MODELS)

    assert found == TreeParameters(max_depth=None, scale=False, alpha=1.0)
