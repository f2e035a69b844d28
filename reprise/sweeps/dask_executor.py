"""Makes planned runs on a cluster, by Dask distributed, over TLS.

A worker gets the code as a git bundle and makes runs as this machine would, in forks of a warm
process (`worker`). What a lost worker was doing is done by another one; a run that had finished by
then is found by its key and not made twice.
"""

import contextlib
import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reprise import env, errors, extras, visible
from reprise.backports import Self
from reprise.capture import environment
from reprise.console import warn
from reprise.errors import ClusterError, EnvironmentMismatchError
from reprise.git import git
from reprise.process import fork_server, identity, launcher, periodic, scratch
from reprise.process import task as step_task
from reprise.sweeps import dask_worker, executor
from reprise.sweeps.executor import Result, Task

if TYPE_CHECKING:
    from distributed import Client, Security

_CONNECT_SECONDS = 10
_MOST_IN_A_TASK = 8  # runs
_TASKS_PER_THREAD = 4
_FILES = {
    "DASK_DISTRIBUTED__COMM__TLS__CA_FILE": "tls_ca_file",
    "DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT": "tls_client_cert",
    "DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY": "tls_client_key",
}
FILES = tuple(_FILES.values())


class ClusterExecutor:
    """Makes runs on the workers of a Dask scheduler.

    Parameters
    ----------
    address : str
        Of the scheduler: tls://host:port.
    libraries, preload : sequence of str
        Modules to import in the processes that make runs, as of `WarmExecutor`.
    files : mapping of str to str, optional
        `tls_ca_file`, `tls_client_cert` and `tls_client_key`; what is left out is taken from
        Dask's own environment variables.

    Raises
    ------
    MissingExtraError
        If Dask is not installed.
    ClusterError
        If the address is none with TLS, the certificates are not there, or
        the scheduler does not answer.
    """

    retries = True

    def __init__(
        self,
        address: str,
        *,
        libraries: Sequence[str] = (),
        preload: Sequence[str] = (),
        files: Mapping[str, str] | None = None,
    ) -> None:
        self._client = _connect(address, files or {})
        self._temporary = scratch.folder(ignore_cleanup_errors=True)
        self.folder = Path(self._temporary.name)
        self._setup: dict[str, Any] = {"libraries": list(libraries), "preload": list(preload)}
        self._bundle: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End what runs."""
        with contextlib.suppress(Exception):  # a cluster that is gone has nothing to end
            self._client.run(dask_worker.end, on_error="ignore")
        with contextlib.suppress(Exception):
            self._client.close(timeout=_CONNECT_SECONDS)
        self._temporary.cleanup()

    def open(self, code: Path, environment_variables: Mapping[str, str]) -> None:
        """Send the code in a folder, and say which variables all runs have."""
        root = Path(git(code, "rev-parse", "--show-toplevel").removesuffix("\n"))
        path = self.folder / "code.bundle"
        git(root, "bundle", "create", "--quiet", str(path), "HEAD")
        commit = git(root, "rev-parse", "HEAD").strip()
        here = environment.describe(code)
        names = ("python", "lock_sha256", "deviations")
        self._setup |= {
            "commit": commit,
            "project": code.resolve().relative_to(root.resolve()).as_posix(),
            "environment": {n: _plain(getattr(here, n)) for n in names},
            "variables": dict(environment_variables),
            "server": Path(fork_server.__file__).read_text(encoding="utf-8"),
        }
        # A task of its own: every worker fetches its result once.
        self._bundle = self._client.submit(bytes, path.read_bytes(), key=f"reprise-code-{commit}")

    def run(self, tasks: Sequence[Task]) -> Generator[Result, None, None]:
        """Run tasks, and yield each as it ends; what still runs ends with the iteration."""
        from distributed import as_completed

        workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
        threads = sum(worker["nthreads"] for worker in workers)
        if not threads:
            warn("no worker yet: the runs begin as soon as there is one")
        size = max(1, min(_MOST_IN_A_TASK, len(tasks) // (_TASKS_PER_THREAD * max(1, threads))))
        chunks = [tasks[start : start + size] for start in range(0, len(tasks), size)]
        waiting = {self._submit(chunk): chunk for chunk in chunks}
        try:
            finished = as_completed(list(waiting), raise_errors=False, loop=self._client.loop)
            for future in finished:
                chunk = waiting.pop(future)
                yield from _results(future, chunk)
        finally:
            if waiting:
                self._client.cancel(list(waiting))

    def _submit(self, chunk: Sequence[Task]) -> Any:
        orders = [
            (t.module, dict(t.raw_parameters), dict(t.environment), t.asked.to_json())
            for t in chunk
        ]
        return self._client.submit(dask_worker.make, self._setup, self._bundle, orders, pure=False)


def _results(future: Any, chunk: Sequence[Task]) -> Iterator[Result]:
    """Return how the runs of a task ended."""
    if future.status != "finished":
        error = future.exception() if future.status == "error" else None
        lost = f"the cluster lost it: {error or future.status}"
        yield from (Result(task, 1, 0.0, lost) for task in chunk)
        return
    answers = future.result()
    for answer in answers:
        if "refused" in answer:
            raise EnvironmentMismatchError(answer["refused"])
    for task, answer in zip(chunk, answers, strict=False):
        yield Result(task, **answer)
    for task in chunk[len(answers) :]:
        yield Result(task, 1, 0.0, "the cluster lost it")


def _connect(address: str, files: Mapping[str, str]) -> "Client":
    with extras.explaining_missing():
        from distributed import Client
    if not address.startswith("tls://"):
        raise ClusterError(
            f"scheduler must be an address tls://host:port; found {address!r}. What is sent there "
            "is run there, so it is not spoken to without TLS."
        )
    _send_by_value()
    security = _security(files)
    try:
        return Client(address, security=security, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError) as error:
        text = f"{error} {error.__cause__ or error.__context__ or ''}"
        reason = (
            "that the certificates do not match"
            if "CERTIFICATE" in text.upper() or "SSL" in text.upper()
            else f"none that answers within {_CONNECT_SECONDS} seconds"
        )
        raise ClusterError(
            f"expected a Dask scheduler at {address}, found {reason}. Check the address, the "
            f"certificates in {', '.join(_FILES)}, and that it is started with TLS."
        ) from None


def _security(files: Mapping[str, str]) -> "Security":
    """Return the certificates that are given, or that Dask's own variables name."""
    from distributed import Security

    named = {k: files.get(k) or os.environ.get(name, "") for name, k in _FILES.items()}
    missing = [
        f"{name} ({named[keyword] or 'not set'})"
        for name, keyword in _FILES.items()
        if not Path(named[keyword]).is_file()
    ]
    if missing:
        raise ClusterError(
            f"expected files with certificates named by {', '.join(_FILES)}, or by "
            f"{', '.join(FILES)} of a backend's configuration; found none for "
            f"{', '.join(missing)}. Set them to the files that your cluster's owner gave you."
        )
    return Security(require_encryption=True, **named)


def _send_by_value() -> None:
    import cloudpickle

    sent = (identity, launcher, periodic, scratch, step_task)
    for module in (dask_worker, env, errors, executor, *sent, visible):
        cloudpickle.register_pickle_by_value(module)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
