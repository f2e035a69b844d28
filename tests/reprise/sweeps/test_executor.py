"""Runs are forks of a warm process, and are else like any `python -m` with the same arguments."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from reprise.sweeps.executor import Task, WarmExecutor

ROOT = Path(__file__).parents[3]
ECHO = """\
import json, os, sys
print(json.dumps({
    "name": __name__, "argv": sys.argv[1:], "folder": os.getcwd(), "pid": os.getpid(),
    "variables": {n: v for n, v in os.environ.items() if n[:5] == "TEST_"},
}))
"""
pytestmark = pytest.mark.slow  # starts processes

BLOCK = """\
import signal

with open("pipe", "w") as pipe:
    print("started", file=pipe, flush=True)
    signal.pause()
"""


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """Write modules that a run, or the server, can import; a fork server of each test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def write(**texts):
        for name, text in texts.items():
            (tmp_path / f"{name}.py").write_text(text)

    return write


def task(module, name="0", **raw_parameters):
    return Task(module, raw_parameters, {"TEST_NAME": name})


def run(*tasks, preload=(), workers=2):
    """Results of tasks by their names."""
    with WarmExecutor(preload=preload, workers=workers) as executor:
        return {result.task.environment["TEST_NAME"]: result for result in executor.run(tasks)}


def test_a_task_runs_its_module_as_main_with_its_variables(modules):
    modules(echo=ECHO)

    (result,) = run(task("echo", "a1b2")).values()

    told = json.loads(result.output)
    assert (result.exit_code, told["name"]) == (0, "__main__")
    assert told["variables"] == {"TEST_NAME": "a1b2"}
    assert result.seconds > 0


def test_arguments_arrive_unchanged(modules):
    modules(echo=ECHO)
    values = {
        "empty": "",
        "spaces": " two  words ",
        "unicode": "schräg → 木",
        "shell": "$(x) `y` ; & | > 'a' \"b\" \\",
        "dash": "-1",
        "dashes": "--name",
        "equals": "a=b",
        "lines": "a\nb\tc",
    }

    (result,) = run(task("echo", **values)).values()

    assert json.loads(result.output)["argv"] == [
        word for name, value in values.items() for word in (f"--{name}", value)
    ]


def test_every_task_has_its_own_process_and_variables(modules):
    modules(echo=ECHO)

    results = run(task("echo", "a"), task("echo", "b"), task("echo", "c"))

    told = {run_id: json.loads(result.output) for run_id, result in results.items()}
    assert {run_id: t["variables"]["TEST_NAME"] for run_id, t in told.items()} == {
        "a": "a",
        "b": "b",
        "c": "c",
    }
    assert len({os.getpid(), *(t["pid"] for t in told.values())}) == 4


def test_variables_are_the_callers_then_those_of_all_then_those_of_the_task(
    modules, monkeypatch, tmp_path
):
    modules(echo=ECHO)
    for name in ("TEST_A", "TEST_B", "TEST_C"):
        monkeypatch.setenv(name, "of the caller")

    with WarmExecutor(workers=1) as executor:
        executor.open(tmp_path, {"TEST_B": "of all", "TEST_C": "of all"})
        (result,) = executor.run([Task("echo", {}, {"TEST_C": "of the task"})])

    assert json.loads(result.output)["variables"] == {
        "TEST_A": "of the caller",
        "TEST_B": "of all",
        "TEST_C": "of the task",
    }


@pytest.mark.parametrize("engine", ["", "raise AssertionError('imported')\n"])
def test_the_code_of_any_commit_is_served_whatever_its_engine(modules, tmp_path, engine):
    code = tmp_path / "earlier"
    (code / "reprise").mkdir(parents=True)
    (code / "reprise" / "__init__.py").write_text(engine)
    (code / "echo.py").write_text(ECHO)

    with WarmExecutor(workers=1) as executor:
        executor.open(code, {})
        (result,) = executor.run([task("echo")])

    assert json.loads(result.output)["folder"] == str(code)


