"""The runs of an experiment are listed: what each is, what varies, and what came of it."""

import pytest

from reprise import tracking
from reprise.commands import ls
from reprise.commands.parameters import LsParameters

ORIGINAL = "0" * 32


@pytest.fixture(autouse=True)
def wide(monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def made(store):
    """Make runs, each later than the one before."""
    times = iter(range(1_700_000_000_000, 1_700_001_000_000, 60_000))

    def made(step="train", **fields):
        tags = {tracking.ENTRY_POINT: step, **fields.pop("tags", {})}
        return store.make_run(tags=tags, start_time=next(times), **fields)

    return made


@pytest.fixture
def listed(capsys):
    """List runs, and return the lines."""

    def listed(**parameters):
        capsys.readouterr()
        ls.start(LsParameters(**parameters))
        return capsys.readouterr().out.splitlines()

    return listed


def test_a_run_is_shown_with_its_step_what_varies_its_metrics_and_its_verdict(made, listed):
    run_id = made(
        params={"depth": "5", "seed": "0"},
        metrics={"accuracy": 0.123456789},
        tags={tracking.VERDICT: "identical"},
    )
    made(params={"depth": "6", "seed": "0"}, metrics={"accuracy": 0.5})

    (row,) = (line for line in listed() if run_id[:8] in line)

    cells = [cell.strip() for cell in row.strip("│").split("│")]
    assert cells == [
        run_id[:8], "2023-11-14 22:13", "train", "depth=5", "0.123457", "identical"
    ]  # fmt: skip


def test_the_latest_run_comes_first(made, listed):
    runs = [made() for _ in range(3)]

    lines = [line for line in listed() if line.startswith("│")]

    assert [line.split()[1] for line in lines] == [run_id[:8] for run_id in reversed(runs)]


def test_a_run_that_has_not_finished_shows_its_status(made, listed):
    made(status="FAILED")

    assert "failed" in "\n".join(listed())


@pytest.mark.parametrize(
    ("step", "tags"), [("audit", {}), ("train", {tracking.REPLAY_OF: ORIGINAL})]
)
def test_runs_about_other_runs_are_listed_only_if_asked_for(made, listed, step, tags):
    run_id = made(step=step, tags=tags)

    assert listed() == ["The experiment 'tests' has no runs."]
    assert run_id[:8] in "\n".join(listed(all=True))


def test_a_page_has_its_runs_and_the_command_of_the_next_one(made, listed):
    runs = [made() for _ in range(5)]

    first, second = "\n".join(listed(limit=2)), "\n".join(listed(limit=2, page=2))

    assert [run_id[:8] in first for run_id in runs] == [False, False, False, True, True]
    assert [run_id[:8] in second for run_id in runs] == [False, True, True, False, False]
    assert "  reprise ls --limit 2 --page 2\n" in f"{first}\n"
    assert "--page" not in "\n".join(listed(limit=2, page=3))


def test_no_more_runs_are_fetched_than_are_shown(made, listed, monkeypatch):
    for _ in range(3):
        made()
    taken = []
    newest_first = tracking.newest_first
    monkeypatch.setattr(
        tracking, "newest_first", lambda ids: (taken.append(r) or r for r in newest_first(ids))
    )

    listed(limit=1)

    assert len(taken) == 2


def test_an_experiment_is_listed_by_its_name(store, made, listed):
    made()
    store.client.create_run(store.client.create_experiment("other"))

    assert any(line.strip() == "Runs of other" for line in listed(experiment="other"))


def test_the_metrics_of_the_project_come_before_those_that_most_runs_have(made):
    runs = [made(metrics={"a": 1, "b": 2, "system/cpu": 3}), made(metrics={"b": 2, "c": 1})]
    runs = [tracking.get_run(run_id) for run_id in runs]

    assert ls.shown_metrics(runs, []) == ["b", "a", "c"]
    assert ls.shown_metrics(runs, ["none", "c"]) == ["c"]


def test_what_says_only_where_a_run_goes_is_not_what_varies(made, listed):
    for name in ("a", "b"):
        made(params={"experiment": name})

    assert "experiment=" not in "\n".join(listed())
