"""Makes a run of the past again, from its id, and says whether it is the same run.

The recorded commit is checked out in a folder of its own, the recorded environment is found or
built, and the same entry point runs there with the recorded raw parameters, as an ordinary run
below the one that asked. Its inputs must have the recorded digests before it computes. Then the
two records are compared; where nothing that is recorded explains a difference, the step runs once
more, to tell a step that is not deterministic from something that is not recorded.
"""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reprise import (
    checkout,
    console,
    data,
    entry_points,
    models,
    numerics,
    past,
    permissions,
    projects,
    tracking,
)
from reprise.digest import canonical_json
from reprise.errors import DifferentError, ProjectError, RepriseError
from reprise.git import repository_root
from reprise.launcher import Ended, Launcher
from reprise.parameters import ALLOW_LARGE, as_text
from reprise.past import PastRun
from reprise.permissions import Permissions
from reprise.record import Code, Step
from reprise.run import BELOW, CODE, RUN_NUMBER
from reprise.sources import DATA_FOLDER
from reprise.urls import without_credentials
from reprise.verdict import Cause, CauseKind, Judgement, Verdict, judge, worst
from reprise.visible import option

if TYPE_CHECKING:
    from mlflow.entities import Run

    from reprise.run import RecordedRun

# What kept a run from being made again, by the error that told of it.
_KINDS: dict[str, CauseKind] = {
    "CheckoutError": "code",
    "CodeError": "code",
    "ProjectError": "code",
    "EnvironmentMismatchError": "environment",
    "DigestMismatchError": "data",
    "DataError": "data",
    "NotAllowedError": "data",
    "ModelError": "data",
    "ParameterError": "parameter",
}
FILE_NAME = "verdict.json"
_PINNED = frozenset(numerics.pins(numerics.cpu_flags(numerics.read_cpuinfo())))


@dataclass(frozen=True)
class Request:
    """How a run is to be made again.

    Attributes
    ----------
    changes : mapping of str to str
        Parameters to change, with their new raw values.
    current_code : bool
        Whether to run the code in this folder instead of the run's own.
    tolerance : float or None
        How far metrics may be apart in an equivalent run.
    allowed : str or None
        URL of one more repository whose code may be run.
    allow_build : tuple of str
        Packages of its environment that may be built from source.
    paths : tuple of str
        Paths, and addresses, outside the project that may be read although only a record says so.
    allow_large : bool
        Whether its source and its bundle may be larger than `limits` allow.
    """

    changes: Mapping[str, str] = field(default_factory=dict)
    current_code: bool = False
    tolerance: float | None = None
    allowed: str | None = None
    allow_build: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    allow_large: bool = False

    @property
    def replays(self) -> bool:
        """Whether it is to be the same run again, which ends in a verdict."""
        return not self.changes and not self.current_code


@dataclass(frozen=True)
class Replay:
    """A run, the one that made it again, and what a comparison says; the same for their children.

    Attributes
    ----------
    name, run_id : str
        Of the earlier run.
    new_run_id : str or None
        None: it could not be started.
    code_from : str
        Where the code was found.
    """

    name: str
    run_id: str
    new_run_id: str | None
    judgement: Judgement
    children: tuple["Replay", ...] = ()
    code_from: str = ""

    @property
    def verdict(self) -> Verdict:
        """The worst of its own verdict and its children's."""
        return worst(replay.judgement.verdict for replay in self.family())

    def family(self) -> "Iterator[Replay]":
        """Yield this replay, then its children, each with its own children behind it."""
        yield self
        for child in self.children:
            yield from child.family()

    def values(self) -> dict[str, Any]:
        """Return it, JSON-able."""
        return {
            "verdict": str(self.verdict),
            "name": self.name,
            "run_id": self.run_id,
            "replayed_by": self.new_run_id,
            "code_from": self.code_from,
            **self.judgement.model_dump(mode="python", exclude={"verdict"}),
            "children": [child.values() for child in self.children],
        }


