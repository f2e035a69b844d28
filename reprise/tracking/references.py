"""Find the run that a user names: by a beginning of its id, a name, or as the latest or best one.

What is recorded, and what other processes are given, is always the full id. Names of runs are
somebody else's text: they are compared, and shown escaped, and never decide between two runs.
"""

import math
import re
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, NoReturn

from mlflow.exceptions import MlflowException

from reprise.errors import ParameterError, TrackingError
from reprise.record.reference import DIGITS, SHORTEST, NamedRun, Reference, ReferenceKind
from reprise.tracking import answers
from reprise.tracking.server import all_pages, client, experiment_name, shown_address
from reprise.tracking.tags import BOOKKEEPING, ENTRY_POINT, PARENT, REPLAY_OF, TWEAK_OF
from reprise.tracking.versions import version_at

if TYPE_CHECKING:
    from mlflow.entities import Run

_PAGE = 100  # runs
_MOST_SHOWN = 5  # candidates
_MOST_CANDIDATES = 100
_LONGEST_NAME = 60  # characters of a name in an error
_ENTRY_POINTS = frozenset({"reproduce", "compare", "audit"})  # before such runs had a tag
_OPEN = ("RUNNING", "SCHEDULED")


def find_named(named: NamedRun, experiment_id: str, *, apart_from: str = "") -> str | None:
    """Return the full id of the run that a user names; None: it is no run, and may be none.

    Parameters
    ----------
    named : NamedRun
    experiment_id : str
        Where `latest` and `best` look, and names first.
    apart_from : str
        Id of the run that asks.

    Raises
    ------
    ParameterError
        If several runs are meant; they are listed.
    TrackingError
        If there is no such run.
    """
    try:
        reference = Reference.parse(named.text)
    except ValueError:
        if named.may_be_other:
            return None
        raise
    if reference.kind is ReferenceKind.ID:
        return reference.value
    if reference.kind is ReferenceKind.MODEL:
        return _of_model(reference)
    if reference.kind is ReferenceKind.LATEST:
        return _latest(reference, named.steps, experiment_id, apart_from)
    if reference.kind is ReferenceKind.BEST:
        return _best(reference, named.steps, experiment_id, apart_from)
    return _by_id_or_name(reference, named, experiment_id, apart_from)


def is_bookkeeping(run: "Run") -> bool:
    """Return whether a run is about other runs, or one of them once more: it is no result."""
    tags = run.data.tags
    if BOOKKEEPING in tags or REPLAY_OF in tags:
        return True
    return tags.get(ENTRY_POINT) in _ENTRY_POINTS


def newest_first(experiment_ids: Sequence[str], filter_string: str = "") -> "Iterator[Run]":
    """Return runs page by page, the one that started last first."""
    return _searched(experiment_ids, filter_string, "attributes.start_time DESC")


def _searched(experiment_ids: Sequence[str], filter_string: str, *order: str) -> "Iterator[Run]":
    search = partial(client().search_runs, list(experiment_ids), filter_string, order_by=[*order])
    return map(answers.run, all_pages(search, size=_PAGE))


def _latest(reference: Reference, steps: Sequence[str], experiment_id: str, apart_from: str) -> str:
    """Return the run that started last and has ended: of a step, else one that no other made."""
    wanted = (reference.value,) if reference.value else tuple(steps)
    for run in newest_first([experiment_id]):
        tags = run.data.tags
        if run.info.run_id == apart_from or run.info.status in _OPEN or is_bookkeeping(run):
            continue
        if wanted and tags.get(ENTRY_POINT) in wanted and run.info.status == "FINISHED":
            return str(run.info.run_id)
        if not wanted and (PARENT not in tags or TWEAK_OF in tags):
            return str(run.info.run_id)
    raise TrackingError(
        f"expected a run{_of_steps(wanted)} in {_place(experiment_id)}, found none that has ended"
        f"{'' if wanted else ' and is not about other runs'}. Make one first, name another "
        "experiment, or give an id."
    )


