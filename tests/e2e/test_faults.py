"""A tracking server that goes away, refuses, or loses its answers costs a run nothing.

Each thing that a training run sends or reads is a point at which the server may fail: from then on,
or once. After `reprise sync` the server holds what an undisturbed run holds, once.
"""

from pathlib import Path

import pytest
from faults import KINDS, Disturbed, at, of_the_store, proxy

UNDELIVERED = 3
# What a training reads before it computes, and sends when it has: request, and which one of these.
BEFORE = {
    "its source": ("PUT .*/code/", 1),
    "its parameters": ("POST .*/runs/log-batch", 1),
    "its first record": ("PUT .*provenance.json", 1),
    "the data": ("GET .*train.parquet", 1),
}
AFTER = {
    "its input": ("POST .*/runs/log-inputs", 1),
    "its record with the input": ("PUT .*provenance.json", 2),
    "its model": ("POST .*/logged-models$", 1),
    "a file of its model": ("PUT .*/models/.*model.skops", 1),
    "the end of its model": ("PATCH .*/logged-models/", 1),
    "its output": ("POST .*/runs/outputs", 1),
    "its metrics": ("POST .*/runs/log-batch", 2),
    "its record": ("PUT .*provenance.json", 3),
    "its end": ("POST .*/runs/update", 1),
}
OF_AN_EVALUATION = {
    "its plots": ("PUT .*/plots/", 1),
    "the registered model": ("POST .*/registered-models/create", 1),
    "the version of the model": ("POST .*/model-versions/create", 1),
    "the name of the candidate": ("POST .*/registered-models/alias", 1),
    "its scores": ("POST .*/runs/log-batch", 3),
    "the end of an evaluation": ("POST .*/runs/update", 1),
}
AWAY = [kind for kind in KINDS if kind != "403"]  # this forbids a registration
ONCE = ("lost", "gone", "cut", "500", "429")
# The points at which `make test` tries every kind of fault.
SHOWN_FIRST = ("its metrics", "the version of the model")
READING = ("gone", "500", "401", "lost")  # kinds of fault before the data is read
LIVES = (  # step, points, faults from then on, faults once
    ("a training", BEFORE, READING, ONCE),
    ("a training", AFTER, KINDS, ONCE),
    ("a training", ("the artifact store alone",), KINDS, ()),
    ("an evaluation", OF_AN_EVALUATION, AWAY, ()),
)
DOCUMENT = Path(__file__).parents[2] / "docs/reliability.md"
DRILL = pytest.mark.drill("reprise/tracking", "reprise/runtime", "tests/e2e/faults.py")


def cases(points, kinds, *, shown=()):
    """Return each kind of fault at each point: drills, but for one kind, and for one point.

    Or but for the kinds that are named, at that point.
    """

    def is_shown(point, kind):
        if shown:
            return point in SHOWN_FIRST and kind in shown
        return kind == kinds[0] or point in SHOWN_FIRST

    return [
        pytest.param(
            point, kind, marks=() if is_shown(point, kind) else DRILL, id=f"{point}-{kind}"
        )
        for point in points
        for kind in kinds
    ]


def matrix():
    """Return the lines of the document that say what is tried."""
    count = sum(len(points) * (len(kinds) + len(once)) for _, points, kinds, once in LIVES)
    rows = [
        f"| {step} | {point} | {', '.join(kinds)} | {', '.join(once)} |"
        for step, points, kinds, once in LIVES
        for point in points
    ]
    title = [f"| {count} cases | fails at | from then on | once |", "|---|---|---|---|"]
    return "\n".join([*title, *rows])


def test_the_document_says_what_is_tried():
    assert f"<!-- faults -->\n{matrix()}\n" in DOCUMENT.read_text(encoding="utf-8"), matrix()


@pytest.fixture(scope="module")
def disturbed(served, tracking_server, tmp_path_factory):
    url, _ = tracking_server
    with proxy(url) as standing:
        spool = tmp_path_factory.mktemp("spool")
        variables = {
            "MLFLOW_TRACKING_URI": standing.url,
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
            "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",  # no fault here is one of time
            "REPRISE_SPOOL": str(spool),
            "REPRISE_PATIENCE": "0",
        }
        yield Disturbed(served.within("faults").with_variables(variables), standing, spool)


