"""Make a run again from its id, with its own code, data and environment, and compare."""

import os
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reprise.launcher import Launcher
from steps import libraries
from steps.parameters import ReproduceParameters

if TYPE_CHECKING:
    from reprise.run import RecordedRun


def main(parameters: ReproduceParameters, run: "RecordedRun", *, warm: Launcher) -> None:
    """Make the run again below this one, and end in its verdict."""
    from reprise import console, past, permissions, replay, report
    from reprise.digest import sha256_text
    from reprise.record import InputData

    earlier = past.past_run(parameters.run_id)
    run.add_input(
        InputData(
            name="run",
            uri=f"runs:/{earlier.run_id}",
            sha256=sha256_text(earlier.record.to_json()),
        ),
        context="run",
    )
    request = replay.Request(
        changes=changes(parameters.set),
        current_code=parameters.code == "current",
        tolerance=parameters.tolerance,
        allowed=parameters.allow_repository,
        allow_build=parameters.packages_to_build(),
        paths=permissions.named_places(parameters.allow_path),
        allow_large=parameters.allow_large,
    )
    with console.working() as on_stage:
        found = replay.reproduce(run, earlier, request, warm=warm, on_stage=on_stage)
    if parameters.materialize:
        replay.keep_model(found)
    report.log(run, found, request)
    report.show(found, request)
    report.raise_unless_good(found, request)


def changes(words: str | None) -> dict[str, str]:
    """Read `name=value` words, quoted as in a shell.

    Raises
    ------
    ParameterError
        If a word is no pair.
    """
    from reprise.errors import ParameterError

    try:
        pairs = [word.partition("=") for word in shlex.split(words or "")]
    except ValueError as error:
        raise ParameterError(
            f"set must be name=value words; found {words!r} ({error}). Close the quote."
        ) from None
    for name, equals, _ in pairs:
        if not name or not equals:
            raise ParameterError(
                f"set must be name=value words; found {name!r}. "
                'For example: -P set="max_depth=7 criterion=entropy".'
            )
    return {name: value for name, _, value in pairs}


if __name__ == "__main__":
    # Libraries load while this process looks for the run's code.
    with Launcher(Path(sys.executable), libraries.needed(), os.environ) as _warm:
        from reprise.run import launch

        launch(ReproduceParameters, partial(main, warm=_warm))
