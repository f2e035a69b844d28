"""How a planned run ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field

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