def reproduce(
    parent: "RecordedRun",
    run: PastRun,
    request: Request,
    *,
    warm: Launcher | None = None,
    on_stage: Callable[[str], None] = lambda _: None,
) -> Replay:
    """Make a run again below another run.

    Parameters
    ----------
    parent : RecordedRun
        The run that asks.
    run : PastRun
        The run to make again.
    request : Request
    warm : Launcher, optional
        A process of this environment that has imported libraries.
    on_stage : callable
        Called with what is done next, for progress.

    Returns
    -------
    Replay
        With the verdict *not replayable*, and why, where it could not be made.
    """
    try:
        past.refuse_interactive(run)
        numerics.recorded(run.record.numerics.variables)
        if request.replays:
            past.refuse_unfinished(run)
        if request.current_code:
            attempt = prepared(parent, run, request, Path.cwd(), Path(sys.executable))
            return _attempt(attempt, warm)
        with checkout.repository(Path.cwd(), allowed=request.allowed) as repository:
            code = run.record.code
            on_stage(f"looking for commit {code.commit}")
            open_bundle = partial(tracking.artifact_at, allow_large=request.allow_large)
            found = repository.obtain(code, open_bundle)
            folder = repository.check_out(code)
            on_stage("looking for its environment")
            python = projects.interpreter(
                run.record.environment, folder, allow_build=request.allow_build
            )
            attempt = prepared(parent, run, request, folder, python)
            on_stage(f"making {run.name} again")
            replay = replace(_attempt(attempt, warm), code_from=found)
            if request.replays and _unexplained(replay):
                on_stage(
                    f"making {run.name} once more, as nothing recorded explains the difference"
                )
                replay = _explained(replay, _second(attempt))
    except RepriseError as error:
        replay = Replay(
            run.name, run.run_id, None, _not_replayable(type(error).__name__, str(error))
        )
    if request.replays:
        record_verdict(replay)
    return replay


@dataclass(frozen=True)
class _Attempt:
    """All that one attempt at a run needs."""

    parent: "RecordedRun"
    run: PastRun
    request: Request
    folder: Path
    python: Path
    words: Sequence[str]
    permitted: Permissions


def prepared(
    parent: "RecordedRun", run: PastRun, request: Request, folder: Path, python: Path
) -> _Attempt:
    """Have all that an attempt needs, in a folder that has the run's code.

    Raises
    ------
    NotAllowedError
        If the record names something to read that is neither the project's nor allowed.
    """
    step = run.record.step
    start = checkout.working_folder(folder, step.folder)
    folders = (start, Path.cwd() / step.folder)
    permitted = permissions.of_replay(
        repository_root(folder),
        repository_root(Path.cwd()),
        (*request.paths, *request.changes.values()),  # what the user changes the user names
    )
    permitted.refuse_values(step.command, folders=folders)
    if not request.changes.keys() & {*step.locations}:
        for item in run.record.inputs:
            permitted.refuse(item.uri, folders=folders)
    stored = data.stored_input(run.record.inputs)
    given = _raw_parameters(step, request)
    raw = permissions.without_sources(
        permitted,
        {name: value for name, value in given.items() if name not in request.changes},
        stored=dict.fromkeys(step.locations, stored) if stored else {},
        folders=folders,
    )
    words = command(folder, run, request, raw_parameters={**raw, **request.changes})
    return _Attempt(parent, run, request, folder, python, words, permitted)


def command(
    folder: Path,
    run: PastRun,
    request: Request,
    *,
    raw_parameters: Mapping[str, str] | None = None,
) -> list[str]:
    """Return the command that makes a run again in a folder that has its code.

    Parameters
    ----------
    folder : Path
    run : PastRun
    request : Request
    raw_parameters : mapping of str to str, optional
        In place of the recorded and changed ones.

    Raises
    ------
    CheckoutError, ProjectError
        If that code has no such entry point or script, or it takes other parameters.
    """
    step = run.record.step
    checkout.working_folder(folder, step.folder, temporary=not request.current_code)
    if step.command:
        if request.changes:
            raise ProjectError(
                "expected set= for a run of an entry point, found a run of the script "
                f"{step.command[0]}. Run the script with other arguments instead."
            )
        return entry_points.script(folder, step)
    return entry_points.words(
        folder,
        step.entry_point,
        raw_parameters or _raw_parameters(step, request),
        recorded=step.raw_parameters.keys() - request.changes.keys(),
    )


def _raw_parameters(step: Step, request: Request) -> dict[str, str]:
    """Return the raw parameters of a replay; a record lifts no limit, only who asks does."""
    raw = dict(step.raw_parameters)
    if ALLOW_LARGE in raw:
        raw[ALLOW_LARGE] = as_text(request.allow_large)
    return {**raw, **request.changes}


