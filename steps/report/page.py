"""The report as one HTML page, with histograms drawn as SVG."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from reprise.record.page import render
from steps.report.groups import Group, grouped
from steps.report.report import JSON_NAME

if TYPE_CHECKING:
    from collections.abc import Callable

    from steps.report.pictures import Picture
    from steps.report.report import DataReport

MOST_COLUMNS = 500  # on the page; the JSON file has all of them
MOST_CLASSES = 30
_WIDTH, _HEIGHT = 190, 34  # of a histogram, in pixels
_TEMPLATE = Path(__file__).with_name("page.html.j2")


def to_html(report: DataReport) -> str:
    """Return the report as a page without other files and without scripts."""
    groups = grouped(report.warnings)
    values = {
        "report": report,
        "columns": report.columns[:MOST_COLUMNS],
        "hidden": len(report.columns) - MOST_COLUMNS,
        "classes": _classes(report),
        "hidden_classes": len(report.classes) - MOST_CLASSES,
        "groups": groups,
        "kinds": _kinds(groups),
        "width": _WIDTH,
        "height": _HEIGHT,
        "json_name": JSON_NAME,
    }
    filters: dict[str, Callable[..., Any]] = {
        "bars": bars,
        "number": "{:,}".format,
        "share": _share,
    }
    return render(_TEMPLATE.read_text(encoding="utf-8"), values, filters=filters)


def bars(picture: Picture) -> list[dict[str, Any]]:
    """Return the place, the size and the description of each bar, in pixels.

    Bars with a count are at least a pixel high, so that a rare value can be seen.
    """
    most = max(picture.counts) or 1
    step = _WIDTH / max(len(picture.counts), 4)
    gap = 1 if len(picture.counts) > 1 else 0
    shapes = []
    for place, count in enumerate(picture.counts):
        height = max(1.0, count / most * _HEIGHT) if count else 0.0
        label = "" if picture.is_range else f"{picture.labels[place]}: "
        shapes.append(
            {
                "x": round(place * step, 1),
                "y": round(_HEIGHT - height, 1),
                "width": round(step - gap, 1),
                "height": round(height, 1),
                "title": f"{label}{count:,}",
            }
        )
    return shapes


def _classes(report: DataReport) -> list[tuple[str, int, float]]:
    """Return the most frequent classes, their rows, and the length of their bars in percent."""
    ordered = sorted(report.classes.items(), key=lambda item: -item[1])[:MOST_CLASSES]
    return [(name, rows, round(100 * rows / ordered[0][1], 1)) for name, rows in ordered]


def _kinds(groups: list[Group]) -> dict[str, str]:
    """Return the kind of warning that each column has."""
    kinds: dict[str, str] = {}
    for group in groups:
        kinds |= {name: f"{kinds[name]}, {group.kind}" if name in kinds else group.kind
                  for name in group.columns}  # fmt: skip
    return kinds


def _share(part: int, whole: int) -> str:
    """Return a share as a percentage that is only 0 or 100 where it is exact."""
    if part in (0, whole):
        return "" if part == 0 else "100 %"
    return f"{min(max(100 * part / whole, 0.1), 99.9):.1f} %"
