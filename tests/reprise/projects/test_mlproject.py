"""A plain entry point is read as MLflow reads it; what is not plain is left to MLflow."""

import shlex
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from mlflow.projects.utils import load_project

from reprise.errors import ProjectError
from reprise.projects import project_file
from reprise.projects.mlproject import plain_entry_point

ROOT = Path(__file__).parents[3]
NAMES = list(yaml.safe_load((ROOT / "MLproject").read_text(encoding="utf-8"))["entry_points"])
DECLARED = load_project(str(ROOT))
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def by_mlflow(name, raw):
    declared = DECLARED.get_entry_point(name)
    known, others = declared.compute_parameters(dict(raw), None)
    return shlex.split(declared.compute_command(dict(raw), None)), {**known, **others}


@pytest.mark.parametrize("name", NAMES)
@given(value=TEXT, other=TEXT)
def test_every_entry_point_of_this_project_is_what_mlflow_makes_of_it(name, value, other):
    entry_point = plain_entry_point(project_file.read(ROOT), name)
    raw = dict.fromkeys(list(entry_point.defaults)[:2], value) | {"other": other}

    found = entry_point.fill_in(raw)

    assert (found.words, found.logged_parameters) == by_mlflow(name, raw)


@pytest.mark.parametrize(
    "entry_point",
    [
        {"command": "python step.py"},
        {"command": "python -m step | tee log"},
        {"command": "python -m step --a '{a}'", "parameters": {"a": "string"}},
        {"command": "python -m step --a {a}"},
        {"command": "python -m step --a {a}", "parameters": {"a": "path"}},
        {"command": "python -m step --a {a}", "parameters": {"a": {"type": "uri"}}},
        {"command": "python -m step --a {a}", "parameters": {"a": {"default": True}}},
        {"command": "python -m step --a {a}", "parameters": {"a": {"default": [1]}}},
        {"command": "python -m step", "parameters": ["a"]},
        {"command": "python -m step", "parameters": {"a": ["string"]}},
        {"command": "python -m step", "parameters": {"a": {"type": ["string"]}}},
        {"command": ["python", "-m", "step"]},
        "python -m step",
        None,
    ],
)
def test_what_is_not_plain_is_left_to_mlflow(entry_point):
    assert plain_entry_point({"entry_points": {"main": entry_point}}, "main") is None


@pytest.mark.parametrize("project", [{}, {"entry_points": 3}, {"name": "x"}])
def test_a_project_without_the_entry_point_is_left_to_mlflow(project):
    assert plain_entry_point(project, "main") is None


def test_a_folder_without_an_mlproject_says_nothing(tmp_path):
    assert project_file.read(tmp_path) == {}


@pytest.mark.parametrize("key", ["docker_env", "databricks_spark_job"])
def test_what_runs_elsewhere_is_left_to_mlflow(key):
    project = {key: {"image": "x"}, "entry_points": {"main": {"command": "python -m step"}}}

    assert plain_entry_point(project, "main") is None


@pytest.mark.parametrize("raw", [{}, {"a": "1", "odd name": "2"}, {"a": "1", "-x": "2"}])
def test_a_missing_or_oddly_named_parameter_is_left_to_mlflow(raw):
    entry_point = {"command": "python -m step --a {a}", "parameters": {"a": "string"}}
    project = {"entry_points": {"main": entry_point}}

    assert plain_entry_point(project, "main").fill_in(raw) is None


@pytest.mark.parametrize("content", [b"name: [", b"name: \xff"])
def test_an_mlproject_that_is_no_yaml_is_refused_in_a_line(tmp_path, content):
    (tmp_path / "MLproject").write_bytes(content)

    with pytest.raises(ProjectError, match="expected YAML in MLproject") as refused:
        project_file.read(tmp_path)

    assert "\n" not in str(refused.value)
