"""What a step prints at its end: the run, its headline metrics, and what to run next."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from reprise.console import next_commands, say
from reprise.visible import option

if TYPE_CHECKING:
    from reprise.runtime.parameters import Parameters
    from reprise.runtime.recorder import RunRecorder


def done(run: "RunRecorder", commands: Mapping[str, str], *, headlines: Sequence[str] = ()) -> None:
    """Print what a step has made, and what to run next.

    Parameters
    ----------
    run : RunRecorder
    commands : mapping of str to str
        What each command is for, keyed by the command.
    headlines : sequence of str
        Names of the metrics to print; of a run that has none of them, all metrics are printed.
    """
    say(f"{run.record.step.entry_point}: run {run.run_id}")
    shown = [name for name in headlines if name in run.metrics] or list(run.metrics)
    say("  " + "  ".join(f"{name} {run.metrics[name]:.6g}" for name in shown))
    next_commands(commands)


def command(parameters: "Parameters") -> str:
    """Write the command that makes a run with these parameters."""
    words = [option(name, value) for name, value in parameters.given().items()]
    return " ".join(["reprise run -e", parameters.entry_point, *words])
