"""A tracking server that goes away, refuses, or loses its answers costs a run nothing.

Each thing that a training run sends or reads is a point at which the server may fail: from then on,
or once. After `reprise sync` the server holds what an undisturbed run holds, once.
"""

from dataclasses import dataclass

import pytest
from faults import KINDS, at, proxy

UNDELIVERED = 3
_OF_THE_RUN = ("mlflow.runName", "reprise.process", "reprise.seen")  # differ from run to run
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
ONCE = ("lost", "gone", "cut", "500", "429")
SHOWN_FIRST = "its metrics"  # the point at which `make test` tries every kind of fault
DRILL = pytest.mark.drill("reprise/tracking", "reprise/runtime", "tests/e2e/faults.py")


def cases(points, kinds):
    """Return each kind of fault at each point: drills, but for one kind, and for one point."""
    return [
        pytest.param(
            point,
            kind,
            marks=() if kind == kinds[0] or point == SHOWN_FIRST else DRILL,
            id=f"{point}-{kind}",
        )
        for point in points
        for kind in kinds
    ]


@dataclass(frozen=True)
class Training:
    """A project whose runs go through a proxy, and the command that is disturbed."""

    project: object
    proxy: object
    data: str
    spool: object

    def run(self, fault, **variables):
        """Run it to its end while the server has a fault; return how it ended, and its run."""
        before = self._ids()
        self.proxy.begin(fault)
        command = ["python", "-m", "steps.train_dt", "--data", self.data, "--max_depth", "3"]
        ended = self.project.execute(command, environment=variables)
        self.proxy.heal()
        return ended, [run_id for run_id in self._ids() if run_id not in before]

    def sync(self):
        return self.project.execute(["python", "-m", "reprise", "sync"])

    def _ids(self):
        runs = self.project.client.search_runs([self.project.experiment_id])
        return [run.info.run_id for run in runs]

    def holds(self, run_id):
        """Return what the server holds of a run, but for its ids and times."""
        client = self.project.client
        run = client.get_run(run_id)
        models = client.search_logged_models(
            [run.info.experiment_id], filter_string=f"source_run_id = '{run_id}'"
        )
        points = {n: client.get_metric_history(run_id, n) for n in run.data.metrics}
        return {
            "status": run.info.status,
            "params": run.data.params,
            "metrics": {name: [each.value for each in points[name]] for name in points},
            "tags": {n: v for n, v in run.data.tags.items() if n not in _OF_THE_RUN},
            "inputs": [each.dataset.digest for each in run.inputs.dataset_inputs],
            "artifacts": sorted(_names(client.list_artifacts, run_id)),
            "models": [
                (
                    each.name,
                    str(each.status),
                    each.params,
                    sorted((metric.key, metric.value) for metric in each.metrics),
                    sorted(_names(client.list_logged_model_artifacts, each.model_id)),
                )
                for each in models
            ],
            "outputs": len(run.outputs.model_outputs),
        }


def _names(listed, holder, folder=None):
    for item in listed(holder, folder):
        if item.is_dir:
            yield from _names(listed, holder, item.path)
        else:
            yield item.path


@pytest.fixture(scope="module")
def training(served, tracking_server, tmp_path_factory):
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
        project = served.within("faults").with_variables(variables)
        loaded = project.execute(["python", "-m", "steps.load_data", "--source", "iris"])
        assert loaded.exit_code == 0, loaded.stderr
        (run,) = project.client.search_runs([project.experiment_id])
        yield Training(project, standing, f"runs:/{run.info.run_id}", spool)


@pytest.fixture(scope="module")
def undisturbed(training):
    """What the server holds of a run that nothing disturbs."""
    ended, (run_id,) = training.run(lambda _: None)
    assert ended.exit_code == 0, ended.stderr
    return training.holds(run_id)


def kept(training):
    return [path for path in training.spool.rglob("*") if path.is_file()]


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
    assert kept(training) == []


@pytest.mark.parametrize(("point", "kind"), cases(BEFORE, ("gone", "500", "401", "lost")))
def test_a_run_that_could_not_read_its_data_is_closed(point, kind, training):
    pattern, nth = BEFORE[point]

    ended, (run_id,) = training.run(at(pattern, kind, nth=nth))

    assert ended.exit_code == 2, ended.stderr
    assert "Traceback" not in ended.stderr
    synced = training.sync()
    assert synced.exit_code == 0, synced.stderr
    assert training.holds(run_id)["status"] == "FAILED"
    assert kept(training) == []


@pytest.mark.parametrize(("point", "kind"), cases({**BEFORE, **AFTER}, ONCE))
def test_a_fault_that_is_over_in_a_moment_is_not_noticed(point, kind, training, undisturbed):
    pattern, nth = {**BEFORE, **AFTER}[point]

    ended, (run_id,) = training.run(
        at(pattern, kind, nth=nth, is_once=True),
        REPRISE_PATIENCE="60",
        MLFLOW_HTTP_REQUEST_MAX_RETRIES="2",
    )

    assert ended.exit_code == 0, ended.stderr
    assert training.holds(run_id) == undisturbed
    assert kept(training) == []


def test_the_next_run_delivers_what_the_last_one_kept(training, undisturbed):
    pattern, nth = AFTER["its metrics"]
    _, (first,) = training.run(at(pattern, "gone", nth=nth))

    ended, (second,) = training.run(lambda _: None)

    assert ended.exit_code == 0, ended.stderr
    assert training.holds(first) == training.holds(second) == undisturbed
    assert kept(training) == []


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
