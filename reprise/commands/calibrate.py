"""Reproduce a run several times, report what varies, and suggest a tolerance for each metric."""

import json
from typing import TYPE_CHECKING, NoReturn

from reprise.commands.options import words
from reprise.commands.parameters import CalibrateParameters
from reprise.commands.verify import replaying

if TYPE_CHECKING:
    from rich.table import Table

    from reprise.runtime.recorder import RunRecorder
    from reprise.verification.calibration import Variation


def main(parameters: CalibrateParameters, run: "RunRecorder") -> None:
    """Reproduce, measure, and print what varies and what a policy could tolerate."""
    from dataclasses import replace

    from reprise import console
    from reprise.replay import original_run, replay
    from reprise.verification import calibration

    original = original_run.read(parameters.run_id)
    replays = []
    with replaying(parameters) as how:
        request = replace(how.request, is_explained=False)
        for number in range(1, parameters.times + 1):
            how.on_stage(f"replay {number} of {parameters.times}")
            made = replay.reproduce(run, original, request, warm=how.warm, on_stage=how.on_stage)
            replays.append(made)
            calibration.measure([made])  # raises, if it could not be made
    varying = calibration.measure(replays)
    compared = max(sum(each.judgement.compared for each in made.family()) for made in replays)
    report = [
        {"run_id": each.run_id, "kind": each.kind, "name": each.name, "values": each.values,
         "tolerance": each.tolerance}
        for each in varying
    ]  # fmt: skip
    run.log_text("calibration.json", json.dumps(report, indent=1) + "\n")
    run.log_metrics({"replays": parameters.times, "varying": len(varying)})
    if varying:
        console.print_table(_table(varying))
    console.say(
        f"{parameters.times} replays of run {original.run_id}: {len(varying)} of {compared} "
        "outputs varied"
    )
    console.say("A policy that all of them meet, for reprise.toml:")
    for line in calibration.suggestion(varying).splitlines():
        console.say(line)


def _table(varying: "list[Variation]") -> "Table":
    from reprise import console

    right = ["values", "deviation", "tolerance"]
    table = console.make_table(["varies", "run", *right], whole=["run"], right=right)
    for each in varying:
        numbers = ("none" if n is None else f"{n:.3g}" for n in (each.deviation, each.tolerance))
        what = f"{each.kind} {each.name}"
        console.add_row(table, what, each.run_id, each.number_of_values, *numbers)
    return table


def check(parameters: CalibrateParameters) -> None:
    """Refuse, before there is a run of this command, what cannot be reproduced.

    Raises
    ------
    TrackingError, RecordError
        If there is no such run, or its record cannot be read.
    """
    from reprise.replay import original_run

    original_run.read(parameters.run_id)


def start(parameters: CalibrateParameters) -> NoReturn:
    """Be the process of this command; see `launch`."""
    from reprise.runtime.launch import launch

    launch(CalibrateParameters, main, words(parameters), check=check)
