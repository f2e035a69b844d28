"""Where in an entry point's command its parameters stand, and so what a recorded value could do.

MLflow quotes each value for a shell and puts it into the command's text. That keeps a value one
word, where the placeholder stands outside quotes: in `'{name}'` the quotes cancel each other. And a
word is code where it names the program, or where the program takes its arguments for code. A
recorded value is somebody else's word: it may only be an argument of the project's own program.
"""

import re
import string
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import PurePosixPath

IsOwn = Callable[[str], bool]
_MARK = "\0"  # stands for a placeholder: no command can hold it
_OPERATORS = ";&|()\n"
_RESERVED = frozenset(
    {"if", "then", "elif", "else", "fi", "while", "until", "do", "done", "!", "{", "}"}
)
_WRAPPERS = frozenset({"exec", "command", "nohup", "time"})  # what follows is the program
_RUNNERS = frozenset({"uv", "poetry", "pdm", "pipenv"})  # so is what follows `uv run`
_PYTHON = re.compile(r"python[\d.]*")
_SHELLS = frozenset({"bash", "sh", "dash", "zsh", "ksh", "Rscript"})
# Programs that take an argument for code, a command, an address, or a file to write.
_TAKE_CODE = frozenset(
    {
        *("eval", "source", ".", "trap", "xargs", "parallel", "find", "env", "timeout", "nice"),
        *("watch", "ssh", "sudo", "su", "docker", "podman", "perl", "ruby", "node", "awk", "sed"),
        *("make", "git", "pip", "uv", "conda", "curl", "wget", "tar", "R", "julia", "java"),
        *("tee", "cp", "mv", "rm", "ln", "dd", "install", "rsync", "scp", "touch", "chmod"),
    }
)
# Modules of Python, or of every environment, that do.
_MODULES_TAKE_CODE = frozenset(
    {"code", "cProfile", "ensurepip", "pdb", "pip", "profile", "runpy", "timeit", "trace", "uv"}
)
_CHANGES_NEXT = re.compile(r"(\\|\$\{?\w*)$")
# As `str.format` reads it: a name may have a hyphen.
_FIELD = re.compile(r"([^.\[]*)(.*)", re.DOTALL)
_NESTED = re.compile(r"\{([^.\[{}]+)")
# Command substitution, `$'…'`, a here-document, a comment: code within code, or other quotes.
_INTRICATE = re.compile(r"`|\$\(|\$['\"]|<<|(^|[\s;&|()])#")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=")
# Nothing in these means anything to a shell; and the value is neither an option nor `@file`.
_HARMLESS = re.compile(r"(?!-(?!\.?\d)|@)[\w@%+=:,./ -]*")


class Place(IntEnum):
    """What a value is in a command, the most dangerous last."""

    ARGUMENT = 0  # a word for the project's own program, whatever characters it has
    TEXT = 1  # within quotes, or a word for another program: harmless characters only
    PROGRAM = 2  # a program, its file, a setting or a file to write: only the commit says that


@dataclass(frozen=True)
class _Word:
    """A word of a command, with a mark for each placeholder."""

    text: str
    quoted: bool  # a placeholder stands within quotes, which cancel its own
    opened: bool  # it names a file that the shell opens

    @property
    def places(self) -> int:
        """How many placeholders stand in it."""
        return self.text.count(_MARK)


def places(command: str, *, is_own: IsOwn) -> dict[str, Place]:
    """Say of each parameter in a command what its value would be.

    Parameters
    ----------
    command : str
        As an MLproject declares it, with `{name}` for a parameter.
    is_own : callable
        Returns whether a name is that of a file of the project.

    Returns
    -------
    dict of str to Place
        The most dangerous of its places, by the parameter's name.
    """
    text, names, worst = "", [], dict[str, Place]()
    for literal, field, form, conversion in string.Formatter().parse(command):
        text += literal
        if field is None:
            continue
        name, access = _FIELD.fullmatch(field).groups()  # type: ignore[union-attr]
        text += _MARK
        names.append(name)
        # This changes the value after it was quoted, or its quotes: `{name:.3}`, `${name}`.
        if access or form or conversion or _CHANGES_NEXT.search(literal):
            worst |= dict.fromkeys([name, *_NESTED.findall(form or "")], Place.PROGRAM)
    commands = None if _MARK in command else _simple_commands(text)
    in_order = [Place.TEXT] * len(names) if commands is None else _in_order(commands, is_own)
    for name, place in zip(names, in_order, strict=True):
        worst[name] = max(place, worst.get(name, place))
    return worst


def takes_arguments(command: str, *, is_own: IsOwn) -> bool:
    """Return whether words put after a command are arguments of the project's own program."""
    name = "appended"
    return places(f"{command} {{{name}}}", is_own=is_own)[name] is Place.ARGUMENT


