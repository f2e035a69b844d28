"""A command in a run's tags or record runs only if the checked-out commit declares it.

Each attack is a run that an attacker has written, of a commit of the user's own repository. The
commit has a second project in `lab/`, with all the ways in which people write commands.
"""

import json
import os
import subprocess
from types import SimpleNamespace

import pytest
from attackers import run_git

from reprise.capture import numerics
from reprise.errors import NumericsError, RepriseError
from reprise.projects import entry_points
from reprise.record.schema import Code, Environment, Numerics, Outputs, RunRecord, Step
from reprise.replay import original_run, prepare

MLPROJECT = r"""
name: lab
entry_points:
  plain:
    parameters: {text: {type: string, default: ""}}
    command: "python show.py {text}"
  double quotes:
    parameters: {text: string}
    command: 'python show.py "{text}"'
  single quotes:
    parameters: {text: string}
    command: "python show.py '{text}'"
  nested shell:
    parameters: {text: string}
    command: 'bash -c "python show.py {text}"'
  substitution:
    parameters: {text: string}
    command: 'python show.py "$(echo {text})"'
  here document:
    parameters: {text: string}
    command: "cat <<END\n{text}\nEND"
  comment:
    parameters: {text: string}
    command: "true # {text}"
  code of Python:
    parameters: {text: string}
    command: 'python -c "print(''{text}'')"'
  conversion:
    parameters: {text: string}
    command: "python show.py {text!r}"
  escape:
    parameters: {text: string}
    command: 'python show.py \{text}'
  dollar:
    parameters: {text: string}
    command: 'python show.py ${text}'
  eval:
    parameters: {text: string}
    command: "eval {text}"
  program:
    parameters: {text: string}
    command: "{text} show.py"
  script:
    parameters: {text: string}
    command: "python {text}"
  module:
    parameters: {text: string}
    command: "python -m {text}"
  variable:
    parameters: {text: string}
    command: "PYTHONPATH={text} python show.py"
  output:
    parameters: {text: string}
    command: "echo x > {text}"
  tee:
    parameters: {text: string}
    command: "echo x | tee {text}"
  pipe:
    command: "echo x | tee kept"
  address:
    parameters: {text: {type: path}}
    command: "python show.py {text}"
"""
SHOW = "import sys\nimport mlflow\nmlflow.log_metric('length', len(sys.argv[1]))\n"
EVIL = "import pathlib\npathlib.Path('CANARY').touch()\n"
NOWHERE = Environment(
    python="3.11.7",
    implementation="CPython",
    manager="uv",
    platform="Linux",
    lock_sha256=None,
    deviations=(),
    packages={},
)
MEASURED = Numerics.model_validate(
    {
        "baseline": False,
        "variables": {},
        "threads": 1,
        "blas": [],
        "simd": [],
        "cpu": "",
        "architecture": "",
        "c_library": "",
        "float_bits": 64,
    }
)


