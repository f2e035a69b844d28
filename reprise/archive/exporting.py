"""Writes runs, and all that it takes to reproduce them, from a tracking server into an archive."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reprise import tracking
from reprise.archive import contents as names
from reprise.archive import wheels
from reprise.archive.closure import Chosen, closure
from reprise.archive.code import Commits, write_bundle
from reprise.archive.contents import Contents, Dataset, Model, Point, Run, Version
from reprise.archive.read_me import READ_ME, read_me
from reprise.archive.recipe import recipe
from reprise.archive.ro_crate import crate
from reprise.archive.writer import Writer
from reprise.console import tracked
from reprise.data import splits
from reprise.errors import ArchiveError
from reprise.observing import kept
from reprise.process import scratch

if TYPE_CHECKING:
    from mlflow import entities

_DATA_FOLDERS = (splits.FOLDER, kept.FOLDER)  # of artifacts, which `--with data` stands for


@dataclass(frozen=True)
class Exported:
    """What was written."""

    contents: Contents
    is_signed: bool


def export(
    run_ids: Sequence[str], path: Path, *, parts: Collection[str], at_hand: Path, key: str = ""
) -> Exported:
    """Write an archive.

    Parameters
    ----------
    run_ids : sequence of str
        The runs to write; those that they need come with them.
    path : Path
        Of the archive, which is there when all of it is.
    parts : collection of {"data", "models", "wheels"}
        What else to write: stored data and kept inputs, the files of models, and the wheels of
        the environments.
    at_hand : Path
        A folder in the repository of the runs.
    key : str
        Signs the archive; "" for none.

    Raises
    ------
    ArchiveError
        If there is nothing to write.
    TrackingError
        If something cannot be read.
    """
    chosen = closure(run_ids)
    if not chosen:
        raise ArchiveError("expected runs that have ended, found none. Name others.")
    with Writer(path, key=key) as writer, scratch.folder() as folder:
        runs = [
            (_write_run(writer, each.run, parts), each.record)
            for each in tracked(chosen, "exporting runs")
        ]
        bundle = Path(folder, "repository.bundle")
        commits = write_bundle(bundle, chosen, at_hand)
        if commits.branches:
            writer.file(names.CODE, bundle)
        if commits.mlproject:
            writer.text(names.MLPROJECT, commits.mlproject)
        if "wheels" in parts:
            fetched = Path(folder, "wheels")
            fetched.mkdir()
            wheels.download(chosen, commits.locks, fetched)
            writer.folder(names.WHEELS, fetched)
        contents = _contents(run_ids, chosen, parts, commits)
        writer.text(names.CONTENTS, contents.to_json())
        writer.text(READ_ME, read_me(contents, is_signed=bool(key)))
        workflow = names.MLPROJECT if commits.mlproject else ""
        description = crate(runs, workflow=workflow, files=writer.files)
        return Exported(contents, is_signed=writer.end(description))


def write_recipe(run_ids: Sequence[str], path: Path) -> int:
    """Write how to make runs again by hand, and return of how many runs it says so.

    Parameters
    ----------
    run_ids : sequence of str
    path : Path
        Of the script.

    Raises
    ------
    ArchiveError
        If a run has no record of its code.
    """
    chosen = closure(run_ids)
    text = recipe(chosen, run_ids)
    path.write_text(text, encoding="utf-8")
    return len(chosen)


def _contents(
    run_ids: Sequence[str], chosen: Sequence[Chosen], parts: Collection[str], commits: Commits
) -> Contents:
    there = [each.run.info.run_id for each in chosen]
    return Contents(
        asked=tuple(run_id for run_id in there if run_id in set(run_ids)),
        runs=tuple(there),
        parts=tuple(part for part in names.PARTS if part in parts),
        commits=commits.branches,
        without_code=commits.missing,
    )


def _write_run(writer: Writer, run: "entities.Run", parts: Collection[str]) -> Run:
    """Write a run with its artifacts and its models; return what is said of it."""
    run_id = run.info.run_id
    folder = names.run_folder(run_id)
    models = list(tracking.models_of(run))
    with_models = "models" in parts
    described = _described(run, models, with_files=with_models)
    writer.text(f"{folder}/{names.RUN_FILE}", described.to_json())
    with scratch.folder() as name:
        left_out = () if "data" in parts else _DATA_FOLDERS
        tracking.fetch_artifacts(run_id, Path(name), leave_out=left_out)
        writer.folder(f"{folder}/{names.ARTIFACTS}", Path(name))
    for model in models if with_models else ():
        with scratch.folder() as name:
            tracking.download_model(model.model_id, name)
            writer.folder(f"{names.model_folder(model.model_id)}/{names.FILES}", Path(name))
    return described


def _described(
    run: "entities.Run", models: Sequence["entities.LoggedModel"], *, with_files: bool
) -> Run:
    info = run.info
    tags = run.data.tags
    return Run(
        run_id=info.run_id,
        experiment=tracking.experiment_name(info.experiment_id),
        name=info.run_name or "",
        status=info.status,
        start=info.start_time,
        end=info.end_time or info.start_time,
        params=dict(run.data.params),
        tags={name: tags[name] for name in sorted(tags) if name not in tracking.NOT_COPIED},
        points=tuple(
            Point(metric=each.key, value=each.value, step=each.step, at=each.timestamp)
            for each in tracking.history(run)
        ),
        datasets=tuple(
            Dataset(context=context, fields=fields) for context, fields in tracking.datasets_of(run)
        ),
        models=tuple(
            Model(
                model_id=each.model_id,
                name=each.name,
                model_type=each.model_type or "",
                params=dict(each.params or {}),
                has_files=with_files,
            )
            for each in models
        ),
        versions=tuple(
            Version(
                registered=each.name,
                version=str(each.version),
                model_id=tracking.model_of(each),
                tags=dict(each.tags),
                aliases=tuple(each.aliases),
            )
            for each in tracking.versions_of(info.run_id)
        ),
    )
