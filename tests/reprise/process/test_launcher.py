"""A process that waits for its command runs it as a shell would, and outlives nobody."""

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from reprise.process.launcher import Launcher

pytestmark = pytest.mark.slow  # starts processes

ROOT = Path(__file__).parents[3]
PYTHON = Path(sys.executable)
ODD = ["a b", "it's", '"', "$(x)", "`x`", "-dash", "--", "", "ü→", "a\nb", "\\", "*", "a;b", "{x}"]
TELLS = """\
import json, os, sys
print(json.dumps({
    "argv": sys.argv, "cwd": os.getcwd(), "name": __name__, "first": sys.path[0],
    "variables": dict(os.environ), "input": sys.stdin.read(), "loaded": "colorsys" in sys.modules,
}))
"""
# Says that it runs through a pipe with a name; the pipe's end tells that it is gone.
WAITS = """\
import os, signal, sys
pipe = os.open("pipe", os.O_WRONLY)
def ended(*_):
    os.write(pipe, b"asked to end\\n")
    sys.exit(7)
signal.signal(signal.SIGTERM, ended)
os.write(pipe, b"running\\n")
while True:
    signal.pause()
"""
PARENT = """\
import os, pathlib, sys
from reprise.process.launcher import Launcher
with Launcher(pathlib.Path(sys.executable), [], os.environ) as launcher:
    launcher.run(sys.argv[1:], folder=pathlib.Path.cwd(), environment=os.environ)
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "tells.py").write_text(TELLS)
    (tmp_path / "waits.py").write_text(WAITS)
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


@pytest.fixture
def run(folder):
    """Run a command by a launcher of its own."""

    def run(*words, libraries=(), environment=os.environ):
        with Launcher(PYTHON, libraries, os.environ) as launcher:
            return launcher.run(words, folder=folder, environment=environment)

    return run


def told(ended):
    assert ended.exit_code == 0, ended.last_lines
    return json.loads(ended.last_lines)


class TestModule:
    def test_runs_as_python_m_does(self, run, folder):
        environment = {"PATH": os.environ["PATH"], "ONLY": "this", "LC_ALL": "C.UTF-8"}
        stock = subprocess.run(
            [PYTHON, "-m", "tells", *ODD],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
        )

        found = told(run("python", "-m", "tells", *ODD, environment=environment))

        assert found == json.loads(stock.stdout)

    def test_finds_its_libraries_loaded(self, run):
        found = told(run("python", "-m", "tells", libraries=["no_such_library", "colorsys"]))

        assert found["loaded"]

    def test_takes_the_code_of_its_folder_though_this_process_has_its_own(self, run, folder):
        package = folder / "reprise" / "process"
        package.mkdir(parents=True)
        for name in (package.parent, package):
            (name / "__init__.py").touch()
        (package / "launcher.py").write_text("print('an earlier one')\n")

        assert run("python", "-m", "reprise.process.launcher").last_lines == "an earlier one"

    def test_takes_modules_from_where_its_own_variable_says(self, run, folder):
        (folder / "src").mkdir()
        (folder / "src" / "mylib.py").write_text("VALUE = 'of the checkout'\n")
        (folder / "prints.py").write_text("import mylib\nprint(mylib.VALUE)\n")
        environment = {**os.environ, "PYTHONPATH": str(folder / "src")}

        ended = run("python", "-m", "prints", environment=environment)

        assert ended.last_lines == "of the checkout"

    @pytest.mark.parametrize("code", [0, 1, 2, 130])
    def test_ends_with_its_exit_code(self, run, folder, code):
        (folder / "ends.py").write_text(f"import sys\nsys.exit({code})\n")

        assert run("python", "-m", "ends").exit_code == code

    def test_that_fails_ends_with_its_traceback(self, run, folder):
        (folder / "fails.py").write_text("raise ValueError('so it is')\n")

        ended = run("python", "-m", "fails")

        assert ended.exit_code == 1
        assert ended.last_lines.endswith("ValueError: so it is")

    def test_that_is_not_there_is_a_failure_that_names_it(self, run):
        ended = run("python", "-m", "no_such_module")

        assert ended.exit_code == 1
        assert "no_such_module" in ended.last_lines

    def test_that_is_killed_is_told_by_its_signal(self, run, folder):
        (folder / "dies.py").write_text("import os\nos.kill(os.getpid(), 9)\n")

        assert run("python", "-m", "dies").exit_code == -signal.SIGKILL


class TestShellCommand:
    def test_gets_its_arguments_as_a_shell_gives_them(self, run):
        line = f"python tells.py {shlex.join(ODD)}"

        found = told(run("bash", "-c", line))

        assert found["argv"] == ["tells.py", *ODD]

    def test_runs_in_the_folder_with_the_variables_given_and_no_input(self, run, folder):
        environment = {"PATH": os.environ["PATH"], "ONLY": "this", "LC_ALL": "C.UTF-8"}

        found = told(run("bash", "-c", "exec python tells.py", environment=environment))

        assert found["cwd"] == str(folder)
        assert found["input"] == ""
        assert found["variables"]["ONLY"] == "this"
        assert set(found["variables"]) <= {*environment, "PWD", "SHLVL", "_", "OLDPWD"}

    @pytest.mark.parametrize(
        ("line", "code"),
        [("true", 0), ("exit 3", 3), ("no-such-command", 127), ("kill -9 $$", 137)],
        ids=["good", "bad", "missing", "killed"],
    )
    def test_ends_with_the_exit_code_that_a_shell_would_tell(self, run, line, code):
        assert run("bash", "-c", line).exit_code == code

    def test_a_script_runs_without_a_shell(self, run):
        assert told(run("python", "tells.py", *ODD))["argv"] == ["tells.py", *ODD]


class TestOutput:
    def test_is_kept_to_its_last_lines(self, run):
        ended = run("bash", "-c", "seq 1000; echo error >&2; echo last")

        lines = ended.last_lines.splitlines()
        assert lines[-3:] == ["1000", "error", "last"]
        assert len(lines) == 20

    def test_may_be_no_text(self, run):
        assert run("bash", "-c", r"printf 'a\377b\n'").last_lines == "a\ufffdb"

    def test_goes_where_this_process_writes_where_it_is_to_be_shown(self, folder, capfd):
        with Launcher(PYTHON, [], os.environ, shown=True) as launcher:
            ended = launcher.run(["echo", "seen"], folder=folder, environment=os.environ)

        assert (ended.exit_code, ended.last_lines) == (0, "")
        assert capfd.readouterr().out == "seen\n"


class TestReused:
    @pytest.fixture
    def reused(self):
        with Launcher(PYTHON, ["colorsys"], os.environ, reused=True) as launcher:
            yield launcher

    def test_runs_one_command_after_another_each_as_the_first(self, reused, folder):
        words = ["python", "-m", "tells", "a b"]
        first, second = (
            told(reused.run(words, folder=folder, environment={**os.environ, name: "yes"}))
            for name in ("FIRST", "SECOND")
        )

        assert first["loaded"]
        assert first["variables"].pop("FIRST") == second["variables"].pop("SECOND") == "yes"
        assert first == second

    def test_tells_the_end_and_the_output_of_each_command(self, reused, folder):
        (folder / "ends.py").write_text("import sys; print('end'); sys.exit(int(sys.argv[1]))")
        (folder / "dies.py").write_text(
            "import os; print('dying', flush=True); os.kill(os.getpid(), 9)"
        )

        def ended(*words):
            found = reused.run(["python", "-m", *words], folder=folder, environment=os.environ)
            return found.exit_code, found.last_lines

        assert [ended("ends", "3"), ended("dies"), ended("ends", "0")] == [
            (3, "end"),
            (-signal.SIGKILL, "dying"),
            (0, "end"),
        ]
        assert reused.is_ready

    def test_is_not_ready_once_its_process_is_gone(self, reused, folder):
        reused._process.kill()
        ended = reused.run(["true"], folder=folder, environment={})

        assert ended.exit_code == -signal.SIGKILL
        assert not reused.is_ready

    def test_asks_the_command_to_end_before_its_process_does(self, reused, folder):
        reused.begin(["python", "-m", "waits"], folder=folder, environment=os.environ)
        with (folder / "pipe").open() as lines:
            assert next(lines) == "running\n"

            reused._end()

            assert list(lines) == ["asked to end\n"]


class TestItsEnd:
    def test_without_a_command_is_the_end_of_the_block(self):
        with Launcher(PYTHON, [], os.environ) as launcher:
            pass

        assert launcher._process.returncode is not None

    def test_leaves_no_child_of_the_command_behind(self, run, folder):
        own = os.open(folder / "pipe", os.O_RDONLY | os.O_NONBLOCK)  # else writers wait for it

        run("bash", "-c", "exec 3> pipe; echo running >&3; sleep 1000 &")

        os.set_blocking(own, True)
        with os.fdopen(own) as pipe:
            assert list(pipe) == ["running\n"]  # and then the end, as nobody can write any more

    def test_before_the_command_is_a_failure(self, folder):
        with Launcher(PYTHON, [], os.environ) as launcher:
            launcher._process.kill()
            ended = launcher.run(["true"], folder=folder, environment={})

        assert ended.exit_code == -signal.SIGKILL

    @pytest.mark.parametrize(
        "words",
        [["python", "-m", "waits"], ["bash", "-c", "python waits.py"], ["python", "waits.py"]],
        ids=["module", "shell", "script"],
    )
    @pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "kill -9"])
    def test_comes_in_order_with_that_of_the_one_that_started_it(self, folder, words, how):
        command = ["env", "--default-signal=INT", PYTHON, "-c", PARENT, *words]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with (
            subprocess.Popen(
                command, cwd=folder, env=environment, stderr=subprocess.DEVNULL
            ) as parent,
            (folder / "pipe").open() as lines,
        ):
            assert next(lines) == "running\n"
            parent.send_signal(how)

            assert list(lines) == ["asked to end\n"]
