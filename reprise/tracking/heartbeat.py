"""Which process keeps a run RUNNING, and whether it still does.

Two tags of a run say so: `reprise.process` names the process (`process.identity`), and
`reprise.seen` is a sign of life, once a minute. On the process's own machine, and in its own
container, the process itself is looked for. Elsewhere only the sign of life counts.
"""

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from reprise.process import identity
from reprise.process.identity import ProcessIdentity
from reprise.process.periodic import periodic
from reprise.tracking.server import client
from reprise.tracking.tags import PROCESS, SEEN

if TYPE_CHECKING:
    from mlflow.entities import Run

SILENT_SECONDS = 900  # after which a process of another machine counts as gone
_EVERY_SECONDS = 60


def holding() -> dict[str, str]:
    """Return the tags of a run that this process keeps RUNNING."""
    return {PROCESS: str(identity.current()), **_now()}


@contextlib.contextmanager
def beating(run_id: str) -> Iterator[None]:
    """Show at the server, while the block lasts, that the process of a run is alive."""
    server = client()  # the thread does not inherit the choice of a server

    def still_here() -> bool:
        with contextlib.suppress(Exception):  # a server that is away: the next sign will do
            for name, value in _now().items():
                server.set_tag(run_id, name, value)
        return True

    with periodic(still_here, every=_EVERY_SECONDS):
        yield


def is_gone(run: "Run") -> bool:
    """Return whether the process of a run is gone; False of a run that names none."""
    tags: dict[str, str] = run.data.tags
    process = ProcessIdentity.parse(tags.get(PROCESS, ""))
    if process is None:
        return False
    ended = process.has_ended()
    return _is_silent(tags.get(SEEN, "")) if ended is None else ended


def _is_silent(seen: str) -> bool:
    try:
        return time.time() - float(seen) > SILENT_SECONDS
    except ValueError:
        return False


def _now() -> dict[str, str]:
    return {SEEN: str(int(time.time()))}
