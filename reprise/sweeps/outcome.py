"""How a planned run ended."""

from collections.abc import Iterable, Mapping, Sequence
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


def varying(planned: Iterable[Parameters]) -> list[str]:
    """Return the names of parameters that differ between runs of the same step."""
    seen: dict[tuple[str, str], set[str]] = {}
    for parameters in planned:
        for name, value in parameters.raw().items():
            seen.setdefault((parameters.entry_point, name), set()).add(value)
    return list(dict.fromkeys(name for (_, name), values in seen.items() if len(values) > 1))


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
