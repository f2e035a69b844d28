"""The command `reprise`: its verbs, their options, and its exit codes."""

import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import create_autospec

import click
import pytest
import yaml

from reprise import cli
from reprise.commands import options, reproduce, run
from reprise.commands.parameters import ABOUT_OTHERS, MODELS, ReproduceParameters
from reprise.errors import DifferentError, ParameterError, ProjectError
from reprise.record.schema import as_text
from reprise.runtime.fields import EXAMPLE_ID
from reprise.runtime.parameters import default_text, parse_argv

ROOT = Path(__file__).parents[2]
MLPROJECT = yaml.safe_load((ROOT / "MLproject").read_text(encoding="utf-8"))["entry_points"]
NOBODY = "0" * 32
every_verb = pytest.mark.parametrize("verb", cli.VERBS)
every_model = pytest.mark.parametrize("name", MODELS)


class NoLauncher:
    """Replaces the process that loads libraries, if no step will run."""

    def __init__(self, *_, **__):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@pytest.fixture
def reprise(capsys, monkeypatch):
    """Run a command line in this process; return exit code, stdout and stderr."""
    monkeypatch.setattr(reproduce, "Launcher", NoLauncher)

    def reprise(*words):
        capsys.readouterr()
        try:
            code = cli.exit_code(list(words))
        except SystemExit as end:
            code = end.code
        return code, *capsys.readouterr()

    return reprise


def verb_of(name):
    return cli.cli.get_command(click.Context(cli.cli), name)


# The process


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["reproduce", "x"], True),
        (["compare", "x", "y"], True),
        (["audit"], True),
        (["run", "runs:/x"], True),
        (["run", "-e", "reproduce", "runs:/x"], True),
        (["run", "-e", "train"], False),
        (["sweep"], False),
        (["show", "x"], False),
        (["reproduce", "--help"], False),
        (["audit", "-h"], False),
        ([], False),
    ],
)
def test_a_command_that_makes_a_run_of_its_own_process_is_known_by_its_words(words, expected):
    assert cli.makes_run(words) is expected


def test_every_verb_that_makes_a_run_of_its_own_process_is_known():
    assert ABOUT_OTHERS == cli.MAKE_RUNS


