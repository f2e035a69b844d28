"""What to do about a warning: options of load_data, as they are typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reprise.record import lists
from reprise.visible import option

if TYPE_CHECKING:
    from steps.report.text_kinds import Numbers

_NOTATIONS = {
    "thousands": option("thousands", ","),
    "decimal": option("decimal", ","),
    "percent": option("percent", "true"),
    "currency": option("currency", "true"),
}


def drop(*names: str) -> str:
    """Write the option that leaves columns out."""
    return option("drop", lists.joined(names))


def dates(name: str, form: str) -> str:
    """Write the option that reads a column's texts as dates of a format."""
    return option("dates", lists.joined([f"{name}={form}"]))


def number(name: str, numbers: Numbers) -> str:
    """Say how texts of a column become numbers."""
    words = []
    if numbers.markers:
        words.append(option("na_values", lists.joined(numbers.markers)))
    if numbers.notation in _NOTATIONS:
        words.append(_NOTATIONS[numbers.notation])
    if words:
        return f"Read them as numbers: {' '.join(words)}."
    return f"Store {name!r} as numbers in the source, or leave it out: {drop(name)}."
