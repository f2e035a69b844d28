"""For any input, a command, a script or a file ends with one line, never with a traceback."""

import gc
import itertools
import signal
import sys
import types

import pytest
from mlflow.exceptions import ExecutionException
from pydantic import Field

from reprise.backend import Backend
from reprise.capture import numerics
from reprise.errors import RepriseError
from reprise.runtime.launch import launch
from reprise.runtime.parameters import Parameters
from reprise.scripts import experiment as experiment_module
from reprise.scripts import script as script_module
from reprise.sweeps import experiment_file, grid
from reprise.visible import visible
from steps.parameters import ENTRY_POINTS


class TinyParameters(Parameters):
    """Do something small."""

    entry_point = "tiny"
    locations = frozenset({"place"})

    size: int = Field(1, ge=0, description="a size")
    share: float = Field(0.5, description="a share")
    place: str = Field("here", description="a place")
    seed: int = Field(3, description="a seed")


@pytest.fixture
def project(store, tmp_path, monkeypatch):
    """A folder without a repository; restores what `launch` changes in this process."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    thresholds, handler = gc.get_threshold(), signal.getsignal(signal.SIGTERM)
    yield folder
    signal.signal(signal.SIGTERM, handler)
    gc.set_threshold(*thresholds)
    gc.unfreeze()


@pytest.fixture
def launched(project, monkeypatch, capsys):
    """Launch a step in this process; return its exit code and its lines of output."""

    def launched(*arguments, main=lambda parameters, run: None):
        monkeypatch.setattr(sys, "argv", ["tiny.py", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            launch(TinyParameters, main)
        return ended.value.code, capsys.readouterr()

    return launched


def is_one_line(text):
    """Check that an error is one line without control codes for a terminal."""
    assert text.strip()
    assert visible(text) == text, text
    return True


ARGUMENTS = {
    "no name": ["--", "1"],
    "no name with a value": ["--=1"],
    "three dashes": ["---size", "1"],
    "a value without a name": ["1"],
    "a name without a value": ["--size"],
    "an empty word": [""],
    "a name twice": ["--size", "1", "--size", "2"],
    "a name of 5,000 characters": ["--" + "n" * 5000, "1"],
    "a name that MLflow refuses": ["--a$b", "1"],
    "a name with slashes": ["--../../etc", "1"],
    "a name with a NUL byte": ["--a\0b", "1"],
    "a name with an escape code": ["--a\x1b[2Jb", "1"],
    "a name with a new line": ["--a\nb", "1"],
    "a name that is no UTF-8": ["--\udcff", "1"],
    "a value that is no UTF-8": ["--place", "\udcff"],
    "half a surrogate pair": ["--place", "\ud83d"],
    "a value of 10,000 characters": ["--place", "v" * 10_000],
    "a value of 10,000 wide characters": ["--place", "\U0001f600" * 10_000],
    "a value of 10,000 digits": ["--size", "9" * 10_000],
    "a whole number that is none": ["--size", "1e999"],
    "a number that is too large": ["--share", "1e999"],
    "not a number": ["--share", "nan"],
    "infinity": ["--share", "-inf"],
    "digits of another script": ["--size", "\u0661\u0662x"],
    "an unknown name": ["--sise", "1"],
}


@pytest.mark.parametrize("words", ARGUMENTS.values(), ids=ARGUMENTS)
def test_a_step_refuses_in_one_line(words, launched, store):
    code, output = launched(*words)

    lines = [line for line in output.err.splitlines() if line.startswith("tiny: ")]
    assert "Traceback" not in output.err
    assert code == 2
    assert is_one_line(lines[-1])
    assert not [run for run in store.runs() if run.info.status == "RUNNING"]


VALUES = [
    *("", " ", "nan", "-inf", "1e999", "-1", str(2**64), "9" * 5000, "\0", "\ud800", "\x1b[2J"),
    *("x" * 9000, "0x10", "1_0", "\u0661", "None", "[]", "{}", "--size", "../../x", "a\nb"),
]


def is_taken_or_refused_in_one_line(call, *arguments):
    try:
        call(*arguments)
    except RepriseError as error:
        return is_one_line(str(error))
    return True


@pytest.mark.parametrize("model", ENTRY_POINTS.values(), ids=ENTRY_POINTS)
def test_every_parameter_is_checked_or_refused_in_one_line_of(model):
    for name, value in itertools.product(model.model_fields, VALUES):
        assert is_taken_or_refused_in_one_line(model.parse, {name: value})


def experiment_named(**config):
    return experiment_module.Experiment({"experiment_name": "tests", **config})


def logged(method, *values):
    """Act as a script: make a run, and call one of its methods."""

    def do():
        with experiment_named() as experiment, experiment.create_run("r"):
            getattr(experiment, method)(*values)

    return do


SCRIPTS = {
    "no experiment name": lambda: experiment_module.Experiment({}),
    "an empty experiment name": lambda: experiment_named(experiment_name=""),
    "an experiment name with a NUL byte": lambda: experiment_named(experiment_name="a\0b"),
    "an experiment name that is no UTF-8": lambda: experiment_named(experiment_name="a\ud800"),
    "an experiment name of 5,000 characters": lambda: experiment_named(experiment_name="n" * 5000),
    "an experiment name that is a number": lambda: experiment_named(experiment_name=7),
    "an unknown key": lambda: experiment_named(experiment="x"),
    "no mapping": lambda: experiment_module.Experiment(["experiment_name"]),
    "a tracking server of no kind": lambda: experiment_named(tracking_uri="gopher://x"),
    "a run name that is no UTF-8": lambda: experiment_named().create_run("a\ud800"),
    "a parameter that MLflow refuses": logged("log_params", {"a$b": 1}),
    "a parameter without a name": logged("log_params", {"": 1}),
    "a parameter with a long name": logged("log_params", {"n" * 5000: 1}),
    "a parameter that leads out": logged("log_params", {"../x": 1}),
    "a parameter that is no UTF-8": logged("log_params", {"a": "\ud800"}),
    "a metric that MLflow refuses": logged("log_metrics", {"a$b": 1}),
    "a metric with a NUL byte": logged("log_metrics", {"a\0b": 1}),
    "a metric that is no UTF-8": logged("log_metrics", {"a\ud800": 1}),
    "a metric that is a word": logged("log_metrics", {"a": "one"}),
    "a metric that is too large": logged("log_metrics", {"a": 10**400}),
    "an input with a NUL byte": logged("log_input", "a\0b"),
    "an input below a file": logged("log_input", __file__ + "/x"),
    "an input that is a folder": logged("log_input", "."),
    "an input that is no UTF-8": logged("log_input", "\udcff.csv"),
    "an input with a long name": logged("log_input", "n" * 5000),
    "an input of no address": logged("log_input", "https://[::1/x"),
}


@pytest.mark.parametrize("do", SCRIPTS.values(), ids=SCRIPTS)
def test_a_script_gets_one_line_for(do, project, monkeypatch, store):
    script = script_module.script(types.SimpleNamespace(), (), project)
    monkeypatch.setattr(
        experiment_module, "current", lambda: script_module.ScriptProcess(script, {})
    )
    monkeypatch.setattr(numerics, "NUMPY_PRELOADED", False)

    with pytest.raises(RepriseError) as caught:
        do()

    assert is_one_line(str(caught.value))
    assert caught.value.exit_code == 2
    assert not [run for run in store.runs() if run.info.status == "RUNNING"]


def planned(file):
    """Check a grid file as a sweep does."""
    return experiment_file.check_all("train_dt", grid.points(file.params, TRAIN), ENTRY_POINTS)


TRAIN = ENTRY_POINTS["train_dt"]
FILES = {
    "is a folder": lambda path: path.mkdir(),
    "is below a file": lambda path: path.symlink_to("/dev/null/x"),
    "is empty": lambda path: path.write_bytes(b""),
    "is not UTF-8": lambda path: path.write_bytes(b"data: \xff\n"),
    "is NUL bytes": lambda path: path.write_bytes(b"\0" * 64),
    "is a list": lambda path: path.write_text("- 1\n"),
    "is a number beyond 64 bits": lambda path: path.write_text("9" * 5000),
    "has a key with an escape code": lambda path: path.write_text('"a\\e[2Jb": 1\n'),
    "has a parameter of infinity": lambda path: path.write_text("params: {max_depth: .inf}\n"),
    "has a parameter that is no text": lambda path: path.write_text("params: {[1]: 2}\n"),
}


@pytest.mark.parametrize("make", FILES.values(), ids=FILES)
@pytest.mark.parametrize("read", [grid.read, experiment_file.read], ids=["grid", "experiment"])
def test_a_file_is_refused_in_one_line_that(read, make, tmp_path):
    path = tmp_path / "file.yaml"
    make(path)

    with pytest.raises(RepriseError) as caught:
        planned(read(path))

    assert is_one_line(str(caught.value))


URIS = {
    "a NUL byte": "a\0b",
    "a name of 5,000 characters": "n" * 5000,
    "a path below a file": f"{__file__}/x",
    "an address of no host": "https://",
    "half a bracket": "https://[::1",
    "half a bracket of a file": "file://[::1",
    "an escape code": "\x1b[2J",
    "no UTF-8": "\udcff",
    "a fragment alone": "#main",
    "a commit with a NUL byte": ".#\0:x",
    "a run's id with a quote": "runs:/' OR 1=1",
    "a run's id with a NUL byte": "runs:/a\0b",
    "nothing": "",
}


@pytest.mark.parametrize("uri", URIS.values(), ids=URIS)
def test_the_backend_refuses_in_one_line(uri, project, store):
    with pytest.raises(ExecutionException) as caught:
        Backend().run(uri, "main", {}, None, {}, store.uri, store.experiment_id)

    assert is_one_line(str(caught.value))
