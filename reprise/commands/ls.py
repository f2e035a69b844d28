"""Lists the runs of an experiment: what each is, what varies, and what came of it."""

import math
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from reprise import console, tracking
from reprise.backports import UTC
from reprise.commands.parameters import LsParameters
from reprise.projects import settings
from reprise.runtime import experiments
from reprise.visible import word

if TYPE_CHECKING:
    from mlflow.entities import Run

_MOST_METRICS = 3  # columns
_WITHOUT_MEANING = frozenset({"allow_large", "allow_untracked", "experiment"})


def start(parameters: LsParameters) -> None:
    """Print a page of the runs of an experiment, the latest first."""
    with tracking.translating_errors():
        experiment_id = experiments.looked_in(parameters.experiment)
        name = tracking.experiment_name(experiment_id)
        first = (parameters.page - 1) * parameters.limit
        every = tracking.newest_first([experiment_id])
        wanted = (run for run in every if parameters.all or not tracking.is_bookkeeping(run))
        runs = list(islice(wanted, first, first + parameters.limit + 1))
    shown, is_more = runs[: parameters.limit], len(runs) > parameters.limit
    if not shown:
        console.say(f"The experiment {name!r} has no {'further ' if first else ''}runs.")
        return
    show(shown, title=f"Runs of {name}", preferred=settings.of(Path.cwd()).metrics)
    commands = {f"reprise show {tracking.short(shown[0].info.run_id)}": "all of the first of them"}
    if is_more:
        words = ["reprise ls"]
        words += [f"--experiment {word(parameters.experiment)}"] if parameters.experiment else []
        words += [f"--limit {parameters.limit}"] if parameters.limit != LsParameters().limit else []
        words += ["--all"] if parameters.all else []
        commands[" ".join([*words, f"--page {parameters.page + 1}"])] = "earlier ones"
    console.next_commands(commands)


def show(runs: "Sequence[Run]", *, title: str, preferred: Sequence[str] = ()) -> None:
    """Print runs as a table.

    Parameters
    ----------
    runs : sequence of Run
    title : str
    preferred : sequence of str
        Metrics to show before others.
    """
    metrics = shown_metrics(runs, preferred)
    varying = _varying(runs)
    headings = ["run", "started (UTC)", "step", "parameters"]
    table = console.make_table(
        [*headings, *metrics, "verdict"], title=title, whole=["run"], right=metrics
    )
    for run in runs:
        tags, params = run.data.tags, run.data.params
        given = " ".join(
            f"{name}={console.brief_number(value)}"
            for name, value in params.items()
            if (_step(run), name) in varying
        )
        values = (run.data.metrics.get(name, math.nan) for name in metrics)
        status = "" if run.info.status == "FINISHED" else str(run.info.status).lower()
        console.add_row(
            table,
            tracking.short(run.info.run_id),
            f"{datetime.fromtimestamp((run.info.start_time or 0) / 1000, UTC):%Y-%m-%d %H:%M}",
            _step(run),
            given,
            *("" if math.isnan(value) else console.rounded(value) for value in values),
            tags.get(tracking.VERDICT, status),
        )
    console.print_table(table)


def shown_metrics(runs: "Sequence[Run]", preferred: Sequence[str]) -> list[str]:
    """Return the metrics that most runs have, those that the project prefers first."""
    counts = Counter(
        name
        for run in runs
        for name in run.data.metrics
        if not name.startswith(tracking.SYSTEM_METRICS)
    )
    first = [name for name in preferred if counts[name]]
    others = [] if first else [name for name, _ in counts.most_common()]
    return [*first, *others][:_MOST_METRICS]


def _varying(runs: "Sequence[Run]") -> set[tuple[str, str]]:
    """Return the parameters that differ between runs of a step."""
    seen: dict[tuple[str, str], set[str]] = {}
    for run in runs:
        for name, value in run.data.params.items():
            if name not in _WITHOUT_MEANING:
                seen.setdefault((_step(run), name), set()).add(value)
    return {each for each, values in seen.items() if len(values) > 1}


def _step(run: "Run") -> str:
    return str(run.data.tags.get(tracking.ENTRY_POINT) or run.info.run_name or "")
