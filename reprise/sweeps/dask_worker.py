"""What a worker of a cluster does: brings the code, checks its environment, and makes runs.

These functions are sent by value, with the modules that they call (`executor`, `launcher`, `task`
and others). On a worker nothing of this project is installed but the packages of its lock; the rest
comes with the commit.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reprise.process import scratch
from reprise.process.launcher import Launcher
from reprise.process.periodic import periodic
from reprise.process.task import StepTask
from reprise.sweeps.executor import Task, WarmExecutor

if TYPE_CHECKING:
    import tempfile

_POLL_SECONDS = 1.0
_SERVER = "fork_server.py"  # beside the checkout, whose own may be of another commit
_STATE = "reprise_state"  # attribute of the worker, as what is sent by value has no memory
_TELL = (
    "import json, os, pathlib, reprise; "
    "rooms = pathlib.Path(reprise.__file__).with_name('capture').is_dir(); "  # not so at first
    "package = 'reprise.capture' if rooms else 'reprise'; "
    "environment, numerics = (__import__(f'{package}.{n}', fromlist=[n]) "
    "for n in ('environment', 'numerics')); "
    "found = environment.describe(pathlib.Path.cwd()); "
    "print(json.dumps({'python': found.python, 'lock_sha256': found.lock_sha256, "
    "'deviations': found.deviations, 'variables': numerics.baseline(os.environ)}))"
)
# Where the work of a task is no longer wanted, as the client has gone or has cancelled it.
_UNWANTED = frozenset({"cancelled", "released", "forgotten"})


def make(
    setup: Mapping[str, Any],
    bundle: bytes,
    orders: Sequence[tuple[str, dict[str, str], dict[str, str], str]],
) -> list[dict[str, Any]]:
    """Make runs one after the other, and return how each ended.

    Parameters
    ----------
    setup : mapping
        The commit, the project's folder in it, the environment and the variables of the driver,
        and the text of its `fork_server`.
    bundle : bytes
        A git bundle with the commit.
    orders : sequence of (str, dict, dict, str)
        Module, raw parameters and variables of each run, and what is asked of it, as JSON.

    Returns
    -------
    list of dict
        Of each run `exit_code`, `seconds`, `output` and what its process reported; or, where this
        worker cannot make them, one dict with the reason as `refused`.
    """
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()
    state = vars(worker).setdefault(_STATE, {"lock": threading.Lock(), "hosts": {}, "code": {}})
    try:
        executor = _executor(state, setup, bundle)
    except Refused as refused:
        return [{"refused": f"worker {worker.address} {refused}"}]

    def is_wanted() -> bool:
        task = worker.state.tasks.get(key)
        if task is None or task.state in _UNWANTED:
            executor.stop()
            return False
        return True

    with periodic(is_wanted, every=_POLL_SECONDS):
        tasks = [Task(*order[:3], StepTask.from_json(order[3])) for order in orders]
        return [
            {name: value for name, value in vars(result).items() if name != "task"}
            for result in executor.run(tasks)
        ]


def end(dask_worker: Any) -> None:
    """End the processes that make runs on this worker."""
    state = vars(dask_worker).pop(_STATE, {"hosts": {}, "code": {}})
    for executor in state["hosts"].values():
        executor.__exit__()
    for temporary, _, _ in state["code"].values():
        temporary.cleanup()


class Refused(Exception):  # noqa: N818 - it is an answer
    """The worker cannot make the runs."""


def _executor(state: dict[str, Any], setup: Mapping[str, Any], bundle: bytes) -> WarmExecutor:
    """Return the process of this thread that makes runs of a commit, started where needed."""
    commit, thread = setup["commit"], threading.get_ident()
    with state["lock"]:
        if commit not in state["code"]:
            state["code"][commit] = _code(setup, bundle)
        _, root, described = state["code"][commit]
        executor: WarmExecutor | None = state["hosts"].get((commit, thread))
        if executor is None:
            for old in [key for key in state["hosts"] if key[1] == thread]:
                state["hosts"].pop(old).__exit__()
            executor = _started(setup, root, described["variables"])
            state["hosts"][commit, thread] = executor
    return executor


def _started(setup: Mapping[str, Any], root: Path, variables: Mapping[str, str]) -> WarmExecutor:
    def start(libraries: Sequence[str]) -> Launcher:
        server = root.with_name(_SERVER)
        return Launcher(Path(sys.executable), libraries, variables, server=server)

    executor = WarmExecutor(
        libraries=setup["libraries"], preload=setup["preload"], workers=1, start=start
    )
    executor.open(root / setup["project"], {**variables, **setup["variables"]})
    return executor


def _code(
    setup: Mapping[str, Any], bundle: bytes
) -> tuple["tempfile.TemporaryDirectory[str]", Path, dict[str, Any]]:
    """Check out the commit, and check that this worker's environment is the driver's."""
    temporary = scratch.folder(ignore_cleanup_errors=True)
    folder = Path(temporary.name)
    path, root = folder / "code.bundle", folder / "repository"
    path.write_bytes(bundle)
    (folder / _SERVER).write_text(setup["server"], encoding="utf-8")
    _git(folder, "clone", "--quiet", "--no-checkout", "--template=", str(path), str(root))
    _git(root, "checkout", "--quiet", "--detach", setup["commit"])
    head = _git(root, "rev-parse", "HEAD").strip()
    if head != setup["commit"]:
        raise Refused(f"was sent commit {head} in place of {setup['commit']}.")
    described = subprocess.run(
        [sys.executable, "-c", _TELL],
        cwd=root / setup["project"],
        capture_output=True,
        text=True,
        check=False,
    )
    if described.returncode != 0:
        last = (described.stderr.strip().splitlines() or ["nothing"])[-1]
        raise Refused(f"has not the packages of the project: {last}. Install its requirements.txt.")
    environment = json.loads(described.stdout)
    for name, expected in setup["environment"].items():
        if environment[name] != expected:
            raise Refused(
                f"has another environment: expected {name} {expected}, found {environment[name]}. "
                "Install the project's requirements.txt there."
            )
    return temporary, root, environment


def _git(folder: Path, *words: str) -> str:
    """Run git, which here obeys no hook or monitor; a worker has nothing of the engine's own."""
    guards = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false")
    done = subprocess.run(
        ["git", *guards, *words], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise Refused(f"could not check out the code: {done.stderr.strip()}")
    return done.stdout
