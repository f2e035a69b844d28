"""How to read a table where the file itself does not say it."""

from dataclasses import dataclass

AUTO = "auto"
WHITESPACE = "whitespace"
# Words for separators that are hard to write in a shell, or to see.
SEPARATORS = {
    "tab": "\t",
    r"\t": "\t",
    "comma": ",",
    "semicolon": ";",
    "pipe": "|",
    "space": " ",
    r"\s+": WHITESPACE,
}


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """What a user says of a file.

    Attributes
    ----------
    separator : str
        Character between two values; ``whitespace``: any number of spaces and tabs; ``auto``: that
        of the file's extension, or the one that its first lines are written with.
    decimal : str
        "." or ","; ``auto``: a point, or a comma in a file whose separator is no comma.
    thousands : str or None
        Character that groups the digits of large numbers.
    percent, currency : bool
        Whether ``12%`` is the number 0.12, and ``$12`` or ``12 EUR`` the number 12.
    encoding : str
        ``auto``: UTF-8.
    header : int
        Line with the names, counted from 1; 0: no line.
    names : tuple of str
        Names instead of those in the file.
    comment : str or None
        Character that starts a comment, which ends with its line.
    dates : tuple of (str, str or None)
        Columns that hold dates, and their format as `strptime` takes it; None: ISO 8601.
    sheet : str or None
        Name of a sheet of a workbook, or its number counted from 1; None: the first.
    na_values : tuple of str
        What stands for a missing value besides the usual markers.
    """

    separator: str = AUTO
    decimal: str = AUTO
    thousands: str | None = None
    percent: bool = False
    currency: bool = False
    encoding: str = AUTO
    header: int = 1
    names: tuple[str, ...] = ()
    comment: str | None = None
    dates: tuple[tuple[str, str | None], ...] = ()
    sheet: str | None = None
    na_values: tuple[str, ...] = ()


DEFAULTS = ReadOptions()
# What stands for a missing value in text: pandas' list.
MISSING = (
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"),
    *("<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
)