class Attacker:
    """An attacker who can write runs to the user's store, and files to public folders."""

    def __init__(self, place):
        self.place = place
        self.dropped = place.folder / "dropped"
        self.dropped.mkdir()
        for name in ("evil.py", "sitecustomize.py"):
            (self.dropped / name).write_text(self.text(EVIL))
        (self.dropped / "evil.sh").write_text(self.text("touch CANARY\n"))
        self.commit = self._commit()

    def _commit(self):
        """Give the user a commit with the project in lab/, and links that lead outside."""
        lab = self.place.clone / "lab"
        lab.mkdir()
        (lab / "MLproject").write_text(MLPROJECT)
        (lab / "show.py").write_text(SHOW)
        (lab / "run.sh").write_text('python show.py "$2"\n')
        for name in ("evil.py", "evil.sh"):
            (lab / f"link-{name}").symlink_to(self.dropped / name)
        (lab / "out").symlink_to(self.dropped)
        (self.place.clone / ".gitignore").write_text("ignored/\n")
        run_git(self.place.clone, "add", "--all")
        run_git(self.place.clone, "commit", "--quiet", "--message", "A second project")
        return run_git(self.place.clone, "rev-parse", "HEAD")

    def text(self, words):
        """Fill in what the attacker knows of the machine."""
        known = {
            "CANARY": self.place.canary,
            "DROPPED": self.dropped,
            "HOME": self.place.home,
            "LISTENER": f"http://127.0.0.1:{self.place.listener.port}",
        }
        for name, value in known.items():
            words = words.replace(name, str(value))
        return words

    def run(self, *, tags=(), params=(), record=None):
        """Write a finished run to the store, and return its id."""
        import mlflow

        client = mlflow.MlflowClient(tracking_uri=self.place.store_uri)
        experiment = client.get_experiment_by_name("attacks").experiment_id
        run_id = client.create_run(experiment, tags=dict(tags)).info.run_id
        client.log_metric(run_id, "length", 3.0)
        for name, value in dict(params).items():
            client.log_param(run_id, name, value)
        if record:
            client.log_text(run_id, record, "provenance.json")
        client.set_terminated(run_id)
        return run_id

    def tagged(self, entry_point, **params):
        """Return a plain run, described by tags and parameters only."""
        tags = {
            "mlflow.project.entryPoint": self.text(entry_point),
            "mlflow.source.git.commit": self.commit,
            "mlflow.source.name": str(self.place.clone),
            "reprise.project_folder": "lab",
        }
        return self.run(tags=tags, params={n: self.text(v) for n, v in params.items()})

    def recorded(self, **fields):
        """Return a run with a record; see `record`."""
        return self.run(record=self.record(**fields).to_json())

    def record(self, *, variables=None, project="lab", **step):
        """Return the record of a run of the project in lab/, with a step of the attacker's."""
        code = Code(
            repository=None,
            project=project,
            commit=self.commit,
            tree=None,
            base_commit=self.commit,
            dirty=False,
        )
        fields = {"entry_point": "plain", "raw_parameters": {}, "parameters": {}, **step}
        return RunRecord(
            code=code,
            step=Step(**json.loads(self.text(json.dumps(fields)))),
            environment=NOWHERE,
            numerics=MEASURED.model_copy(update={"variables": variables or {}}),
            outputs=Outputs(metrics={"length": 3.0}),
        )


@pytest.fixture
def attacker(firing_range):
    return Attacker(firing_range)


def reproduce(place, run_id, *more):
    """Reproduce a run, as the user does, with all places watched."""
    place.look()
    return place.run("steps.reproduce", "--run_id", run_id, *more)


def attempt(place, attacker, *, project="lab", **step):
    """Do what a replay does with a record's step in its checkout: refuse it, or run it."""
    record = attacker.record(project=project, **step)
    run = original_run.OriginalRun(SimpleNamespace(info=SimpleNamespace(run_id="0" * 32)), record)
    place.look()
    with pytest.raises(RepriseError) as refusal:
        subprocess.run(
            prepare.command(place.clone / project, run, prepare.Request()),
            cwd=place.clone / project / record.step.folder,
            env=place.environment,
            capture_output=True,
            timeout=30,
            check=False,
        )
    assert "\n" not in str(refusal.value)
    place.check()
    return str(refusal.value)


