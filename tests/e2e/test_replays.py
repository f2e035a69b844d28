"""Runs are made again from their ids: whatever the tree was, whatever became of the commit."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import cycle

import pytest
from driving import Ended, Project, at_once
from replaying import (
    IDENTICAL,
    MARKS,
    ODD_FEATURES,
    ODD_TABLE,
    ODD_TARGET,
    PARAMS,
    STEPS,
    Replayed,
    cloned,
    commit,
    contents,
    edit,
    left_in,
    mark_of,
    replayed,
    replayed_by_mlflow,
    write_marks,
    write_table,
)

pytestmark = pytest.mark.timeout(1800)  # a fixture makes most of the runs


def stage_and_edit_again(clone):
    edit(clone, "first.py", "VALUE = 300\n")
    clone.git("add", "--all")
    edit(clone, "first.py", "VALUE = 400\n")


# How the tree differs from HEAD when the run is made.
STATES: dict[str, Callable[[Project], object]] = {
    "clean": lambda _: None,
    "edited": lambda clone: edit(clone, "first.py", "VALUE = 200\n"),
    "staged and edited again": stage_and_edit_again,
    "an untracked module": lambda clone: edit(clone, "größe_ü.py", "VALUE = 500\n"),
    "a deleted file": lambda clone: (clone.folder / MARKS / "second.py").unlink(),
    "renamed": lambda clone: clone.git("mv", f"{MARKS}/third.py", f"{MARKS}/a_third.py"),
    "a binary file": lambda clone: (clone.folder / MARKS / "table.bin").write_bytes(b"\0\r\n\xff2"),
    "a mode change": lambda clone: (clone.folder / MARKS / "tool").chmod(0o755),
}
DATASETS = ("iris", "wine", "breast_cancer", "digits")
FATES = ("unpushed", "pushed", "branch deleted and collected", "rebased away", "clone deleted")
ENTRY_POINTS = (*STEPS, "main")  # which runs the others, so the last, and met once
# Each state meets one fate and one entry point, and each of those a state: tests/reprise proves of
# the whole product of states and fates that the tree comes back.
DIAGONAL = dict(zip(STATES, cycle(zip(FATES, ENTRY_POINTS, strict=True)), strict=False))


def meet(fate, clone, origin, colleague):
    """Let the commit of a clone meet a fate; return who replays then."""
    sha = clone.git("rev-parse", "HEAD")
    if fate in ("pushed", "branch deleted and collected"):
        clone.git("push", "--quiet", "origin", "HEAD:refs/heads/topic")
    if fate == "branch deleted and collected":
        clone.git("push", "--quiet", "--delete", "origin", "topic")
        origin.collect_garbage(clone)
        assert not origin.has(clone, sha)
    if fate == "clone deleted":
        shutil.rmtree(clone.folder)
    if fate != "rebased away":
        return colleague
    clone.git("reset", "--quiet", "--hard")
    clone.git("clean", "--quiet", "--force", "-d")
    clone.git("commit", "--quiet", "--amend", "--message", "Another")
    clone.git("push", "--quiet", "origin", "HEAD:refs/heads/topic")
    clone.git("reflog", "expire", "--expire=now", "--all")
    clone.git("gc", "--quiet", "--prune=now")
    assert clone.execute(["git", "cat-file", "-e", sha]).exit_code != 0
    return clone


@dataclass
class Life:
    """A run in a state, its replay after its commit met a fate, and what that has changed."""

    marks: set[float]  # of the run, and of those below it
    replay: Replayed
    disturbed: bool


@pytest.fixture(scope="module")
def temporary(tmp_path_factory):
    """TMPDIR of the replays."""
    return tmp_path_factory.mktemp("t")


@pytest.fixture(scope="module")
def team(served, temporary):
    return served.with_variables({"TMPDIR": str(temporary)}).within("replays")


def made_in(clone, entry_point, dataset):
    """Run an entry point in a clone, and return the run's id."""
    words = {"data": dataset, "cv": 2}
    if entry_point == "main":
        words = {"params": PARAMS[dataset], "baseline": "false"}
    elif entry_point == "load_data":
        words = {"source": dataset}
    elif entry_point == "evaluate":
        words = {"run_id": made_in(clone, "train_dt", dataset)}
    done = clone.step(entry_point, **words)
    assert done.exit_code == 0, done.stderr
    return done.run_id


