"""What a person sees of many runs: on a terminal how far they are, at the end where time went."""

import math
import time
from collections import Counter
from typing import TYPE_CHECKING

from reprise.backports import Self
from reprise.console import say
from reprise.visible import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reprise.sweeps.outcome import Outcome


class Progress:
    """Counts runs as they end, on a terminal; in a log it is silent.

    Parameters
    ----------
    total : int
        Runs to come.
    metric : str
        Whose best value is shown.
    ascending : bool
        Whether less is better.
    """

    def __init__(self, total: int, metric: str, *, ascending: bool) -> None:
        from rich import progress
        from rich.console import Console

        console = Console(stderr=True)
        self._metric = metric
        self._sign = -1 if ascending else 1
        self._best = -math.inf
        self._counts: Counter[str] = Counter()
        self._bar = progress.Progress(
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TextColumn("{task.description}", markup=False),
            progress.TextColumn("{task.fields[rate]}", markup=False),
            progress.TimeElapsedColumn(),
            progress.TextColumn("left"),
            progress.TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task("starting", total=total, rate="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def ended(self, outcome: "Outcome") -> None:
        """Count a run that has ended."""
        state = "failed" if outcome.error else "skipped" if outcome.made_before else "done"
        self._counts[state] += 1
        self._best = max(self._best, self._sign * outcome.metrics.get(self._metric, -math.inf))
        speed = self._bar.tasks[self._task].speed
        self._bar.update(
            self._task,
            advance=1,
            description=self.text(),
            rate=f"{speed:.1f}/s" if speed else "",
        )

    def text(self) -> str:
        """Say how many have ended how, and the best value so far."""
        states = ("done", "failed", "skipped")
        words = [f"{self._counts[state]} {state}" for state in states if self._counts[state]]
        if math.isfinite(self._best):
            words.append(f"best {visible(self._metric)} {self._sign * self._best:.4f}")
        return ", ".join(words)


class Clock:
    """Reports where the time went."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        """Put the time since the last lap down to something."""
        now = time.monotonic()
        self._laps[name] = self._laps.get(name, 0.0) + now - self._last
        self._last = now

    def show(self, outcomes: "Sequence[Outcome]") -> None:
        """Print each lap, and how long a run took."""
        made = [outcome.seconds for outcome in outcomes if not outcome.made_before]
        say("Time: " + ", ".join(f"{name} {took:.1f} s" for name, took in self._laps.items()))
        before = f"{len(outcomes) - len(made)} were made before"
        if made:
            mean = f"{len(made)} runs of {sum(made) / len(made):.2f} s on average"
            say(f"  {mean}, the longest {max(made):.2f} s; {before}")
        else:
            say(f"  {before}")
