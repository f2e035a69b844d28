"""What to do about a warning: options of load_data, as they are typed."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from reprise.visible import option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from steps.report.text_kinds import Numbers


def listed(names: Sequence[str]) -> str:
    """Write names as a parameter takes them: comma-separated, quoted as in CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(names)
    return text.getvalue()


def drop(*names: str) -> str:
    """Write the option that leaves columns out."""
    return option("drop", listed(names))


def dates(name: str, form: str) -> str:
    """Write the option that reads a column's texts as dates of a format."""
    return option("dates", f"{listed([name])}={form}")


def number(name: str, numbers: Numbers) -> str:
    """Say how texts of a column become numbers."""
    words = []
    if numbers.markers:
        words.append(option("na_values", listed(numbers.markers)))
    words += {
        "thousands": [option("thousands", ",")],
        "decimal": [option("decimal", ",")],
    }.get(numbers.notation, [])
    if words:
        return f"Read them as numbers: {' '.join(words)}."
    return f"Write {name!r} as plain numbers, or leave it out: {drop(name)}."
