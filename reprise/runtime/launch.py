"""The frame of every step: from its command line to a recorded run that has ended.

It attaches to the run, checks the parameters, puts the code on the record, and turns an error of
the user's into one line, a FAILED run and a non-zero exit code.
"""

import contextlib
import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar, cast

from reprise import env, extras, tracking
from reprise.capture import ahead, code, untracked
from reprise.console import announce_run, say, warn
from reprise.errors import (
    CodeError,
    ParameterError,
    RepriseError,
    TrackingError,
)
from reprise.process import interrupts, protocol, scratch
from reprise.process.task import StepTask
from reprise.record.project_run import ProjectRun
from reprise.record.schema import ALLOW_UNTRACKED, Code, Step
from reprise.runtime import door, experiments, imported, named_runs, run_name, startup
from reprise.runtime.begun import begin_record, original_record
from reprise.runtime.finalizing import finalizing_run
from reprise.runtime.outcome import Reporter
from reprise.runtime.parameters import (
    Parameters,
    argument_words,
    asks_for_help,
    help_text,
    parse_argv,
)
from reprise.runtime.recorder import RunRecorder
from reprise.runtime.source_artifacts import carry

if TYPE_CHECKING:
    from mlflow.entities import Run

P = TypeVar("P", bound=Parameters)


