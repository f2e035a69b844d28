"""A step in a fork of the warm process does what it does in a process of its own.

Most tests of this folder rest on it: `Project.execute` runs `python -m …` and `mlflow run …` in
forks. Here each entry point runs both ways, on a store of its own, in the same clone; and nothing
may differ but ids, times, and the places that were given.
"""

import json
import re
import shutil
from dataclasses import dataclass, field, replace

import pytest
from driving import Ended, Project, at_once, without_ids

EXPERIMENT = {
    "data": {"source": "iris"},
    "steps": [{"step": "train_dt", "parameters": {"max_depth": 3, "cv": 2}}],  # two have no order
    "evaluation": {},
}
GRID = "data: iris\nparams: {max_depth: [1, 2], cv: 2}\n"
# How each entry point is called, where {…} is the run of an earlier call.
CALLS = {
    "load_data": ("load_data", {"source": "iris"}),
    "train_lr": ("train_lr", {"data": "{load_data}", "cv": "2"}),
    "train_dt": ("train_dt", {"data": "{load_data}", "cv": "2", "max_depth": "2"}),
    "load_numbers": ("load_data", {"source": "iris", "target": "petal_width"}),
    "train_ridge": ("train_ridge", {"data": "{load_numbers}", "cv": "2"}),
    "train_rf": ("train_rf", {"data": "{load_data}", "cv": "2", "n_estimators": "5"}),
    "train_gb": ("train_gb", {"data": "{load_data}", "cv": "2", "max_iter": "5"}),
    "train_dummy": ("train_dummy", {"data": "{load_numbers}", "cv": "2"}),
    "evaluate": ("evaluate", {"run_id": "{train_dt}", "register_as": "{name}"}),
    "compare": ("compare", {"run_id": "{train_lr}", "other": "{train_dt}"}),
    "reproduce": ("reproduce", {"run_id": "{train_dt}"}),
    "main": ("main", {"params": "params/both_ways.json", "baseline": "false"}),
    "sweep": ("sweep", {"grid": "params/both_ways.yaml", "workers": "1"}),
    "audit": ("audit", {"experiment": "{name}"}),
    "a refusal": ("train_dt", {"max_depth": "banana"}),
    "mlflow run": ("train_dt", {"data": "{load_data}", "max_depth": "it's $(x)"}),
}
EXIT_CODES = {"a refusal": 2, "mlflow run": 1}
ALWAYS = ("load_data", "train_dt", "reproduce", "mlflow run")
FORKS = ("tests/forking.py", "tests/fork_server.py", "tests/becoming.py", "tests/rehearsal.py")
drill = pytest.mark.drill(*FORKS, "steps", "reprise/runtime", "reprise/process")
each_call = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in ALWAYS else drill) for name in CALLS]
)
NAME = "both-ways"
_ID = re.compile(r"\b[0-9a-f]{32}\b|\bm-[0-9a-f]{32}\b")
# What MLflow or a clock makes up.
_MADE_UP = (
    (re.compile(r"\b[a-z]+-[a-z]+-\d{1,3}\b"), "<name>"),
    (re.compile(r"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?(Z|\+\d\d:?\d\d)?"), "<date>"),
    (re.compile(r"\b\d+(\.\d+)? ?(s|ms|seconds|min)\b"), "<seconds>"),
    (re.compile(r"\b1[0-9]{12}\b"), "<milliseconds>"),
    (re.compile(r"/tmp\w{8}\b"), "/<temporary>"),
)
# Logged by the clock; of the store or the machine's moment.
_RECORD_DIGEST = re.compile(r"(`runs:/[0-9a-f<>id]+`, SHA-256) `[0-9a-f]+`")  # of one with ids
_TIMED_TAGS = {"mlflow.log-model.history", "e2e.call", "reprise.process", "reprise.seen"}


