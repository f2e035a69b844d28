"""What is odd about a table although it can be read: a line for whoever has to train on it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Notice:
    """Something about a table, or about one of its columns, that its owner should know.

    Attributes
    ----------
    column : str or None
        The column, or None if it concerns the table.
    text : str
        What was found, without a full stop: "11 of 7,043 cells are ' '; the others are numbers".
    advice : str
        What to do, as a sentence: "To read them as missing values, add -P na_values=' '."
    is_asked_for : bool
        Whether an option says so, and nobody need be warned.
    """

    column: str | None
    text: str
    advice: str
    is_asked_for: bool = False

    def __str__(self) -> str:
        """Return the notice as one line."""
        subject = "" if self.column is None else f"column {self.column!r}: "
        return f"{subject}{self.text}. {self.advice}"
