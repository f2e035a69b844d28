"""Make text from others safe to show: on a terminal, in a suggested command, in a table file.

A run's name, a tag, a file's name or a server's answer may hold control codes for a terminal,
commands for a shell, or formulas for a spreadsheet. The functions here make plain text of them.
"""

import re
import shlex
import unicodedata

# Invisible, although Unicode calls them printable: fillers, joiners, variation selectors.
_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_MOST_MARKS = 4  # accents on one letter; more would cover the lines above and below
_FORMULA = re.compile("[\\s\ufeff]*[=+\\-@\uff1d\uff0b\uff0d\uff20]")  # U+FF..: their wide forms


def visible(text: object, *, keep: str = "") -> str:
    r"""Escape characters that are invisible or move the cursor: `\x1b`, `\u202e`, `\n`.

    The result is one line; escaping it again does not change it.

    Parameters
    ----------
    text : object
        Converted with `str`.
    keep : str
        Characters that stay as they are, such as a tab.
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


def word(value: object) -> str:
    """Write a value as a word of a command to type, quoted for the shell."""
    return shlex.quote(visible(value))


def option(name: str, value: object) -> str:
    """Write a parameter as a user types it: `-P name=value`, quoted for the shell."""
    return f"-P {name}={word(value)}"


def cell(text: str) -> str:
    """Write text for a cell of a CSV file, so that no spreadsheet reads it as a formula."""
    shown = visible(text, keep="\n\t")  # the file's own quotes protect these
    return f"'{shown}" if _FORMULA.match(shown) and not _is_number(shown) else shown


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def is_text(word: str) -> bool:
    """Return whether a word was valid UTF-8, in which it is recorded, without a NUL byte."""
    return not any("\ud800" <= character <= "\udfff" or character == "\0" for character in word)
