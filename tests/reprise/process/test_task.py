"""What is asked of a step reaches that step, once, and nothing that it starts."""

import json
from dataclasses import asdict, fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprise import env
from reprise.errors import TaskError
from reprise.process import protocol, task
from reprise.process.task import StepTask, is_understood_in

TEXT = st.none() | st.text()
FIELDS = st.none() | st.dictionaries(st.text(), TEXT | st.dictionaries(st.text(), st.text()))
TASKS = st.builds(
    StepTask,
    ordered=FIELDS,
    planned=FIELDS,
    key=TEXT,
    keep_models=st.booleans(),
    report=TEXT,
    cache=TEXT,
    captured=TEXT,
)


@given(asked=TASKS)
def test_it_arrives_as_it_was_sent(asked):
    assert StepTask.from_json(asked.to_json()) == asked


@given(asked=TASKS)
def test_it_is_read_once_and_then_gone_from_the_variables(asked):
    variables = {env.TASK: asked.to_json(), "OTHER": "1"}

    first, second = StepTask.take(variables), StepTask.take(variables)

    assert (first, second) == (asked, StepTask())
    assert variables == {"OTHER": "1"}


def test_a_step_of_which_nothing_is_asked_stores_its_model_and_reports_to_nobody():
    asked = asdict(StepTask.take({}))

    assert asked.pop("keep_models")
    assert set(asked.values()) == {None}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        ("[]", "list in the place of an object"),
        ('"planned"', "str in the place of an object"),
        ('{"plan": {}}', "the unknown name 'plan'"),
        ('{"planned": "a"}', "str for planned"),
        ('{"planned": {}, "key": 1}', "int for key"),
        ('{"keep_models": "no"}', "str for keep_models"),
        ('{"keep_models": null}', "NoneType for keep_models"),
        ('{"report": ["a"]}', "list for report"),
    ],
)
def test_what_this_engine_has_not_written_is_refused_in_a_line(text, found):
    variables = {env.TASK: text}

    with pytest.raises(TaskError) as refused:
        StepTask.take(variables)

    assert str(refused.value).startswith(f"expected in {env.TASK} what this engine writes there, ")
    assert f"found {found}. " in str(refused.value)
    assert variables == {}


def test_a_default_is_not_written():
    assert json.loads(StepTask(key="k").to_json()) == {"key": "k"}
    assert json.loads(StepTask().to_json()) == {}


# Which engines read it


@pytest.fixture
def engine(tmp_path):
    """The file of an engine in a project's folder that corresponds to ours."""
    file = tmp_path / "reprise" / "process" / "task.py"
    file.parent.mkdir(parents=True)
    (tmp_path / "reprise" / "__init__.py").touch()
    return file


def test_a_project_without_an_engine_of_its_own_is_understood(tmp_path):
    assert is_understood_in(tmp_path)


def test_the_engine_of_a_commit_with_the_same_task_is_understood(tmp_path, engine):
    engine.write_bytes(Path(task.__file__).read_bytes())

    assert is_understood_in(tmp_path)


@pytest.mark.parametrize("text", [None, "class StepTask:\n    pass\n"], ids=["none", "another"])
def test_the_engine_of_a_commit_with_another_task_is_not_understood(tmp_path, engine, text):
    if text is not None:
        engine.write_text(text)

    assert not is_understood_in(tmp_path)


def test_this_repository_is_understood():
    assert is_understood_in(Path(__file__).parents[3])


# The protocol with engines of other commits


def test_an_engine_older_than_the_versions_speaks_the_first():
    assert env.VERSION == "1"
    protocol.refuse_other_version({})
    protocol.refuse_other_version({env.PROTOCOL: env.VERSION})


@pytest.mark.parametrize("version", ["2", "0", "", "1.0", "one"])
def test_a_version_that_this_engine_does_not_know_is_refused(version):
    with pytest.raises(TaskError, match="expected REPRISE_PROTOCOL=1 from the engine") as refused:
        protocol.refuse_other_version({env.PROTOCOL: version})

    assert repr(version) in str(refused.value)


def test_every_variable_is_described_for_people():
    page = (Path(__file__).parents[3] / "docs" / "protocol.md").read_text(encoding="utf-8")
    names = {value for value in vars(env).values() if str(value).startswith("REPRISE_")}

    assert {name for name in names if f"`{name}`" not in page} == set()
    assert {f.name for f in fields(StepTask) if f"`{f.name}`" not in page} == set()
