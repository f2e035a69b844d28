"""Wrong input: one line that says what to do, a non-zero exit code, and no run.

What is found only as the step computes, or in a run that `mlflow run` has made, is a FAILED run.
"""

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from driving import Project, at_once, refusal

NOBODY = "0" * 32


@dataclass(frozen=True)
class Case:
    """Parameters to refuse, where {…} stands for what `made` has, and words of the refusal."""

    entry_point: str
    parameters: dict[str, str]
    says: list[str]
    mlflow: bool = field(default=False, kw_only=True)  # through `mlflow run`, else `python -m`


CASES = {
    "a word for a number": Case(
        "train_dt",
        {"max_depth": "banana"},
        ["max_depth must be a whole number >= 1, or empty", "found 'banana'", "-P max_depth=5"],
    ),
    "a number out of bounds": Case(
        "train_dt", {"max_depth": "0"}, ["max_depth must be a whole number >= 1", "found '0'"]
    ),
    "a negative C": Case("train_lr", {"C": "-1"}, ["C must be a number > 0", "found '-1'"]),
    "a misspelt name": Case(
        "train_dt", {"max_dept": "3"}, ["no parameter 'max_dept'", "did you mean 'max_depth'?"]
    ),
    "a misspelt data set": Case("train_dt", {"data": "iriss"}, ["'iriss'", "Did you mean iris?"]),
    "an unknown data run": Case(
        "train_dt", {"data": NOBODY}, ["expected the id of a run", NOBODY, "MLFLOW_TRACKING_URI"]
    ),
    "a missing file": Case(
        "train_lr", {"data": "no where.csv"}, ["no where.csv", "Check the path"]
    ),
    "data evaluated as a model": Case(
        "evaluate", {"run_id": "{loaded}"}, ["finished training run", "load_data", "train_dt"]
    ),
    "a model below the minimum": Case(
        "evaluate",
        {"run_id": "{bad_model}", "minimum": "0.999999", "register_as": "refused"},
        ["accuracy of at least 0.999999", "found 0.", "{bad_model}", "train a better model"],
    ),
    "data altered in the store": Case(
        "train_dt", {"data": "runs:/{altered}"}, ["train.parquet", "SHA-256 was", "load_data again"]
    ),
    "data garbled in the store": Case(
        "train_lr", {"data": "{garbled}"}, ["train.parquet", "SHA-256 was", "load_data again"]
    ),
    "no experiment file": Case("main", {"params": "{folder}/none.yaml"}, ["none.yaml", "params/"]),
    "an experiment with an unknown step": Case(
        "main", {"params": "{folder}/step.yaml"}, ["'train_dtt'", "did you mean train_dt?"]
    ),
    "an experiment with an unknown key": Case(
        "main", {"params": "{folder}/key.yaml"}, ["'evaluate'", "did you mean 'evaluation'?"]
    ),
    "an experiment that is no YAML": Case(
        "main", {"params": "{folder}/yaml.yaml"}, ["expected YAML", "yaml.yaml", "line 2"]
    ),
    "an experiment with a bad value in its last grid": Case(
        "main", {"params": "{folder}/grid.yaml"}, ["max_depth must be a whole number", "'x'"]
    ),
    "an experiment judged by a misspelt metric": Case(
        "main", {"params": "{folder}/metric.yaml"}, ["metric must be one of accuracy", "'acuracy'"]
    ),
    "mlflow run with a misspelt name": Case(
        "train_dt", {"max_dept": "3"}, ["did you mean 'max_depth'?"], mlflow=True
    ),
    "mlflow run with a bad experiment": Case(
        "main", {"params": "{folder}/grid.yaml"}, ["max_depth must be", "'x'"], mlflow=True
    ),
}
FOUND_LATE = [
    name
    for name, case in CASES.items()
    if case.mlflow or case.entry_point == "evaluate" or " the store" in name or "data run" in name
]
EXPERIMENTS = [name for name, case in CASES.items() if case.entry_point == "main"]
FILES = {
    "step.yaml": "steps: [{step: train_lr}, {step: train_dtt}]",
    "key.yaml": "steps: [{step: train_lr}]\nevaluate: {metric: accuracy}",
    "yaml.yaml": "data: {source: iris\nsteps: [",
    "grid.yaml": "steps:\n- step: train_lr\n- {step: train_dt, parameters: {max_depth: [2, x]}}",
    "metric.yaml": "steps: [{step: train_lr}]\nevaluation: {metric: acuracy}",
}


