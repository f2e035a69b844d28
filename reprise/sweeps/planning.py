"""Plans a sweep out of a grid file, and checks every point before anything runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reprise.errors import ExperimentFileError, ParameterError
from reprise.runtime.parameters import Parameters
from reprise.sweeps import experiment_file, grid


@dataclass(frozen=True)
class Search:
    """Which points of a grid file to make.

    Attributes
    ----------
    step : str
        Name of the step that each point is a run of.
    strategy : {"grid", "random"}
    samples : int or None
        How many points to draw at random.
    seed : int
        Of the drawing.
    is_confirmed : bool
        Whether more points than `grid.MOST_POINTS` are meant.
    """

    step: str
    strategy: grid.Strategy = "grid"
    samples: int | None = None
    seed: int = 0
    is_confirmed: bool = False


@dataclass(frozen=True)
class Sweep:
    """What is to be made, and by which metric it is judged.

    Attributes
    ----------
    runs : sequence of Parameters
    data : str
        What all runs read.
    metric : str
    ascending : bool
        Whether less is better.
    """

    runs: Sequence[Parameters]
    data: str
    metric: str
    ascending: bool


def planned(
    path: Path,
    search: Search,
    steps: Mapping[str, type[Parameters]],
    *,
    less_is_better: Mapping[str, bool],
    example: str = "",
) -> Sweep:
    """Check a grid file, and every point that it makes.

    Parameters
    ----------
    path : Path
        Of the grid file.
    search : Search
    steps : mapping of str to type of Parameters
        The steps that may be swept: each has a parameter `data`.
    less_is_better : mapping of str to bool
        By the name of each metric that they log. The first is that of a file which names none.
    example : str
        Name of a grid file, to point to.

    Raises
    ------
    ExperimentFileError, ParameterError
        With every mistake.
    """
    model = experiment_file.check_name(search.step, steps)
    file = grid.read(path, example=example)
    if "data" in file.params:
        raise ExperimentFileError(
            "expected the data once, under data:; found it under params: too. Drop it there."
        )
    is_random = search.strategy == "random"
    points = search.samples or 0 if is_random else grid.size(file.params)
    if points > grid.MOST_POINTS and not search.is_confirmed:
        raise ParameterError(
            f"expected at most {grid.MOST_POINTS} points, found {points}. "
            "If that is meant, add -P confirm=true."
        )
    metric = file.metric or next(iter(less_is_better))
    if metric not in less_is_better:
        raise ExperimentFileError(
            f"metric: expected one of {', '.join(less_is_better)}; found {metric!r}. Fix the file."
        )
    data = file.data if file.data is not None else str(model.model_fields["data"].default)
    values = grid.points(
        file.params,
        model,
        strategy=search.strategy,
        samples=search.samples,
        seed=search.seed,
    )
    runs = experiment_file.check_all(search.step, values, steps, data=data)
    return Sweep(runs, data, metric, ascending=less_is_better[metric])
