"""What a run sends to the tracking server: sending any of it again changes nothing.

Each is a plain value that can be kept in a file and sent by another process later (`spool`).
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import mlflow
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelOutput,
    LoggedModelStatus,
    Metric,
    Param,
    RunTag,
)
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.models.model import MLMODEL_FILE_NAME

from reprise.backports import Self
from reprise.tracking import artifacts
from reprise.tracking.search import logged_model
from reprise.tracking.server import client
from reprise.tracking.tags import NOTE

_ATTEMPTS = 5
OWN_MODEL = "own"  # in place of an id: the model that the run itself has logged
_MODELS: dict[str, str] = {}  # ids of those that runs of this process have logged


@dataclass(frozen=True)
class Write:
    """One thing that a run sends.

    Attributes
    ----------
    path : str
        File or folder with its content; "" where it has none.
    """

    run_id: str
    path: str = ""

    def send(self, *, again: bool = False) -> None:
        """Send it; `again` where an earlier try may have arrived."""
        raise NotImplementedError

    def moved(self, path: Path) -> Self:
        """Return the same with its content in another place."""
        return replace(self, path=str(path))

    def to_json(self) -> str:
        """Write all but the content."""
        return json.dumps({"kind": type(self).__name__, **asdict(self)})


@dataclass(frozen=True)
class Batch(Write):
    """Parameters, tags, and points of metrics: name, step, value, milliseconds since 1970."""

    params: Mapping[str, str] | None = None
    points: Sequence[tuple[str, int, float, int]] = ()
    tags: Mapping[str, str] | None = None
    model_id: str | None = None  # of the model whose metrics they are, too; see OWN_MODEL

    def send(self, *, again: bool = False) -> None:
        """Send it, in one request."""
        del again  # MLflow keeps equal points once
        model_id = self.model_id
        if model_id == OWN_MODEL:
            model_id = _model_of(self.run_id) if self.points else None
        client().log_batch(
            self.run_id,
            params=[Param(name, value) for name, value in (self.params or {}).items()],
            metrics=[
                Metric(name, value, at, step, model_id=model_id)
                for name, step, value, at in self.points
            ],
            tags=[RunTag(name, value) for name, value in (self.tags or {}).items()],
        )


@dataclass(frozen=True)
class Inputs(Write):
    """Data sets that a run reads: fields of MLflow's `Dataset`."""

    datasets: Sequence[Mapping[str, str]] = ()
    context: str = ""

    def send(self, *, again: bool = False) -> None:
        """Send them, in one request."""
        del again
        tag = InputTag("mlflow.data.context", self.context)
        inputs = [DatasetInput(Dataset(**fields), tags=[tag]) for fields in self.datasets]
        for attempt in range(_ATTEMPTS):
            try:
                client().log_inputs(self.run_id, inputs)
            except MlflowException as error:
                # MLflow looks a dataset up and then inserts it: of two runs that log the same new
                # one at once, the database refuses one, which then finds it there.
                if "constraint" not in str(error).lower() or attempt == _ATTEMPTS - 1:
                    raise
            else:
                return


@dataclass(frozen=True)
class Files(Write):
    """A file, or the files of a folder, to be artifacts of a run."""

    name: str | None = None  # folder within the artifacts

    def send(self, *, again: bool = False) -> None:
        """Send them; those that are there already are replaced."""
        del again
        artifacts.upload(self.run_id, Path(self.path), self.name)


@dataclass(frozen=True)
class ModelFiles(Write):
    """The folder of a saved model, to be the logged model of a run."""

    experiment_id: str = ""
    name: str = ""
    params: Mapping[str, str] | None = None
    model_type: str = ""
    description: str = ""

    def send(self, *, again: bool = False) -> None:
        """Make the logged model, send its files, and give it to the run."""
        _MODELS[self.run_id] = self.sent(again=again)

    def sent(self, *, again: bool = False) -> str:
        """Send it, and return the id of the logged model."""
        logged = self._found() if again else None
        logged = logged or client().create_logged_model(
            self.experiment_id,
            name=self.name,
            source_run_id=self.run_id,
            params=dict(self.params or {}),
            model_type=self.model_type,
            tags={NOTE: self.description} if self.description else None,
        )
        self._describe(logged.model_id, logged.artifact_location)
        artifacts.log_model_files(logged.model_id, self.path)
        client().finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
        if not again or logged_model(self.run_id) != logged.model_id:  # else the server has it
            client().log_outputs(self.run_id, [LoggedModelOutput(logged.model_id, step=0)])
        return str(logged.model_id)

    def _found(self) -> Any:
        """Return the logged model that an earlier try has made, or None."""
        made = client().search_logged_models(
            [self.experiment_id], filter_string=f"source_run_id = '{self.run_id}'"
        )
        return next((model for model in made if model.name == self.name), None)

    def _describe(self, model_id: str, location: str) -> None:
        """Name the logged model in the file that describes the saved one."""
        described = Model.load(self.path)
        described.model_id = described.model_uuid = model_id
        described.artifact_path = location
        described.save(str(Path(self.path, MLMODEL_FILE_NAME)))


@dataclass(frozen=True)
class End(Write):
    """The final status of a run, and when it ended, in milliseconds since 1970."""

    status: str = ""
    at: int = 0

    def send(self, *, again: bool = False) -> None:
        """Send it, by MLflow's own function where the run is the active one of this process."""
        active = mlflow.active_run()
        if not again and active is not None and active.info.run_id == self.run_id:
            mlflow.end_run(self.status)
        else:
            client().set_terminated(self.run_id, self.status, end_time=self.at)


def from_json(text: str) -> Write:
    """Read what `Write.to_json` has written.

    Raises
    ------
    ValueError, TypeError, LookupError
        If it is something else.
    """
    fields = json.loads(text)
    kinds = {kind.__name__: kind for kind in Write.__subclasses__()}
    return kinds[fields.pop("kind")](**fields)


def now() -> int:
    """Return the milliseconds since 1970."""
    return int(time.time() * 1000)


def _model_of(run_id: str) -> str | None:
    """Return the id of the model that a run has logged."""
    return _MODELS.get(run_id) or logged_model(run_id)