@pytest.mark.slow
@pytest.mark.parametrize(("verb", "seed"), [("audit", "0"), ("show", "7")])
def test_a_command_that_makes_a_run_starts_again_with_the_hash_seed(verb, seed, tmp_path):
    program = """
import sys
from reprise import cli
cli.exit_code = lambda _: print(sys.flags.hash_randomization, hash("x"), *sys.argv[1:])
cli.main()
"""
    variables = {n: v for n, v in os.environ.items() if not n.endswith("_NUM_THREADS")}
    expected = subprocess.run(
        [sys.executable, "-c", "import sys; print(sys.flags.hash_randomization, hash('x'))"],
        env={**variables, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    )

    done = subprocess.run(
        [sys.executable, "-c", program, verb, "two words"],
        cwd=tmp_path,
        env={**variables, "PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == f"{expected.stdout.strip()} {verb} two words\n"


# Help


def test_help_lists_every_verb_in_order(reprise):
    code, out, _ = reprise("--help")

    listed = [line.split()[0] for line in out.partition("Commands:\n")[2].splitlines() if line]

    assert code == 0
    assert listed[: len(cli.VERBS)] == [
        *("run", "reproduce", "why", "compare", "audit", "verify", "calibrate", "promote", "log"),
        *("sweep", "ls", "show", "export", "import", "restore", "sync", "doctor"),
    ]


def test_without_a_verb_help_is_printed(reprise):
    assert reprise() == reprise("--help") == reprise("-h")


@every_verb
def test_every_verb_has_help_by_both_names_with_its_exit_codes(reprise, verb):
    code, out, err = reprise(verb, "-h")

    assert (code, out, err) == reprise(verb, "--help")
    assert code == 0
    assert out.startswith(f"Usage: reprise {verb} ")
    for number, meaning in options.EXIT_CODES.items():
        assert f"{number}: {meaning}" in " ".join(out.split())


def test_the_exit_codes_of_errors_are_those_of_the_help():
    from reprise import errors
    from reprise.process import interrupts

    found = {e.exit_code for e in vars(errors).values() if hasattr(e, "exit_code")}

    assert {0, *found, interrupts.EXIT_CODE} == set(options.EXIT_CODES)


def test_mlflow_is_not_imported_for_help_nor_to_refuse_nor_to_start_a_step():
    program = """
import os, sys
from reprise import cli
from reprise.commands import handover

class Launcher:
    def __init__(self, *_, **__): pass
    def __enter__(self): return self
    def __exit__(self, *_): pass
    def begin(self, words, **_): print("started", words[2])
    def ended(self): return handover.Ended(2, "")

handover.Launcher = Launcher
lines = [["--help"], *([verb, "-h"] for verb in cli.VERBS), ["nosuch"], ["reproduce", "best:"]]
lines += [["run", "-P", "x"], ["run", "-e", "train_dt", "-P", "max_depth=5"], ["sweep"]]
for line in lines:
    cli.exit_code(line)
    assert not {"mlflow", "sklearn", "numpy"} & sys.modules.keys(), line
"""
    command = [sys.executable, "-c", program]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "started steps.train_dt" in done.stdout
    assert "started steps.sweep" in done.stdout


# The options are those of the models, which are those of MLproject


@every_model
def test_model_mlproject_and_the_verbs_options_agree(name):
    fields, declared = MODELS[name].model_fields, MLPROJECT[name]["parameters"]
    params = {param.name: param for param in verb_of(name).params}

    assert list(params) == list(fields) == list(declared)
    for each, field in fields.items():
        is_argument = isinstance(params[each], click.Argument)
        assert is_argument == field.is_required() == ("default" not in declared[each])
        if not is_argument:
            assert params[each].opts == [f"--{each.replace('_', '-')}"]
            assert as_text(field.default) == as_text(declared[each]["default"])
            flag = params[each].is_flag
            assert flag or f"default: {default_text(field)})" in params[each].help


def test_the_options_of_sweep_are_the_parameters_of_the_projects_entry_point(monkeypatch):
    monkeypatch.chdir(ROOT)

    names = [param.name for param in verb_of("sweep").params]

    assert names[: len(MLPROJECT["sweep"]["parameters"])] == list(MLPROJECT["sweep"]["parameters"])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([NOBODY], {}),
        ([f"runs:/{NOBODY}"], {"run_id": f"runs:/{NOBODY}"}),
        ([NOBODY, "--tolerance", "0.1"], {"tolerance": 0.1}),
        ([NOBODY, "--tolerance="], {}),
        (["--set", "max_depth=7", NOBODY], {"set": "max_depth=7"}),
        ([NOBODY, "--set", "a=1", "--set", "b='x y' c=2"], {"set": "a=1 b='x y' c=2"}),
        ([NOBODY, "--materialize"], {"materialize": True}),
        ([NOBODY, "--code", "current"], {"code": "current"}),
        ([NOBODY, "--allow-repository", "u"], {"allow_repository": "u"}),
        ([NOBODY, "--allow_repository", "u"], {"allow_repository": "u"}),
    ],
)
def test_options_reach_the_step_as_from_mlproject(reprise, monkeypatch, words, expected):
    start = create_autospec(reproduce.start)
    monkeypatch.setattr(reproduce, "start", start)

    code, _, err = reprise("reproduce", *words)

    arguments = start.call_args.args[0]
    parsed = ReproduceParameters.parse(parse_argv(arguments))
    assert (code, err) == (0, "")
    assert parsed == ReproduceParameters(**{"run_id": NOBODY, **expected})
    assert [word for word in arguments if word.startswith("--")] == [
        f"--{name}" for name in MLPROJECT["reproduce"]["parameters"]
    ]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["run"], (".", "main", {})),
        (["run", "-e", "train_dt", "-P", "a=1", "-P", "b=x=y"],
         (".", "train_dt", {"a": "1", "b": "x=y"})),
        (["run", ".", "-P", "set="], (".", "main", {"set": ""})),
        (["sweep", "--grid", "g.yaml", "--models", "all"],
         (".", "sweep", {"grid": "g.yaml", "models": "all"})),
        (["sweep", "-P", "grid=g.yaml", "--allow-untracked", ""],
         (".", "sweep", {"grid": "g.yaml", "allow_untracked": ""})),
    ],
)  # fmt: skip
def test_run_and_sweep_order_what_mlflow_run_would(reprise, monkeypatch, words, expected):
    monkeypatch.chdir(ROOT)
    orders = []
    monkeypatch.setattr(run, "start", lambda order, **how: orders.append((order, how)))

    code, _, err = reprise(*words)

    ((order, how),) = orders
    assert (code, err) == (0, "")
    assert (order.address.base, order.entry_point, order.parameters) == expected
    assert set(how.values()) == {None}