@dataclass
class Way:
    """One way to run steps, and how each call ended."""

    project: Project
    places: dict[str, str]  # what differs by place, and a name for it
    done: dict[str, Ended] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    blas: dict[str, set[str]] = field(default_factory=dict)

    def ended(self, name):
        """Return how a call ended; the first time, make it, and those whose runs it is about."""
        if name not in self.done:
            entry_point, parameters = CALLS[name]
            known = {"name": NAME}
            words = set(re.findall(r"\{(\w+)\}", " ".join(parameters.values())))
            known |= {earlier: self.ended(earlier).run_id for earlier in words - known.keys()}
            given = {key: value.format(**known) for key, value in parameters.items()}
            if name == "mlflow run":
                given = [word for pair in given.items() for word in ("-P", "=".join(pair))]
                self.done[name] = self.project.mlflow_run("-e", entry_point, *given)
            else:
                self.done[name] = self.project.step(entry_point, **given)
        return self.done[name]

    def plain(self, text):
        """Return a text with ids by order of appearance, and without times and places."""
        for place, word in self.places.items():
            text = text.replace(place, word)
        text = _ID.sub(lambda found: self.ids.setdefault(found[0], f"<id {len(self.ids)}>"), text)
        for run_id, word in self.ids.items():  # where people read it
            text = re.sub(rf"\b{run_id[:8]}\b", word, text)
        for pattern, word in _MADE_UP:
            text = pattern.sub(word, text)
        return re.sub("[ ━─]+", " ", text)  # a table is as wide as its names

    def record(self, run_id):
        """Return a run's record without what depends on ids, or on more libraries being loaded."""
        record = self.project.record(run_id)
        for data in record["inputs"]:
            if re.fullmatch("runs:/[0-9a-f]{32}", data["uri"]):  # another record, ids and all
                del data["sha256"]
        self.blas[run_id] = set(record["numerics"].pop("blas"))
        return record

    def run(self, run_id):
        """Return what a run has: status, parameters, metrics, tags, artifacts, record, models."""
        run = self.project.client.get_run(run_id)
        kept = run.data.tags.keys() - _TIMED_TAGS
        if run.data.tags["mlflow.project.entryPoint"] in ("compare", "reproduce"):
            kept -= {"reprise.key"}  # of the ids that they are about
        tags = without_ids({name: run.data.tags[name] for name in kept}, run_id)
        tags = {n: _RECORD_DIGEST.sub(r"\1", value) for n, value in tags.items()}
        seconds = {n for n in run.data.metrics if n.endswith("seconds")}
        found = {
            "status": run.info.status,
            "params": dict(sorted(run.data.params.items())),
            "metrics": {n: v for n, v in sorted(run.data.metrics.items()) if n not in seconds},
            "timed": sorted(seconds),
            "tags": dict(sorted(tags.items())),
            "artifacts": self.project.artifacts(run_id),
            "record": self.record(run_id),
            "models": len(run.outputs.model_outputs),
            "children": [
                {"status": child.info.status, "name": child.info.run_name}
                for child in self.project.children(run_id)
            ],
        }
        return json.loads(self.plain(json.dumps(found, ensure_ascii=False)))


@pytest.fixture(scope="module")
def ways(clone, migrated, tmp_path_factory):
    """The same calls in forks, and in true processes, each with a store of its own."""
    (clone.folder / "params/both_ways.json").write_text(json.dumps(EXPERIMENT))
    (clone.folder / "params/both_ways.yaml").write_text(GRID)
    clone.git("add", "--all")
    clone.git("commit", "--quiet", "--message", "What to run both ways")

    def way(project, name):
        folder = tmp_path_factory.mktemp(name)
        shutil.copy(migrated, folder / "mlflow.db")
        uri = f"sqlite:///{folder}/mlflow.db"
        own = replace(project.with_variables({"MLFLOW_TRACKING_URI": uri}), store=uri)
        artifacts = str(folder / "artifacts")
        experiment_id = own.client.create_experiment(NAME, artifact_location=artifacts)
        wide = {"COLUMNS": "400"}  # names of any length stay in one line
        own = own.with_variables({"MLFLOW_EXPERIMENT_ID": experiment_id, **wide})
        own = replace(own, experiment_id=experiment_id)
        return Way(own, {str(folder): "<folder>"})

    return way(clone, "forked"), way(clone.in_true_processes(), "true")


def differences(one, other, path=""):
    """Return where two values of JSON differ, and how."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = sorted(one.keys() | other.keys())
        found = (differences(one.get(k), other.get(k), f"{path}.{k}") for k in keys)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        found = (differences(a, b, f"{path}[{n}]") for n, (a, b) in pairs)
    else:
        return [] if one == other else [f"{path}: {one!r} != {other!r}"]
    return [difference for each in found for difference in each]


def ended(ways, name):
    return at_once(*(lambda way=way: way.ended(name) for way in ways))


def test_every_entry_point_is_called(project):
    text = (project.folder / "MLproject").read_text(encoding="utf-8")
    declared = re.findall(r"^  (\w+):$", text.partition("entry_points:\n")[2], re.MULTILINE)

    assert {entry_point for entry_point, _ in CALLS.values()} == set(declared)


def test_the_calls_were_made_in_forks_and_in_processes(clone):
    variables = clone.environment

    assert clone.warm.can_run(["python", "-m", "steps.train_dt"], variables)
    assert clone.in_true_processes().warm is None


@each_call
def test_the_exit_code_is_the_same(ways, name):
    forked, true = ended(ways, name)

    assert forked.exit_code == true.exit_code == EXIT_CODES.get(name, 0), forked.stderr


@each_call
def test_what_is_printed_is_the_same(ways, name):
    forked, true = ended(ways, name)

    printed = (ways[0].plain(forked.stdout), ways[1].plain(true.stdout))
    if name == "audit":  # it breaks its cells where the names that MLflow makes up are long
        printed = (sorted(text.replace("│", " ").split()) for text in printed)
    one, other = printed
    assert one == other
    assert ways[0].plain(forked.stderr) == ways[1].plain(true.stderr)


@each_call
def test_the_run_and_its_record_are_the_same(ways, name):
    forked, true = ended(ways, name)
    if name == "a refusal":
        assert forked.run_id == true.run_id == ""
        return

    assert differences(ways[0].run(forked.run_id), ways[1].run(true.run_id)) == []
    # The record names the loaded BLAS libraries: those of the warm process among them.
    assert ways[0].blas[forked.run_id] >= ways[1].blas[true.run_id]