def test_a_task_runs_in_the_folder_of_the_code_and_takes_its_modules(modules, tmp_path):
    modules(echo="raise AssertionError('the one at hand')\n")
    code = tmp_path / "code"
    code.mkdir()
    (code / "echo.py").write_text(ECHO)

    with WarmExecutor(workers=1) as executor:
        executor.open(code, {})
        (result,) = executor.run([task("echo")])

    assert json.loads(result.output)["folder"] == str(code)


def test_what_is_preloaded_is_imported_once_by_the_server(modules):
    modules(
        warm="import os\nPID = os.getpid()\n",
        tell="import os, warm\nprint(warm.PID, os.getpid())\n",
    )

    results = run(task("tell", "a"), task("tell", "b"), preload=["warm"])

    (warm_a, a), (warm_b, b) = (result.output.split() for result in results.values())
    assert warm_a == warm_b
    assert len({warm_a, a, b, str(os.getpid())}) == 4


def test_no_state_leaks_from_run_to_run(modules):
    modules(
        warm="SEEN = []\n",
        leak=(
            "import os, sys, warm\n"
            "print(len(warm.SEEN), 'TEST_LEAK' in os.environ, 'made_here' in sys.modules)\n"
            "warm.SEEN.append(1)\n"
            "os.environ['TEST_LEAK'] = '1'\n"
            "sys.modules['made_here'] = warm\n"
            "os.chdir('/')\n"
        ),
    )

    results = run(*(task("leak", str(i)) for i in range(4)), preload=["warm"], workers=1)

    assert [result.output for result in results.values()] == ["0 False False\n"] * 4


def test_what_is_to_be_done_at_the_end_is_done_by_the_process_that_was_to_do_it(modules):
    modules(
        warm="import atexit\natexit.register(print, 'of the server')\n",
        step="import atexit, warm\natexit.register(print, 'of the step')\nprint('done')\n",
    )

    (result,) = run(task("step"), preload=["warm"]).values()

    assert (result.exit_code, result.output) == (0, "done\nof the step\n")


def test_everything_a_task_prints_is_captured_in_order(modules, capfd):
    modules(
        talk=(
            "import os, sys\n"
            "print('one', flush=True)\n"
            "print('two', file=sys.stderr, flush=True)\n"
            "os.system('echo three')\n"
            "os.write(2, b'four \\xff\\n')\n"
            "print('five')\n"
        )
    )

    (result,) = run(task("talk")).values()

    assert result.output == "one\ntwo\nthree\nfour \ufffd\nfive\n"
    assert capfd.readouterr() == ("", "")


def test_a_long_output_is_captured_whole_and_its_last_lines_are_the_error(modules):
    modules(long="import sys\nfor i in range(100_000): print(i)\nsys.exit(1)\n")

    (result,) = run(task("long")).values()

    assert len(result.output.splitlines()) == 100_000
    assert result.error.splitlines() == [str(i) for i in range(99_980, 100_000)]


@pytest.mark.parametrize(
    ("text", "exit_code", "words"),
    [
        ("import sys; sys.exit(0)", 0, ""),
        ("import sys; sys.exit(3)", 3, ""),
        ("import sys; sys.exit('one line')", 1, "one line"),
        ("raise ValueError('no good')", 1, "ValueError: no good"),
        ("import os; print('gone', flush=True); os._exit(9)", 9, "gone"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -9, ""),
        ("import does_not_exist", 1, "No module named 'does_not_exist'"),
        ("x = (", 1, "SyntaxError"),
    ],
)
def test_how_a_task_ends_is_told_by_its_exit_code_and_error(modules, text, exit_code, words):
    modules(end=text + "\n")

    (result,) = run(task("end")).values()

    assert result.exit_code == exit_code
    assert words in result.error


def test_a_module_that_is_not_there_fails_its_own_task(modules):
    (result,) = run(task("missing")).values()

    assert result.exit_code == 1
    assert "No module named missing" in result.error


