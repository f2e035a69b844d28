"""Makes the runs of an archive again on a tracking server: each once, however often it is asked.

A run is made first and its content sent later, so that a run's texts can name the new ids of
others. It is complete when it names the archive in a tag; one that was interrupted is continued.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reprise import tracking
from reprise.archive import contents as names
from reprise.archive.contents import Model, Run
from reprise.archive.reader import Unpacked
from reprise.archive.renaming import RECORDS, renamed, renamed_values
from reprise.console import tracked
from reprise.errors import ArchiveError
from reprise.process import user_cache
from reprise.projects import wheels
from reprise.record.digest import sha256_text
from reprise.record.schema import FILE_NAME
from reprise.trust import limits
from reprise.trust.documents import DocumentError, read_text

AS_EXPORTED = "imported"  # folder with the record as it was where the run was made
_OURS = tracking.NOT_COPIED | {tracking.IMPORTED_FROM, tracking.IMPORTED_AS, tracking.PARENT}


@dataclass
class Imported:
    """What became of the runs of an archive.

    Attributes
    ----------
    ids : dict of str to str
        Ids that the runs have now, by those that they had.
    made, there : list of str
        The runs that were made or completed, and those that were there; the ids that they had.
    experiments : dict of str to str
        Ids of the experiments that have them, by name.
    places : dict of str to str
        Id of the experiment of each run, by the id that it had.
    """

    ids: dict[str, str] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    there: list[str] = field(default_factory=list)
    experiments: dict[str, str] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)


def import_runs(archive: Unpacked, *, experiment: str = "") -> Imported:
    """Make the runs of an archive.

    Parameters
    ----------
    archive : Unpacked
    experiment : str
        Name of the experiment for all of them; "" for those that they were in.

    Raises
    ------
    ArchiveError
        If a model of it is none.
    TrackingError
        If an experiment of that name was deleted.
    """
    server = sha256_text(tracking.kept_address())[:16]
    with user_cache.alone(user_cache.folder() / "imports" / f"{server}.lock"):
        for run in archive.runs.values():
            _refuse_damaged(archive, run)
        wheels.keep(sorted(archive.path(names.WHEELS).glob("*.whl")))
        found = _places(archive, experiment)
        for run in tracked([archive.runs[each] for each in found.made], "importing runs"):
            _complete(archive, run, found)
        return found


def _places(archive: Unpacked, experiment: str) -> Imported:
    """Have a run for each of an archive's, still without its content."""
    found = Imported()
    for name in dict.fromkeys(experiment or run.experiment for run in archive.runs.values()):
        found.experiments[name] = tracking.ensure_experiment(name)
    there: dict[str, str] = {}
    begun: dict[str, str] = {}
    for experiment_id in found.experiments.values():
        for run in tracking.all_runs(experiment_id):
            run_id, tags = run.info.run_id, run.data.tags
            there[run_id] = run_id
            original = tags.get(tracking.IMPORTED_FROM)
            if original is not None:
                (there if tracking.IMPORTED_AS in tags else begun)[original] = run_id
                found.places[original] = experiment_id
    for run in archive.runs.values():
        where = found.experiments[experiment or run.experiment]
        found.places.setdefault(run.run_id, where)
        known = there.get(run.run_id)
        (found.made if known is None else found.there).append(run.run_id)
        found.ids[run.run_id] = (
            known
            or begun.get(run.run_id)
            or tracking.make_imported(where, run.run_id, name=run.name, start=run.start)
        )
    return found


def _complete(archive: Unpacked, run: Run, found: Imported) -> None:
    """Send all that a run has logged, and end it as it had ended."""
    run_id, ids = found.ids[run.run_id], found.ids
    tracking.log_imported(
        run_id,
        params=renamed_values(run.params, ids),
        tags=_tags(run, ids),
        points=[(each.metric, each.step, each.value, each.at) for each in run.points],
        datasets=[(each.context, dict(each.fields)) for each in run.datasets],
    )
    artifacts = _artifacts(archive, run)
    if artifacts.is_dir():
        _rename_records(artifacts, ids)
        tracking.log_folder(run_id, artifacts)
    models = {}
    for model in run.models:
        if model.has_files:
            models[model.model_id] = tracking.log_imported_model(
                run_id,
                _files(archive, model),
                experiment_id=found.places[run.run_id],
                name=model.name,
                kind=model.model_type,
                params=model.params,
            )
    for version in run.versions:
        if version.model_id in models:
            tracking.register_imported(
                run_id, models[version.model_id], name=version.registered, tags=version.tags
            )
    tracking.end_imported(run_id, run.status, at=run.end, digest=archive.seal_sha256)


def _tags(run: Run, ids: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of a run, with its parent's id if that is here too."""
    tags = {name: value for name, value in run.tags.items() if name not in _OURS}
    parent = ids.get(run.tags.get(tracking.PARENT, ""))
    return renamed_values(tags, ids) | ({tracking.PARENT: parent} if parent else {})


def _refuse_damaged(archive: Unpacked, run: Run) -> None:
    """Refuse a run with a model or a record that is none, before anything is made."""
    for model in run.models:
        if model.has_files:
            tracking.refuse_damaged_model(_files(archive, model))
    for path in _records(_artifacts(archive, run)):
        _text(path)


def _artifacts(archive: Unpacked, run: Run) -> Path:
    return archive.path(f"{names.run_folder(run.run_id)}/{names.ARTIFACTS}")


def _records(artifacts: Path) -> list[Path]:
    return [artifacts / name for name in sorted(RECORDS) if (artifacts / name).is_file()]


def _rename_records(artifacts: Path, ids: Mapping[str, str]) -> None:
    """Let our records among a run's artifacts name runs by their new ids; keep the original."""
    for path in _records(artifacts):
        text = _text(path)
        if path.name == FILE_NAME:
            (artifacts / AS_EXPORTED).mkdir(exist_ok=True)
            (artifacts / AS_EXPORTED / path.name).write_text(text, encoding="utf-8")
        path.write_text(renamed(text, ids), encoding="utf-8")


def _text(path: Path) -> str:
    try:
        return read_text(path, largest=limits.JSON_BYTES)
    except (DocumentError, UnicodeError) as error:
        raise ArchiveError(
            f"expected a record in {path.name}, found something else ({error}). "
            "The archive was altered: get it again."
        ) from None


def _files(archive: Unpacked, model: Model) -> Path:
    return archive.path(f"{names.model_folder(model.model_id)}/{names.FILES}")
