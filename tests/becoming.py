"""Lets `subprocess` take a fork of a warm process where it is asked to start the same Python."""

import array
import contextlib
import inspect
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

# Variables that Python or a library reads as it starts; a fork cannot make up for another value.
READ_AT_START = re.compile(
    r"PYTHON(?!(PATH|DONTWRITEBYTECODE|UNBUFFERED)$).*|.*_NUM_THREADS|OPENBLAS_.*|NPY_.*"
    r"|GLIBC_TUNABLES|SCIPY_ARRAY_API"
)
DESCRIPTORS = 3  # standard input, output and error
_EXECUTE_CHILD = subprocess.Popen._execute_child
_PARAMETERS = inspect.signature(_EXECUTE_CHILD)


def execute_child(
    become: Callable[[dict[str, Any], tuple[int, ...]], int | None], at_start: Mapping[str, str]
) -> Callable[..., None]:
    """Return what may stand for `Popen._execute_child`.

    Parameters
    ----------
    become : callable
        Takes an order (words, folder, environment, session) and what is to be 0, 1 and 2; returns
        the id of a child of this process that has become what was ordered, or None: exec it.
    at_start : mapping of str to str
        Variables with which the warm process was started.
    """

    def execute_or_become(*arguments: Any) -> None:
        given = _PARAMETERS.bind(*arguments).arguments
        pid = None
        environment = dict(os.environ if given["env"] is None else given["env"])
        if words := _warm_words(given, environment, at_start):
            pipes = enumerate((given["p2cread"], given["c2pwrite"], given["errwrite"]))
            order = {
                "words": words,
                "folder": os.fspath(given["cwd"] or Path.cwd()),
                "environment": environment,
                "session": given["start_new_session"],
            }
            pid = become(order, tuple(own if pipe == -1 else pipe for own, pipe in pipes))
        if pid is None:
            _EXECUTE_CHILD(*arguments)
            return
        given["self"].pid = pid
        given["self"]._child_created = True
        ends = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
        given["self"]._close_pipe_fds(*(given[end] for end in ends))

    return execute_or_become


def _warm_words(
    given: Mapping[str, Any], environment: Mapping[str, str], at_start: Mapping[str, str]
) -> list[str]:
    """Return the words after `python`, where a fork of the warm process does what they say."""
    if given["shell"] or given["pass_fds"] or given["preexec_fn"]:
        return []
    if isinstance(given["args"], str | bytes):
        return []
    words = list(map(os.fspath, given["args"]))
    plain = split_by_bash(words)
    if words[0] == sys.executable:
        # A process that starts others has pinned them, or means them not to be.
        names = {n for n in {*environment, *at_start} if READ_AT_START.fullmatch(n)}
        is_warm = words[1] in ("-c", "-m") and _same(names, environment, at_start)
    else:  # as a person would type it
        python = shutil.which("python", path=environment.get("PATH"))
        is_ours = python is not None and Path(python).parent == Path(sys.executable).parent
        is_warm = is_ours and plain[:2] == ["python", "-m"] and may_fork(environment, at_start)
    return plain[1:] if is_warm else []


def split_by_bash(words: Sequence[str]) -> list[str]:
    """Return the words of a command, or those that `bash -c` would only split: it adds nothing."""
    if list(words[:2]) == ["bash", "-c"] and len(words) == 3:
        with contextlib.suppress(ValueError):
            plain = shlex.split(words[2])
            if shlex.join(plain) == words[2].strip() and "=" not in plain[0]:
                return plain
    return list(words)


def may_fork(environment: Mapping[str, str], at_start: Mapping[str, str]) -> bool:
    """Return whether no variable has another value than the warm process was started with."""
    return _same(filter(READ_AT_START.fullmatch, environment), environment, at_start)


def _same(names: Iterable[str], one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    return all(one.get(name) == other.get(name) for name in names)


def send(channel: socket.socket, order: Mapping[str, Any], descriptors: tuple[int, ...] = ()):
    """Send an order as a line, the descriptors beside its first byte."""
    text = json.dumps(order).encode() + b"\n"
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))
    channel.sendmsg([text[:1]], [rights] if descriptors else [])
    channel.sendall(text[1:])


def receive(channel: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    """Receive an order, None where nobody is left who could give one, and its descriptors."""
    first, descriptors, _, _ = socket.recv_fds(channel, 1, DESCRIPTORS)
    if not first:
        return None, []
    with channel.makefile("rb") as lines:
        return json.loads(first + lines.readline()), descriptors
