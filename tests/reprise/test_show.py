"""The inputs and outputs of a run are shown on one screen, with the command to run next."""

import pytest

from reprise import tracking
from reprise.commands import show
from reprise.record.schema import Code, InputData
from reprise.replay import original_run
from steps.parameters import TrainDecisionTreeParameters

TRAIN = InputData(
    name="train", uri="runs:/x/data/train.parquet", sha256="a" * 64, rows=9, columns=3
)
CARRIED = Code(
    repository="https://example.org/project.git",
    project="sub",
    commit="c" * 40,
    tree="d" * 40,
    base_commit="b" * 40,
    dirty=True,
    changed_files=("steps/models.py",),
    bundle="runs:/x/code/snapshot.bundle",
)


@pytest.fixture
def trained(recording):
    """Record a training, and return its run's id."""

    def trained(*, inputs=(TRAIN,), tags=None, metrics=None, **changes):
        with recording(TrainDecisionTreeParameters(max_depth=5), **changes) as run:
            for data in inputs:
                run.add_input(data, context="training")
            run.log_metrics(metrics or {"train_accuracy": 0.99})
            run.log_model_digest("e" * 64, is_logged=False)
            run.set_tags(tags or {})
        return run.run_id

    return trained


@pytest.fixture
def shown(capsys):
    """Show a run, and return the lines."""

    def shown(run_id):
        capsys.readouterr()
        show.start(show.ShowParameters(run_id=run_id))
        return capsys.readouterr().out.splitlines()

    return shown


def rows(lines):
    """The rows of a screen by their labels, each in a line."""
    found, label = {}, ""
    for line in lines[: lines.index("Next:")]:
        label = line[:13].strip() or label
        found[label] = f"{found.get(label, '')} {line[13:]}".strip()
    return found


def test_the_whole_record_is_shown(trained, shown):
    run_id = trained(code=CARRIED, seeds={"seed": 1})

    found = rows(shown(run_id))

    assert found["run"].startswith(f"{run_id} train_dt")
    assert "FINISHED, 20" in found["run"]
    assert found["code"] == (
        f"{'c' * 40}, folder sub, carried by the run (runs:/x/code/snapshot.bundle), "
        f"dirty: {'b' * 12} with steps/models.py edited"
    )
    assert found["step"] == "train_dt"
    assert "max_depth=5" in found["parameters"].split()
    assert found["input"] == f"train {'a' * 12}, 9 x 3, runs:/x/data/train.parquet"
    assert found["environment"] == f"Python 3.11.7, 1 packages, uv, lock {'e' * 12}, as locked"
    assert "threads" in found["numerics"]
    assert found["seeds"] == "seed=1"
    assert found["metrics"] == "train_accuracy=0.99"
    assert found["model"] == "e" * 12
    assert found["replays"] == "none"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, f"{'c' * 40}, at https://example.org/project.git"),
        ({"repository": None}, f"{'c' * 40}, in the clone where it ran"),
        ({"commit": None, "tree": None}, "outside git: it cannot be had"),
    ],
)
def test_the_place_of_the_code_is_shown(changes, expected):
    clean = {"project": "", "dirty": False, "bundle": None}

    assert show.code(CARRIED.model_copy(update=clean | changes), recorded=True) == expected


def test_the_output_fits_on_one_screen(trained, shown):
    inputs = [TRAIN.model_copy(update={"name": f"table {i}", "uri": "u/" * 90}) for i in range(9)]
    files = tuple(f"folder/file_{i}.py" for i in range(99))
    run_id = trained(
        inputs=inputs,
        metrics={f"metric_number_{i}": i / 7 for i in range(200)},
        code=CARRIED.model_copy(update={"changed_files": files}),
    )

    lines = shown(run_id)

    assert max(map(len, lines)) <= 80
    assert len(lines) <= 40
    assert "and 6 more inputs" in "\n".join(lines)
    assert sum(line.endswith(" …") for line in lines) >= 2


def test_control_characters_are_escaped(trained, shown):
    run_id = trained(inputs=[TRAIN.model_copy(update={"uri": "x\x1b[2Jy\nforged     row"})])

    found = "\n".join(shown(run_id))

    assert "\x1b" not in found
    assert r"x\x1b[2Jy\nforged" in found


def test_a_run_without_a_record_is_reported(store, shown):
    run_id = store.make_run(
        params={"C": "'a b'"},
        metrics={"loss": 0.5},
        tags={tracking.ENTRY_POINT: "train", tracking.GIT_COMMIT: "c" * 40},
    )

    found = rows(shown(run_id))

    assert found["record"].startswith("none: uncommitted edits, data, environment")
    assert found["code"] == f"{'c' * 40}, in the clone where it ran, edits not known"
    assert found["parameters"] == "C=a b"
    assert found["metrics"] == "loss=0.5"
    assert "environment" not in found


def test_a_failed_run_has_its_error_and_no_outputs(recording, shown):
    with pytest.raises(ZeroDivisionError), recording(TrainDecisionTreeParameters()) as run:
        raise ZeroDivisionError("by zero")

    lines = shown(run.run_id)

    assert rows(lines)["error"] == "ZeroDivisionError: by zero"
    assert rows(lines)["outputs"] == "none: the run has not finished"
    assert lines[-1] == f"  reprise reproduce {run.run_id[:8]} --code current"


def test_its_replays_are_listed_with_their_verdicts(store, trained, shown):
    original = trained(tags={tracking.VERDICT: "different"})
    replays = [
        store.make_run(tags={tracking.REPLAY_OF: original, tracking.VERDICT: verdict})
        for verdict in ("not replayable", "identical", "identical", "different")
    ]

    lines = shown(original)

    assert rows(lines)["verdict"] == "different"
    assert rows(lines)["replays"] == "4, the last of them:"
    assert f"{replays[-1]} FINISHED, different" in rows(lines)["replay"]
    assert replays[0] not in "\n".join(lines)
    assert lines[-1] == f"  reprise why {original[:8]} {replays[-1][:8]}"


def test_replays_in_other_experiments_are_found(store, trained):
    original = trained()
    elsewhere = store.client.create_experiment("elsewhere")
    replay = store.client.create_run(elsewhere, tags={tracking.REPLAY_OF: original}).info.run_id

    assert [run.info.run_id for run in tracking.replays_of(original)] == [replay]


def test_the_original_run_of_a_replay_is_named(recording, record_of, shown):
    with recording(TrainDecisionTreeParameters(), replays="f" * 32) as run:
        pass

    assert rows(shown(run.run_id))["replay of"] == "f" * 32


def test_the_command_that_is_shown_next_reproduces_a_good_run(trained, shown):
    run_id = trained()

    assert shown(f"runs:/{run_id}")[-2:] == [
        "  # the same run once more, and a verdict",
        f"  reprise reproduce {run_id[:8]}",
    ]
    assert original_run.read(run_id).unknown == ()
