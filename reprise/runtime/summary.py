"""What a step prints at its end: the run, its headline metrics, and what to run next."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from reprise.console import RUN, next_commands, say
from reprise.visible import option

if TYPE_CHECKING:
    from reprise.runtime.parameters import Parameters
    from reprise.runtime.recorder import RunRecorder
_HEADLINES = ("cv_accuracy_mean", "cv_accuracy_std", "train_accuracy", "test_accuracy")


def done(run: "RunRecorder", commands: Mapping[str, str]) -> None:
    """Say what a step has made, and what to run next.

    Parameters
    ----------
    run : RunRecorder
    commands : mapping of str to str
        What each command is for, keyed by the command.
    """
    say(f"{run.record.step.entry_point}: run {run.run_id}")
    headlines = [name for name in _HEADLINES if name in run.metrics] or list(run.metrics)
    say("  " + "  ".join(f"{name} {run.metrics[name]:.6g}" for name in headlines))
    next_commands(commands)


def command(parameters: "Parameters") -> str:
    """Write the command that makes a run with these parameters."""
    words = [option(name, value) for name, value in parameters.given().items()]
    return " ".join([RUN, parameters.entry_point, *words])
