"""Describes an archive as a Workflow Run RO-Crate: which runs made which files from which inputs.

Where the runs' project has an MLproject, that is the workflow of the crate, and each run an action
of it; else it is a Process Run Crate, with a command for each run. See https://w3id.org/ro/wfrun.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import PurePosixPath
from typing import Any, TypeAlias

from reprise.archive import contents as names
from reprise.archive.contents import Run
from reprise.record.schema import InputData, RunRecord

Entity: TypeAlias = dict[str, Any]
_ROOT = "./"
_CRATE = "https://w3id.org/ro/crate/1.1"
_WORKFLOW_CRATE = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
_PROCESS_RUN = "https://w3id.org/ro/wfrun/process/0.5"
_WORKFLOW_RUN = "https://w3id.org/ro/wfrun/workflow/0.5"
_LANGUAGE = "#mlflow-projects"
_NO_LICENCE = "No licence was stated. Ask whoever made the runs."
_STATUS = {
    "FINISHED": "http://schema.org/CompletedActionStatus",
    "FAILED": "http://schema.org/FailedActionStatus",
    "KILLED": "http://schema.org/FailedActionStatus",
}
_TERMS = {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"}
_USER = "mlflow.user"
_FORMATS = {
    ".bundle": "application/x-git-bundle",
    ".parquet": "application/vnd.apache.parquet",
    ".input": "application/octet-stream",
}
_WEB = ("http://", "https://")


def crate(
    runs: Sequence[tuple[Run, RunRecord | None]], *, workflow: str, files: Mapping[str, str]
) -> str:
    """Return the description of an archive.

    Parameters
    ----------
    runs : sequence of (Run, RunRecord or None)
        In the order of their start.
    workflow : str
        Name of the MLproject in the archive; "" for none.
    files : mapping of str to str
        SHA-256 of each file of the archive, by name.
    """
    entities: dict[str, Entity] = {}
    for run, record in runs:
        for entity in _of_run(run, record, workflow, files):
            entities.setdefault(entity["@id"], entity)
    for entity in _of_code(workflow, files):
        entities[entity["@id"]] = entity
    root = _root(runs, entities, workflow)
    profiles = [{"@id": _CRATE}, *([{"@id": _WORKFLOW_CRATE}] if workflow else [])]
    descriptor = {
        "@id": "ro-crate-metadata.json",
        "@type": "CreativeWork",
        "about": {"@id": _ROOT},
        "conformsTo": profiles if workflow else profiles[0],
    }
    graph = [descriptor, root, *_profiles(workflow), *entities.values()]
    text = json.dumps(
        {"@context": [f"{_CRATE}/context", _TERMS], "@graph": graph},
        indent=1,
        ensure_ascii=False,
        sort_keys=True,
    )
    return f"{text}\n"


def _root(
    runs: Sequence[tuple[Run, RunRecord | None]], entities: Mapping[str, Entity], workflow: str
) -> Entity:
    experiments = ", ".join(sorted({run.experiment for run, _ in runs}))
    parts = [{"@id": each} for each, entity in entities.items() if _is_in_archive(entity)]
    actions = [{"@id": f"#{run.run_id}"} for run, _ in runs]
    profiles = [_PROCESS_RUN, *([_WORKFLOW_RUN, _WORKFLOW_CRATE] if workflow else [])]
    return {
        "@id": _ROOT,
        "@type": "Dataset",
        "name": f"Runs of {experiments}",
        "description": f"{len(runs)} runs of machine learning, with what it takes to reproduce "
        "them.",
        "datePublished": _moment(max(run.end for run, _ in runs)),
        "license": _NO_LICENCE,
        "conformsTo": [{"@id": profile} for profile in profiles],
        "hasPart": parts,
        "mentions": actions,
        **({"mainEntity": {"@id": workflow}} if workflow else {}),
    }


def _is_in_archive(entity: Entity) -> bool:
    return str(entity["@id"]).startswith("data/")


def _profiles(workflow: str) -> Iterator[Entity]:
    known = {_PROCESS_RUN: "Process Run Crate"}
    if workflow:
        known |= {_WORKFLOW_RUN: "Workflow Run Crate", _WORKFLOW_CRATE: "Workflow RO-Crate"}
    for address, name in known.items():
        version = address.rpartition("/")[2]
        yield {"@id": address, "@type": "CreativeWork", "name": name, "version": version}


def _of_code(workflow: str, files: Mapping[str, str]) -> Iterator[Entity]:
    """Describe the project: its MLproject, and the bundle with its history."""
    if names.CODE in files:
        yield {
            **_file(names.CODE, files),
            "name": "the code of the runs as a git bundle",
        }
    if workflow:
        yield {
            **_file(workflow, files),
            "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
            "name": "MLproject",
            "programmingLanguage": {"@id": _LANGUAGE},
        }
        yield {
            "@id": _LANGUAGE,
            "@type": "ComputerLanguage",
            "name": "MLflow Projects",
            "url": {"@id": "https://mlflow.org/docs/latest/ml/projects/"},
        }


def _of_run(
    run: Run, record: RunRecord | None, workflow: str, files: Mapping[str, str]
) -> Iterator[Entity]:
    """Describe a run as an action, its inputs and parameters, and the folder of what it made."""
    folder = f"{names.run_folder(run.run_id)}/"
    results: list[Entity] = [
        {"@id": folder, "@type": "Dataset", "name": f"artifacts of {run.name}"}
    ]
    for model in run.models:
        if model.has_files:
            place = f"{names.model_folder(model.model_id)}/"
            results.append({"@id": place, "@type": "Dataset", "name": f"model {model.name}"})
    objects = [*_parameters(run), *(_inputs(record, files) if record else ())]
    yield from results
    yield from objects
    is_step = bool(workflow) and record is not None and not record.step.command
    instrument = workflow if is_step else f"#command-{run.run_id}"
    if not is_step:
        yield {"@id": instrument, "@type": "SoftwareApplication", **_command(run, record)}
    user = run.tags.get(_USER, "")
    if user:
        yield {"@id": f"#user-{user}", "@type": "Person", "name": user}
    yield {
        "@id": f"#{run.run_id}",
        "@type": "CreateAction",
        "name": run.name or run.run_id,
        "identifier": run.run_id,
        "startTime": _moment(run.start),
        "endTime": _moment(run.end),
        "actionStatus": {"@id": _STATUS[run.status]},
        "instrument": {"@id": instrument},
        "object": [{"@id": entity["@id"]} for entity in objects],
        "result": [{"@id": entity["@id"]} for entity in results],
        **({"agent": {"@id": f"#user-{user}"}} if user else {}),
    }


def _command(run: Run, record: RunRecord | None) -> Entity:
    if record is None:
        return {"name": run.tags.get("mlflow.source.name", "not recorded")}
    step = record.step
    name = " ".join(step.words or ("python", *step.command) if step.command or step.words else ())
    return {
        "name": name or step.entry_point,
        "version": record.code.commit or "not recorded",
        **({"codeRepository": record.code.repository} if record.code.repository else {}),
    }


def _parameters(run: Run) -> Iterator[Entity]:
    for name, value in sorted(run.params.items()):
        yield {
            "@id": f"#{run.run_id}-{name}",
            "@type": "PropertyValue",
            "name": name,
            "value": value,
        }


def _inputs(record: RunRecord, files: Mapping[str, str]) -> Iterator[Entity]:
    for data in record.inputs:
        yield _input(data, files)


def _input(data: InputData, files: Mapping[str, str]) -> Entity:
    """Describe an input: a file of the archive, an address of the web, or what it is called."""
    run_id, _, name = data.uri.removeprefix("runs:/").partition("/")
    place = f"{names.run_folder(run_id)}/{names.ARTIFACTS}/{name}"
    described = {"name": data.name, "description": f"content with SHA-256 {data.sha256}"}
    if place in files:
        return {**_file(place, files), **described}
    if data.uri.startswith(_WEB):
        return {"@id": data.uri, "@type": "File", **described}
    return {"@id": f"#data-{data.sha256}", "@type": "CreativeWork", **described}


def _file(name: str, files: Mapping[str, str]) -> Entity:
    kind = _FORMATS.get(PurePosixPath(name).suffix, "text/plain")
    return {"@id": name, "@type": "File", "sha256": files[name], "encodingFormat": kind}


def _moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc).isoformat(timespec="seconds")
