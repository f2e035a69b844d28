"""Text from others in Markdown: it is shown as it is, and is neither markup, link nor image."""

import re
from collections.abc import Iterable, Sequence

from reprise.visible import visible

# Each begins markup, or a link, in one Markdown or another; they become references to characters.
_MARKUP = re.compile(r"[\\`*{}\[\]<>()#+!|~&@$^\"':]|(?<=www)\.", re.IGNORECASE)
_IN_CODE = re.compile(
    r"[\w.,:;/=@%+*(){}\[\]?-]([\w .,:;/=@%+*(){}\[\]?-]*[\w.,:;/=@%+*(){}\[\]?-])?"
)
_LONGEST_FENCE = 40


def plain(text: object, *, longest: int = 200) -> str:
    """Write text for a paragraph or a cell: one line, no markup, not too long."""
    escaped = _MARKUP.sub(lambda found: f"&#{ord(found[0])};", _short(text, longest))
    return escaped.replace("_", r"\_")


def code(text: object, *, longest: int = 200) -> str:
    """Write text as code within a paragraph or a cell; as plain text where that could end it."""
    shown = _short(text, longest)
    return f"`{shown}`" if _IN_CODE.fullmatch(shown) else plain(text, longest=longest)


def _short(text: object, longest: int) -> str:
    shown = visible(str(text)[: longest + 1])
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


def block(text: str, *, language: str = "") -> str:
    """Write text as a block of code, lines and all."""
    kept = "\n".join(visible(line, keep="\t") for line in text.splitlines())
    runs = [len(run) for run in re.findall("`+", kept)]
    if max(runs, default=0) >= _LONGEST_FENCE:  # nobody writes so many for a reason
        kept, runs = kept.replace("`", "'"), []
    fence = "`" * (1 + max([2, *runs]))
    return f"{fence}{language}\n{kept}\n{fence}"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table of cells that are Markdown already."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
