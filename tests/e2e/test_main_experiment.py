"""`mlflow run .` on a fresh clone: an experiment file becomes ordinary runs, each with a record."""

import re

import pytest
from driving import at_once, unquoted

ENTRY_POINT = "mlflow.project.entryPoint"
DEPTHS = ["2", "3"]
TRAININGS = ["train_lr", "train_lr", "train_dt", "train_dt", "train_dummy"]
STEPS = ["load_data", *TRAININGS, "evaluate"]


@pytest.fixture(scope="module")
def main(clone, tmp_path_factory):
    """`mlflow run .`, in a clone where nothing has run before."""
    temporary = tmp_path_factory.mktemp("t")
    (clone.folder / "mlflow.db").unlink()  # the first run makes the store
    done = clone.in_true_processes().mlflow_run(environment={"TMPDIR": str(temporary)})
    assert done.exit_code == 0, done.stderr
    assert not list(temporary.glob("reprise-*"))
    return done


@pytest.fixture(scope="module")
def children(clone, main):
    return clone.children(main.run_id)


@pytest.fixture(scope="module")
def trainings(children):
    return [run for run in children if run.data.tags[ENTRY_POINT].startswith("train_")]


@pytest.fixture(scope="module")
def looped(clone, children):
    """What a loop over `mlflow run` makes, by depth."""
    words = ("-e", "train_dt", "-P", f"data=runs:/{children[0].info.run_id}", "-P")
    ended = at_once(*(lambda d=d: clone.mlflow_run(*words, f"max_depth={d}") for d in DEPTHS))
    assert [done.exit_code for done in ended] == [0, 0], ended
    return {depth: done.run_id for depth, done in zip(DEPTHS, ended, strict=True)}


def next_commands(stdout):
    """The commands that are printed last, without the comments between them."""
    lines = [line.strip() for line in stdout.partition("\nNext:\n")[2].splitlines()]
    return [line for line in lines if not line.startswith("#")]


def test_main_and_its_seven_nested_runs_finish(clone, main, children):
    assert clone.status(main.run_id) == "FINISHED"
    assert [run.info.status for run in children] == ["FINISHED"] * 7


def test_the_nested_runs_are_load_data_the_trainings_and_evaluate(children):
    assert sorted(run.data.tags[ENTRY_POINT] for run in children) == sorted(STEPS)
    assert children[0].data.tags[ENTRY_POINT] == "load_data"
    assert children[-1].data.tags[ENTRY_POINT] == "evaluate"


def test_the_trainings_are_the_grid_of_the_experiment_file_and_the_baseline(trainings):
    points = {
        (run.data.tags[ENTRY_POINT], run.data.params.get("C"), run.data.params.get("max_depth"))
        for run in trainings
    }

    assert points == {
        ("train_lr", "0.1", None),
        ("train_lr", "1.0", None),
        ("train_dt", None, "2"),
        ("train_dt", None, "3"),
        ("train_dummy", None, None),
    }


def test_every_run_names_the_commit_of_the_clone(clone, main, children):
    head = clone.git("rev-parse", "HEAD")

    for run in [clone.client.get_run(main.run_id), *children]:
        assert run.data.tags["mlflow.source.git.commit"] == head
        assert run.data.tags["reprise.commit"] == head
        assert run.data.tags["reprise.dirty"] == "false"


def test_every_run_has_a_complete_record(clone, main, children):
    origin = clone.git("remote", "get-url", "origin")
    head, tree = clone.git("rev-parse", "HEAD", "HEAD^{tree}").split()

    for run in [clone.client.get_run(main.run_id), *children]:
        record = clone.record(run.info.run_id)
        assert record["format_version"] == 2
        assert record["code"] == {
            "repository": origin,
            "project": "",
            "commit": head,
            "tree": tree,
            "base_commit": head,
            "dirty": False,
            "changed_files": [],
            "bundle": None,
        }
        assert record["step"]["entry_point"] == run.data.tags[ENTRY_POINT]
        assert record["step"]["raw_parameters"] == unquoted(run.data.params)
        assert record["environment"]["deviations"] == []


def test_every_record_holds_the_metrics_its_run_logged(clone, main, children):
    for run in [clone.client.get_run(main.run_id), *children]:
        recorded = clone.record(run.info.run_id)["outputs"]["metrics"]
        added_by_evaluate = set(run.data.metrics) - set(recorded)
        assert recorded
        assert recorded == {name: run.data.metrics[name] for name in recorded}
        assert all(name.startswith("test_") for name in added_by_evaluate)


def test_every_run_is_made_on_the_numerics_baseline(clone, main, children):
    for run_id in [main.run_id, *(run.info.run_id for run in children)]:
        numerics = clone.record(run_id)["numerics"]
        assert numerics["baseline"] or "OPENBLAS_CORETYPE" not in numerics["variables"]
        assert numerics["threads"] == 1


