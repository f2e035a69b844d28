"""Several values in one parameter: written and read as one row of a CSV file."""

import csv
import io
from collections.abc import Iterable


def joined(values: Iterable[object]) -> str:
    """Write values as one text that `split` turns back into them.

    Values with commas, quotes, or spaces at an end are quoted; a lone blank needs no quotes.
    """
    texts = [str(value) for value in values]
    if len(texts) == 1 and texts[0].isspace():
        return texts[0]
    return ",".join(_quoted(text) for text in texts)


def _quoted(text: str) -> str:
    needs = text != text.strip() or any(sign in text for sign in ',"\r\n') or not text
    escaped = text.replace('"', '""')
    return f'"{escaped}"' if needs else text


def split(text: str) -> list[str]:
    """Read values from one text; spaces after a comma do not count.

    Raises
    ------
    ValueError
        If a quote does not end.
    """
    if text.isspace():
        return [text]
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise ValueError(str(error)) from error
    if len(rows) != 1:
        raise ValueError("found several lines")
    return rows[0]
