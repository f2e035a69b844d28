"""Says why two runs differ: the causes, the patch, then what came out differently."""

from reprise import console, tracking
from reprise.commands import compare
from reprise.commands.parameters import WhyParameters
from reprise.record.comparison import Comparison
from reprise.record.comparison import compare as compared
from reprise.replay import original_run
from reprise.runtime import named_runs

_MOST_LINES = 60  # of the patch


def start(parameters: WhyParameters) -> None:
    """Compare two runs and print the result; no run is made of it."""
    with tracking.translating_errors():
        named = named_runs.settled(WhyParameters, parameters.raw())
        a, b = original_run.read(named["run_id"]), original_run.read(named["other"])
        code = compare.code_difference(
            a.record.code, b.record.code, allowed=parameters.allow_repository
        )
        comparison = compared(compare.subject(a), compare.subject(b), code)
    show(comparison)
    short = " ".join(map(tracking.short, (a.run_id, b.run_id)))
    console.next_commands({f"reprise compare {short}": "the same as a page, kept with a run"})


def show(comparison: Comparison) -> None:
    """Print the causes, the patch, and what differs."""
    compare.show_causes(comparison)
    _show_patch(comparison)
    compare.show_differences(comparison)


def _show_patch(comparison: Comparison) -> None:
    """Print the first lines of the patch."""
    lines = (comparison.code.patch or "").expandtabs(4).splitlines()
    for line in lines[:_MOST_LINES]:
        console.say(f"  {line}")
    if len(lines) > _MOST_LINES:
        console.say(f"  and {len(lines) - _MOST_LINES} more lines")
