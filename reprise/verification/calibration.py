"""Measures what of a run varies between replays, and suggests what a policy could tolerate."""

import glob
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reprise.errors import NotJudgedError
from reprise.record.verdict import Difference, Verdict
from reprise.replay.verdicts import Replay

_MARGIN = 2  # times the largest deviation that was seen


@dataclass(frozen=True)
class Variation:
    """One output that was not always the same.

    Attributes
    ----------
    run_id : str
        The run, or a child run of it.
    kind, name : str
    values : tuple of float, str or None
        The recorded one, then that of each replay; None: it had none.
    """

    run_id: str
    kind: str
    name: str
    values: tuple[float | str | None, ...]

    @property
    def deviation(self) -> float | None:
        """Return the least tolerance that all replays would meet; None: there is none.

        A tolerance is relative for what is larger than 1, and absolute for what is smaller.
        """
        numbers = [value for value in self.values if isinstance(value, float)]
        if len(numbers) < len(self.values) or not all(map(math.isfinite, numbers)):
            return None
        recorded = numbers[0]
        return max(abs(n - recorded) / max(1.0, abs(n), abs(recorded)) for n in numbers)

    @property
    def tolerance(self) -> float | None:
        """Return a tolerance with a margin, of one digit; None: there is none."""
        deviation = self.deviation
        return None if deviation is None else rounded_up(_MARGIN * deviation)

    @property
    def number_of_values(self) -> int:
        """Return how many different values there were."""
        return len({repr(value) for value in self.values})


def measure(replays: Sequence[Replay]) -> list[Variation]:
    """Return what was not the same in the original run and all its replays.

    Parameters
    ----------
    replays : sequence of Replay
        Of one run, with its child runs.

    Raises
    ------
    NotJudgedError
        If one of them could not be made.
    """
    for replay in replays:
        for each in replay.family():
            if each.judgement.verdict is Verdict.NOT_REPLAYABLE:
                raise NotJudgedError(
                    f"expected {len(replays)} replays, found that run {each.run_id} could not be "
                    f"reproduced: {each.judgement.reason}"
                )
    seen: dict[tuple[str, str, str], dict[int, Difference]] = {}
    for number, replay in enumerate(replays):
        for run_id, difference in _differences(replay):
            key = (run_id, difference.kind, difference.name)
            seen.setdefault(key, {})[number] = difference
    return [
        Variation(run_id, kind, name, tuple(_values(found, len(replays))))
        for (run_id, kind, name), found in sorted(seen.items())
    ]


def _differences(replay: Replay) -> Iterator[tuple[str, Difference]]:
    for each in replay.family():
        for difference in each.judgement.differences:
            yield each.run_id, difference


def _values(found: dict[int, Difference], count: int) -> Iterator[float | str | None]:
    """Yield the recorded value, then that of each replay, which is equal if nothing differed."""
    recorded = next(iter(found.values())).recorded
    yield recorded
    for number in range(count):
        yield found[number].found if number in found else recorded


def suggestion(variations: Sequence[Variation]) -> str:
    """Return a table `[verify]` for reprise.toml that all replays would have met.

    What no tolerance covers is left out of the comparison, for a reason that a person has to write.
    """
    tolerances: dict[str, float] = {}
    allowed: list[str] = []
    for each in variations:
        if each.tolerance is not None:
            tolerances[each.name] = max(each.tolerance, tolerances.get(each.name, 0.0))
        elif each.kind in ("metric", "artifact"):
            allowed.append(
                f'    {{{each.kind} = {json.dumps(glob.escape(each.name))}, reason = ""}},'
            )
    lines = ["[verify]"]
    if tolerances or any(each.kind not in ("metric", "artifact") for each in variations):
        pairs = ", ".join(f"{json.dumps(n)} = {tolerances[n]!r}" for n in sorted(tolerances))
        lines.append(f"verdict = {{equivalent = true, tolerance = 0.0, metrics = {{{pairs}}}}}")
    else:
        lines.append('verdict = "identical"')
    if allowed:
        lines += ["allow = [  # write the reasons", *dict.fromkeys(allowed), "]"]
    return "\n".join(lines) + "\n"


def rounded_up(value: float) -> float:
    """Return a number of one digit that is not smaller."""
    if value == 0:
        return 0.0
    exponent = math.floor(math.log10(value))
    digit = math.ceil(value / 10.0**exponent)
    found = float(f"{digit}e{exponent}")
    return found if found >= value else float(f"{digit + 1}e{exponent}")
