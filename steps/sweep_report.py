"""The report of a sweep: a table of its runs, and a plot of the metric over the parameters."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reprise.process import scratch
from reprise.sweeps import leaderboard
from reprise.visible import cell
from steps.canvas import MUTED, canvas, save_all, short

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from reprise.runtime.recorder import RunRecorder
    from reprise.sweeps.outcome import Outcome

TABLE = "runs.csv"
PICTURE = "parameters"
_MOST_LABELS = 12  # on an axis
_NOT_GIVEN = "empty"
_LABEL = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1}
_COLORS = "viridis"  # even in lightness, so that it is readable in grey too


def log(run: "RunRecorder", outcomes: "Sequence[Outcome]", metric: str, *, ascending: bool) -> None:
    """Log the table of a sweep's runs, and the plot if parameters vary."""
    runs = table(outcomes)
    run.log_text(TABLE, as_csv(runs))
    varying = leaderboard.varying_parameters(outcomes)
    shown = runs.dropna(subset=[metric]) if metric in runs else runs.iloc[:0]
    if len(shown) and varying:
        with scratch.folder() as folder:
            figure = picture(shown, varying, metric, ascending=ascending)
            save_all({PICTURE: figure}, Path(folder))
            run.log_folder(Path(folder))


def as_csv(runs: "pd.DataFrame") -> str:
    """Write the table as CSV, without text that a spreadsheet could read as a formula."""
    texts = runs.select_dtypes(exclude="number").columns
    shown = runs.assign(**{name: runs[name].map(cell, na_action="ignore") for name in texts})
    return str(shown.rename(columns=cell).to_csv(index=False))


def table(outcomes: "Sequence[Outcome]") -> "pd.DataFrame":
    """Return a row for each run: id, state, parameters, metrics, seconds and error."""
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "run_id": outcome.run_id,
                "state": "failed"
                if outcome.error
                else "made before"
                if outcome.made_before
                else "done",
                **outcome.parameters.raw(),
                **outcome.metrics,
                "seconds": round(outcome.seconds, 3),
                "error": outcome.error,
            }
            for outcome in outcomes
        ]
    )


def picture(
    runs: "pd.DataFrame", varying: Sequence[str], metric: str, *, ascending: bool
) -> "Figure":
    """Draw a heat map for two parameters, or parallel coordinates for any other number.

    Parameters
    ----------
    runs : DataFrame
        Rows of `table`, all with the metric.
    varying : sequence of str
        Parameters to draw.
    metric : str
    ascending : bool
        Whether a smaller value is better.
    """
    if len(varying) == 2 and _fills_a_plane(runs, varying):  # noqa: PLR2004
        return heat_map(runs, varying, metric)
    return parallel_coordinates(runs, varying, metric, ascending=ascending)


def heat_map(runs: "pd.DataFrame", varying: Sequence[str], metric: str) -> "Figure":
    """Draw the metric as a colour over two parameters."""
    rows, columns = sorted(varying, key=lambda name: runs[name].nunique())
    ordered = {name: _ordered(runs[name]) for name in (rows, columns)}
    values = runs.pivot_table(index=rows, columns=columns, values=metric, dropna=False).reindex(
        index=ordered[rows], columns=ordered[columns]
    )
    width = 2.5 + 0.6 * len(ordered[columns])
    figure = canvas(max(4.5, width), 1.8 + 0.5 * len(ordered[rows]))
    axes = figure.add_subplot()
    image = axes.imshow(values.to_numpy(), cmap=_COLORS, aspect="auto")
    axes.set_xticks(range(len(ordered[columns])), [_label(v) for v in ordered[columns]])
    axes.set_yticks(range(len(ordered[rows])), [_label(v) for v in ordered[rows]])
    axes.set_xlabel(columns)
    axes.set_ylabel(rows)
    axes.set_title(metric)
    figure.colorbar(image, ax=axes)
    return figure


def parallel_coordinates(
    runs: "pd.DataFrame", varying: Sequence[str], metric: str, *, ascending: bool
) -> "Figure":
    """Draw a line for each run through its parameters to its metric, the best ones on top."""
    from matplotlib import colormaps
    from matplotlib.collections import LineCollection
    from matplotlib.colors import Normalize

    names = [*varying, metric]
    figure = canvas(max(5.0, 1.8 * len(names)), 4.5)
    axes = figure.add_subplot()
    norm = Normalize(runs[metric].min(), runs[metric].max())
    positions = {name: _positions(runs[name], numeric=name == metric) for name in names}
    order = runs[metric].sort_values(ascending=not ascending).index
    colors = colormaps[_COLORS if not ascending else f"{_COLORS}_r"]
    lines = [[(place, positions[name][row]) for place, name in enumerate(names)] for row in order]
    shades = [colors(norm(runs.loc[row, metric])) for row in order]
    axes.add_collection(LineCollection(lines, colors=shades, alpha=0.75, linewidths=1.2))
    for place, name in enumerate(names):
        axes.axvline(place, color=MUTED, linewidth=0.8)
        for height, text in _ticks(runs[name], numeric=name == metric):
            axes.annotate(
                text,
                (place, height),
                xytext=(4, 0),
                textcoords="offset points",
                fontsize=8,
                bbox=_LABEL,
                va="center",
            )
    axes.set_xticks(range(len(names)), [short(name) for name in names])
    axes.set_yticks([])
    axes.set_xlim(-0.2, len(names) - 0.5)
    axes.set_ylim(-0.05, 1.05)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.set_title(f"{len(runs)} runs")
    return figure


def _fills_a_plane(runs: "pd.DataFrame", varying: Sequence[str]) -> bool:
    """Return whether the runs cover most pairs of two parameters' values, once each."""
    rows, columns = (runs[name].nunique() for name in varying)
    few = max(rows, columns) <= 4 * _MOST_LABELS
    once = not runs.duplicated(list(varying)).any()
    return bool(few and once and 2 * len(runs) > rows * columns)


def _ordered(values: "pd.Series[Any]") -> list[str]:
    """Return a parameter's values as text: sorted numbers, then sorted words."""
    return sorted(set(values), key=_rank)


def _rank(value: str) -> tuple[bool, float, str]:
    try:
        return (False, float(value), value)
    except ValueError:
        return (True, 0.0, value)


def _positions(values: "pd.Series[Any]", *, numeric: bool) -> "dict[Any, float]":
    """Return heights in [0, 1]: a metric by its value, others by their order."""
    if numeric:
        low, high = float(values.min()), float(values.max())
        return {row: _between(float(value), low, high) for row, value in values.items()}
    order = {value: place for place, value in enumerate(_ordered(values))}
    return {row: _between(order[value], 0, len(order) - 1) for row, value in values.items()}


def _ticks(values: "pd.Series[Any]", *, numeric: bool) -> list[tuple[float, str]]:
    if numeric:
        low, high = float(values.min()), float(values.max())
        return [(_between(value, low, high), f"{value:.4g}") for value in {low, high}]
    ordered = _ordered(values)
    every = max(1, -(-len(ordered) // _MOST_LABELS))
    last = len(ordered) - 1
    return [
        (_between(place, 0, last), _label(value))
        for place, value in enumerate(ordered)
        if place == last or (place % every == 0 and last - place >= every / 2)
    ]


def _between(value: float, low: float, high: float) -> float:
    return 0.5 if high == low else (value - low) / (high - low)


def _label(value: str) -> str:
    """Return a short text of a value: whole numbers as they are, others with six digits."""
    try:
        number = float(value)
    except ValueError:
        return short(value) or _NOT_GIVEN
    return value if number.is_integer() else f"{number:.6g}"