def _best(reference: Reference, steps: Sequence[str], experiment_id: str, apart_from: str) -> str:
    """Return the first finished run with the best value of a metric.

    A metric by a plain name is that one, else its cross-validated mean, else that of the test part.
    """
    metric = reference.value
    order = "DESC" if reference.is_greater_better else "ASC"
    for name in (metric, f"cv_{metric}_mean", f"test_{metric}"):
        ordered = (f"metrics.`{name}` {order}", "attributes.start_time ASC")
        runs = _searched([experiment_id], "attributes.status = 'FINISHED'", *ordered)
        for run in runs:
            if math.isnan(run.data.metrics.get(name, math.nan)):
                break  # those without it come last
            of_step = not steps or run.data.tags.get(ENTRY_POINT) in steps
            if of_step and not is_bookkeeping(run) and run.info.run_id != apart_from:
                return str(run.info.run_id)
    raise TrackingError(
        f"expected a finished run{_of_steps(steps)} with the metric {metric} in "
        f"{_place(experiment_id)}, found none. Name a metric that runs have, or give an id."
    )


def _of_model(reference: Reference) -> str:
    """Return the run that logged a version of a registered model, or a logged model."""
    name, at, alias = reference.value.removeprefix("models:/").partition("@")
    name, _, number = name.partition("/")
    missing = TrackingError(
        f"expected a registered model on {shown_address()}, found {reference.text}, which does "
        "not exist. Look up its name, version or alias in the MLflow UI."
    )
    try:
        if at or number:
            version = version_at(name, alias=alias, number=number)
            if version is None:
                raise missing
            found = version.run_id
        else:
            found = client().get_logged_model(answers.model_id(name)).source_run_id
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        raise missing from None
    if not found:
        raise TrackingError(
            f"expected a model that a run has logged, found {reference.text}, which names no run. "
            "Give the run's id."
        )
    return answers.run_id(found)


def _by_id_or_name(
    reference: Reference, named: NamedRun, experiment_id: str, apart_from: str
) -> str | None:
    """Return the one run whose id begins so, else the one of that name: here, else anywhere."""
    experiments = [each.experiment_id for each in all_pages(client().search_experiments)]
    found: list[Run] = []
    if reference.kind is ReferenceKind.BEGINNING:
        beginning = reference.value.lower()
        found = _matching(experiments, f"attributes.run_id LIKE '{beginning}%'")
        found = [run for run in found if run.info.run_id.startswith(beginning)]
    for places in ([experiment_id], experiments):
        if not found:
            found = _of_name(places, reference.value, apart_from)
    if len(found) == 1:
        return str(found[0].info.run_id)
    if found:
        refuse_several(named.text, found)
    if named.may_be_other:
        return None
    raise TrackingError(
        f"expected a run on {shown_address()}, found {_shown(named.text)!r}, which is neither the "
        f"beginning of an id ({SHORTEST} digits or more) nor a run's name: it does not exist. "
        "List the runs with: reprise ls"
    )


def _of_name(experiments: Sequence[str], name: str, apart_from: str) -> "list[Run]":
    # A query cannot have every character; what it finds too much is left out here.
    pattern = re.sub(r"['\"`\\%]", "_", name)
    runs = _matching(experiments, f"attributes.run_name LIKE '{pattern}'")
    return [run for run in runs if run.info.run_name == name and run.info.run_id != apart_from]


def _matching(experiments: Sequence[str], filter_string: str) -> "list[Run]":
    return list(islice(newest_first(experiments, filter_string), _MOST_CANDIDATES))


def refuse_several(text: str, found: "Sequence[Run]") -> NoReturn:
    """Refuse a text that names several runs.

    Raises
    ------
    ParameterError
        With the first of them.
    """
    digits = _telling_apart([run.info.run_id for run in found])
    shown = [
        f"{run.info.run_id[:digits]} ({_shown(run.info.run_name)})" for run in found[:_MOST_SHOWN]
    ]
    more = len(found) - len(shown)
    many = f"{len(found)}{' or more' if len(found) == _MOST_CANDIDATES else ''}"
    raise ParameterError(
        f"expected one run, found {many} by {_shown(text)!r}: {', '.join(shown)}"
        f"{f' and {more} more' if more else ''}. Give the id of one of them."
    )


def _telling_apart(ids: Sequence[str]) -> int:
    """Return how many digits tell ids apart."""
    enough = (n for n in range(DIGITS, 32) if len({each[:n] for each in ids}) == len(ids))
    return next(enough, 32)


def _shown(text: object) -> str:
    name = str(text or "")
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"


def _of_steps(steps: Sequence[str]) -> str:
    return f" of {' or '.join(steps)}" if steps else ""


def _place(experiment_id: str) -> str:
    return f"the experiment {experiment_name(experiment_id)!r}"