def test_a_crash_loses_one_run_only(modules):
    modules(echo=ECHO, crash="import os\nos._exit(9)\n")

    results = run(task("echo", "a"), task("crash", "b"), task("echo", "c"), task("echo", "d"))

    assert {run_id: result.exit_code for run_id, result in results.items()} == {
        "a": 0,
        "b": 9,
        "c": 0,
        "d": 0,
    }


def test_every_one_of_many_short_runs_is_told_its_own_exit_code(modules):
    modules(end="import sys\nsys.exit(int(sys.argv[2]))\n")
    tasks = [task("end", str(code), code=str(code)) for code in range(100)]

    results = run(*tasks, workers=4)

    assert {run_id: result.exit_code for run_id, result in results.items()} == {
        str(code): code for code in range(100)
    }


def test_one_executor_runs_one_list_of_tasks_after_another(modules):
    modules(echo=ECHO, crash="import os\nos._exit(9)\n")

    with WarmExecutor(workers=2) as executor:
        exit_codes = [
            [result.exit_code for result in executor.run([task(name)])]
            for name in ("echo", "crash", "echo")
        ]

    assert exit_codes == [[0], [9], [0]]


def test_no_tasks_give_no_results(modules):
    assert run() == {}


def test_one_worker_runs_one_task_at_a_time_in_order(modules, tmp_path):
    modules(
        turn=(
            "import sys\n"
            "for word in ('in', 'out'):\n"
            "    with open('turns', 'a') as turns: print(word, sys.argv[2], file=turns)\n"
        )
    )

    run(*(task("turn", str(i), number=str(i)) for i in range(4)), workers=1)

    assert (tmp_path / "turns").read_text().splitlines() == [
        f"{word} {number}" for number in range(4) for word in ("in", "out")
    ]


def test_a_result_comes_as_soon_as_its_task_ends(modules, tmp_path):
    modules(wait="open('pipe').read()\n", quick="")
    os.mkfifo(tmp_path / "pipe")

    with WarmExecutor(workers=2) as executor:
        results = executor.run([task("wait", "first"), task("quick", "second")])
        came = [next(results)]
        (tmp_path / "pipe").write_text("go on")
        came.append(next(results))

    assert [r.task.environment["TEST_NAME"] for r in came] == ["second", "first"]


def test_who_stops_listening_stops_what_runs_and_what_waits(modules, tmp_path):
    modules(
        quick="",
        block="import os, signal, sys\nopen(f'begun-{sys.argv[2]}', 'w').write(str(os.getpid()))\n"
        "signal.pause()\n",
    )
    tasks = [task("quick"), *(task("block", number=str(number)) for number in range(4))]
    with WarmExecutor(workers=1) as executor:
        results = executor.run(tasks)
        next(results)

        results.close()

        begun = [int(path.read_text()) for path in tmp_path.glob("begun-*") if path.read_text()]
        assert not any(Path(f"/proc/{pid}").exists() for pid in begun)
        assert not (tmp_path / "begun-3").exists()


def test_an_interrupted_run_is_asked_to_end_and_may_clean_up(modules, tmp_path):
    modules(
        quick="open('pipe').readline()\n",
        tidy=(
            "import os, signal\n"
            "def tidy(*_):\n"
            "    open('tidied', 'a').write('once ')\n"
            "    os._exit(0)\n"
            "signal.signal(signal.SIGTERM, tidy)\n"
            "with open('pipe', 'w') as pipe: print('ready', file=pipe)\n"
            "while True: pass\n"  # not pause, which could begin just after the signal
        ),
    )
    os.mkfifo(tmp_path / "pipe")
    with WarmExecutor(workers=2) as executor:
        results = executor.run([task("quick"), task("tidy")])
        next(results)

        results.close()

    assert (tmp_path / "tidied").read_text() == "once "


