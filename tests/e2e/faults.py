"""A proxy before a tracking server that does to its answers what networks and servers do."""

import contextlib
import http.client
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from driving import web_server, without_ids

Fault = Callable[[str], str | None]  # by method and path of a request: what happens to it
_STATUSES = {"500": 500, "503": 503, "429": 429, "401": 401, "403": 403}
_CODES = {
    "500": "INTERNAL_ERROR",
    "503": "TEMPORARILY_UNAVAILABLE",
    "429": "REQUEST_LIMIT_EXCEEDED",
    "401": "UNAUTHENTICATED",
    "403": "PERMISSION_DENIED",
}
KINDS = ("gone", "lost", "cut", *_STATUSES)
_OF_THE_RUN = ("mlflow.runName", "reprise.process", "reprise.seen")  # differ from run to run


@dataclass
class Proxy:
    """What stands between a client and its server.

    Attributes
    ----------
    url : str
    requests : list of str
        Method and path of each request so far.
    """

    server: str
    url: str = ""
    requests: list[str] = field(default_factory=list)
    fault: Fault = field(default=lambda _: None)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def heal(self) -> None:
        """Let all through from now on."""
        self.fault = lambda _: None

    def begin(self, fault: Fault) -> None:
        """Count requests anew, and do to each what a function says."""
        with self._lock:
            self.requests.clear()
            self.fault = fault

    def handle(self, handler: Any, body: bytes) -> None:
        """Answer one request."""
        request = f"{handler.command} {urlsplit(handler.path).path}"
        with self._lock:
            self.requests.append(request)
            kind = self.fault(request)
        if kind == "gone":
            handler.connection.close()
            return
        if kind in _STATUSES:
            _reply(handler, _STATUSES[kind], json.dumps({"error_code": _CODES[kind]}).encode())
            return
        status, headers, answer = self._forward(handler, body)
        if kind == "lost":
            handler.connection.close()
            return
        _reply(handler, status, answer, headers=headers, is_cut=kind == "cut")

    def _forward(self, handler: Any, body: bytes) -> tuple[int, dict[str, str], bytes]:
        place = urlsplit(self.server)
        connection = http.client.HTTPConnection(place.hostname, place.port, timeout=60)
        with contextlib.closing(connection):
            kept = {n: v for n, v in handler.headers.items() if n.lower() != "host"}
            connection.request(handler.command, handler.path, body, kept)
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()


def _reply(
    handler: Any,
    status: int,
    body: bytes,
    *,
    headers: dict[str, str] | None = None,
    is_cut: bool = False,
) -> None:
    handler.send_response(status)
    kind = (headers or {}).get("content-type", "application/json")
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2] if is_cut else body)
    if is_cut:
        handler.wfile.flush()
        handler.connection.close()


@contextlib.contextmanager
def proxy(server: str) -> Iterator[Proxy]:
    """Stand before a server."""
    standing = Proxy(server)
    with web_server(standing.handle) as url:
        standing.url = url
        yield standing


def at(pattern: str, kind: str, *, nth: int = 1, is_once: bool = False) -> Fault:
    """Return a fault that begins with the nth request that matches, or is of that one only."""
    seen = 0

    def fault(request: str) -> str | None:
        nonlocal seen
        matches = re.search(pattern, request) is not None
        seen += matches
        is_this = matches and seen == nth
        return kind if is_this or (seen >= nth and not is_once) else None

    return fault


def of_the_store(kind: str) -> Fault:
    """Return a fault of the artifact store alone, from the first model or record on."""
    return lambda request: kind if re.search("PUT .*(/models/|provenance)", request) else None


@dataclass(frozen=True)
class Disturbed:
    """A project whose runs go through a proxy, and a step that is disturbed."""

    project: Any
    proxy: Proxy
    spool: Path
    words: tuple[str, ...] = ()

    def doing(self, step: str, /, **parameters: Any) -> "Disturbed":
        """Return the same with a step."""
        words = [word for name, value in parameters.items() for word in (f"--{name}", str(value))]
        return replace(self, words=(f"steps.{step}", *words))

    def run(self, fault: Fault, **variables: str) -> tuple[Any, list[str]]:
        """Run the step while the server has a fault; return how it ended, and its runs."""
        before = self._ids()
        self.proxy.begin(fault)
        command = ["python", "-m", *self.words]
        ended = self.project.execute(command, environment=variables)
        self.proxy.heal()
        return ended, [run_id for run_id in self._ids() if run_id not in before]

    def sync(self) -> Any:
        """Deliver what is kept, and return how that ended."""
        return self.project.execute(["python", "-m", "reprise", "sync"])

    def _ids(self) -> list[str]:
        runs = self.project.client.search_runs([self.project.experiment_id])
        return [run.info.run_id for run in runs]

    def kept(self) -> list[Path]:
        """Return the files in the spool."""
        return [path for path in self.spool.rglob("*") if path.is_file()]

    def holds(self, run_id: str) -> dict[str, Any]:
        """Return what the server holds of a run, but for its ids and times."""
        client = self.project.client
        run = client.get_run(run_id)
        models = client.search_logged_models(
            [run.info.experiment_id], filter_string=f"source_run_id = '{run_id}'"
        )
        points = {n: client.get_metric_history(run_id, n) for n in run.data.metrics}
        return {
            "status": run.info.status,
            "params": run.data.params,
            "metrics": {name: [each.value for each in points[name]] for name in points},
            "tags": without_ids(
                {n: v for n, v in run.data.tags.items() if n not in _OF_THE_RUN}, run_id
            ),
            "inputs": [each.dataset.digest for each in run.inputs.dataset_inputs],
            "artifacts": sorted(_names(client.list_artifacts, run_id)),
            "models": [
                (
                    each.name,
                    str(each.status),
                    each.params,
                    sorted((metric.key, metric.value) for metric in each.metrics),
                    sorted(_names(client.list_logged_model_artifacts, each.model_id)),
                )
                for each in models
            ],
            "outputs": len(run.outputs.model_outputs),
        }


def _names(listed: Callable[..., Any], holder: str, folder: str | None = None) -> Iterator[str]:
    for item in listed(holder, folder):
        if item.is_dir:
            yield from _names(listed, holder, item.path)
        else:
            yield item.path
