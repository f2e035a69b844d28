"""The run that a user names is found, or candidates are listed."""

from types import SimpleNamespace

import pytest
from mlflow.store.entities import PagedList

from reprise import tracking
from reprise.errors import ParameterError, TrackingError
from reprise.record.reference import NamedRun
from reprise.tracking import references, versions

NOBODY = "0" * 32
EACH_BEFORE_THE_OTHER = range(1, 100)


@pytest.fixture
def made(store):
    """Make a run that started after those before it."""
    times = iter(EACH_BEFORE_THE_OTHER)

    def made(name="", *, step="train", status="FINISHED", metrics=None, parent=None, tags=None):
        tags = {tracking.ENTRY_POINT: step, **(tags or {})}
        tags |= {tracking.PARENT: parent} if parent else {}
        run = store.client.create_run(
            store.experiment_id, start_time=next(times), tags=tags, run_name=name or None
        )
        tracking.log(run.info.run_id, metrics=metrics)
        if status != "RUNNING":
            store.client.set_terminated(run.info.run_id, status)
        return run.info.run_id

    return made


@pytest.fixture
def find(store):
    def find(text, **named):
        return tracking.find_named(NamedRun(text, **named), store.experiment_id)

    return find


def test_a_full_id_is_taken_without_asking_a_server(find, monkeypatch):
    monkeypatch.setattr(references, "client", None)

    assert find(NOBODY) == find(f"runs:/{NOBODY}") == NOBODY


@pytest.mark.parametrize("digits", [6, 8, 31])
def test_the_beginning_of_an_id_is_enough(made, find, digits):
    run_id = made()

    assert find(run_id[:digits]) == find(f"runs:/{run_id[:digits]}") == run_id
    assert find(run_id[:digits].upper()) == run_id


def test_an_id_is_found_in_every_experiment(store, made, find):
    other = store.client.create_run(store.client.create_experiment("other"), run_name="far away")

    assert find(other.info.run_id[:6]) == find("far away") == other.info.run_id


def test_a_beginning_is_not_a_pattern(made, find):
    made()

    with pytest.raises(TrackingError, match="does not exist"):
        find("%%%%%%")
    with pytest.raises(TrackingError, match="does not exist"):
        find("______")


def test_the_candidates_of_an_ambiguous_beginning_are_listed(made):
    runs = [tracking.get_run(made(f"run {n}")) for n in range(7)]

    with pytest.raises(ParameterError) as caught:
        references.refuse_several("abcdef", runs)

    assert "expected one run, found 7 by 'abcdef': " in str(caught.value)
    assert f"{runs[0].info.run_id[:8]} (run 0)" in str(caught.value)
    assert "and 2 more. Give the id" in str(caught.value)


@pytest.mark.parametrize(
    "name", ["train max_depth=5", 'it\'s `my` "run"', "50%_of; -- it", "back\\slash", "abcdef"]
)
def test_a_run_is_found_by_its_name_alone(made, find, name):
    run_id = made(name)
    made("another")

    assert find(name) == run_id


def test_a_name_is_looked_for_in_the_experiment_first(store, made, find):
    store.client.create_run(store.client.create_experiment("other"), run_name="mine")
    run_id = made("mine")

    assert find("mine") == run_id


def test_two_runs_of_a_name_are_listed_and_none_is_chosen(made, find):
    runs = {made("mine"), made("mine")}

    with pytest.raises(ParameterError) as caught:
        find("mine")

    assert "expected one run, found 2 by 'mine'" in str(caught.value)
    assert {run_id[:8] in str(caught.value) for run_id in runs} == {True}


def test_the_name_of_a_candidate_cannot_write_to_the_terminal(made):
    found = tracking.get_run(made("\x1b[2J\u202e" + "x" * 500))

    with pytest.raises(ParameterError) as caught:
        references.refuse_several("abcdef", [found, found])

    assert "\x1b" not in str(caught.value)
    assert "\u202e" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_run_named_like_the_beginning_of_an_id_does_not_take_its_place(made, find):
    run_id = made("the original")
    made(run_id[:8])

    assert find(run_id[:8]) == run_id


def test_no_name_is_a_keyword(made, find):
    made("latest", status="RUNNING")
    run_id = made("other", tags={})

    assert find("latest") == run_id


def test_the_latest_run_has_ended_and_was_made_by_no_other(made, find):
    made("earlier")
    parent = made("parent", step="main", status="FAILED")
    made("child", parent=parent)
    made("going on", status="RUNNING")

    assert find("latest") == parent


