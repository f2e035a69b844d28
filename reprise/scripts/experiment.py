"""Runs of scripts and notebooks: the calls of a small wrapper over MlflowClient, and a record.

A script calls `experiment = Experiment({"experiment_name": "churn"})`, then `create_run`, `log_…`
and `terminate_run`. Each run has the same record as the run of a step: it carries its code, its
environment and numerics are recorded before the work, its results after it. So it can be
reproduced.
"""

import contextlib
import getpass
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from reprise import console, extras, tracking
from reprise.backports import Self
from reprise.capture import code, numerics, untracked
from reprise.data import sources
from reprise.errors import CodeError, ParameterError
from reprise.process import interrupts
from reprise.record.schema import InputData, RunRecord
from reprise.runtime import imported, run_name
from reprise.runtime.begun import begin_record
from reprise.runtime.finalizing import finalizing_run
from reprise.runtime.recorder import RunRecorder
from reprise.scripts.config import checked, numbers, refuse_credentials, refuse_no_text
from reprise.scripts.exit_handler import ExitHandler
from reprise.scripts.script import Carry, as_it_was_read, current

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.entities import Run

_LOGIN = re.compile(r"^[a-z][a-z0-9+.-]*://([^/]*@)", re.IGNORECASE)


class Experiment:
    """Makes recorded runs of a script or a notebook.

    `with experiment.create_run("name"):` ends that run with the block, and `with Experiment(config)
    as experiment:` ends the run that is open at the end of the block: as FINISHED, or as FAILED
    after an exception. All other methods of MlflowClient can be called too.

    Parameters
    ----------
    config : mapping
        `experiment_name` (created if it does not exist), and optionally `user_id`, `tracking_uri`
        (default: MLFLOW_TRACKING_URI), `artifact_location` (of a new experiment),
        `use_git_version` (False: no code is recorded, and no replay is possible) and
        `allow_untracked` (untracked files to carry although they are large or look like secrets:
        patterns, comma-separated).

    Raises
    ------
    ParameterError
        If the configuration is wrong.
    TrackingError
        If the tracking server refuses.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        numerics.pin()  # for the processes that the script starts, too
        self._settings = checked(config)
        self._process = current()
        placed = self._process.placed  # a replay uses the experiment of its parent run
        self._server = tracking.address(None if placed else self._settings.tracking_uri)
        self._run: RunRecorder | None = None
        self._open = contextlib.ExitStack()
        self._outbox = tracking.Outbox()
        self._exit_handler = ExitHandler(
            self._leave, interactive=self._process.script.source is None
        )
        self._steps: dict[str, int] = {}
        self._params: dict[str, str] = {}
        with self._talking():
            self._client = tracking.client()
            self.experiment_id: str = (
                tracking.get_run(placed).info.experiment_id
                if placed
                else tracking.ensure_experiment(
                    self._settings.experiment_name,
                    artifact_location=self._settings.artifact_location,
                )
            )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._client, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._run is None or not self._exit_handler.here:
            return
        if error is None:
            self.terminate_run()
        else:
            self._leave(error)

    @property
    def run_id(self) -> str:
        """Return the id of the open run."""
        return self._opened().run_id

    def create_run(self, name: str = "") -> Self:
        """Start a run, and record its code, environment and numerics.

        Raises
        ------
        ParameterError
            If a run is open, or the command line contains credentials.
        CodeError
            If the code cannot be read, or holds files that must not be carried. No run is made.
        """
        if self._run is not None:
            raise ParameterError(
                f"expected terminate_run before the next create_run, found run {self._run.run_id} "
                "still open. Call it, or write `with experiment.create_run(…):`."
            )
        refuse_no_text("the name of a run", [name])
        script = self._process.script
        refuse_no_text("the command line", (script.entry_point, *script.arguments))
        refuse_credentials(script.arguments, "the command line")
        if numerics.NUMPY_PRELOADED:
            warnings.warn(
                "reprise was imported after NumPy, which keeps its own threads and kernels: "
                "another CPU may give other bits. Put `import reprise` first.",
                stacklevel=2,
            )
        tracking.refuse_unusable()
        self._outbox = tracking.Outbox()  # a server that was away may be back
        with self._talking(), self._carrying() as carry, contextlib.ExitStack() as stack:
            given = self._process.next()
            self._exit_handler.start()
            stack.callback(self._exit_handler.stop)
            admit = stack.enter_context(interrupts.deferred())
            run = self._make(name, given=given)
            stack.enter_context(finalizing_run(run))
            admit()
            console.announce_run(name or script.entry_point, run.info.run_id)
            found, tags = carry(run)
            step = script.step(self._process.made)
            record = begin_record(run, found, step, project=script.project)
            recorded = RunRecorder(
                run,
                as_it_was_read(record),
                parameters=None,
                tags=tracking.describe_source(run, found) | tags,
                original=_original(run),
            )
            recorded.name = run_name.of_script(run, script.entry_point)
            stack.enter_context(recorded.recorded())
            with interrupts.deferred():
                self._run, self._open = recorded, stack.pop_all()
        self._steps, self._params = {}, dict(run.data.params)
        return self

    def terminate_run(self) -> None:
        """End the run as FINISHED, and complete its record."""
        run = self._opened()
        with self._talking():  # the server has the logs of other calls, too
            found = self._outbox.ask(lambda: tracking.get_run(run.run_id))
            metrics = found.data.metrics if found else {}
            logged = {n: v for n, v in metrics.items() if n not in run.metrics}
            run.add_logged_metrics(
                {n: v for n, v in logged.items() if not n.startswith(tracking.SYSTEM_METRICS)}
            )
            if self._settings.use_git_version:
                try:
                    imported.check(run, self._process.script.project, clone=self._process.clone)
                except CodeError as error:
                    self._leave(error)
                    raise
        self._leave(None)

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log parameters, as text.

        Raises
        ------
        ParameterError
            If a parameter is already logged with another value, or holds credentials.
        """
        run = self._opened()
        texts = {str(name): str(value) for name, value in params.items()}
        refuse_no_text("a parameter", (*texts, *texts.values()))
        refuse_credentials(texts.values(), "the parameters")
        for name, text in texts.items():
            if self._params.get(name, text) != text:
                raise ParameterError(
                    f"expected one value of the parameter {name} in a run, found "
                    f"{self._params[name]!r}, then {text!r}. Log it once, or start another run."
                )
        with self._talking():
            run.add_parameters({str(name): value for name, value in params.items()})
        self._params |= texts

    def log_metrics(self, metrics: Mapping[str, Any]) -> None:
        """Log metrics; a replay must equal the last value of each.

        Parameters
        ----------
        metrics : mapping of str to number or list of numbers
            A list is a history, one point per step. A later call continues after the last step.

        Raises
        ------
        ParameterError
            If a value is not a number.
        """
        run = self._opened()
        refuse_no_text("the name of a metric", map(str, metrics))
        points = [
            (name, self._steps.get(name, 0) + step, value)
            for name, values in metrics.items()
            for step, value in enumerate(numbers(name, values))
        ]
        with self._talking():
            run.log_histories(points)
        self._steps |= {name: step + 1 for name, step, _ in points}

    def log_artifact(self, path: str | os.PathLike[str], artifact_path: str | None = None) -> None:
        """Store a file as an artifact, in a folder among the run's artifacts."""
        with self._talking():
            tracking.log_file(self.run_id, os.fspath(path), artifact_path)

    def log_artifacts(
        self, folder: str | os.PathLike[str], artifact_path: str | None = None
    ) -> None:
        """Store the files of a folder as artifacts."""
        with self._talking():
            tracking.log_folder(self.run_id, Path(folder), artifact_path)

    def log_input(self, path: str | os.PathLike[str], name: str | None = None) -> Path:
        """Record the digest of a data file; a replay refuses other content.

        Parameters
        ----------
        path : str or path
            A file, an http(s) address, or `s3://bucket/key`.
        name : str, optional
            The name to show; by default the file's.

        Returns
        -------
        Path
            The file to read; a copy of a remote file exists until the run ends.

        Raises
        ------
        DataError
            If the file cannot be read.
        DigestMismatchError
            If this is a replay, and the original run read other content.
        """
        run, text = self._opened(), os.fspath(path)
        refuse_no_text("an input", [text, name or ""])
        uri = text
        if "://" not in text:
            text, uri = self._within(Path(text))
        refuse_credentials([text], "the address of an input")
        with contextlib.ExitStack() as stack, self._talking():
            source = stack.enter_context(sources.fetch(text))
            shown = name or Path(source.uri.partition("?")[0]).name
            where = uri if source.kind == "file" else source.uri
            run.add_input(InputData(name=shown, uri=where, sha256=source.sha256), context="input")
            if source.kind != "file":
                self._open.push(stack.pop_all())
        return source.path

    def log_model(self, model: Any, example: "pd.DataFrame") -> str:
        """Log a fitted scikit-learn estimator; return the digest of its fitted arrays.

        Parameters
        ----------
        model : estimator
        example : DataFrame of shape (n_samples, n_features)
            A few rows of input.

        Raises
        ------
        ParameterError
            If the example is not a table.
        """
        from reprise.models import model_store

        if not hasattr(example, "columns"):
            raise ParameterError(
                f"expected a pandas DataFrame as a model's example, found "
                f"{type(example).__name__}. Give a few rows of its training data."
            )
        run = self._opened()
        with self._talking():
            return model_store.log_model(run, model, example)

    def log_predictions(self, labels: Any, probabilities: Any) -> None:
        """Record the digests of predictions: labels (n,), probabilities (n, classes)."""
        import numpy as np

        self._opened().log_predictions(np.asarray(labels), np.asarray(probabilities))

    def _opened(self) -> RunRecorder:
        if self._run is None:
            raise ParameterError("expected an open run, found none. Call create_run first.")
        return self._run

    @contextlib.contextmanager
    def _talking(self) -> Iterator[None]:
        """Use this experiment's server inside a block; its refusals become one line."""
        with (
            tracking.using_server(self._server),
            tracking.translating_errors(),
            self._outbox.used(),
            extras.explaining_missing(),
        ):
            yield

    def _make(self, name: str, *, given: bool) -> "Run":
        """Return the run that was made for this process, or make one in the right place."""
        session, entry_point = self._process, self._process.script.entry_point
        if given:
            run = tracking.get_run(str(session.given))
            tracking.refuse_ended(run)
            tracking.hold(run.info.run_id)
            return run
        if session.parent:
            parent = tracking.get_run(session.parent)
            planned = tracking.plan_run(parent, entry_point, {}, name=name or entry_point)
            return tracking.make(planned)
        user = self._settings.user_id or _user()
        return tracking.create_script_run(self.experiment_id, entry_point, name=name, user=user)

    def _carrying(self) -> contextlib.AbstractContextManager[Carry]:
        if not self._settings.use_git_version:
            return contextlib.nullcontext(lambda _: (code.UNKNOWN, {}))
        login = _LOGIN.match(self._settings.tracking_uri or "")
        allowed = untracked.names(self._settings.allow_untracked)
        return self._process.source(allowed=allowed, login=login[1] if login else "")

    def _within(self, path: Path) -> tuple[str, str]:
        """Return the path to read a local file, and its path in the project for the record.

        A replay has a checkout of the project, without the files that git ignores. Those are found
        from the folder in which the script was started.
        """
        script = self._process.script
        absolute = Path(os.path.abspath(path.expanduser()))  # noqa: PTH100 - links stay
        if path.is_absolute() and not absolute.is_relative_to(script.project):
            return str(path), str(path)
        uri = Path(os.path.relpath(absolute, script.project)).as_posix()
        if os.path.exists(absolute):  # noqa: PTH110 - Path's raises for a name that is too long
            return str(path), uri
        return os.path.relpath(absolute, script.started_in), uri

    def _leave(self, error: BaseException | None) -> None:
        """End the open run, with an error or without one."""
        try:
            with self._talking():
                if error is None:
                    self._open.close()
                    tracking.deliver_quietly()
                else:
                    self._open.__exit__(type(error), error, error.__traceback__)
        finally:
            self._open, self._run = contextlib.ExitStack(), None
            if notice := self._outbox.notice():
                console.warn(notice)
            self._outbox.close()


def _original(run: "Run") -> RunRecord | None:
    """Return the record of the original run, if this run is its replay and must have its inputs."""
    tags = run.data.tags
    earlier = tags.get(tracking.REPLAY_OF) or tags.get(tracking.TWEAK_OF)
    return tracking.find_record(earlier) if earlier else None


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # the user of a container may have no name
        return "unknown"
