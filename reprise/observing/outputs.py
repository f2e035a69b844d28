"""What the process of a run has logged, in its own run and in others, as content to be compared."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reprise import digests, tracking
from reprise.capture.watch import Made
from reprise.errors import RepriseError
from reprise.observing import kept, written_lock
from reprise.record.digest import sha256_json
from reprise.record.schema import FILE_NAME, LoggedRun, Outputs
from reprise.runtime.source_artifacts import OWN_FILES
from reprise.tracking import Logged

if TYPE_CHECKING:
    from mlflow.entities import Dataset

# Names that MLflow makes up: "bemused-snail-127".
_MADE_UP = re.compile(r"[a-z]+-[a-z]+-\d{1,3}")
_OWN = frozenset({FILE_NAME, written_lock.NAME, *OWN_FILES})
_FOLDER = "<project>"


def of_run(
    run_id: str,
    *,
    folder: Path,
    declared: Mapping[str, str],
    others: Sequence[str] = (),
    models: Sequence[Made] = (),
) -> Outputs:
    """Return what a run has logged.

    Parameters
    ----------
    run_id : str
    folder : Path
        The project's, whose path is another in a replay.
    declared : mapping of str to str
        Parameters that were logged for it, and are no output.
    others : sequence of str
        Ids of the other runs that its process has made, in their order.
    models : sequence of Made
        Models that its process has logged outside any run.
    """
    here = [model.id for model in models if model.store in ("", tracking.address())]
    with tracking.logged(run_id, models=here) as logged:
        return _outputs(logged, _replacing([run_id, *others], folder), declared)


def of_others(
    run_id: str, made: Sequence[Made], *, folder: Path, status: str
) -> tuple[tuple[LoggedRun, ...], list[str]]:
    """Return the other runs that the process of a run has made, and what of them is not known.

    Parameters
    ----------
    run_id : str
    made : sequence of Made
        The runs that the process has reported, some in stores of its own.
    folder : Path
        The project's.
    status : str
        Of a run that the process has left open.
    """
    own = tracking.address()
    tagged = [run.info.run_id for run in tracking.runs_of_process(run_id)]
    places = {each.id: each.store for each in made if each.id != run_id}
    places |= {each: own for each in tagged if each not in places}
    ids = [run_id, *places]
    found, unknown = [], []
    for each, store in places.items():
        elsewhere = store if store and store != own else None
        try:
            with tracking.using_server(elsewhere), tracking.translating_errors():
                found.append(_logged_run(each, _replacing(ids, folder), ids))
                if elsewhere is None:
                    tracking.log(each, tags={tracking.RECORDED_BY: run_id})
                tracking.close(each, status, "")
        except RepriseError as error:
            unknown.append(f"run {each}: {error}")
    return tuple(found), unknown


def _logged_run(run_id: str, replacing: Mapping[str, str], of_process: Sequence[str]) -> LoggedRun:
    with tracking.logged(run_id) as logged:
        run, tags = logged.run, logged.run.data.tags
        name = str(run.info.run_name or "")
        parent = tags.get(tracking.PARENT)
        return LoggedRun(
            run_id=run_id,
            name="" if _MADE_UP.fullmatch(name) else name,
            entry_point=tags.get(tracking.ENTRY_POINT, ""),
            parent=parent if parent in of_process else None,
            status=str(run.info.status),
            outputs=_outputs(logged, replacing, {}),
        )


def _replacing(run_ids: Sequence[str], folder: Path) -> dict[str, str]:
    """Return the texts that a replay has otherwise, with what stands for them."""
    paths = sorted({str(folder), str(folder.resolve())}, key=len, reverse=True)
    return {
        **dict.fromkeys(paths, _FOLDER),
        **{each: f"<run {number}>" for number, each in enumerate(run_ids)},
    }


def _outputs(logged: Logged, replacing: Mapping[str, str], declared: Mapping[str, str]) -> Outputs:
    artifacts, opaque = {}, []
    for path in sorted(logged.files.rglob("*")):
        name = path.relative_to(logged.files).as_posix()
        if path.is_file() and name not in _OWN and not kept.is_own(name):
            content = digests.digest(path, name, replacing=replacing)
            artifacts[name] = content.sha256
            opaque += [name] * content.is_opaque
    parameters = {n: v for n, v in logged.run.data.params.items() if declared.get(n) != v}
    return Outputs(
        metrics={name: points[-1][1] for name, points in logged.points.items() if points},
        histories={n: _history(points) for n, points in logged.points.items() if points[1:]},
        parameters={name: _replaced(parameters[name], replacing) for name in sorted(parameters)},
        artifacts=artifacts,
        datasets=_datasets(logged, replacing),
        registered=_numbered(logged.registered),
        opaque=tuple(opaque),
    )


def _datasets(logged: Logged, replacing: Mapping[str, str]) -> dict[str, str]:
    """Return the digests of datasets: what MLflow says of each, but for where it came from."""
    return _numbered(
        (
            f"{each.name} ({context})" if context else each.name,
            sha256_json([_replaced(str(fact), replacing) for fact in _facts(each)]),
        )
        for context, each in logged.datasets()
    )


def _facts(dataset: "Dataset") -> tuple[str, str | None, str | None]:
    return dataset.digest, dataset.schema, dataset.profile


def _numbered(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return pairs by their names, numbered where a name comes again."""
    found: dict[str, str] = {}
    numbers: Counter[str] = Counter()
    for name, value in pairs:
        numbers[name] += 1
        found[name if numbers[name] == 1 else f"{name} {numbers[name]}"] = value
    return found


def _history(points: Sequence[tuple[int, float]]) -> str:
    """Return the digest of a metric's points, those of one step in no order: times may be equal."""
    return sha256_json(sorted((step, repr(value)) for step, value in points))


def _replaced(text: str, replacing: Mapping[str, str]) -> str:
    for old, new in replacing.items():
        text = text.replace(old, new)
    return text
