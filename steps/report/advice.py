"""What to do about a warning: options of load_data, as they are typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reprise.record import lists
from reprise.visible import option

if TYPE_CHECKING:
    from reprise.data.numbers_in_text import Numbers


def drop(*names: str) -> str:
    """Write the option that leaves columns out."""
    return option("drop", lists.joined(names))


def dates(name: str, form: str) -> str:
    """Write the option that reads a column's texts as dates of a format."""
    return option("dates", lists.joined([f"{name}={form}"]))


def number(name: str, numbers: Numbers) -> str:
    """Say how texts of a column become numbers."""
    if numbers.options:
        return f"Read them as numbers: {' '.join(numbers.options)}."
    return f"Store {name!r} as numbers in the source, or leave it out: {drop(name)}."
