"""Text of somebody else's, made safe to show: on a terminal, in a command to type, in a table file.

A run's name, a tag, a file's name or what a server answers may hold what a terminal obeys, what a
shell runs, or what a spreadsheet computes. What is written here is only ever read.
"""

import re
import shlex
import unicodedata

# Drawn as nothing, although Unicode calls them printable: fillers, joiners, variation selectors.
_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_MOST_MARKS = 4  # accents upon one letter; more of them cover the lines above and below
_FORMULA = re.compile("[\\s\ufeff]*[=+\\-@\uff1d\uff0b\uff0d\uff20]")  # U+FF..: their wide forms


def visible(text: object, *, keep: str = "") -> str:
    r"""Spell out what would not be seen, or would move what is: `\x1b`, `\u202e`, `\n`.

    The result is one line, and stays the same if it is made visible again.

    Parameters
    ----------
    text : object
        What `str` writes of it.
    keep : str
        Characters to leave as they are, such as a tab.
    """
    plain_text = str(text)
    if plain_text.isascii() and plain_text.isprintable():
        return plain_text
    written, marks = [], 0
    for character in plain_text:
        marks = marks + 1 if unicodedata.combining(character) else 0
        plain = character.isprintable() and not _BLANK.match(character) and marks <= _MOST_MARKS
        written.append(character if plain or character in keep else _spelt(character))
    return "".join(written)


def _spelt(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def option(name: str, value: object) -> str:
    """Write a parameter as one types it: `-P name=value`, quoted for the shell."""
    return f"-P {name}={shlex.quote(visible(value))}"


def cell(text: str) -> str:
    """Write text for a cell of a CSV file, so that no spreadsheet takes it for a formula."""
    shown = visible(text, keep="\n\t")  # which the file's own quotes hold
    return f"'{shown}" if _FORMULA.match(shown) and not _is_number(shown) else shown


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def is_text(word: str) -> bool:
    """Tell whether a word was UTF-8, in which it is recorded, and has no NUL byte."""
    return not any("\ud800" <= character <= "\udfff" or character == "\0" for character in word)