def _attempt(attempt: _Attempt, warm: Launcher | None) -> Replay:
    """Make the run once and compare."""
    run, request = attempt.run, attempt.request
    new_run_id = _create(attempt)
    try:
        ended = _launch(attempt, new_run_id, warm)
    except BaseException:
        tracking.close(new_run_id, "KILLED", "interrupted")
        raise
    if ended.exit_code == 0 and run.unknown:  # a plain step leaves the end to its launcher
        tracking.close(new_run_id, "FINISHED", "")
    tracking.close(new_run_id, "FAILED", _cause_of_death(ended))
    new = past.past_run(new_run_id)
    if new.run.info.status != "FINISHED":
        tags = new.run.data.tags
        kind = tags.get(tracking.ERROR_KIND, "")
        reason = tags.get(tracking.ERROR) or _cause_of_death(ended)
        failure = _not_replayable(kind, reason)
        return Replay(run.name, run.run_id, new_run_id, failure)
    if run.record.outputs is None:
        reason = "the earlier run has no results to compare with"
        return Replay(
            run.name, run.run_id, new_run_id, Judgement(verdict=Verdict.DIFFERENT, reason=reason)
        )
    return compare(run, new, tolerance=request.tolerance)


def _second(attempt: _Attempt) -> Replay:
    """Make the run once more; what keeps it from being made must not hide the first comparison."""
    try:
        return _attempt(attempt, None)
    except RepriseError as error:
        failure = _not_replayable(type(error).__name__, str(error))
        return Replay(attempt.run.name, attempt.run.run_id, None, failure)


def _create(attempt: _Attempt) -> str:
    run, request = attempt.run, attempt.request
    step = run.record.step
    tag = tracking.REPLAY_OF if request.replays else tracking.TWEAK_OF
    changes = " ".join(f"{name}={value}" for name, value in request.changes.items())
    what = "replay" if request.replays else f"with {changes or 'the present code'}"
    tags = {tag: run.run_id}
    if not request.current_code:
        source = (tracking.SOURCE_NAME, tracking.GIT_COMMIT, tracking.GIT_REPOSITORY)
        told = {n: run.run.data.tags[n] for n in source if n in run.run.data.tags}
        tags |= {name: without_credentials(value) for name, value in told.items()}
    if attempt.python != Path(sys.executable):
        tags[tracking.PROJECT_ENVIRONMENT] = "uv"
    return attempt.parent.create_run(
        step.entry_point,
        _raw_parameters(step, request),
        name=f"{run.name} ({what})",
        tags=tags,
    )


def _launch(attempt: _Attempt, new_run_id: str, warm: Launcher | None) -> Ended:
    step = attempt.run.record.step
    temporary = not attempt.request.current_code
    folder = checkout.working_folder(attempt.folder, step.folder, temporary=temporary)
    usable = not attempt.run.unknown and not step.command and attempt.python == Path(sys.executable)
    # A step that is killed leaves its temporary files: they go with this folder.
    with tempfile.TemporaryDirectory(prefix="reprise-", ignore_cleanup_errors=True) as scratch:
        environment = {**_environment(attempt, new_run_id), "TMPDIR": scratch}
        pinned = all(environment.get(n) == os.environ.get(n) for n in _PINNED)
        if warm and warm.is_ready and usable and pinned:
            return warm.run(attempt.words, folder=folder, environment=environment)
        with Launcher(attempt.python, (), environment) as cold:
            return cold.run(attempt.words, folder=folder, environment=environment)


def _environment(attempt: _Attempt, new_run_id: str) -> dict[str, str]:
    """Return the variables of the new run's process: those here, with the old run's numerics."""
    record, step = attempt.run.record, attempt.run.record.step
    kept = {name: value for name, value in os.environ.items() if name not in _PINNED}
    given = {
        "PATH": f"{attempt.python.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "MLFLOW_RUN_ID": new_run_id,
        DATA_FOLDER: str(Path.cwd() / step.folder),
        permissions.VARIABLE: attempt.permitted.to_json(),
        **numerics.recorded(record.numerics.variables),
    }
    if not attempt.request.current_code:
        given[CODE] = _code(record.code)
    if step.command:
        given |= {
            RUN_NUMBER: str(step.number),
            BELOW: attempt.parent.run_id,
            # What a script imports of the project is of this code, wherever its own is installed.
            "PYTHONPATH": os.pathsep.join(
                filter(None, [str(attempt.folder.absolute()), os.environ.get("PYTHONPATH")])
            ),
        }
    return {**kept, **attempt.parent.tracking_environment(), **given}


def _code(code: Code) -> str:
    """Write a run's code for a variable, which may not be long: a list of edited files may be."""
    text = code.model_dump_json()
    if len(text) > entry_points.LONGEST:
        text = code.model_copy(update={"changed_files": ()}).model_dump_json()
    entry_points.refuse_odd_words([text])
    return text