@pytest.fixture(scope="module")
def training(disturbed):
    """A training on data that is stored."""
    ended, (run_id,) = disturbed.doing("load_data", source="iris").run(lambda _: None)
    assert ended.exit_code == 0, ended.stderr
    return disturbed.doing("train_dt", data=f"runs:/{run_id}", max_depth=3)


@pytest.fixture(scope="module")
def undisturbed(training):
    """What the server holds of a run that nothing disturbs."""
    ended, (run_id,) = training.run(lambda _: None)
    assert ended.exit_code == 0, ended.stderr
    return training.holds(run_id)


@pytest.fixture(scope="module")
def trained(training):
    """The id of a run that has trained a model."""
    ended, (run_id,) = training.run(lambda _: None)
    assert ended.exit_code == 0, ended.stderr
    return run_id


@pytest.fixture
def evaluation(disturbed, trained, request):
    """An evaluation that registers its model, under a name of the test's own."""
    name = f"model of {abs(hash(request.node.name))}"
    return disturbed.doing("evaluate", run_id=trained, register_as=name), name


@pytest.fixture(scope="module")
def evaluated(disturbed, trained):
    """What the server holds of an evaluation that nothing disturbs."""
    step = disturbed.doing("evaluate", run_id=trained, register_as="undisturbed")
    ended, (run_id,) = step.run(lambda _: None)
    assert ended.exit_code == 0, ended.stderr
    return holds_of_evaluation(step, run_id, "undisturbed")


def _judged(tags):
    """The tags of a version, but for those that name the run which has judged it."""
    named = ("reprise.evaluated_by", "mlflow.note.content")
    return {name: value for name, value in tags.items() if name not in named}


def holds_of_evaluation(step, run_id, name):
    """Return what the server holds of an evaluation, and of the model that it registers."""
    client, holds = step.project.client, step.holds(run_id)
    assert holds["params"].pop("register_as") == name
    assert holds["tags"].pop("reprise.key")  # of the parameters, too
    assert r"test\_accuracy" in holds["tags"].pop("mlflow.note.content")  # it names the model
    versions = client.search_model_versions(f"name='{name}'")
    aliases = client.get_registered_model(name).aliases
    return {
        **holds,
        "versions": [(each.version, each.run_id, _judged(each.tags)) for each in versions],
        "aliases": {alias: str(version) for alias, version in aliases.items()},
    }


@pytest.mark.parametrize(("point", "kind"), cases(AFTER, KINDS))
def test_what_is_computed_is_kept_when_the_server_fails_at(point, kind, training, undisturbed):
    pattern, nth = AFTER[point]

    ended, (run_id,) = training.run(at(pattern, kind, nth=nth))

    assert ended.exit_code == UNDELIVERED, ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stderr.rstrip().endswith("reprise sync")
    assert str(training.spool) in ended.stderr
    synced = training.sync()
    assert synced.exit_code == 0, synced.stderr
    assert training.holds(run_id) == undisturbed
    assert training.kept() == []


@pytest.mark.parametrize(("point", "kind"), cases(BEFORE, READING))
def test_a_run_that_could_not_read_its_data_is_closed(point, kind, training):
    pattern, nth = BEFORE[point]

    ended, (run_id,) = training.run(at(pattern, kind, nth=nth))

    assert ended.exit_code == 2, ended.stderr
    assert "Traceback" not in ended.stderr
    synced = training.sync()
    assert synced.exit_code == 0, synced.stderr
    assert training.holds(run_id)["status"] == "FAILED"
    assert training.kept() == []


@pytest.mark.parametrize(("point", "kind"), cases({**BEFORE, **AFTER}, ONCE, shown=ONCE))
def test_a_fault_that_is_over_in_a_moment_is_not_noticed(point, kind, training, undisturbed):
    pattern, nth = {**BEFORE, **AFTER}[point]

    ended, (run_id,) = training.run(
        at(pattern, kind, nth=nth, is_once=True),
        REPRISE_PATIENCE="60",
        MLFLOW_HTTP_REQUEST_MAX_RETRIES="2",
    )

    assert ended.exit_code == 0, ended.stderr
    assert training.holds(run_id) == undisturbed
    assert training.kept() == []


