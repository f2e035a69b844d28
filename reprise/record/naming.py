"""Names that say what a run is: its step, its parameters, its data. Pure; text from others is safe.

`fit depth=5 · table.csv`, `reproduce fit 3f0f2f1c: identical`.
"""

import re
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from reprise.record.reference import DIGITS, short
from reprise.urls import without_logins_within
from reprise.visible import visible

BETWEEN = " · "
_LONGEST = 120  # characters of a name
_LONGEST_VALUE = 40  # of a parameter's value, and of the name of data
_RUN = re.compile(r"(?:runs:/)?([0-9a-f]{32})")


def of_step(entry_point: str, parameters: Mapping[str, str], *, data: str = "") -> str:
    """Name a run by its step, parameters and data.

    Parameters
    ----------
    entry_point : str
    parameters : mapping of str to str
        Those that distinguish the run, as text.
    data : str, optional
        Name of its data, as `of_data` returns it.
    """
    words = (f"{_short(name)}={_value(value)}" for name, value in parameters.items())
    end = f"{BETWEEN}{_short(data)}" if data else ""
    return _fitted([_short(entry_point), *words], _LONGEST - len(end)) + end


def of_command(entry_point: str, about: str) -> str:
    """Name a run of a command by what it is about: `audit churn: 15 of 15`."""
    return _cut(f"{_short(entry_point)} {_one_line(about)}", _LONGEST)


def of_run(entry_point: str, run_id: str) -> str:
    """Name a run in the name of another one: `fit 3f0f2f1c`."""
    return f"{_short(entry_point)} {_one_line(run_id)[:DIGITS]}".strip()


def of_data(uri: str) -> str:
    """Return the name of a source of data: `wine` of `sklearn:wine`, else the file's name."""
    scheme, colon, rest = uri.partition(":")
    if scheme == "sklearn" and colon:
        return _short(rest)
    path = uri
    if "://" in uri:
        try:
            path = unquote(urlsplit(uri).path)
        except ValueError:  # no address after all
            path = uri.partition("?")[0]
    return _short(path.replace("\\", "/").rstrip("/").rpartition("/")[2])


def _value(value: object) -> str:
    run = _RUN.fullmatch(str(value))
    return short(run[1]) if run else _short(str(value))


def _short(text: str) -> str:
    return _cut(_one_line(text), _LONGEST_VALUE)


def _one_line(text: str) -> str:
    """Return text without credentials in URLs, in one line, each gap one space."""
    return visible(" ".join(without_logins_within(text).split()))


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _fitted(words: list[str], longest: int) -> str:
    """Join as many words as there is room for; "…" stands for the rest."""
    text = words[0]
    for word in words[1:]:
        if len(text) + len(word) + 3 > longest:  # a space before it, and " …" behind it
            return f"{text} …"
        text = f"{text} {word}"
    return text
