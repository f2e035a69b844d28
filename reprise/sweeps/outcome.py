"""How a planned run ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from reprise.errors import RunFailedError
from reprise.runtime.parameters import Parameters


@dataclass(frozen=True)
class Outcome:
    """A planned run that has ended: its parameters, its id, what it measured, its error."""

    parameters: Parameters
    run_id: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    error: str = ""  # empty where it finished
    made_before: bool = False


def succeeded(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return outcomes that all finished.

    Raises
    ------
    RunFailedError
        If any failed, with each one's error.
    """
    failed = [o for o in outcomes if o.error]
    if failed:
        raise RunFailedError(
            f"{len(failed)} of {len(outcomes)} runs failed: "
            + " ".join(f"[{o.parameters.entry_point} {o.run_id}] {o.error}" for o in failed)
        )
    return list(outcomes)
