"""Make a run again from its id, with its own code, data and environment, and compare."""

import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from reprise.commands import permitted
from reprise.commands.parameters import ReproduceParameters
from reprise.process.launcher import Launcher
from reprise.projects import libraries

if TYPE_CHECKING:
    from reprise.runtime.recorder import RunRecorder


def main(parameters: ReproduceParameters, run: "RunRecorder", *, warm: Launcher) -> None:
    """Reproduce the run as a child of this one, and end with its verdict."""
    from reprise import console
    from reprise.commands.compare import code_difference
    from reprise.record.digest import sha256_text
    from reprise.record.schema import InputData
    from reprise.replay import original_run, replay, report, verdicts

    earlier = original_run.read(parameters.run_id)
    run.add_input(
        InputData(
            name="run",
            uri=f"runs:/{earlier.run_id}",
            sha256=sha256_text(earlier.record.to_json()),
        ),
        context="run",
    )
    request = permitted.request(
        parameters,
        changes=parameters.changes(),
        current_code=parameters.code == "current",
        tolerance=parameters.tolerance,
    )
    with console.working() as on_stage:
        outcome = replay.reproduce(run, earlier, request, warm=warm, on_stage=on_stage)
    if parameters.materialize:
        verdicts.restore_model(outcome)
    changed = None
    if request.current_code and outcome.made:
        codes = (earlier.record.code, outcome.made.record.code)
        changed = code_difference(*codes, allowed=request.allowed)
    report.log(run, outcome, request, changed=changed)
    report.show(outcome, request)
    report.raise_unless_good(outcome, request)


def check(parameters: ReproduceParameters) -> None:
    """Refuse, before there is a run of this command, what can never be reproduced.

    Raises
    ------
    TrackingError, RecordError
        If there is no such run, or its record cannot be read.
    """
    from reprise.replay import original_run

    original_run.read(parameters.run_id)


def start(arguments: Sequence[str] | None = None, *, checked: bool = False) -> NoReturn:
    """Be the process of this command; see `launch`."""
    # Libraries load while this process looks for the run's code.
    with Launcher(Path(sys.executable), libraries.needed(), os.environ) as warm:
        from reprise.runtime.launch import launch

        first = check if checked else None
        launch(ReproduceParameters, partial(main, warm=warm), arguments, check=first)


if __name__ == "__main__":
    start()