@pytest.mark.parametrize(("point", "kind"), cases(OF_AN_EVALUATION, AWAY, shown=("gone", "lost")))
def test_a_model_is_registered_once_when_the_server_fails_at(point, kind, evaluation, evaluated):
    step, name = evaluation
    pattern, nth = OF_AN_EVALUATION[point]

    ended, (run_id,) = step.run(at(pattern, kind, nth=nth))

    assert ended.exit_code == UNDELIVERED, ended.stderr
    assert "Traceback" not in ended.stderr
    synced = step.sync()
    assert synced.exit_code == 0, synced.stderr
    assert holds_of_evaluation(step, run_id, name) == evaluated
    assert step.kept() == []


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=() if kind == "500" else DRILL) for kind in KINDS]
)
def test_what_is_computed_is_kept_when_only_the_artifact_store_fails(kind, training, undisturbed):
    ended, (run_id,) = training.run(of_the_store(kind))

    assert ended.exit_code == UNDELIVERED, ended.stderr
    assert "Traceback" not in ended.stderr
    synced = training.sync()
    assert synced.exit_code == 0, synced.stderr
    assert training.holds(run_id) == undisturbed
    assert training.kept() == []


@DRILL
def test_a_sweep_whose_server_goes_away_is_completed_by_running_it_again(training, tmp_path):
    """Its child runs are kept like other steps; those that had finished are not made twice."""
    data = training.words[training.words.index("--data") + 1]
    grid = tmp_path / "grid.yaml"
    grid.write_text(f"data: {data}\nparams: {{max_depth: [5, 6]}}\nmetric: cv_accuracy_mean\n")
    sweep = training.doing("sweep", step="train_dt", grid=grid, models="all")

    ended, runs = sweep.run(at("POST .*/logged-models$", "gone"))

    assert ended.exit_code != 0
    assert "Traceback" not in ended.stderr
    synced = sweep.sync()
    assert synced.exit_code == 0, synced.stderr
    assert "RUNNING" not in [sweep.holds(run_id)["status"] for run_id in runs]
    assert sweep.kept() == []
    again, more = sweep.run(lambda _: None)
    assert again.exit_code == 0, again.stderr
    held = [sweep.holds(run_id) for run_id in (*runs, *more)]
    finished = [
        run["params"]["max_depth"]
        for run in held
        if run["status"] == "FINISHED" and "max_depth" in run["params"]
    ]
    assert sorted(finished) == ["5", "6"]


def test_the_next_run_delivers_what_the_last_one_kept(training, undisturbed):
    pattern, nth = AFTER["its metrics"]
    _, (first,) = training.run(at(pattern, "gone", nth=nth))

    ended, (second,) = training.run(lambda _: None)

    assert ended.exit_code == 0, ended.stderr
    assert training.holds(first) == training.holds(second) == undisturbed
    assert training.kept() == []


def test_sync_reports_a_server_that_is_still_away(training, undisturbed):
    pattern, nth = AFTER["its metrics"]
    _, (run_id,) = training.run(at(pattern, "gone", nth=nth))
    training.proxy.begin(lambda _: "503")

    refused = training.sync()

    training.proxy.heal()
    assert refused.exit_code == UNDELIVERED
    assert run_id in refused.stderr
    assert "Traceback" not in refused.stderr
    assert training.sync().exit_code == 0
    assert training.holds(run_id) == undisturbed


def test_sync_leaves_another_servers_results_alone(training, undisturbed, tmp_path):
    pattern, nth = AFTER["its metrics"]
    _, (run_id,) = training.run(at(pattern, "gone", nth=nth))
    elsewhere = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db"}

    other = training.project.execute(["python", "-m", "reprise", "sync"], environment=elsewhere)

    assert other.exit_code == 0, other.stderr
    assert f"1 run of {training.proxy.url}" in other.stdout
    assert training.sync().exit_code == 0
    assert training.holds(run_id) == undisturbed


def test_a_spool_that_cannot_be_written_is_refused_before_the_work(training, tmp_path):
    (tmp_path / "file").touch()

    ended, runs = training.run(lambda _: None, REPRISE_SPOOL=str(tmp_path / "file" / "spool"))

    assert ended.exit_code == 2
    assert f"{tmp_path}/file/spool" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert runs == []