def test_what_follows_two_dashes_is_a_command_whose_options_are_its_own(reprise, monkeypatch):
    started = []
    monkeypatch.setattr(run, "start_command", lambda words, **how: started.append((words, how)))
    command = ["python", "fit.py", "-e", "5", "--run-name", "x", "--", "y"]

    code, _, err = reprise(
        "run",
        "--run-name",
        "mine",
        "--allow-untracked",
        "m.pkl",
        "--threads",
        "4",
        "--keep-data",
        "1MiB",
        "--",
        *command,
    )

    ((words, how),) = started
    assert (code, err, words) == (0, "", command)
    assert {name: value for name, value in how.items() if value} == {
        "run_name": "mine",
        "allow_untracked": "m.pkl",
        "threads": "4",
        "keep_data": "1MiB",
    }


@pytest.mark.parametrize("threads", [1, "1", "8", 4096])
def test_a_number_of_threads_is_taken_as_text_or_as_a_number(threads):
    assert run.How("local", configuration={"threads": threads}).threads == int(threads)


@pytest.mark.parametrize("threads", ["0", "-1", "x", "", "1.5", "4097", "\u0661", None, True])
def test_what_is_no_number_of_threads_is_refused(threads):
    with pytest.raises(ParameterError, match="expected a number of threads from 1 to 4096"):
        run.How("local", configuration={"threads": threads}).threads  # noqa: B018


@pytest.mark.parametrize(("uri", "entry_point"), [(".", "compare"), (f"runs:/{NOBODY}", "main")])
def test_a_step_and_a_replay_take_no_number_of_threads(monkeypatch, uri, entry_point):
    monkeypatch.chdir(ROOT)
    parameters = {"run_id": NOBODY, "other": NOBODY} if uri == "." else {}
    order = run.ordered(uri, entry_point, parameters, None)

    with pytest.raises(ParameterError, match="Leave --threads out"):
        run.start(order, threads="2")


def test_a_lock_that_the_engine_does_not_build_is_named_where_somebody_asks_for_it(
    tmp_path, monkeypatch
):
    (tmp_path / "MLproject").write_text("entry_points: {main: {command: python train.py}}\n")
    (tmp_path / "poetry.lock").write_text("package = []\n")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ProjectError, match=r"found the lock poetry\.lock\. Build"):
        run.start(run.ordered(".", "main", {}, None), env_manager="uv")


