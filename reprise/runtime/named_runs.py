"""Put the full id of a run where a parameter names one as people do."""

import contextlib
from collections.abc import Callable, Mapping, Sequence

from reprise import tracking
from reprise.errors import ParameterError, TrackingError
from reprise.record.reference import EXPECTED, NamedRun, Reference, ReferenceKind
from reprise.runtime import experiments
from reprise.runtime.parameters import Parameters

_BY_TEXT = (ReferenceKind.NAME, ReferenceKind.BEGINNING)


def settled(
    model: type[Parameters],
    raw: Mapping[str, str],
    *,
    places: Callable[[], Sequence[str]] = lambda: [experiments.looked_in()],
    apart_from: str = "",
    is_recorded: bool = False,
) -> dict[str, str]:
    """Return raw parameters in which every run is named by its full id.

    So nothing that is recorded, or that another process is given, depends on what runs there are.

    Parameters
    ----------
    model : type of Parameters
    raw : mapping of str to str
    places : callable
        Returns the experiments in which runs are looked for, in order; asked only where needed.
    apart_from : str
        Id of the run that asks.
    is_recorded : bool
        Whether values come from a record: a file that is not there any more is then no run's name,
        which anybody could give to a run.

    Raises
    ------
    ParameterError
        If a value is wrong, or names several runs.
    TrackingError
        If a value names no run.
    """
    found = {}
    for name, named in model.parse(raw).named_runs().items():
        kind = _kind(named.text)
        if kind is ReferenceKind.ID or (is_recorded and named.may_be_other and kind in _BY_TEXT):
            continue
        try:
            run_id = _first(named, places(), apart_from)
        except TrackingError as error:
            raise TrackingError(f"{name}: {error}") from None
        if run_id is not None:
            found[name] = run_id
    return {**raw, **found}


def full_ids(texts: Sequence[str]) -> list[str]:
    """Return the ids of runs that are named one by one, without those that come again.

    Raises
    ------
    ParameterError
        If a text can name no run, or names several.
    TrackingError
        If it names none.
    """
    place = [experiments.looked_in()] if texts else []
    found = []
    for text in texts:
        try:
            Reference.parse(text)
        except ValueError:
            raise ParameterError(f"expected {EXPECTED}, found {text!r}. Correct it.") from None
        found.append(str(_first(NamedRun(text), place, "")))
    return list(dict.fromkeys(found))


def _first(named: NamedRun, places: Sequence[str], apart_from: str) -> str | None:
    """Return the run that the first of some experiments has by this name."""
    for place in places[:-1]:
        with contextlib.suppress(TrackingError):
            return tracking.find_named(named, place, apart_from=apart_from)
    return tracking.find_named(named, places[-1], apart_from=apart_from)


def _kind(text: str) -> ReferenceKind:
    try:
        return Reference.parse(text).kind
    except ValueError:  # a parameter that may be something else
        return ReferenceKind.NAME
