"""The command `reprise`, for real: what it leaves is what `mlflow run` leaves."""

import os
import re
import signal

import pytest
from driving import LIMIT_SECONDS, at_once, unquoted, without_ids

NOBODY = "0" * 32
TRAINING = ("-e", "train_dt", "-P", "max_depth=3", "-P", "cv=0", "-P", "class_weight=balanced")
FAILING = ("-e", "evaluate", "-P", f"run_id={NOBODY}")
# Of each run its own.
_OWN = {"mlflow.runName", "mlflow.log-model.history", "reprise.process", "reprise.seen"}


def run_id(done):
    (found,) = re.findall(r"^\w+: run ([0-9a-f]{32})$", done.stdout, re.MULTILINE)
    return found


def reprise(user, *arguments, **options):
    return user.execute(["reprise", *arguments], **options)


@pytest.fixture(scope="module")
def data(experiment):
    return run_id(reprise(experiment, "run", "-e", "load_data"))


@pytest.fixture(scope="module")
def ended(experiment, data):
    """How a training and a run that fails end, by either command; two at a time."""
    training = (*TRAINING, "-P", f"data={data}")
    calls = {
        "training by mlflow run": lambda: experiment.mlflow_run(*training),
        "training": lambda: reprise(experiment, "run", *training, "--run-name", "mine"),
        "failing by mlflow run": lambda: experiment.mlflow_run(*FAILING),
        "failing": lambda: reprise(experiment, "run", *FAILING),
        "refused": lambda: reprise(experiment, "run", "-e", "train_dt", "-P", "max_depth=x"),
        "refused by mlflow run": lambda: experiment.mlflow_run("-e", "train_lr", "-P", "C=x"),
        "misspelt": lambda: reprise(experiment, "run", "-e", "train_dt", "-P", "max_dept=2"),
    }
    return dict(zip(calls, at_once(*calls.values()), strict=True))


def left(user, run):
    tags = {name: value for name, value in run.data.tags.items() if name not in _OWN}
    params = unquoted(run.data.params)  # MLflow quotes an empty value, too
    tags = without_ids(tags, run.info.run_id)
    return run.info.status, params, tags, user.artifacts(run.info.run_id)


def test_a_run_looks_the_same_as_by_mlflow_run(experiment, ended):
    by_mlflow, ours = ended["training by mlflow run"], ended["training"]

    assert (by_mlflow.exit_code, ours.exit_code) == (0, 0), ours.stderr
    a, b = (experiment.client.get_run(i) for i in (by_mlflow.run_id, run_id(ours)))
    assert left(experiment, a) == left(experiment, b)
    assert a.data.metrics == b.data.metrics
    assert b.info.run_name == "mine"


def test_the_first_line_of_a_run_is_its_id(ended):
    done = ended["training"]

    first = done.stderr.splitlines()[0]
    assert first == f"=== Running train_dt in run with ID '{run_id(done)}' ==="


def test_the_records_of_both_runs_agree_in_all_but_their_ids(experiment, ended):
    ids = ended["training by mlflow run"].run_id, run_id(ended["training"])

    a, b = (experiment.artifact(i, "provenance.json").decode().replace(i, "") for i in ids)

    assert a == b


def test_a_run_that_fails_looks_the_same_and_is_the_exit_code(experiment, ended):
    runs = experiment.search("tags.`mlflow.project.entryPoint` = 'evaluate'")

    assert (ended["failing by mlflow run"].exit_code, ended["failing"].exit_code) == (1, 1)
    a, b = (left(experiment, run) for run in runs)
    assert a == b
    assert a[0] == "FAILED"


@pytest.mark.parametrize(
    ("name", "text"), [("refused", "max_depth must be"), ("misspelt", "did you mean 'max_depth'")]
)
def test_wrong_input_is_refused_in_a_line_and_leaves_no_run(experiment, ended, name, text):
    done = ended[name]

    assert done.exit_code == 2
    assert done.stdout == ""
    assert text in done.stderr
    assert done.stderr.count("\n") == 1
    assert len(experiment.search("tags.`mlflow.project.entryPoint` = 'train_dt'")) == 2


def test_mlflow_run_still_shows_the_mistake_on_the_run_that_it_has_made(experiment, ended):
    done = ended["refused by mlflow run"]

    assert done.exit_code == 1
    assert experiment.status(done.run_id) == "FAILED"


def test_a_run_is_reproduced_and_shown(experiment, ended):
    original = run_id(ended["training"])

    done = reprise(experiment, "reproduce", original)
    shown = reprise(experiment, "show", original)

    assert done.exit_code == 0, done.stderr
    assert "Verdict: identical" in done.stdout
    assert shown.exit_code == 0, shown.stderr
    assert re.search(r"^verdict +identical$", shown.stdout, re.MULTILINE)
    assert shown.stdout.splitlines()[-1] == f"  reprise reproduce {original[:8]}"


def test_a_commit_runs_without_the_edits_of_the_folder(experiment):
    (experiment.folder / "notes.txt").write_text("not committed\n")

    try:
        done = reprise(experiment, "run", ".#HEAD", "-e", "load_data", "-P", "seed=7")
    finally:
        (experiment.folder / "notes.txt").unlink()

    assert done.exit_code == 0, done.stderr
    assert experiment.record(run_id(done))["code"]["dirty"] is False


def test_ctrl_c_kills_the_run_and_is_the_exit_code(experiment, slow, tmp_path):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    command = ["reprise", "run", "-e", "train_dt", "-P", f"data={slow.url}"]
    running = "attributes.status = 'RUNNING'"

    with experiment.started(command, environment={"TMPDIR": str(temporary)}) as process:
        assert slow.asked.wait(LIMIT_SECONDS)
        begun = experiment.search(running)
        os.killpg(process.pid, signal.SIGINT)
        _, stderr = process.communicate(timeout=LIMIT_SECONDS)

    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    assert stderr.splitlines()[-1] == "reprise run: interrupted"
    assert begun != []
    assert {experiment.status(run.info.run_id) for run in begun} == {"KILLED"}
    assert experiment.search(running) == []
    assert list(temporary.iterdir()) == []
