"""The name of a step's run: the engine's, unless whoever made the run has named it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from reprise import tracking
from reprise.errors import ParameterError
from reprise.record import naming

if TYPE_CHECKING:
    from mlflow.entities import Run

    from reprise.runtime.parameters import Parameters


class RunName:
    """A run's name, as far as it is the engine's to give.

    Parameters
    ----------
    entry_point : str
    parameters : mapping of str to str
        Those that distinguish the run.
    is_own : bool
        Whether the engine names the run.
    """

    def __init__(
        self, entry_point: str, parameters: Mapping[str, str], *, is_own: bool = True
    ) -> None:
        self._entry_point, self._parameters = entry_point, parameters
        self._is_own = is_own
        self.data = ""  # the name of what the run is about, for its child runs too

    def of_data(self, name: str) -> dict[str, str]:
        """Note the name of the run's data; return the tag that names the run by it."""
        self.data = name
        return self._tag(naming.of_step(self._entry_point, self._parameters, data=name))

    def with_parameters(self, parameters: Mapping[str, str]) -> dict[str, str]:
        """Note parameters that a script decides upon as it runs; return the tag of the name."""
        self._parameters = {**self._parameters, **parameters}
        return self._tag(naming.of_step(self._entry_point, self._parameters, data=self.data))

    def about(self, text: str) -> dict[str, str]:
        """Return the tag that names the run of a command by what it is about."""
        return self._tag(naming.of_command(self._entry_point, text))

    def _tag(self, name: str) -> dict[str, str]:
        return {tracking.RUN_NAME: name} if self._is_own else {}


def suggested(model: "type[Parameters]", raw: Mapping[str, str]) -> str:
    """Name a run of an entry point before it is made, also where its parameters are refused."""
    return naming.of_step(model.entry_point, _distinguishing(model, raw))


def of_made(run: "Run", model: "type[Parameters]", raw: Mapping[str, str]) -> RunName:
    """Return the name of a run that was just opened, which may be its user's own."""
    given = run.info.run_name
    is_own = given == suggested(model, raw) or tracking.is_made_up(given)
    return RunName(model.entry_point, _distinguishing(model, raw), is_own=is_own)


def of_script(run: "Run", entry_point: str) -> RunName:
    """Return the name of a script's run, to which its parameters are added as it logs them."""
    given = run.info.run_name
    is_own = given == entry_point or tracking.is_made_up(given)
    return RunName(entry_point, {}, is_own=is_own and bool(entry_point))


def _distinguishing(model: "type[Parameters]", raw: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters that are not the defaults, but for where data is found."""
    try:
        return words(model.parse(raw))
    except ParameterError:  # what was refused may hold anything
        return {}


def words(parameters: "Parameters", *, varying: frozenset[str] = frozenset()) -> dict[str, str]:
    """Return the parameters that distinguish a run, as text.

    Parameters
    ----------
    parameters : Parameters
    varying : frozenset of str
        Those that are named in any case, such as the axes of a grid.
    """
    hidden = parameters.locations
    given = parameters.given()
    return {
        name: value
        for name, value in parameters.raw().items()
        if (name in given or name in varying) and name not in hidden
    }