NAMES = {
    "substituted in an R script's name": "$(touch CANARY).R",
    "in backticks in an R script's name": "`touch CANARY`.R",
    "after the quotes of an R script's name": "')\"; touch CANARY; echo \"('.R",
    "of an R script in another folder": "DROPPED/evil.R",
    "in braces": "{0.__class__}.R",
    "after a shell script's name": "run.sh; touch CANARY; .sh",
    "a script of another folder": "DROPPED/evil.sh",
    "a script above the checkout": "../../../../dropped/evil.py",
    "a script behind a link": "link-evil.py",
    "a shell script behind a link": "link-evil.sh",
    "a script in a linked folder": "out/evil.py",
    "an option of Python with code": "-cimport pathlib; pathlib.Path('CANARY').touch()#.py",
    "a script that the commit lacks": "no-such.py",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_an_entry_points_name_is_no_command(attacker, firing_range, name):
    refusal = attempt(firing_range, attacker, entry_point=name)

    assert "commit" in refusal


@pytest.mark.parametrize("written", ["tagged", "recorded"])
@pytest.mark.parametrize(
    "name", ["$(touch CANARY).R", "-cimport pathlib; pathlib.Path('CANARY').touch()#.py"]
)
def test_a_command_in_an_entry_points_name_is_not_reproduced(attacker, firing_range, name, written):
    run_id = getattr(attacker, written)(entry_point=name)

    done = reproduce(firing_range, run_id)

    firing_range.check(done, exit_codes=(2,), says="an entry point that the MLproject")


def test_a_tag_runs_nothing_in_mlflow_run(attacker, firing_range):
    run_id = attacker.tagged("$(touch CANARY).R")
    firing_range.look()

    done = firing_range.run("mlflow", "run", f"runs:/{run_id}", "-b", "reprise")

    firing_range.check(done, exit_codes=(1,), says="an entry point that the MLproject")


def test_a_tag_runs_nothing_in_an_audit(attacker, firing_range):
    attacker.tagged("$(touch CANARY).R")
    firing_range.look()

    done = firing_range.run("steps.audit", "--experiment", "attacks", "--replay", "1")

    firing_range.check(done, exit_codes=(0, 1), says="an entry point that the MLproject")


def test_a_tag_runs_nothing_that_git_ignores_in_the_users_folder(attacker, firing_range):
    ignored = firing_range.clone / "ignored"
    ignored.mkdir()
    (ignored / "evil.py").write_text(attacker.text(EVIL))
    run_id = attacker.tagged("ignored/evil.py")

    done = reproduce(firing_range, run_id, "--code", "current")

    firing_range.check(done, exit_codes=(2,), says="Only what is in the commit is run")


VALUES = {
    "closes double quotes": ("double quotes", '"; touch CANARY; "'),
    "is substituted in double quotes": ("double quotes", "$(touch CANARY)"),
    "cancels single quotes": ("single quotes", "; touch CANARY;"),
    "is for a shell within a shell": ("nested shell", "$(touch CANARY)"),
    "is within a substitution": ("substitution", "$(touch CANARY)"),
    "is in a here-document": ("here document", "$(touch CANARY)"),
    "ends a comment": ("comment", "x\ntouch CANARY #"),
    "is in code of Python": ("code of Python", "$(touch CANARY)"),
    "is changed after it was quoted": ("conversion", "$(touch CANARY)"),
    "follows a backslash": ("escape", "; touch CANARY #"),
    "follows a dollar": ("dollar", "x\\'; touch CANARY #"),
    "is evaluated": ("eval", "touch CANARY"),
    "is the program": ("program", "DROPPED/evil.sh"),
    "is the script": ("script", "DROPPED/evil.py"),
    "is an option with code": ("script", "-cimport pathlib; pathlib.Path('CANARY').touch()"),
    "is the module": ("module", "timeit"),
    "is a variable of the program": ("variable", "DROPPED"),
    "is a file to write": ("output", "HOME/written"),
    "is a file to write by a program": ("tee", "HOME/written"),
}


@pytest.mark.parametrize(("entry_point", "value"), VALUES.values(), ids=VALUES)
def test_a_recorded_value_is_no_code_where_it(attacker, firing_range, entry_point, value):
    refusal = attempt(
        firing_range, attacker, entry_point=entry_point, raw_parameters={"text": value}
    )

    assert "which could act as code in the command" in refusal


def test_a_recorded_value_that_is_code_is_not_reproduced(attacker, firing_range):
    run_id = attacker.recorded(
        entry_point="double quotes", raw_parameters={"text": "$(touch CANARY)"}
    )

    done = reproduce(firing_range, run_id)

    firing_range.check(done, exit_codes=(2,), says="which could act as code in the command")


def test_an_undeclared_parameter_is_no_option_of_another_program(attacker, firing_range):
    refusal = attempt(
        firing_range, attacker, entry_point="pipe", raw_parameters={"append": "HOME/written"}
    )

    assert "found 'append'" in refusal


def test_an_undeclared_parameters_name_is_one_word(attacker, firing_range):
    names = {"x; touch CANARY #": "y", "$(touch CANARY)": "z"}
    raw = {attacker.text(name): value for name, value in names.items()}

    command = entry_points.command(
        firing_range.clone / "lab", "plain", raw, recorded=raw.keys()
    ).words[-1]

    firing_range.look()
    assert os.system(command.replace("python show.py", "true")) == 0
    firing_range.check()


def test_a_recorded_address_is_not_downloaded(attacker, firing_range):
    raw = {"text": attacker.text("LISTENER/file")}
    firing_range.look()

    words = entry_points.words(firing_range.clone / "lab", "address", raw, recorded=["text"])

    firing_range.check()
    assert words[-1] == f"python show.py {raw['text']}"


SCRIPTS = {
    "code": {"command": ["-c", "open('CANARY', 'w')"]},
    "a module with code": {"command": ["-m", "timeit", "open('CANARY', 'w')"]},
    "no module": {"command": ["-m"]},
    "a module above": {"command": ["-m", "..show"]},
    "a module with a slash": {"command": ["-m", "lab/show"]},
    "an absolute path": {"command": ["DROPPED/evil.py"]},
    "a path that leads out": {"command": ["../../../../dropped/evil.py"]},
    "a link that leads out": {"command": ["link-evil.py"]},
    "a module in a linked folder": {"command": ["-m", "out.evil"]},
    "an option with code": {"command": ["-copen('CANARY','w')"]},
    "a name with a NUL": {"command": ["show.py\0x"]},
    "an argument with a NUL": {"command": ["show.py", "a\0b"]},
    "a very long name": {"command": ["a" * 5000]},
    "an argument without end": {"command": ["show.py", "a" * 3_000_000]},
    "a folder above": {"command": ["show.py"], "folder": "../../.."},
    "a folder elsewhere": {"command": ["show.py"], "folder": "DROPPED"},
    "a folder behind a link": {"command": ["evil.py"], "folder": "out"},
    "a folder below a file": {"command": ["show.py"], "folder": "show.py/below"},
    "a folder with a NUL": {"command": ["show.py"], "folder": "a\0b"},
    "in another folder than its entry point": {"entry_point": "plain", "folder": "DROPPED"},
}


@pytest.mark.parametrize("step", SCRIPTS.values(), ids=SCRIPTS)
def test_a_recorded_script_is_not_run_that_is(attacker, firing_range, step):
    refusal = attempt(firing_range, attacker, **{"entry_point": "show.py", **step})

    assert refusal.startswith("expected")


@pytest.mark.parametrize("name", ["a module above", "an absolute path", "a name with a NUL"])
def test_a_recorded_script_is_not_reproduced_that_is(attacker, firing_range, name):
    run_id = attacker.recorded(entry_point="show.py", **SCRIPTS[name])

    done = reproduce(firing_range, run_id)

    firing_range.check(done, exit_codes=(2,), says="expected")


def test_a_recorded_folder_is_not_made_in_the_users_clone(attacker, firing_range):
    run_id = attacker.recorded(entry_point="plain", folder="made/by/record", project="")

    done = reproduce(firing_range, run_id, "--code", "current")

    firing_range.check(done, exit_codes=(2,), says="expected")
    assert not (firing_range.clone / "made").exists()


VARIABLES = {
    "a million threads": {"OMP_NUM_THREADS": "1000000"},
    "a NUL": {"PYTHONHASHSEED": "0\0"},
    "a path": {"OPENBLAS_CORETYPE": "/tmp/evil"},
    "no end": {"PYTHONHASHSEED": "0" * 3_000_000},
}


@pytest.mark.parametrize("variables", VARIABLES.values(), ids=VARIABLES)
def test_a_recorded_variable_is_not_set_that_has(variables):
    with pytest.raises(NumericsError, match="The record was altered"):
        numerics.recorded(variables)


def test_a_run_with_a_hostile_variable_is_not_reproduced(attacker, firing_range):
    run_id = attacker.recorded(variables=VARIABLES["a NUL"])

    done = reproduce(firing_range, run_id)

    firing_range.check(done, exit_codes=(2,), says="The record was altered")


def test_a_record_sets_no_variable_but_those_of_the_numerics():
    hostile = {"LD_PRELOAD": "/evil.so", "PYTHONSTARTUP": "/evil.py", "PATH": "/evil"}

    assert numerics.recorded({**hostile, "OMP_NUM_THREADS": "1"}) == {"OMP_NUM_THREADS": "1"}


def test_an_honest_run_is_reproduced(firing_range, trained):
    run_id = trained()
    firing_range.look()

    done = firing_range.run("steps.reproduce", "--run_id", run_id)

    firing_range.check(done, exit_codes=(0,), says="Verdict: identical")


def test_an_honest_plain_run_is_reproduced(attacker, firing_range):
    run_id = attacker.tagged("show.py", text="a;b")

    done = reproduce(firing_range, run_id)

    firing_range.check(done, exit_codes=(0, 1), says="Verdict: ")


HONEST = {"an entry point": ("plain", "a b"), "quotes around a plain value": ("double quotes", "c")}
STUB = "def log_metric(name, value):\n    print(name, value)\n"  # for what takes seconds to import


@pytest.mark.parametrize(("entry_point", "value"), HONEST.values(), ids=HONEST)
def test_an_honest_value_comes_to_the_command_as_it_was(attacker, firing_range, entry_point, value):
    lab = firing_range.clone / "lab"
    (lab / "mlflow.py").write_text(STUB)
    record = attacker.record(entry_point=entry_point, raw_parameters={"text": value})
    run = original_run.OriginalRun(SimpleNamespace(info=SimpleNamespace(run_id="0" * 32)), record)

    done = subprocess.run(
        prepare.command(lab, run, prepare.Request()),
        cwd=lab,
        env=firing_range.environment,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == f"length {len(value)}\n"
