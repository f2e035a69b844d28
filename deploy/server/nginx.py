"""The configuration of nginx, from the server's settings."""

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from deploy.server.serve import socket
from deploy.server.settings import Settings

SERVERS = (1, 2)  # on each machine, so that one is there while the other restarts


def render(settings: Settings, *, also_allowed: Iterable[str] = ()) -> str:
    """Return the file that belongs into nginx's `conf.d`."""
    text = (files("deploy.server") / "nginx.conf.j2").read_text(encoding="utf-8")
    template = Environment(  # noqa: S701
        undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    ).from_string(text)
    return template.render(
        sockets=[socket(settings, number) for number in SERVERS],
        listen="" if settings.listen == "*" else f"{settings.listen}:",
        port=settings.port,
        server_name=settings.server_name,
        tls_certificate=settings.tls_certificate,
        tls_key=settings.tls_key,
        allowed_networks=[*settings.allowed_networks, *also_allowed],
    )


def run(settings: Settings, to: Path | None) -> None:
    """Print the configuration, or write it to a file."""
    if to is None:
        print(render(settings), end="")
    else:
        to.write_text(render(settings), encoding="utf-8")
