"""A recorded run: what a step is given to read its inputs and log its outputs.

Inputs are on the record before anything is computed; outputs complete it afterwards, and what a
failure leaves is kept.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reprise import env, tracking
from reprise.errors import DigestMismatchError, RecordError
from reprise.process import interrupts
from reprise.record.description import Checked, Facts, describe
from reprise.record.digest import sha256_array
from reprise.record.schema import (
    FILE_NAME,
    InputData,
    Outputs,
    RunRecord,
    Step,
    run_key,
)
from reprise.runtime.begun import seeds
from reprise.runtime.child_runs import open_nested_run, plan_step
from reprise.runtime.finalizing import failure, finalizing_run
from reprise.runtime.parameters import Parameters
from reprise.runtime.run_name import RunName

if TYPE_CHECKING:
    import numpy as np
    from mlflow.entities import Run

_SHORT_MS = 10_000
_FREE = ("sklearn:", "runs:/")  # inputs that are no file of anybody's


class RunRecorder:
    """One run of one entry point, and its record.

    Attributes
    ----------
    run_id, experiment_id : str
        MLflow's ids.
    record : RunRecord
        What is on the record so far.
    keeps_models : bool
        Whether to store its model, or only the model's digest.
    name : RunName
        The engine's, where nobody else has named the run.
    """

    def __init__(
        self,
        run: "Run",
        record: RunRecord,
        *,
        parameters: Parameters | None,
        tags: Mapping[str, str],
        original: RunRecord | None = None,
        verifies: bool = False,
        keeps_models: bool = True,
    ) -> None:
        self._run = run
        self.checked: Checked | None = None  # what this run has found out about another
        self.is_one_of_many = False  # then nothing is asked of the server for it alone
        self.name = RunName("", {}, is_own=False)
        self.keeps_models = keeps_models
        self._verifies = verifies  # whether all that it reads must be on the record of that run
        self._original = original  # the record of the run that this one replays
        self._counterparts: list[Run] | None = None
        self._parameters = parameters
        self.run_id: str = run.info.run_id
        self.experiment_id: str = run.info.experiment_id
        self.record = record
        self.model_id: str | None = None
        self.metrics: dict[str, float] = {}
        self._at = 0  # when the metrics were first sent, in milliseconds since 1970
        self._at_server: set[str] = set()  # metrics that need not be logged any more
        self._written: RunRecord | None = None  # the record that is whole among the artifacts
        self._tags: dict[str, str] = dict(tags)
        self._digests: dict[str, Any] = {"model": None, "predictions": {}, "artifacts": {}}

    @property
    def replays(self) -> bool:
        """Whether this run is a replay, and so must change nothing else."""
        return tracking.REPLAY_OF in self._run.data.tags

    def recorded_uri(self, name: str) -> str | None:
        """Return where the original run read an input; None: it did not."""
        data = self._recorded_input(name)
        return data.uri if data else None

    def add_input(self, data: InputData, *, context: str) -> None:
        """Put an input on the record, before anything is computed from it.

        Raises
        ------
        DigestMismatchError
            If it is not what the original run read.
        """
        if not data.uri.startswith(_FREE):  # not even its digest is sent
            self.verify_input(data.name, data.uri, data.sha256)
        self._update(inputs=(*self.record.inputs, data))
        tracking.log_inputs(self.run_id, [data], context=context)
        self.write_record()
        self.verify_input(data.name, data.uri, data.sha256)

    def verify_input(self, name: str, uri: str, sha256: str) -> None:
        """Refuse, before it is parsed or sent, what the original run did not read.

        Raises
        ------
        DigestMismatchError
            If it read something else.
        RecordError
            If its record says nothing of this input, which is somebody's own data.
        """
        recorded = self._recorded_input(name)
        if recorded and recorded.sha256 != sha256:
            raise DigestMismatchError(
                f"the input {name} ({uri})", recorded=recorded.sha256, found=sha256
            )
        if recorded is None and self._verifies and not uri.startswith(_FREE):
            raise RecordError(
                f"expected the digest of the input {name} on the original run's record, found "
                "none. The record was altered, or is gone."
            )

    def may_store(self, digests: Mapping[str, str]) -> bool:
        """Return whether the run may store content: in a replay, if the original had it."""
        outputs = self._original.outputs if self._original else None
        if not self.replays:
            return True
        return outputs is not None and digests.items() <= outputs.artifacts.items()

    def original_holder(self, digest: str) -> str | None:
        """Return the run that stores the data of the run that this one replays; None: another's."""
        original = self._run.data.tags.get(tracking.REPLAY_OF)
        if original is None:
            return None
        tags = tracking.get_run(original).data.tags
        return tracking.stored_in(original) if tags.get(tracking.DATA_DIGEST) == digest else None

    def _recorded_input(self, name: str) -> InputData | None:
        inputs = self._original.inputs if self._original else ()
        return next((data for data in inputs if data.name == name), None)

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """Log metrics; they must be equal in a replay."""
        self.metrics |= metrics
        self._at = self._at or tracking.now()
        tracking.note_metrics(self.run_id, self.metrics, at=self._at)

    def log_histories(self, points: Sequence[tuple[str, int, float]]) -> None:
        """Log points of metrics (name, step, value); a replay must have the same last ones."""
        tracking.log_points(self.run_id, points, model_id=self.model_id)
        self.add_logged_metrics({name: value for name, _, value in points})

    def add_logged_metrics(self, metrics: Mapping[str, float]) -> None:
        """Put metrics that the server has already on the record."""
        self.metrics |= metrics
        self._at_server |= metrics.keys()

    def add_parameters(self, parameters: Mapping[str, Any]) -> None:
        """Log parameters that a script decides upon as it runs, and put them on the record."""
        texts = {name: str(value) for name, value in parameters.items()}
        tracking.log_params(self.run_id, texts)
        self._tags |= self.name.with_parameters(texts)
        step = self.record.step
        step = step.model_copy(update={"parameters": {**step.parameters, **texts}})
        self._update(step=step, seeds={**self.record.seeds, **seeds(parameters)})
        self.write_record()

    def log_predictions(
        self,
        predicted: "np.ndarray[Any, Any]",
        probabilities: "np.ndarray[Any, Any] | None" = None,
    ) -> None:
        """Record the digests of labels (n,) and probabilities (n, classes), or of numbers (n,)."""
        parts = {"values": predicted}
        if probabilities is not None:
            parts = {"labels": predicted, "probabilities": probabilities}
        self._digests["predictions"] = {n: sha256_array(values) for n, values in parts.items()}

    def log_model_digest(self, digest: str, *, is_logged: bool) -> None:
        """Put a model's digest on the record, and link metrics to the model, if it is logged."""
        self._digests["model"] = digest
        self._tags[tracking.MODEL_DIGEST] = digest
        self.model_id = tracking.OWN_MODEL if is_logged else None

    def log_digest(self, name: str, digest: str) -> None:
        """Put the digest of content that must be equal next time on the record."""
        self._digests["artifacts"][name] = digest

    def log_folder(self, folder: Path, name: str | None = None) -> None:
        """Store the files of a folder as artifacts."""
        tracking.log_folder(self.run_id, folder, name)

    def log_text(self, name: str, text: str) -> None:
        """Store a text as an artifact."""
        tracking.log_text(self.run_id, name, text)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Tag the run."""
        self._tags |= tags

    def key(self, parameters: Parameters, inputs: Sequence[InputData]) -> str | None:
        """Name a run of this code and environment by what decides its results.

        None where the code is not known, or what is installed is not what the lock says.
        """
        tree, installed = self.record.code.tree, self.record.environment
        if tree is None or installed.lock_sha256 is None or installed.deviations:
            return None
        return run_key(
            tree=tree,
            entry_point=parameters.entry_point,
            parameters=parameters.values(),
            data={data.name: data.sha256 for data in inputs},
            lock_sha256=installed.lock_sha256,
            python=installed.python,
        )

    def name_data(self, name: str) -> None:
        """Name this run and its child runs by their data."""
        self._tags |= self.name.of_data(name) | ({tracking.DATA_NAME: name} if name else {})

    def rename(self, about: str) -> None:
        """Name the run of a command by what it is about, unless its user has named it."""
        self._tags |= self.name.about(about)

    def plan_child(
        self,
        parameters: Parameters,
        *,
        replay_of: str | None = None,
        varying: frozenset[str] = frozenset(),
    ) -> tracking.Plan:
        """Plan a child run for another process to make; its name has what varies among them."""
        counterpart = replay_of or (self._next_counterpart(parameters) if self.replays else None)
        tags = {tracking.REPLAY_OF: counterpart} if counterpart else {}
        return plan_step(self._run, parameters, tags=tags, data=self.name.data, varying=varying)

    def _next_counterpart(self, parameters: Parameters) -> str | None:
        """Return the child of the original run that a child of this run replays."""
        if self._counterparts is None:
            replayed = tracking.get_run(self._run.data.tags[tracking.REPLAY_OF])
            self._counterparts = tracking.children(replayed)
        values = {n: v for n, v in parameters.raw().items() if n not in parameters.locations}
        for position, child in enumerate(self._counterparts):
            same_step = child.data.tags.get(tracking.ENTRY_POINT) == parameters.entry_point
            if same_step and values.items() <= child.data.params.items():
                return str(self._counterparts.pop(position).info.run_id)
        return None

    def create_run(
        self,
        entry_point: str,
        raw_parameters: Mapping[str, str],
        *,
        name: str,
        tags: Mapping[str, str],
        experiment_id: str | None = None,
    ) -> str:
        """Make a child run, of any code, for another process to do; return its id."""
        planned = tracking.plan_run(self._run, entry_point, raw_parameters, name=name, tags=tags)
        if experiment_id is not None:
            planned = replace(planned, experiment_id=experiment_id)
        return str(tracking.make(planned).info.run_id)

    def tracking_environment(self) -> dict[str, str]:
        """Return the variables of processes that log where this one does."""
        return tracking.environment(self.experiment_id)

    def environment(self) -> dict[str, str]:
        """Return the variables of processes that make child runs of the same code."""
        return {
            **self.tracking_environment(),
            env.CODE: self.record.code.model_dump_json(),
        }

    @contextlib.contextmanager
    def nested(self, parameters: Parameters) -> Iterator["RunRecorder"]:
        """Make, record and end a child run in this process."""
        with interrupts.deferred() as admit:
            run = open_nested_run(self._run, parameters)
            with finalizing_run(run):
                admit()
                child = self._child(run, parameters)
                with child.recorded():
                    yield child

    def _child(self, run: "Run", parameters: Parameters) -> "RunRecorder":
        """Return the recorder of a child run of the same code, in this process."""
        step = Step(
            entry_point=parameters.entry_point,
            raw_parameters=parameters.raw(),
            parameters=parameters.typed(),
            locations=tuple(sorted(parameters.locations)),
        )
        record = RunRecord(
            code=self.record.code,
            step=step,
            environment=self.record.environment,
            numerics=self.record.numerics,
            seeds=seeds(step.parameters),
        )
        tags = tracking.describe_source(run, record.code)
        return RunRecorder(
            run, record, parameters=parameters, tags=tags, keeps_models=self.keeps_models
        )

    @contextlib.contextmanager
    def recorded(self, *, at_once: bool = True) -> Iterator[None]:
        """Write the record before the work and complete it after; keep what a failure leaves.

        Parameters
        ----------
        at_once : bool
            False: with the first input, which is before anything is computed.
        """
        try:
            if at_once:
                self.write_record()
            yield
            self._complete()
        except BaseException as error:
            with interrupts.deferred():
                self._describe(failure(error))
                self._flush()
                if self._written is not self.record:
                    self.write_record()
            raise

    def _complete(self) -> None:
        """Put what the run has given on its record."""
        self._update(outputs=Outputs(metrics=dict(sorted(self.metrics.items())), **self._digests))
        key = self.key(self._parameters, self.record.inputs) if self._parameters else None
        if key:
            self._tags[tracking.KEY] = key
        self._describe()
        self._flush()
        self.write_record()

    def _describe(self, error: str = "") -> None:
        """Describe the run for people, unless one of them has described it."""
        if tracking.NOTE in self._tags:
            return
        facts = Facts(
            self.run_id,
            self.record,
            metrics=self.metrics,
            error=error,
            checked=self.checked,
            data=self.name.data,
            is_bookkeeping=tracking.BOOKKEEPING in self._tags,
        )
        is_short = tracking.now() - self._run.info.start_time < _SHORT_MS
        if self.is_one_of_many and is_short:  # nobody has seen it yet
            self._tags[tracking.NOTE] = describe(facts)
        else:
            known = self._run.data.tags.get(tracking.NOTE)
            self._tags |= tracking.describing(self.run_id, describe(facts), known=known)

    def write_record(self) -> None:
        """Store the record as it is so far."""
        self._written = None
        tracking.log_text(self.run_id, FILE_NAME, self.record.to_json())
        self._written = self.record

    def _flush(self) -> None:
        """Send metrics and tags; MLflow keeps a point once that is sent twice with one time."""
        self._at = self._at or tracking.now()
        metrics = {n: v for n, v in self.metrics.items() if n not in self._at_server}
        tracking.log(
            self.run_id, metrics=metrics, tags=self._tags, model_id=self.model_id, at=self._at
        )
        tracking.drop_note(self.run_id)

    def _update(self, **changes: Any) -> None:
        self.record = self.record.model_copy(update=changes)
