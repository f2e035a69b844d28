"""A process reports what it reads and writes, and runs as it would without."""

import os
import subprocess
import sys

import pytest

from reprise.capture.watch import Made, watching

CODE = """
import os, subprocess, sys
open("in.txt").read()
open("out.txt", "w").write("x")
open("out.txt").read()
os.rename("out.txt", "moved.txt")
open("moved.txt").read()
if len(sys.argv) == 1:
    subprocess.run([sys.executable, __file__, "child"], check=True)
open("late.txt").read()
"""


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "code.py").write_text(CODE)
    for name in ("in.txt", "late.txt"):
        (folder / name).write_text("x")
    return folder


def run(folder, *words, **variables):
    with watching() as watch:
        environment = watch.variables({**os.environ, **variables})
        done = subprocess.run(
            [sys.executable, *words],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return done, watch.seen()


def test_what_is_read_and_not_written_before_is_reported_once_of_all_processes(folder):
    done, seen = run(folder, "code.py")

    assert done.returncode == 0, done.stderr
    assert [path.name for path in seen.read if path.suffix == ".txt"] == [
        "in.txt",
        "late.txt",
    ]
    assert {folder / "out.txt", folder / "moved.txt"} <= seen.written
    assert seen.pythons == ((sys.executable, sys.version.split()[0]),)


def test_installed_modules_and_libraries_that_were_imported_are_reported(folder):
    (folder / "code.py").write_text("import numpy.linalg\n")

    _, seen = run(folder, "code.py")

    names = [path.name for path in seen.imported]
    assert {"_umath_linalg", "libscipy_openblas64_"} <= {
        name.split(".")[0].split("-")[0] for name in names
    }
    assert not any(name == "code.py" for name in names)


def test_the_users_own_sitecustomize_is_imported(folder, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    (own / "sitecustomize.py").write_text("print('mine')\n")

    done, seen = run(folder, "-c", "1", PYTHONPATH=str(own))

    assert (done.stdout, done.stderr) == ("mine\n", "")
    assert seen.pythons


def test_an_isolated_interpreter_runs_and_reports_nothing(folder):
    done, seen = run(folder, "-I", "-c", "print(1)")

    assert (done.stdout, seen.pythons, seen.read) == ("1\n", (), ())


def test_a_process_whose_report_cannot_be_written_runs_as_without(folder):
    with watching() as watch:
        environment = watch.variables(os.environ)
    done = subprocess.run(
        [sys.executable, "code.py", "child"], cwd=folder, env=environment, check=False
    )

    assert done.returncode == 0


@pytest.mark.parametrize(
    ("store", "expected"),
    [
        ("sqlite:///mlflow.db", "sqlite:////in/mlflow.db"),
        ("sqlite:////a/mlflow.db", "sqlite:////a/mlflow.db"),
        ("mlruns", "/in/mlruns"),
        ("https://example.org", "https://example.org"),
    ],
)
def test_a_run_is_reported_with_an_address_of_its_store_that_is_valid_anywhere(store, expected):
    with watching() as watch:
        line = f'["run", 1, "{"a" * 32}", "{store}", "/in"]\n["read", 1, "/cut'
        (watch._folder / "events").write_text(line)

        assert watch.seen().runs == (Made("a" * 32, expected),)