def _cause_of_death(ended: Ended) -> str:
    if ended.exit_code < 0:
        return f"its process was ended by signal {-ended.exit_code}"
    if ended.exit_code == 0:
        return "its process ended without making it"
    return ended.last_lines or f"exit code {ended.exit_code}"


def compare(old: PastRun, new: PastRun, *, tolerance: float | None = None) -> Replay:
    """Compare two finished runs, and the runs below them that belong together."""
    judgement = judge(old.record, new.record, tolerance=tolerance)
    if old.unknown:
        judgement = judgement.model_copy(update={"unknown": old.unknown, "causes": ()})
    children = tuple(_pairs(old, new, tolerance))
    return Replay(old.name, old.run_id, new.run_id, judgement, children)


def _pairs(old: PastRun, new: PastRun, tolerance: float | None) -> "list[Replay]":
    """Compare each run below one with the run below the other that makes it again."""
    below = {_origin(run): run for run in tracking.children(new.run)}
    if not any(tracking.REPLAY_OF in run.data.tags for run in below.values()):
        return []
    replays = []
    for child in tracking.children(old.run):
        origin, name = _origin(child), str(child.info.run_name)
        if origin in below:
            replays.append(compare(past.of(child), past.of(below[origin]), tolerance=tolerance))
        else:
            missing = _not_replayable("", "the replay made no such run")
            replays.append(Replay(name, child.info.run_id, None, missing))
    return replays


def _origin(run: "Run") -> str:
    """Return the id of the run that a run makes again, else its own."""
    return str(run.data.tags.get(tracking.REPLAY_OF, run.info.run_id))


def _not_replayable(kind: str, reason: str) -> Judgement:
    causes = (Cause(kind=_KINDS[kind], name="", recorded="", found=""),) if kind in _KINDS else ()
    return Judgement(verdict=Verdict.NOT_REPLAYABLE, reason=reason, causes=causes)


def _unexplained(replay: Replay) -> bool:
    """Tell whether something differs although everything that is recorded is the same."""
    return any(r.judgement.differences and not r.judgement.causes for r in replay.family())


def _explained(first: Replay, second: Replay | None) -> Replay:
    """Say of each unexplained difference whether two replays agree on it."""
    again = {child.run_id: child for child in second.children} if second else {}
    children = tuple(_explained(child, again.get(child.run_id)) for child in first.children)
    judgement = first.judgement
    if judgement.differences and not judgement.causes:
        cause = _told_by(judgement, second.judgement if second else None)
        judgement = judgement.model_copy(update={"causes": (cause,)})
    return replace(first, judgement=judgement, children=children)


def _told_by(first: Judgement, second: Judgement | None) -> Cause:
    """Return the cause of a difference that nothing recorded explains, by a second replay."""
    kind: CauseKind = "unknown"
    if second is None:
        name = "the second replay made no such run; nothing that is recorded differs"
    elif second.verdict is Verdict.NOT_REPLAYABLE or second.reason:
        reason = " ".join(second.reason.split())
        name = f"nothing that is recorded differs, and a second replay failed: {reason}"
    elif _found(first) == _found(second):
        name = "two replays agree with each other; nothing that is recorded differs"
    else:
        kind, name = "a step that is not deterministic", ""
    return Cause(kind=kind, name=name, recorded="", found="")


def _found(judgement: Judgement) -> dict[tuple[str, str], str]:
    return {(d.kind, d.name): repr(d.found) for d in judgement.differences}


def keep_model(replay: Replay) -> None:
    """Give the earlier run the model of the one that made it again, if they are identical.

    Raises
    ------
    DifferentError
        If they are not.
    """
    if replay.verdict is not Verdict.IDENTICAL or replay.new_run_id is None:
        raise DifferentError(
            f"expected run {replay.run_id} to be made again identically, for its model; found "
            f"it {replay.verdict}. See: {console.RUN} reproduce {option('run_id', replay.run_id)}"
        )
    models.attach(replay.run_id, replay.new_run_id)


def record_verdict(replay: Replay) -> None:
    """Tag both runs with the verdict, and log it to the new one; the same for their children."""
    verdict = str(replay.verdict)
    if replay.new_run_id:
        tracking.log(replay.new_run_id, tags={tracking.VERDICT: verdict})
        tracking.log_text(replay.new_run_id, FILE_NAME, canonical_json(replay.values()))
    try:
        with tracking.one_line_errors():
            tracking.log(replay.run_id, tags={tracking.VERDICT: verdict})
    except RepriseError as error:
        console.warn(f"run {replay.run_id} was not tagged with its verdict: {error}")
    for child in replay.children:
        record_verdict(child)
