"""Pages for people: one file each, without scripts and without anything from elsewhere.

What a page shows is text from others: names, tags, cells. All of it is escaped, control characters
too, and the pages' own policy forbids scripts.
"""

from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any

from reprise.visible import visible

_STYLE = "page.css"


def render(
    text: str,
    values: Mapping[str, Any],
    *,
    filters: Mapping[str, Callable[..., Any]] | None = None,
) -> str:
    """Fill a Jinja template.

    Parameters
    ----------
    text : str
        The template; `{{ style | safe }}` is what all pages look like.
    values : mapping of str to object
        What it shows; escaped.
    filters : mapping of str to callable, optional
        Functions for the template.
    """
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_on_page,
        loader=FunctionLoader(template),
    )
    environment.filters.update(filters or {})
    return environment.from_string(text).render(style=template(_STYLE), **values)


def template(name: str) -> str:
    """Return the text of one of the engine's own templates."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _on_page(value: Any) -> Any:
    """Escape every value that the template prints, except its own markup."""
    return value if hasattr(value, "__html__") else visible(value, keep="\t")