def launch(
    model: type[P],
    main: Callable[[P, RunRecorder], None],
    arguments: Sequence[str] | None = None,
    *,
    check: Callable[[P], None] | None = None,
) -> NoReturn:
    """Run a step as the command line asks: `--name value` for each parameter.

    Parameters
    ----------
    model : type of Parameters
        The entry point's parameters.
    main : callable
        The step: takes the checked parameters and the recorded run.
    arguments : sequence of str, optional
        None: those of this process.
    check : callable, optional
        Refuses parameters that can lead to nothing, where there is no run yet.
    """
    startup.imported()
    arguments = sys.argv[1:] if arguments is None else arguments
    if asks_for_help(arguments):
        for line in help_text(model).splitlines():
            say(line)
        sys.exit(0)
    try:
        with interrupts.interruptible(), tracking.translating_errors(), tracking.keeping():
            task = StepTask.take(os.environ)
            protocol.refuse_other_version(os.environ)
            if not task.planned and not tracking.is_run_given():
                # What is wrong is refused before there is a run.
                arguments = _ready(model, arguments, check)
            with tracking.caching(Path(task.cache) if task.cache else None):
                _record(model, main, arguments, task)
            _tidy(is_child=bool(task.planned))
    except RepriseError as error:
        warn(f"{model.entry_point}: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        warn(f"{model.entry_point}: interrupted")
        sys.exit(interrupts.EXIT_CODE)
    finally:
        startup.ending()
    sys.exit(0)


def _ready(
    model: type[P], arguments: Sequence[str], check: Callable[[P], None] | None
) -> list[str]:
    """Check the parameters, put full ids of runs into them, and choose the experiment."""
    raw = parse_argv(arguments)
    wanted = model.parse(raw).wanted_experiment()
    raw = named_runs.settled(model, raw)
    if check:
        check(model.parse(raw))
    experiments.choose(wanted)
    return argument_words(raw)


def _tidy(*, is_child: bool) -> None:
    """Deliver, close and remove what earlier processes of this machine could not."""
    if not is_child:
        tracking.deliver_quietly()
        tracking.close_gone_quietly()
        scratch.remove_left()


def _record(
    model: type[P],
    main: Callable[[P, RunRecorder], None],
    arguments: Sequence[str],
    task: StepTask,
) -> None:
    """Make the run of this process, or attach to it, do the step, and end the run."""
    reporter = Reporter(task.report)
    ordered = ProjectRun(**task.ordered) if task.ordered else None
    planned = tracking.Plan(**task.planned) if task.planned else None
    if ordered:
        ordered = _with_full_ids(ordered, parse_argv(arguments))
    elif not planned and tracking.is_run_given():
        _move_given(model, arguments)
    made = tracking.find_planned(planned, task.key) if planned and task.key else None
    if made is not None:
        reporter.report(run_id=made.info.run_id, metrics=made.data.metrics, made_before=True)
        return
    end: Callable[[str, str], None] = tracking.end
    if planned:
        end = partial(tracking.end_planned, alone=task.key is None)
    with interrupts.deferred() as admit:
        name = run_name.suggested(model, _read(arguments))
        run, origin = tracking.open_run(ordered=ordered, planned=planned, name=name)
        with finalizing_run(run, end=end):
            admit()
            reporter.report(run_id=run.info.run_id)
            if ordered:
                announce_run(model.entry_point, run.info.run_id)
            is_given = origin == tracking.Origin.GIVEN
            with contextlib.ExitStack() as stack:
                if not planned:  # its run is one of many, and suggests nothing
                    stack.enter_context(door.through(run, ordered=ordered, is_given=is_given))
                metrics = _do(run, origin, model, main, arguments, task)
    reporter.report(run_id=run.info.run_id, metrics=metrics)


def _move_given(model: type[Parameters], arguments: Sequence[str]) -> None:
    """Have the run that `mlflow run` has made in the experiment that its parameters name."""
    try:
        wanted = model.parse(parse_argv(arguments)).wanted_experiment()
    except RepriseError:  # the run will show it, wherever it is
        return
    if wanted:
        tracking.move_given(wanted)


def _with_full_ids(ordered: ProjectRun, raw: Mapping[str, str]) -> ProjectRun:
    """Return the run to make with those of its logged parameters changed that named a run."""
    given = ordered.raw_parameters
    settled = {name: shlex.quote(raw[name]) for name in given if name in raw}
    return replace(ordered, raw_parameters={**given, **settled})


def _do(
    run: "Run",
    origin: tracking.Origin,
    model: type[P],
    main: Callable[[P, RunRecorder], None],
    arguments: Sequence[str],
    task: StepTask,
) -> Mapping[str, float]:
    """Put code, parameters and environment on the record, do the step, and return its metrics."""
    clone = os.environ.get(env.DATA_FOLDER) if env.CODE in os.environ else None
    raw: dict[str, str] = {}
    parameters: P | None = None
    wrong: RepriseError | None = None
    try:
        raw = parse_argv(arguments)
        parameters = model.parse(raw)
        if origin == tracking.Origin.GIVEN and tracking.REPLAY_OF not in run.data.tags:
            raw = _settled(run, model, raw)
            parameters = model.parse(raw)
    except TrackingError as error:
        wrong = error
    except ParameterError as error:
        wrong = error  # what was refused as an address may hold a password
        raw = {name: value for name, value in raw.items() if name not in model.locations}
    try:
        source, carrying = _source_of(run, model, raw, task)
    except CodeError as error:
        source, carrying, wrong = code.UNKNOWN, {}, wrong or error
    step = Step(
        entry_point=model.entry_point,
        raw_parameters=raw,
        parameters=parameters.typed() if parameters else {},
        locations=tuple(sorted(model.locations)),
    )
    record = begin_record(run, source, step)
    tags = tracking.describe_source(run, record.code) | carrying
    if origin == tracking.Origin.NEW:
        tags |= tracking.describe_step(model.entry_point, record.code)
    if model.is_bookkeeping:
        tags |= {tracking.BOOKKEEPING: model.entry_point}
    original, verifies = original_record(run, parameters)
    recorded = RunRecorder(
        run,
        record,
        parameters=parameters,
        tags=tags,
        original=original,
        verifies=verifies,
        keeps_models=task.keep_models,
    )
    recorded.is_one_of_many = origin == tracking.Origin.PLANNED  # and named by who has planned it
    if not recorded.is_one_of_many:
        recorded.name = run_name.of_made(run, model, raw)
    # Of a planned run, the one that planned it has a record of all but the input.
    with recorded.recorded(at_once=not task.planned):
        if origin == tracking.Origin.NEW:  # MLflow takes the declared ones
            declared = {n: v for n, v in raw.items() if n in model.model_fields}
            tracking.log(run.info.run_id, params=parameters.raw() if parameters else declared)
        if wrong:
            raise wrong
        checked = imported.checking(recorded, Path.cwd(), clone=Path(clone) if clone else None)
        with extras.explaining_missing(), checked:
            main(cast("P", parameters), recorded)
    return recorded.metrics


def _settled(run: "Run", model: type[Parameters], raw: Mapping[str, str]) -> dict[str, str]:
    """Put full ids of runs into the parameters of a run that somebody else has made."""
    info = run.info
    return named_runs.settled(
        model,
        raw,
        places=lambda: experiments.places(info.experiment_id),
        apart_from=info.run_id,
        is_recorded=tracking.TWEAK_OF in run.data.tags,
    )


def _read(arguments: Sequence[str]) -> dict[str, str]:
    """Return the words of a command line by their names; none where they are refused later."""
    try:
        return parse_argv(arguments)
    except ParameterError:
        return {}


def _source_of(
    run: "Run", model: type[Parameters], raw: Mapping[str, str], task: StepTask
) -> tuple[Code, dict[str, str]]:
    """Describe, and carry, the source that the process in this folder is about to run."""
    # A forked process runs what its parent has loaded, whatever was edited since.
    inherited = os.environ.pop(env.CODE, None)
    if inherited:
        return Code.model_validate_json(inherited), {}
    if ALLOW_UNTRACKED not in model.model_fields:
        return code.describe(Path.cwd()), {}
    allowed = untracked.names(raw.get(ALLOW_UNTRACKED, ""))
    folder = Path(task.captured) if task.captured else None
    with ahead.source(Path.cwd(), folder, allow_untracked=allowed) as captured:
        return carry(run, captured, Path(sys.modules["__main__"].__file__ or ""))
