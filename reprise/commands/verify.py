"""Judge runs by the verifier's policy: reproduce them, or believe a signed verdict on them."""

import contextlib
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from reprise.commands import permitted
from reprise.commands.options import words
from reprise.commands.parameters import ABOUT_OTHERS, Replaying, Verifying, VerifyParameters
from reprise.errors import NotJudgedError, PolicyError, TrackingError
from reprise.process.launcher import Launcher
from reprise.projects import libraries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reprise.replay.prepare import Request
    from reprise.runtime.recorder import RunRecorder
    from reprise.verification.policy import Policy
    from reprise.verification.report import Report
    from reprise.verification.verifying import Verifier


def main(parameters: VerifyParameters, run: "RunRecorder") -> None:
    """Verify each run, report, and end as the worst of them."""
    from reprise import console
    from reprise.verification import formats, policy
    from reprise.verification import report as reports

    demanded = policy.read(Path.cwd(), parameters.policy or "")
    chosen = chosen_runs(parameters)
    with verifier(parameters, run, demanded) as asking:
        is_current = parameters.code == "current"
        checking = replace(asking, request=replace(asking.request, current_code=is_current))
        found = []
        for number, (run_id, model_id) in enumerate(chosen.items(), 1):
            checking.on_stage(f"verifying run {number} of {len(chosen)}")
            found.append(checking.verify(run_id, model_id=model_id))
    report = reports.Report.of(demanded, found)
    run.log_text(reports.FILE_NAME, report.to_json())
    run.log_metrics({"runs": len(report.runs), "met": report.number_met})
    if parameters.output:
        Path(parameters.output).write_text(report.to_json(), encoding="utf-8")
    for line in formats.FORMATS[parameters.format](report).splitlines():
        console.say(line)
    raise_unless_met(report)


@dataclass(frozen=True)
class Replays:
    """How several replays are made: what they may do, the warm process, and the progress."""

    request: "Request"
    warm: Launcher
    on_stage: "Callable[[str], None]"


@contextlib.contextmanager
def replaying(parameters: Replaying) -> "Iterator[Replays]":
    """Yield how replays are made in one warm process, as parameters of a command say."""
    from reprise import console

    request = permitted.request(parameters)
    with contextlib.ExitStack() as stack:
        on_stage = stack.enter_context(console.working())
        launcher = Launcher(Path(sys.executable), libraries.needed(), os.environ, reused=True)
        yield Replays(request, stack.enter_context(launcher), on_stage)


@contextlib.contextmanager
def verifier(parameters: Verifying, run: "RunRecorder", policy: "Policy") -> "Iterator[Verifier]":
    """Yield what verifies runs, as parameters of a command say."""
    from reprise.verification.statements import Signing
    from reprise.verification.verifying import Verifier

    keys = (parameters.sign_with or "", parameters.allowed_signers or "")
    signing = Signing.of(Path.cwd(), *keys)
    with replaying(parameters) as how:
        yield Verifier(run, policy, signing, how.request, how.warm, how.on_stage)


def chosen_runs(parameters: VerifyParameters) -> dict[str, str]:
    """Return the runs that parameters name, each with the model that must be the replay's, or "".

    Raises
    ------
    TrackingError
        If there are none.
    """
    from reprise import tracking
    from reprise.runtime import named_runs
    from reprise.verification import verifying

    if parameters.model:
        version = tracking.find_version(parameters.model)
        return {version.run_id: version.model_id}
    if parameters.runs:
        return dict.fromkeys(named_runs.full_ids(parameters.runs.split()), "")
    name = str(parameters.experiment)
    found = verifying.choose(
        tracking.all_runs(tracking.experiment_id(name)),
        without=ABOUT_OTHERS,
        sample=parameters.sample,
        seed=parameters.seed,
    )
    if not found:
        raise TrackingError(
            f"expected finished runs in experiment {name}, found none. Make a run first."
        )
    return dict.fromkeys(found, "")


def raise_unless_met(report: "Report") -> None:
    """End the command as the worst run does.

    Raises
    ------
    PolicyError, NotJudgedError
        One line with the first run that does not meet the policy.
    """
    from reprise.verification.judging import Result

    if report.result is Result.MET:
        return
    first = next(run for run in report.runs if run.result is report.result)
    line = (
        f"expected runs that meet the policy, found that {report.headline}: run {first.run_id} "
        f"{'is' if first.result is Result.NOT_MET else ''} {first.result}: "
        f"{'; '.join(first.reasons)}"
    )
    raise (PolicyError if report.result is Result.NOT_MET else NotJudgedError)(line)


def check(parameters: VerifyParameters) -> None:
    """Refuse, before there is a run of this command, what cannot be verified.

    Raises
    ------
    ParameterError, TrackingError
        If the policy is none, or a run does not exist.
    """
    from reprise import tracking
    from reprise.verification import policy

    parameters.refuse_unclear()
    policy.read(Path.cwd(), parameters.policy or "")
    for run_id in chosen_runs(parameters):
        tracking.get_run(run_id)


def start(parameters: VerifyParameters) -> NoReturn:
    """Be the process of this command; see `launch`."""
    from reprise.runtime.launch import launch

    launch(VerifyParameters, main, words(parameters), check=check)