@pytest.fixture(scope="module")
def lives(team, new_origin, tmp_path_factory):
    """A run of each state, and what became of it, two at a time."""

    def live(number, state):
        folder = tmp_path_factory.mktemp("live")
        origin = new_origin(f"replays-{number}")
        clone, colleague = (cloned(team, origin, folder / name) for name in ("mine", "theirs"))
        edit(colleague, "first.py", "VALUE = 7\n")  # their own edit, which no replay must run
        commit(clone, "only_here")
        STATES[state](clone)
        fate, entry_point = DIAGONAL[state]
        run_id = made_in(clone, entry_point, DATASETS[number % len(DATASETS)])
        made = [run_id]
        if entry_point == "main":  # of another one, the child is a load that it makes itself
            made += [run.info.run_id for run in team.children(run_id)]
        who = meet(fate, clone, origin, colleague)
        before = contents(who.folder)
        replay = replayed(who, run_id)
        marks = {team.metrics(each)["mark"] for each in made}
        return Life(marks, replay, contents(who.folder) != before)

    calls = (lambda n=n, state=state: live(n, state) for n, state in enumerate(STATES))
    return dict(zip(STATES, at_once(*calls), strict=True))


def test_each_fate_and_each_entry_point_is_met():
    assert [set(met) for met in zip(*DIAGONAL.values(), strict=True)] == [
        set(FATES),
        set(ENTRY_POINTS),
    ]


@pytest.mark.parametrize("state", STATES)
def test_a_replay_is_identical(lives, state):
    replay = lives[state].replay

    assert replay.done.exit_code == 0, replay.done.stdout + replay.done.stderr
    assert [each["verdict"] for each in replay.flat] == [IDENTICAL] * len(replay.flat)
    assert len(replay.verdict["children"]) == (4 if "main" in DIAGONAL[state] else 0)


@pytest.mark.parametrize("state", STATES)
def test_the_verdict_is_on_both_runs(team, lives, state):
    for each in lives[state].replay.flat:
        old, new = team.tags(each["run_id"]), team.tags(each["replayed_by"])
        assert old["reprise.verdict"] == new["reprise.verdict"] == IDENTICAL
        assert new["reprise.replay_of"] == each["run_id"]
        assert "verdict.json" in team.artifacts(each["replayed_by"])


def test_no_state_could_pass_for_another(lives):
    marks = [life.marks for life in lives.values()]

    assert [len(each) for each in marks] == [1] * len(STATES)
    assert len(set.union(*marks)) == len(STATES)


@pytest.mark.parametrize("state", STATES)
def test_the_clone_that_replays_is_unchanged_to_the_byte(lives, state):
    assert lives[state].disturbed is False


@dataclass
class Shared:
    """Runs that several people made of one repository, replayed two at a time in one clone."""

    team: Project
    runs: dict[str, Ended]
    replays: dict[str, Replayed]
    mark: float  # of the tree in that clone
    disturbed: bool


# How a run was made, and how it is replayed after its branch, if any, is deleted at origin.
WAYS = {
    "a clean tree of the main branch": replayed,
    "an edited tree of the main branch": replayed,
    "a branch that is deleted": replayed,
    "mlflow run <git uri>": replayed,
    "mlflow run <git uri> --version <commit of another branch>": replayed,
    "mlflow run with values to quote": replayed_by_mlflow,
}