def test_every_step_puts_its_inputs_on_the_record(clone, children, trainings):
    loaded = clone.record(children[0].info.run_id)
    judged = clone.record(children[-1].info.run_id)

    assert [data["uri"] for data in loaded["inputs"]] == ["sklearn:iris"]
    for run in trainings:
        (data,) = clone.record(run.info.run_id)["inputs"]
        assert data["sha256"] == loaded["outputs"]["artifacts"]["train"]
        assert (data["rows"], data["columns"]) == (100, 5)
    assert {data["name"] for data in judged["inputs"]} == {"model", "test"}
    assert loaded["outputs"]["artifacts"]["test"] in {d["sha256"] for d in judged["inputs"]}


def test_every_training_puts_model_and_predictions_on_the_record(clone, trainings):
    models = set()
    for run in trainings:
        outputs = clone.record(run.info.run_id)["outputs"]
        models.add(outputs["model"])
        assert set(outputs["predictions"]) == {"labels", "probabilities"}
        assert run.data.tags["reprise.model_digest"] == outputs["model"]
        assert {"cv_accuracy_mean", "cv_accuracy_std", "train_accuracy"} <= set(outputs["metrics"])

    assert len(models) == 5


def test_records_tell_nothing_of_where_or_when_they_were_made(clone, main, children):
    for run_id in [main.run_id, *(run.info.run_id for run in children)]:
        outputs = str(clone.record(run_id)["outputs"])
        assert str(clone.folder) not in outputs
        assert run_id not in outputs


def test_only_the_run_judged_by_evaluate_has_test_metrics(clone, children, trainings):
    best = max(trainings, key=lambda run: run.data.metrics["cv_accuracy_mean"]).info.run_id

    assert children[-1].data.params["run_id"] == best
    assert [r.info.run_id for r in trainings if "test_accuracy" in r.data.metrics] == [best]


def test_the_terminal_shows_a_leaderboard_of_the_trainings(main, trainings):
    table = main.stdout.partition("\nNext:\n")[0]

    for run in trainings:
        (line,) = [line for line in table.splitlines() if run.info.run_id[:8] in line]
        assert run.data.tags[ENTRY_POINT] in line
        assert f"{run.data.metrics['cv_accuracy_mean']:.4f}" in line


def test_the_leaderboard_names_its_columns_in_full(main):
    table = main.stdout.partition("\nNext:\n")[0]

    for heading in ("run", "step", "C", "max_depth", "accuracy", "test"):
        assert heading in table
    assert "…" not in table


def test_the_leaderboard_begins_with_the_best(main, trainings):
    scores = {run.info.run_id[:8]: run.data.metrics["cv_accuracy_mean"] for run in trainings}
    shown = [found for found in re.findall(r"\b[0-9a-f]{8}\b", main.stdout) if found in scores][:5]

    assert [scores[run_id] for run_id in shown] == sorted(scores.values(), reverse=True)


@pytest.fixture(scope="module")
def followed(clone, main):
    """How each of the next commands ended, word for word but for the UI."""
    commands = [line for line in next_commands(main.stdout) if "-e " in line]
    ended = at_once(*(lambda line=line: clone.shell(line) for line in commands))
    return dict(zip(commands, ended, strict=True))


def test_the_next_commands_are_a_replay_the_ui_a_training_and_an_evaluation(main):
    commands = next_commands(main.stdout)

    assert "-e reproduce -P run_id=" in commands[0]
    assert "make ui" in commands
    assert any("-e train_" in line for line in commands)
    assert any("-e evaluate" in line for line in commands)
    assert all(line.startswith(("make ", "mlflow run . --env-manager local ")) for line in commands)


def test_the_next_commands_work_word_for_word(clone, followed):
    for done in followed.values():
        assert done.exit_code == 0, done.stderr


def test_the_best_run_comes_back_identical(followed):
    (replay,) = (done for command, done in followed.items() if "-e reproduce" in command)

    assert "Verdict: identical" in replay.stdout


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_loop_of_mlflow_runs_gives_the_digests_of_main(clone, looped, trainings, depth):
    (planned,) = [run for run in trainings if run.data.params.get("max_depth") == depth]

    outputs = clone.record(looped[depth])["outputs"]

    assert outputs == clone.record(planned.info.run_id)["outputs"]


@pytest.mark.parametrize("depth", DEPTHS)
def test_main_logs_the_parameters_that_mlflow_run_logs(clone, looped, trainings, depth):
    (planned,) = [run for run in trainings if run.data.params.get("max_depth") == depth]

    alone = clone.client.get_run(looped[depth])

    assert unquoted(planned.data.params) == unquoted(alone.data.params)
    assert planned.data.tags["reprise.key"] == alone.data.tags["reprise.key"]
    for tag in ("mlflow.source.type", "mlflow.source.name", "mlflow.user", ENTRY_POINT):
        assert planned.data.tags[tag] == alone.data.tags[tag]


def test_nothing_in_the_clone_has_changed(clone, main, looped):
    assert clone.git("status", "--porcelain") == ""
