"""Says of what original runs read whether it is still there, and still the same."""

import os
import re
import sys
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from pathlib import Path

from reprise import tracking
from reprise.capture import environment
from reprise.data import sources, splits
from reprise.data.parquet_files import give_memory_back
from reprise.errors import DataError, DigestMismatchError, RepriseError
from reprise.git import repository_root
from reprise.observing import inputs, kept
from reprise.record.digest import sha256_file
from reprise.record.schema import InputData, RunRecord
from reprise.trust import permissions
from reprise.trust.permissions import Permissions

_BUILT_IN = "sklearn:"  # comes with the environment
_MODEL = re.compile(r"runs:/([0-9a-f]{32})/model")
_RUN = re.compile(r"runs:/([0-9a-f]{32})")
_OF_A_MODEL = ("scikit-learn", "skops", "numpy", "scipy")  # what loading one depends on


class Inputs:
    """Checks inputs of runs, the same content once.

    Parameters
    ----------
    allowed : sequence of str
        Paths, and addresses, outside the project that may be read although only a record says so.
    """

    def __init__(self, allowed: Sequence[str] = ()) -> None:
        self._allowed = allowed
        self._faults: dict[Hashable, str] = {}
        self._installed = environment.installed_packages(sys.path)

    def fault(self, item: InputData, record: RunRecord, folder: Path | None) -> str:
        """Say in a line what is wrong with an input of a run; "" where nothing is.

        Parameters
        ----------
        item : InputData
            As recorded.
        record : RunRecord
            Of the run.
        folder : Path or None
            Where the run's code is checked out; None: it cannot be had, and so nobody knows
            whether a relative path leads into it.
        """
        if record.observed is not None:
            project = repository_root(Path.cwd()) / record.code.project
            fault = inputs.fault(item, project, permitted=self._permitted(folder))
            return "" if fault and item.kept and kept.is_kept(item) else fault
        return self._fault_of_a_step(item, record, folder)

    def _fault_of_a_step(self, item: InputData, record: RunRecord, folder: Path | None) -> str:
        if item.uri.startswith(_BUILT_IN):
            return ""
        if part := splits.PART.fullmatch(item.uri):
            return self._once(
                (item.uri, item.sha256), lambda: self._check_part(item, *part.groups())
            )
        if model := _MODEL.fullmatch(item.uri):
            loadable = self._loads_models_of(record)
            key = (item.uri, item.sha256, loadable)
            return self._once(key, lambda: _check_model(model[1], item.sha256, loadable=loadable))
        if run := _RUN.fullmatch(item.uri):
            return self._once(item.uri, lambda: tracking.get_run(run[1]))
        if item.uri.startswith("runs:/"):
            return self._once((item.uri, item.sha256), lambda: _check_artifact(item))
        return self._source_fault(item, record, folder)

    def _loads_models_of(self, record: RunRecord) -> bool:
        """Return whether a run had the packages of here on which the loading of a model depends."""
        recorded = record.environment.packages
        return all(recorded.get(name) == self._installed.get(name) for name in _OF_A_MODEL)

    def notes(self, record: RunRecord) -> tuple[str, ...]:
        """Say what about the inputs of a run could not be checked."""
        models = any(_MODEL.fullmatch(item.uri) for item in record.inputs)
        if not models or self._loads_models_of(record):
            return ()
        versions = " ".join(
            f"{name} {record.environment.packages.get(name)}" for name in _OF_A_MODEL
        )
        return (f"its model is there, but was not loaded here: it needs {versions}.",)

    def _source_fault(self, item: InputData, record: RunRecord, folder: Path | None) -> str:
        """Look for a source where a replay will: in the run's code, else where the path leads."""
        check = partial(_check_permitted, self._permitted(folder))
        relative = "://" not in item.uri and not Path(item.uri).is_absolute()
        if not relative or item.uri.startswith("~"):
            return self._once((item.uri, item.sha256), lambda: check(item, item.uri))
        if folder is None:
            return ""
        within = folder / record.step.folder / item.uri
        if os.path.exists(within):  # noqa: PTH110 - Path's raises for a name that is too long
            key = (str(within), item.sha256, record.code.commit)  # another code, another content
            return self._once(key, lambda: check(item, str(within)))
        return self._once((item.uri, item.sha256), lambda: check(item, item.uri))

    def _permitted(self, folder: Path | None) -> Permissions:
        """Return what may be read, of the checked-out code and of this clone too."""
        root = repository_root(Path.cwd())
        code = repository_root(folder) if folder else root
        return permissions.of_replay(code, root, self._allowed)

    def _check_part(self, item: InputData, load_run_id: str, part: str) -> None:
        holder, recorded, _ = splits.located(load_run_id, part)
        if recorded != item.sha256:
            raise DigestMismatchError(
                f"the record of run {load_run_id}", recorded=item.sha256, found=recorded
            )
        fault = self._once(
            (holder, part, recorded), lambda: splits.verified(holder, part, recorded)
        )
        give_memory_back()
        if fault:
            raise DataError(fault)

    def _once(self, key: Hashable, check: Callable[[], object]) -> str:
        """Return what a check objects to, making it if it has not been made."""
        if key not in self._faults:
            try:
                with tracking.translating_errors():
                    check()
                self._faults[key] = ""
            except RepriseError as error:
                self._faults[key] = str(error)
        return self._faults[key]


def _check_model(run_id: str, recorded: str, *, loadable: bool) -> None:
    """Load a model and compare its digest; with other packages, see that its file is there."""
    from reprise.models import model_store

    tracking.read_record(run_id)  # who reads a model asks it for the data that belongs to it
    if loadable:
        model_store.load_model(run_id, recorded=recorded)
    else:
        with model_store.stored_file(run_id):
            pass


def _check_artifact(item: InputData) -> None:
    with tracking.artifact_at(item.uri) as path:
        sha256 = sha256_file(path) if path.is_file() else "that of no file"
    _refuse_another(item, sha256)


def _check_permitted(permitted: Permissions, item: InputData, place: str) -> None:
    with sources.fetch(place, permitted=permitted) as source:
        _refuse_another(item, source.sha256)


def _refuse_another(item: InputData, found: str) -> None:
    if found != item.sha256:
        raise DigestMismatchError(
            f"the input {item.name} ({item.uri})", recorded=item.sha256, found=found
        )
