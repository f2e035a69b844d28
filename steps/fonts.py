"""Letters of every script: matplotlib's own font first, then any other font of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from matplotlib.figure import Figure
    from matplotlib.text import Text

_OWN = "DejaVu Sans"
_NO_LETTERS = ("Last Resort", "DejaVu")  # boxes for all letters; the letters of the own font
_MOST_SHOWN = 10  # letters in a message


def give_letters(figures: Iterable[Figure]) -> str:
    """Give texts the fonts that have their letters; return the letters that no font has.

    Parameters
    ----------
    figures : iterable of Figure
        Changed: texts that need it get more fonts.

    Returns
    -------
    str
        Comma-separated, at most ten of them; empty, if none is missing.
    """
    from matplotlib.font_manager import findfont
    from matplotlib.text import Text

    texts = [text for figure in figures for text in figure.findobj(Text)]
    own = _letters_of(findfont(_OWN))
    foreign = [text for text in texts if _needed(text) - own]
    missing = {code for text in foreign for code in _needed(text)} - own
    if not missing:
        return ""
    families, missing = _chosen(missing)
    for text in foreign:
        text.set_fontfamily([_OWN, *families])
    shown = ", ".join(chr(code) for code in sorted(missing)[:_MOST_SHOWN])
    return shown + (f" and {len(missing) - _MOST_SHOWN} more" if len(missing) > _MOST_SHOWN else "")


def _needed(text: Text) -> set[int]:
    return {ord(letter) for letter in text.get_text() if letter.isprintable()}


def _letters_of(path: str) -> set[int]:
    from matplotlib.font_manager import get_font

    return set(get_font(path).get_charmap())


def _chosen(missing: set[int]) -> tuple[list[str], set[int]]:
    """Choose fonts in the order of their names until no letter is missing, or no font is left."""
    from matplotlib.font_manager import fontManager

    regular = {font.name: font.fname for font in fontManager.ttflist if font.style == "normal"}
    families: list[str] = []
    for family in sorted(name for name in regular if not name.startswith(_NO_LETTERS)):
        if not missing:
            break
        if found := missing & _letters_of(regular[family]):
            families.append(family)
            missing = missing - found
    return families, missing