def stored(project: Project, run_id: str) -> Path:
    """File of the training part that a load_data run has stored."""
    root = project.client.get_run(run_id).info.artifact_uri
    return Path(urlsplit(root).path, "data", "train.parquet")


@pytest.fixture(scope="module")
def made(experiment, tmp_path_factory):
    """Runs and files that the cases need."""
    folder = tmp_path_factory.mktemp("wrong")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    loads = at_once(*(lambda n=n: experiment.step("load_data", seed=n) for n in (2, 3, 4)))
    loaded, altered, garbled = (done.run_id for done in loads)
    bad = experiment.step("train_lr", data=loaded, C=1e-9, max_iter=1, cv=0)
    assert [done.exit_code for done in [*loads, bad]] == [0] * 4

    table = pq.read_table(stored(experiment, altered))
    column = pc.if_else(pa.array([True] + [False] * (len(table) - 1)), 9.9, table.column(0))
    pq.write_table(table.set_column(0, table.schema.names[0], column), stored(experiment, altered))
    stored(experiment, garbled).write_bytes(b"PAR1 no more PAR1")
    return {
        "folder": str(folder),
        "loaded": loaded,
        "altered": altered,
        "garbled": garbled,
        "bad_model": bad.run_id,
    }


@pytest.fixture(scope="module")
def refused(experiment, made):
    """How each case ended."""

    def attempt(case):
        parameters = {name: value.format(**made) for name, value in case.parameters.items()}
        if not case.mlflow:
            return experiment.step(case.entry_point, **parameters)
        words = [w for name, value in parameters.items() for w in ("-P", f"{name}={value}")]
        return experiment.mlflow_run("-e", case.entry_point, *words)

    ended = at_once(*(lambda case=case: attempt(case) for case in CASES.values()))
    return dict(zip(CASES, ended, strict=True))


@pytest.mark.parametrize("name", CASES)
def test_it_is_refused_in_one_line_that_says_what_to_do(refused, made, name):
    case, done = CASES[name], refused[name]

    line = refusal(done, case.entry_point)

    for words in case.says:
        assert words.format(**made) in line
    assert not line.startswith(case.entry_point)  # the line names the step once


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.mlflow])
def test_a_step_on_its_own_prints_nothing_but_that_line(refused, name):
    assert len(refused[name].stderr.splitlines()) == 1


@pytest.mark.parametrize("name", [name for name in CASES if name not in FOUND_LATE])
def test_a_mistake_leaves_no_run(refused, name):
    assert refused[name].run_id == ""


@pytest.mark.parametrize("name", FOUND_LATE)
def test_the_run_is_failed_and_tagged_with_the_error(experiment, refused, name):
    done = refused[name]

    assert experiment.status(done.run_id) == "FAILED"
    line = refusal(done, CASES[name].entry_point)
    assert line.endswith(experiment.tags(done.run_id)["reprise.error"].removeprefix("main: "))


@pytest.mark.parametrize("name", FOUND_LATE)
def test_the_run_has_a_record_without_outputs(experiment, refused, made, name):
    case = CASES[name]

    record = experiment.record(refused[name].run_id)

    assert record["format_version"] == 2
    assert record["step"]["entry_point"] == case.entry_point
    given = {key: value.format(**made) for key, value in case.parameters.items()}
    assert given.items() <= record["step"]["raw_parameters"].items()
    assert record["outputs"] is None


@pytest.mark.parametrize("name", [name for name in EXPERIMENTS if name in FOUND_LATE])
def test_of_an_experiment_with_a_mistake_nothing_runs(experiment, refused, name):
    assert experiment.children(refused[name].run_id) == []


def test_a_model_below_the_minimum_is_not_registered(experiment, refused):
    assert experiment.client.search_registered_models("name = 'refused'") == []


def test_a_refused_training_leaves_no_model(experiment, refused):
    for name in ("data altered in the store", "data garbled in the store"):
        outputs = experiment.client.get_run(refused[name].run_id).outputs
        assert not outputs.model_outputs