@pytest.fixture(scope="module")
def shared(team, new_origin, environment, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared")
    team = team.within("shared")
    origin = new_origin("replays-shared")
    author, colleague, visitor = (cloned(team, origin, folder / n) for n in ("a", "b", "c"))
    (folder / "empty").mkdir()
    outside = replace(team, folder=folder / "empty").with_variables(environment)
    visitor.git("checkout", "--quiet", "-b", "visit")
    visited = commit(visitor, "visit")
    visitor.git("push", "--quiet", "origin", "visit")
    table = folder / ODD_TABLE
    write_table(table)

    commit(author, "pushed")
    author.git("push", "--quiet", "origin", "main")

    def of_the_author():
        yield author.step("train_lr", C=1e-4, max_iter=2, cv=2)
        edit(author, "first.py", "VALUE = 2000\n")
        yield author.step("evaluate")  # the best so far, which a replay must not choose anew
        author.git("checkout", "--quiet", "--", MARKS)
        author.git("checkout", "--quiet", "-b", "topic")
        commit(author, "topic")
        author.git("push", "--quiet", "origin", "topic")
        yield author.step("train_dt", data=ODD_TABLE, max_depth="", cv=2)

    def of_others():
        yield outside.mlflow_run("-e", "train_dt", "-P", "cv=2", uri=origin.url)
        version = ("--version", visited, "-e", "train_lr", "-P", "data=wine", "-P", "cv=0")
        yield outside.mlflow_run(*version, uri=origin.url)
        words = {"source": table, "target": ODD_TARGET, "features": ",".join(ODD_FEATURES)}
        given = [word for name, value in words.items() for word in ("-P", f"{name}={value}")]
        yield visitor.mlflow_run("-e", "load_data", *given)

    first, others = at_once(lambda: list(of_the_author()), lambda: list(of_others()))
    runs = dict(zip(WAYS, [*first, *others], strict=True))
    for done in runs.values():
        assert done.exit_code == 0, done.stderr
    author.git("push", "--quiet", "--delete", "origin", "topic")
    origin.collect_garbage(author)
    assert not origin.has(author, author.git("rev-parse", "HEAD"))
    for gone in (author, visitor):
        shutil.rmtree(gone.folder)
    edit(colleague, "first.py", "VALUE = 7\n")
    mark = mark_of(colleague)
    before = contents(colleague.folder)
    table_beside = {"allow_path": folder}  # of the values to quote
    replays = at_once(
        *(lambda w=w: WAYS[w](colleague, runs[w].run_id, **table_beside) for w in WAYS)
    )
    disturbed = contents(colleague.folder) != before
    return Shared(team, runs, dict(zip(WAYS, replays, strict=True)), mark, disturbed)


@pytest.mark.parametrize("way", WAYS)
def test_a_replay_after_the_clones_and_branches_are_gone_is_identical(shared, way):
    replay = shared.replays[way]

    assert replay.done.exit_code == 0, replay.done.stdout + replay.done.stderr
    assert {each["verdict"] for each in replay.flat} == {IDENTICAL}
    assert shared.team.metrics(shared.runs[way].run_id)["mark"] != shared.mark


def test_code_that_origin_still_serves_was_not_carried_by_the_run(shared):
    carried = {
        way: shared.team.record(run.run_id)["code"]["bundle"] for way, run in shared.runs.items()
    }

    served = ("a clean tree of the main branch", *(way for way in WAYS if "<git uri>" in way))
    assert {way for way in WAYS if carried[way] is None} == set(served)
    # The clone keeps what an earlier replay has fetched: one commit is of two of these runs.
    origins = [shared.replays[way].verdict["code_from"] for way in served]
    assert set(origins) <= {"origin", "this clone"}
    assert origins.count("origin") >= len(served) - 1


def test_values_to_quote_are_the_same_in_the_replay(shared):
    old = shared.runs["mlflow run with values to quote"].run_id
    new = shared.replays["mlflow run with values to quote"].verdict["replayed_by"]

    steps = [shared.team.record(run_id)["step"] for run_id in (old, new)]
    assert steps[0] == steps[1]
    assert steps[1]["raw_parameters"]["target"] == ODD_TARGET
    assert steps[1]["parameters"]["features"].split(",") == list(ODD_FEATURES)


def test_replays_at_once_disturb_neither_the_clone_nor_one_another(shared):
    assert shared.disturbed is False
    assert len({replay.verdict["replayed_by"] for replay in shared.replays.values()}) == len(WAYS)


@pytest.fixture(scope="module")
def alone(team, project, tmp_path_factory):
    """Replays of a run of a `git init`ed folder without a remote: there, and in a copy of it."""
    folder, copy = tmp_path_factory.mktemp("alone") / "alone", tmp_path_factory.mktemp("copy")
    shutil.copytree(
        project.folder, folder, ignore=shutil.ignore_patterns(".git", "mlruns", "mlflow.db")
    )
    write_marks(folder)
    here = replace(team, folder=folder)
    here.git("init", "--quiet")
    commit(here, "alone")
    shutil.copytree(folder, copy, dirs_exist_ok=True)
    edit(here, "first.py", "VALUE = 5000\n")
    done = here.step("train_dt", max_depth=2, cv=2)
    assert done.exit_code == 0, done.stderr
    here.git("checkout", "--quiet", "--", MARKS)
    return at_once(
        lambda: replayed(here, done.run_id),
        lambda: replayed(replace(here, folder=copy), done.run_id),
    )


def test_a_run_without_a_remote_is_replayed_there_and_in_a_copy(alone):
    for replay in alone:
        assert replay.done.exit_code == 0, replay.done.stdout + replay.done.stderr
        assert replay.verdict["verdict"] == IDENTICAL
        assert replay.verdict["code_from"] == "the run's own bundle"


def test_nothing_is_left_in_the_folder_for_temporary_files(lives, shared, alone, temporary):
    assert left_in(temporary) == []


def test_no_run_is_left_running(team, lives, shared, alone):
    for project in (team, shared.team):
        assert {run.info.status for run in project.search("")} == {"FINISHED"}


def test_no_value_was_run_by_a_shell(lives, shared, git_folder, tmp_path_factory):
    for folder in (tmp_path_factory.getbasetemp(), git_folder):
        assert list(folder.rglob("pwned")) == []