@pytest.mark.parametrize(
    ("step", "tags"),
    [
        ("reproduce", {}),
        ("compare", {}),
        ("audit", {}),
        ("train", {"reprise.replay_of": NOBODY}),
        ("check", {"reprise.bookkeeping": "true"}),
    ],
)
def test_a_run_about_other_runs_is_neither_the_latest_nor_the_best(made, find, step, tags):
    run_id = made(metrics={"accuracy": 0.5})
    made(step=step, tags=tags, metrics={"accuracy": 0.9})

    assert find("latest") == find("best:accuracy") == run_id


def test_a_run_with_other_parameters_is_the_latest(made, find):
    parent = made(step="reproduce")
    tweak = made(parent=parent, tags={"reprise.tweak_of": NOBODY})

    assert find("latest") == tweak


def test_the_latest_run_of_a_step_has_finished_and_may_be_a_child(made, find):
    child = made(step="fit", parent=made(step="main"))
    made(step="fit", status="FAILED")
    made(step="load")

    assert find("latest:fit") == find("latest", steps=("fit", "other")) == child


def test_a_step_that_has_no_run_is_named(made, find):
    made()

    with pytest.raises(TrackingError, match="expected a run of fit in the experiment 'tests'"):
        find("latest:fit")


@pytest.mark.parametrize(
    ("text", "best"),
    [("best:score", 1), ("best:score:min", 0), ("best:loss", 0), ("best:loss:max", 1)],
)
def test_the_best_run_is_that_with_the_most_or_the_least_of_a_metric(made, find, text, best):
    runs = [made(metrics={"score": n, "loss": n}) for n in (0.1, 0.9)]
    made(metrics={"score": float("nan"), "loss": float("nan")})
    made(metrics={"score": 5, "loss": -5}, status="FAILED")
    made()

    assert find(text) == runs[best]


def test_of_equally_good_runs_the_first_is_the_best(made, find):
    first, _ = (made(metrics={"score": 1}) for _ in range(2))

    assert find("best:score") == first


def test_a_metric_is_cross_validated_where_no_run_has_it_plainly(made, find):
    made(step="evaluate", metrics={"test_score": 1.0})
    run_id = made(metrics={"cv_score_mean": 0.5})

    assert find("best:score") == run_id


def test_a_metric_that_no_run_has_is_named(made, find):
    made(metrics={"score": 1})

    with pytest.raises(TrackingError, match="with the metric recall in the experiment 'tests'"):
        find("best:recall")


@pytest.mark.parametrize("text", ["models:/churn@champion", "models:/churn/1"])
def test_a_registered_model_names_the_run_that_trained_it(store, made, find, text):
    run_id = made()
    store.client.create_registered_model("churn")
    store.client.create_model_version("churn", source=f"runs:/{run_id}/model", run_id=run_id)
    store.client.set_registered_model_alias("churn", "champion", "1")

    assert find(text) == run_id


@pytest.mark.parametrize("text", ["models:/churn@champion", "models:/churn/1", "models:/m-0a"])
def test_a_model_that_does_not_exist_is_named(store, find, text):
    with pytest.raises(TrackingError, match=f"found {text}, which does not exist"):
        find(text)


def test_what_may_be_something_else_is_no_run_where_none_is_found(made, find):
    made()

    assert find("churn", may_be_other=True) is None
    assert find("data/churn.csv", may_be_other=True) is None
    assert find("\x1b", may_be_other=True) is None


def test_the_run_that_asks_is_not_found(store, made):
    run_id, own = made("a", step="mine"), made("a", step="mine")

    for text in ("latest", "latest:mine", "a"):
        named = NamedRun(text)
        assert tracking.find_named(named, store.experiment_id, apart_from=own) == run_id


class LyingClient:
    """A server that gives something else in the place of every id."""

    def __init__(self, text):
        self.text = text

    def search_experiments(self, **_):
        return PagedList([], None)

    def search_runs(self, *_, **__):
        info = SimpleNamespace(run_id=self.text, experiment_id="0", start_time=0, end_time=0)
        return PagedList([SimpleNamespace(info=info)], None)

    def get_model_version_by_alias(self, *_):
        return SimpleNamespace(run_id=self.text)

    def get_model_version(self, *_):
        return SimpleNamespace(run_id=self.text)

    def get_logged_model(self, _):
        return SimpleNamespace(source_run_id=self.text)


@pytest.mark.parametrize("text", ["../../etc", "runs:/x", "--option", "\x1b[2J", "a" * 31])
@pytest.mark.parametrize(
    "name",
    ["latest", "best:m", "abcdef", "a name", "models:/x@y", "models:/x/1", "models:/m-0a"],
)
def test_an_answer_that_is_no_id_is_refused(monkeypatch, name, text):
    for module in (references, versions):
        monkeypatch.setattr(module, "client", lambda: LyingClient(text))

    with pytest.raises(TrackingError, match="expected the id of a run, 32 hex digits"):
        tracking.find_named(NamedRun(name), "0")