def dangerous(
    values: Mapping[str, str], command: str, *, defaults: Mapping[str, str], is_own: IsOwn
) -> str | None:
    """Return the first parameter whose value could act as code in a command; None: there is none.

    Parameters
    ----------
    values : mapping of str to str
        Of the parameters that a record gives.
    command : str
    defaults : mapping of str to str
        Of the commit: its own words.
    is_own : callable
        Returns whether a name is that of a file of the project.
    """
    where = places(command, is_own=is_own)
    for name, value in values.items():
        place = where.get(name, Place.ARGUMENT)
        harmless = place is Place.TEXT and _HARMLESS.fullmatch(value)
        if place is not Place.ARGUMENT and value != defaults.get(name) and not harmless:
            return name
    return None


def _simple_commands(text: str) -> list[list[_Word]] | None:
    """Split a shell's text into simple commands; None: it is more than this understands."""
    if _INTRICATE.search(text):
        return None
    commands: list[list[_Word]] = [[]]
    word, quote, quoted, started, opens = "", "", False, False, False

    def end() -> None:
        nonlocal word, quoted, started, opens
        if started:
            commands[-1].append(_Word(word, quoted, opens))
            opens = False
        word, quoted, started = "", False, False

    before = ""
    for character in text:
        if quote:
            closes = character == quote and not (quote == '"' and before == "\\")
            quote = "" if closes else quote
            quoted |= character == _MARK
            word += "" if closes else character
        elif character in "\"'" and before != "\\":
            quote, started = character, True
        elif character in "<>":
            end()
            opens = True
        elif character in _OPERATORS and before not in ("\\", ">", "<"):
            end()
            opens = False
            commands.append([])
        elif character.isspace() and before != "\\":
            end()
        else:
            started = True
            word += character
        before = "" if before == "\\" else character
    end()
    return None if quote else commands


def _in_order(commands: Collection[list[_Word]], is_own: IsOwn) -> list[Place]:
    return [place for words in commands for place in _of_command(words, is_own)]


def _of_command(words: list[_Word], is_own: IsOwn) -> list[Place]:
    """Say what the placeholders of one simple command are, in their order."""
    opened = [word for word in words if word.opened]
    own = [word for word in words if not word.opened]
    first = _program_ends(own)
    arguments = _arguments_of(own, first, is_own)
    naming = {id(word) for word in (*opened, *own[: arguments[1]])}
    places = []
    for word in words:
        place = Place.PROGRAM if id(word) in naming else arguments[0]
        if word.quoted:
            place = max(place, Place.TEXT)
        places += [place] * word.places
    return places


def _program_ends(words: list[_Word]) -> int:
    """Return how many words there are up to and with the program's name."""
    texts = [word.text for word in words]
    number = 0
    while number < len(texts):
        if texts[number] in _RUNNERS and texts[number + 1 : number + 2] == ["run"]:
            number += 1
        elif texts[number] not in _RESERVED | _WRAPPERS and not _ASSIGNMENT.match(texts[number]):
            return number + 1
        number += 1
    return len(texts)


def _arguments_of(words: list[_Word], first: int, is_own: IsOwn) -> tuple[Place, int]:
    """Return what the arguments of a program are, and how many words say what is run."""
    texts = [word.text for word in words]
    program = texts[first - 1] if first else ""
    name = PurePosixPath(program).name
    if _PYTHON.fullmatch(name):
        return _of_python(texts, first, is_own)
    if name in _SHELLS:
        runs = texts[first] if first < len(texts) else "-"
        own = not runs.startswith("-") and is_own(runs)
        return (Place.ARGUMENT, first + 1) if own else (Place.PROGRAM, len(texts))
    if name in _TAKE_CODE:
        return Place.PROGRAM, len(texts)
    return (Place.ARGUMENT if "/" in program and is_own(program) else Place.TEXT), first


def _of_python(texts: list[str], first: int, is_own: IsOwn) -> tuple[Place, int]:
    """Do `_arguments_of` for Python: of a module or a file of the project, else of other code."""
    position = first
    while position < len(texts) and texts[position].startswith("-"):
        option = texts[position].lstrip("-")
        if option.endswith("m"):
            return _of_module("".join(texts[position + 1 : position + 2]), is_own), position + 2
        if "c" in option:
            return Place.PROGRAM, len(texts)
        position += 2 if option in ("W", "X") else 1
    own = position < len(texts) and is_own(texts[position])
    return (Place.ARGUMENT if own else Place.TEXT), position + 1


def _of_module(module: str, is_own: IsOwn) -> Place:
    if module.partition(".")[0] in _MODULES_TAKE_CODE:
        return Place.PROGRAM
    path = "/".join(module.split("."))
    files = (f"{start}{path}{end}" for start in ("", "src/") for end in (".py", "/__main__.py"))
    return Place.ARGUMENT if any(is_own(name) for name in files) else Place.TEXT
