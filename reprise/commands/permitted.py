"""What the replays of a command may read, run and install, as its parameters say."""

from typing import TYPE_CHECKING, Any

from reprise.commands.parameters import Replaying, ReproduceParameters, names

if TYPE_CHECKING:
    from reprise.replay.prepare import Request


def request(parameters: ReproduceParameters | Replaying, **asked: Any) -> "Request":
    """Return the request for a replay; `asked` are fields of it that say what is wanted."""
    from reprise.replay.prepare import Request
    from reprise.trust import permissions

    return Request(
        allowed=parameters.allow_repository,
        allow_build=names(parameters.allow_build),
        allow_packages=names(parameters.allow_packages),
        paths=permissions.named_places(parameters.allow_path),
        allow_large=parameters.allow_large,
        **asked,
    )
