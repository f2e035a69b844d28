"""What earlier sweeps have finished is found, and what dead ones have left open is closed."""

from dataclasses import replace

import pytest

from reprise import tracking
from reprise.errors import RunFailedError
from reprise.process import identity
from reprise.sweeps import resume
from steps.parameters import SweepParameters

TREE = "d" * 40  # of `record_of`
PLAN = "a plan"


@pytest.fixture
def sweep(recording):
    with recording(SweepParameters()) as run:
        yield run


@pytest.fixture
def trained(store):
    """Make a training run with a key."""

    def trained(key, *, status="FINISHED", start_time=None, **changes):
        tags = {
            tracking.KEY: key,
            tracking.TREE: TREE,
            tracking.ENTRY_POINT: "train_dt",
            **{getattr(tracking, name.upper()): value for name, value in changes.items()},
        }
        return store.make_run(status=status, tags=tags, start_time=start_time)

    return trained


@pytest.fixture
def other(store, monkeypatch):
    """Make the open run of another sweep; of its process, the dead have nothing to wait for."""
    monkeypatch.setattr(resume, "_GRACE_SECONDS", 0)
    here = identity.current()
    processes = {"alive": here, "dead": replace(here, started="1")}

    def other(state, *, plan=PLAN, start_time=1):
        tags = {tracking.PROCESS: str(processes[state]), resume.PLAN: plan}
        return store.make_run(status="RUNNING", tags=tags, start_time=start_time)

    return other


class TestFinished:
    def ids(self, run, *keys):
        found = resume.finished(run, "train_dt", keys)
        return {key: each.info.run_id for key, each in found.items()}

    def test_runs_are_found_by_their_keys(self, sweep, trained):
        a, b = trained("a"), trained("b")
        trained("c")

        assert self.ids(sweep, "a", "b", "z") == {"a": a, "b": b}

    def test_the_first_of_several_is_taken(self, sweep, trained):
        trained("a", start_time=2000)
        first = trained("a", start_time=1000)
        trained("a", start_time=3000)

        assert self.ids(sweep, "a") == {"a": first}

    @pytest.mark.parametrize("status", ["FAILED", "KILLED", "RUNNING"])
    def test_runs_that_did_not_finish_are_not_found(self, sweep, trained, status):
        trained("a", status=status)

        assert self.ids(sweep, "a") == {}

    @pytest.mark.parametrize(
        "changes",
        [
            {"replay_of": "0" * 32},
            {"tweak_of": "0" * 32},
            {"tree": "e" * 40},
            {"entry_point": "train_lr"},
        ],
        ids=lambda changes: next(iter(changes)),
    )
    def test_runs_of_another_kind_are_not_found(self, sweep, trained, changes):
        trained("a", **changes)

        assert self.ids(sweep, "a") == {}

    def test_a_replay_does_not_hide_the_run_that_it_makes_again(self, sweep, trained):
        trained("a", start_time=1000, replay_of="0" * 32)
        own = trained("a", start_time=2000)

        assert self.ids(sweep, "a") == {"a": own}

    def test_runs_come_with_their_metrics(self, store, sweep, trained):
        tracking.log(trained("a"), metrics={"cv_accuracy_mean": 0.5})

        found = resume.finished(sweep, "train_dt", {"a"})

        assert found["a"].data.metrics == {"cv_accuracy_mean": 0.5}


class TestPlanDigest:
    def test_does_not_depend_on_the_order(self):
        assert resume.plan_digest(["a", "b"]) == resume.plan_digest({"b", "a"})

    def test_tells_plans_apart(self):
        assert resume.plan_digest({"a", "b"}) != resume.plan_digest({"ab"})


class TestCloseDead:
    def test_what_a_dead_process_left_open_is_closed(self, store, sweep, other):
        parent = other("dead")
        below = [
            store.make_run(status=status, tags={tracking.PARENT: parent})
            for status in ("RUNNING", "FINISHED", "RUNNING", "FAILED")
        ]

        closed = resume.close_dead(sweep, PLAN)

        assert closed == 3
        assert store.status(parent) == "KILLED"
        statuses = [store.status(run_id) for run_id in below]
        assert statuses == ["KILLED", "FINISHED", "KILLED", "FAILED"]
        for run_id in (parent, below[0], below[2]):
            assert store.tags(run_id)[tracking.ERROR] == "its process is gone"

    @pytest.mark.parametrize(("plan", "start_time"), [("another", 1), (PLAN, 10**13)])
    def test_what_a_living_process_makes_is_left_alone(self, store, sweep, other, plan, start_time):
        parent = other("alive", plan=plan, start_time=start_time)
        below = store.make_run(status="RUNNING", tags={tracking.PARENT: parent})

        closed = resume.close_dead(sweep, PLAN)

        assert closed == 0
        assert [store.status(run_id) for run_id in (parent, below)] == ["RUNNING"] * 2

    def test_runs_that_are_no_sweeps_are_left_alone(self, store, sweep):
        run_id = store.make_run(status="RUNNING")

        assert resume.close_dead(sweep, PLAN) == 0
        assert store.status(run_id) == "RUNNING"

    def test_a_sweep_does_not_take_itself_for_another(self, store, sweep):
        tracking.log(sweep.run_id, tags=tracking.holding())

        assert resume.close_dead(sweep, PLAN) == 0

        assert store.status(sweep.run_id) == "RUNNING"
        assert store.tags(sweep.run_id)[resume.PLAN] == PLAN

    def test_the_same_plan_is_refused_while_another_makes_it_that_came_first(
        self, store, sweep, other
    ):
        first = other("alive")

        with pytest.raises(RunFailedError) as refused:
            resume.close_dead(sweep, PLAN)

        assert f"run {first} makes the same runs now" in str(refused.value)
        assert "\n" not in str(refused.value)
        assert store.status(first) == "RUNNING"

    def test_of_two_that_began_at_once_exactly_one_goes_on(self, store, sweep, other):
        began = store.run(sweep.run_id).info.start_time
        rival = other("alive", start_time=began)

        try:
            resume.close_dead(sweep, PLAN)
            refused = False
        except RunFailedError:
            refused = True

        assert refused == (rival < sweep.run_id)