def test_a_run_does_not_outlive_who_asked_for_it(modules, tmp_path):
    modules(
        block=BLOCK,
        ask=(
            "from reprise.sweeps.executor import Task, WarmExecutor\n"
            "list(WarmExecutor(workers=1).run([Task('block', {})]))\n"
        ),
    )
    os.mkfifo(tmp_path / "pipe")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    asking = subprocess.Popen([sys.executable, "ask.py"], env={**os.environ, "PYTHONPATH": path})
    with (tmp_path / "pipe").open() as pipe:
        assert pipe.readline() == "started\n"

        asking.send_signal(signal.SIGKILL)
        asking.wait()

        assert pipe.read() == ""  # nobody holds the other end any more


def test_a_preload_that_fails_to_import_does_not_hide_the_tasks_own_error(modules):
    modules(warm="import does_not_exist\n", step="import warm\n")

    (result,) = run(task("step"), preload=["warm"]).values()

    assert result.exit_code == 1
    assert "No module named 'does_not_exist'" in result.error


def test_every_run_has_a_folder_of_its_own_for_temporary_files_which_goes_with_it(modules):
    modules(
        litter="import tempfile\nprint(tempfile.mkdtemp())\n",
    )

    results = run(task("litter", "a"), task("litter", "b"))

    made = [Path(result.output.strip()) for result in results.values()]
    assert made[0].parent != made[1].parent
    assert not any(path.exists() for path in made)


def test_generators_without_a_seed_differ_from_run_to_run(modules):
    modules(
        warm="import random, numpy\n",
        draw="import random, numpy\nprint(random.random(), numpy.random.random())\n",
    )

    results = run(task("draw", "a"), task("draw", "b"), preload=["warm"])

    a, b = (result.output.split() for result in results.values())
    assert a[0] != b[0]
    assert a[1] != b[1]


def test_what_a_process_reports_of_its_run_comes_with_the_result(modules):
    modules(
        step=(
            "import os\n"
            "from reprise.process.task import StepTask\n"
            "from reprise.runtime.outcome import Reporter\n"
            "outcome = Reporter(StepTask.take(os.environ).report)\n"
            "outcome.report(run_id='a1')\n"
            "outcome.report(run_id='b2', metrics={'accuracy': 0.5})\n"
        )
    )

    (result,) = run(task("step")).values()

    assert (result.run_id, result.metrics) == ("b2", {"accuracy": 0.5})


def test_when_the_process_that_makes_runs_is_killed_the_rest_are_made_by_another(modules, tmp_path):
    modules(
        echo=ECHO,
        murder="import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\nsignal.pause()\n",
    )
    tasks = [task("echo", "a"), task("murder", "b"), *(task("echo", name) for name in "cdefg")]
    with WarmExecutor(workers=1) as executor:
        results = {r.task.environment["TEST_NAME"]: r for r in executor.run(tasks)}

    assert results["b"].exit_code == -signal.SIGKILL
    assert "was ended" in results["b"].error
    assert {name for name, result in results.items() if result.exit_code == 0} >= set("adefg")
    assert results.keys() == set("abcdefg")


def test_what_a_lost_process_has_left_is_no_later_tasks(modules):
    modules(
        report=(
            "import json, os, signal\n"
            "asked = json.loads(os.environ['REPRISE_TASK'])\n"
            "open(asked['report'], 'w').write(json.dumps({'run_id': 'lost'}))\n"
            "os.kill(os.getppid(), signal.SIGKILL)\n"
            "signal.pause()\n"
        ),
        silent="",
    )
    with WarmExecutor(workers=1) as executor:
        (lost,) = executor.run([task("report")])
        (later,) = executor.run([task("silent")])

    assert lost.exit_code == -signal.SIGKILL
    assert (later.exit_code, later.run_id) == (0, "")


def test_the_folder_of_an_executor_goes_with_it(modules):
    modules(echo=ECHO)
    with WarmExecutor(workers=1) as executor:
        list(executor.run([task("echo")]))
        folder = executor.folder

    assert not folder.exists()
