"""The engine as a package of its own: what it needs, and what importing it does not do."""

import ast
import os
import re
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from reprise import extras
from reprise.capture import pins_first

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SOURCES = sorted((ROOT / "reprise").rglob("*.py"))
OPTIONAL = sorted(name for names in extras.MODULES.values() for name in names)
MODULE_OF = {"python-calamine": "python_calamine", "scikit-learn": "sklearn"}
BLOCKER = f"""
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {OPTIONAL}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocker())
"""


def python(program, folder, **variables):
    """What a fresh Python without the pins prints, and how it ends."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("MLFLOW_", "PYTHON"))}
    pins = re.compile(r".*_NUM_THREADS|OPENBLAS_.*|NPY_.*")
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=folder,
        env={n: v for n, v in kept.items() if not pins.fullmatch(n)} | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


# The oldest Python


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_a_module_of_the_engine_is_written_for_the_oldest_python(path):
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 10))


def test_what_the_oldest_python_lacks_is_taken_from_one_module():
    newer = {"typing.Self", "enum.StrEnum", "datetime.UTC", "hashlib.file_digest", "tomllib"}
    users = {
        path.name: names & newer
        for path in SOURCES
        if (names := set(_names(ast.parse(path.read_text(encoding="utf-8"))))) & newer
    }

    assert users == {"backports.py": newer}


def _names(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}"


def test_the_linter_and_the_package_name_the_same_oldest_python():
    ruff = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ruff"]

    assert ruff["per-file-target-version"] == {"reprise/**": "py310"}
    assert PROJECT["requires-python"].startswith(">=3.10,")


# Extras


def test_every_package_of_an_extra_is_known_by_the_name_that_is_imported():
    declared = {
        extra: {MODULE_OF.get(name, name) for name in (Requirement(r).name for r in requirements)}
        for extra, requirements in PROJECT["optional-dependencies"].items()
    }
    brought = {"s3": {"botocore"}}  # by the package itself

    assert {extra: set(names) for extra, names in extras.MODULES.items()} == {
        extra: names | brought.get(extra, set()) for extra, names in declared.items()
    }


@pytest.mark.parametrize("module", OPTIONAL)
def test_a_package_that_is_missing_is_one_line_with_the_command_that_installs_it(module):
    (extra,) = (extra for extra, names in extras.MODULES.items() if module in names)

    with pytest.raises(extras.MissingExtraError) as caught, extras.explaining_missing():
        raise ModuleNotFoundError(f"No module named '{module}.io'", name=f"{module}.io")

    assert str(caught.value) == (
        f"expected the package {module}, which this needs, found that it is not installed. "
        f'Install it: pip install "mlflow-reprise[{extra}]"'
    )


@pytest.mark.parametrize(
    "error",
    [ModuleNotFoundError("No module named 'mine'", name="mine"), ImportError("cannot import")],
)
def test_another_failed_import_stays_what_it_is(error):
    with pytest.raises(type(error)) as caught, extras.explaining_missing():
        raise error

    assert caught.value is error


# Imports


@pytest.mark.slow
def test_importing_the_package_changes_no_variable_and_loads_no_library(tmp_path):
    program = """
    import os, sys
    before = dict(os.environ)
    import reprise
    from reprise import cli
    from reprise.commands import verbs
    assert dict(os.environ) == before, set(os.environ) ^ set(before)
    print(*sorted({"mlflow", "numpy", "steps", "distributed"} & sys.modules.keys()))
    """

    done = python(program, tmp_path, PYTHONPATH=str(ROOT))

    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")


@pytest.mark.slow
def test_the_pins_are_set_as_the_first_library_that_reads_them_loads(tmp_path):
    program = """
    import os, reprise
    assert "OPENBLAS_NUM_THREADS" not in os.environ
    import numpy
    print(os.environ["OPENBLAS_NUM_THREADS"])
    os.environ["OPENBLAS_NUM_THREADS"] = "3"  # what is set later stays
    import pyarrow
    print(os.environ["OPENBLAS_NUM_THREADS"])
    """

    done = python(program, tmp_path, PYTHONPATH=str(ROOT))

    assert (done.stdout, done.stderr) == ("1\n3\n", "")


def test_a_library_that_reads_no_pins_leaves_the_variables_alone(monkeypatch):
    monkeypatch.setattr(pins_first.numerics, "pin", lambda: pytest.fail("it has pinned"))
    finder = pins_first.PinsFirst()

    assert [finder.find_spec(name) for name in ("json", "mine", "numpy.linalg")] == [None] * 3


@pytest.mark.slow
def test_a_project_that_needs_no_extra_is_run_and_reproduced_without_any(tmp_path, migrated):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "MLproject").write_text(
        "name: tiny\nentry_points:\n  main:\n    parameters: {x: {type: float, default: 1}}\n"
        '    command: "python main.py {x}"\n'
    )
    (folder / "main.py").write_text(
        "import sys, mlflow\nwith mlflow.start_run():\n"
        "    mlflow.log_metric('x', float(sys.argv[1]))\n"
    )
    (tmp_path / "block").mkdir()
    (tmp_path / "block" / "sitecustomize.py").write_text(BLOCKER)
    store = tmp_path / "mlflow.db"
    store.write_bytes(migrated.read_bytes())
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], cwd=folder, check=True)
    program = """
    import sys
    from reprise import cli

    def do(*words, codes=(0,)):
        try:
            code = cli.exit_code(list(words))
        except SystemExit as end:
            code = end.code or 0
        assert code in codes, (words, code)

    try:
        do("--help")
        do("run", "--env-manager", "local", "-P", "x=2")
        from reprise import tracking
        (run,) = tracking.all_runs("0")
        do("show", run.info.run_id)
        do("reproduce", run.info.run_id)
        *_, replay = sorted(tracking.all_runs("0"), key=lambda r: r.info.start_time)
        do("compare", run.info.run_id, replay.info.run_id)
        do("audit")
        do("doctor", codes=(0, 1))  # the store is no server, as it says
    finally:
        loaded = {name.partition(".")[0] for name in sys.modules}
        print("optional:", *sorted(loaded & set(%r)))
    """

    done = python(
        program % OPTIONAL,
        folder,
        PYTHONPATH=f"{tmp_path / 'block'}{os.pathsep}{ROOT}",
        MLFLOW_TRACKING_URI=f"sqlite:///{store}",
        MLFLOW_DISABLE_TELEMETRY="true",
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Verdict: identical (1 of 1 equal)" in done.stdout
    assert done.stdout.endswith("optional:\n")
