"""The description of a run in the MLflow UI; one that a person has written is kept."""

from reprise.record.description import is_replaceable
from reprise.tracking.outbox import ask
from reprise.tracking.search import get_run
from reprise.tracking.tags import NOTE


def describing(run_id: str, text: str, *, known: str | None = None) -> dict[str, str]:
    """Return the tag that describes a run: none where a person has described it.

    Parameters
    ----------
    run_id, text : str
    known : str, optional
        The description that it had when this process has last seen it, which counts if the server
        is away now.
    """
    run = ask(lambda: get_run(run_id))
    present = run.data.tags.get(NOTE) if run else known
    return {NOTE: text} if is_replaceable(present) else {}
