"""Report which runs of an experiment can be reproduced, and reproduce some of them."""

import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from reprise.commands.parameters import ABOUT_OTHERS, AuditParameters
from reprise.process.launcher import Launcher
from reprise.projects import libraries

if TYPE_CHECKING:
    from reprise.runtime.recorder import RunRecorder


def main(parameters: AuditParameters, run: "RunRecorder") -> None:
    """Check every run, reproduce some of them, and report."""
    from reprise import console, tracking
    from reprise.replay import audit, audit_report
    from reprise.replay.prepare import Request
    from reprise.trust import permissions

    experiment = parameters.experiment or tracking.experiment_name(run.experiment_id)
    allowed = parameters.allow_repository
    paths = permissions.named_places(parameters.allow_path)
    experiment_id = tracking.experiment_id(experiment)
    for run_id in () if run.replays else tracking.close_gone([experiment_id]):
        console.say(f"run {run_id}: closed as KILLED, {tracking.GONE}")
    every = tracking.all_runs(experiment_id)
    runs = [other for other in every if other.info.run_id != run.run_id]
    with contextlib.ExitStack() as stack:
        on_stage = stack.enter_context(console.working())
        warm = None
        if parameters.replay:  # its libraries load while this process reads the records
            launcher = Launcher(Path(sys.executable), libraries.needed(), os.environ, reused=True)
            warm = stack.enter_context(launcher)
        findings = audit.check(
            runs, without=ABOUT_OTHERS, allowed=allowed, paths=paths, on_stage=on_stage
        )
        findings = audit.make_again(
            run,
            findings,
            count=parameters.replay,
            seed=parameters.seed,
            request=Request(allowed=allowed, paths=paths),
            warm=warm,
            on_stage=on_stage,
        )
    run.log_text(audit_report.FILE_NAME, audit_report.as_csv(findings))
    run.log_metrics(audit_report.counts(findings))
    run.rename(f"{experiment}: {audit_report.summary(findings)}")
    audit_report.show(findings, experiment)
    audit_report.raise_unless_good(findings, experiment)


def check(parameters: AuditParameters) -> None:
    """Refuse, before there is a run of this command, an experiment that does not exist.

    Raises
    ------
    TrackingError
        With the nearest name.
    """
    from reprise import tracking

    if parameters.experiment:
        tracking.experiment_id(parameters.experiment)


def start(arguments: Sequence[str] | None = None, *, checked: bool = False) -> NoReturn:
    """Be the process of this command; see `launch`."""
    from reprise.runtime.launch import launch

    launch(AuditParameters, main, arguments, check=check if checked else None)
