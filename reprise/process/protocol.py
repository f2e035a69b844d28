"""Checks that this engine speaks the protocol by which a replay has started this process."""

from collections.abc import Mapping

from reprise import env
from reprise.errors import TaskError


def refuse_other_version(environment: Mapping[str, str]) -> None:
    """Refuse variables of a protocol that this engine does not know; see `env`.

    Raises
    ------
    TaskError
        If they have another meaning than they have here.
    """
    version = environment.get(env.PROTOCOL, env.VERSION)
    if version != env.VERSION:
        raise TaskError(
            f"expected {env.PROTOCOL}={env.VERSION} from the engine that started this process, "
            f"found {version!r}. Reproduce the run with an engine of its own time."
        )
