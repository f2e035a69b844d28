"""The configuration of nginx, from the server's settings."""

from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from deploy.server.serve import socket
from deploy.server.settings import Settings

_IPV6 = 6
SERVERS = (1, 2)  # on each machine, so that one answers while the other restarts


def render(settings: Settings) -> str:
    """Return the file for nginx's `conf.d`."""
    text = (files("deploy.server") / "nginx.conf.j2").read_text(encoding="utf-8")
    template = Environment(  # noqa: S701
        undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    ).from_string(text)
    return template.render(
        sockets=[socket(settings, number) for number in SERVERS],
        listen="" if settings.listen == "*" else f"{settings.listen}:",
        port=settings.port,
        ipv6=settings.listen == "*" and any(n.version == _IPV6 for n in settings.allowed_networks),
        server_name=settings.server_name,
        tls_certificate=settings.tls_certificate,
        tls_key=settings.tls_key,
        allowed_networks=settings.allowed_networks,
    )


def run(settings: Settings) -> None:
    """Print the configuration."""
    print(render(settings), end="")