# Failures give one line and leave no run


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["nosuch"], "No such command 'nosuch'. See: reprise --help"),
        (["--nosuch"], "No such option '--nosuch'"),
        (["reproduce"], "Missing argument 'RUN_ID'. See: reprise reproduce --help"),
        (["reproduce", NOBODY, "--tolerence", "1"], "Did you mean '--tolerance'. See"),
        (["reproduce", "best:"], f"found 'best:'. For example: {EXAMPLE_ID}."),
        (["reproduce", "abc"], "found 'abc', which is neither the beginning of an id"),
        (["reproduce", "latest"], "found none that has ended"),
        (["compare", NOBODY, "best:score"], "with the metric score in the experiment"),
        (["reproduce", NOBODY, "--tolerance", "x"], "For example: --tolerance 1e-09."),
        (["reproduce", NOBODY, "--set", "max_depth"], "For example: --set max_depth=7."),
        (["reproduce", NOBODY, "--set", "a='b"], "For example: --set max_depth=7."),
        (["reproduce", NOBODY, "--code", "old"], "code must be one of recorded, current"),
        (["reproduce", NOBODY], "which does not exist"),
        (["compare", NOBODY], "Missing argument 'OTHER'"),
        (["compare", NOBODY, NOBODY], "which does not exist"),
        (["audit", "--experiment", "test"], "Did you mean 'tests'?"),
        (["audit", "--replay", "-1"], "For example: --replay 0."),
        (["show", "a\nb"], "run_id must be a run: its id"),
        (["show", "abc"], "found 'abc', which is neither the beginning of an id"),
        (["show", NOBODY], "which does not exist"),
        (["run", "-P", "max_depth"], "expected -P name=value, found -P max_depth"),
        (["run", "-P", "a=1", "-P", "a=2"], "expected 'a' once, found it twice"),
        (["run", "-e", "nosuch"], "nosuch"),
        (["run", "--experiment-name", "a", "--experiment-id", "1"], "found both"),
        (["run", "--env-manager", "conda"], "'conda' is not one of"),
        (["run", "--"], "expected a command after --, found none"),
        (["run", "-e", "train_dt", "--", "ls"], "or a command after --, found both"),
        (["run", "runs:/abc"], "found 'runs:/abc', which is neither"),
        (["run", f"runs:/{NOBODY}", "-e", "train_dt"], "Leave -e out"),
        (["run", f"runs:/{NOBODY}"], "which does not exist"),
        (["run", "-P", "u=https://me:s3cret@host/p"], "must be without a user and a password"),
        (["sweep", "--nosuch", "1"], "No such option '--nosuch'"),
        (["sweep", "--models", "all", "-P", "models=best"], "expected 'models' once"),
        (["doctor", "--size-mb", "0"], "0 is not in the range x>=1"),
    ],
)  # fmt: skip
def test_wrong_input_is_refused_in_one_line_and_leaves_no_run(
    reprise, store, monkeypatch, words, text
):
    monkeypatch.chdir(ROOT)

    code, out, err = reprise(*words)

    assert code == 2
    assert out == ""
    assert text in err
    assert err.count("\n") == 1
    assert err.startswith(("reprise", f"{words[0]}: ", "reproduce: "))
    assert "s3cret" not in err
    assert store.runs() == []


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (DifferentError("expected x, found y."), 1, "expected x, found y."),
        (KeyboardInterrupt(), 130, "interrupted"),
        (click.Abort(), 130, "interrupted"),
    ],
)
def test_the_exit_code_reports_how_a_verb_ended(reprise, monkeypatch, error, code, line):
    def start(*_, **__):
        raise error

    monkeypatch.setattr(reproduce, "start", start)

    assert reprise("reproduce", NOBODY) == (code, "", f"reprise reproduce: {line}\n")


def test_a_defect_keeps_its_traceback(reprise, monkeypatch):
    def start(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr(reproduce, "start", start)

    with pytest.raises(ZeroDivisionError):
        reprise("reproduce", NOBODY)


# Completion


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_shell_gets_its_script(reprise, monkeypatch, shell):
    monkeypatch.setenv("_REPRISE_COMPLETE", f"{shell}_source")

    code, out, _ = reprise()

    assert code == 0
    assert "_REPRISE_COMPLETE" in out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("reprise re", ["reproduce", "restore"]),
        ("reprise reproduce --t", ["--tolerance"]),
        ("reprise sweep --grid", ["--grid"]),
    ],
)
def test_verbs_and_options_complete(reprise, monkeypatch, words, expected):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("_REPRISE_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))

    _, out, _ = reprise()

    assert [line.partition(",")[2] for line in out.splitlines()] == expected


def test_the_list_of_verbs_is_that_of_their_modules():
    assert [name for name in cli.VERBS if callable(cli.maker(name))] == [*cli.VERBS]
