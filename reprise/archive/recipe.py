"""Writes how to make runs again without Reprise: a shell script for people to read and follow."""

import re
import shlex
from collections.abc import Iterator, Sequence

from reprise.archive.closure import Chosen
from reprise.errors import ArchiveError
from reprise.git import is_full_sha
from reprise.record.schema import RunRecord
from reprise.visible import visible

_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
_RUN = re.compile(r"\b[0-9a-f]{32}\b")
_METRICS = 1_000  # that are listed
_STEP = "mlflow run --env-manager=local . -e"


def recipe(chosen: Sequence[Chosen], asked: Sequence[str]) -> str:
    """Return the script.

    Parameters
    ----------
    chosen : sequence of Chosen
        The runs, and before each the runs that it needs.
    asked : sequence of str
        Ids of the runs that are to be made again.

    Raises
    ------
    ArchiveError
        If one of these has no record of its code.
    """
    lines = [
        "#!/bin/sh",
        "# How to make runs of machine learning again, by hand. Read it before you run any of it:",
        "# it clones and runs code of somebody else. Lines that begin with # say what to expect.",
        "set -eu",
    ]
    named = {run_id for each in chosen for run_id in _named(each)}
    for each in chosen:
        if each.run.info.run_id not in {*asked, *named}:  # it only carries the code of others
            continue
        if each.record is None or each.record.code.commit is None:
            if each.run.info.run_id in asked:
                raise ArchiveError(
                    f"expected a record with the code of run {each.run.info.run_id}, found none. "
                    "There is no recipe for it."
                )
            continue
        lines += ["", *_of_run(each.run.info.run_id, each.record)]
    return "\n".join(lines) + "\n"


def _named(chosen: Chosen) -> Iterator[str]:
    """Yield the ids of the runs that a run has read."""
    if chosen.record is not None:
        texts = (*(data.uri for data in chosen.record.inputs), *chosen.run.data.params.values())
        for text in texts:
            yield from _RUN.findall(text)


def _of_run(run_id: str, record: RunRecord) -> Iterator[str]:
    code = record.code
    yield from _comment(f"Run {run_id}: {record.step.entry_point or 'a command'}")
    commit, tree = str(code.commit), str(code.tree)
    if not is_full_sha(commit) or not is_full_sha(tree):
        raise ArchiveError(
            f"expected ids of git in the record of run {run_id}, found {commit!a:.80}. "
            "It was altered."
        )
    repository = _word(code.repository) if code.repository else '"$REPOSITORY"'  # you know it
    folder = f"code-{commit[:12]}"
    yield f"test -d {folder} || git clone --no-checkout -- {repository} {folder}"
    if code.bundle:
        yield from _comment(
            f"The commit is in a bundle, the artifact {code.bundle}. Save it as {folder}.bundle:"
        )
        yield f"git -C {folder} fetch ../{folder}.bundle 'refs/*:refs/bundle/*'"
    yield f"git -C {folder} checkout --quiet --detach {commit}"
    yield f"test \"$(git -C {folder} rev-parse 'HEAD^{{tree}}')\" = {tree}"
    yield f"cd -- {_word(f'{folder}/{code.project}' if code.project else folder)}"
    yield from _environment(record)
    for data in record.inputs:
        yield from _comment(f"It reads {data.name}, {data.uri}: content with SHA-256 {data.sha256}")
    yield from _command(record)
    yield "cd -"
    yield from _expected(record)


def _environment(record: RunRecord) -> Iterator[str]:
    installed = record.environment
    yield from _comment(f"Python {installed.python}, {installed.platform}")
    yield "python -m venv .recipe && . .recipe/bin/activate"
    if installed.lock_sha256 and not installed.lock:
        yield f"echo {_word(installed.lock_sha256)}  requirements.txt | sha256sum --check"
        yield "pip install --require-hashes --only-binary :all: --requirement requirements.txt"
    elif installed.lock:
        yield from _comment(f"Install what the lock {installed.lock} says.")
    else:
        pins = (f"{name}=={version}" for name, version in sorted(installed.packages.items()))
        yield f"pip install --only-binary :all: -- {' '.join(map(_word, pins))}"
    for name, value in sorted(record.numerics.variables.items()):
        if value and _VARIABLE.fullmatch(name):
            yield f"export {name}={_word(value)}"


def _command(record: RunRecord) -> Iterator[str]:
    step = record.step
    if step.words or step.command:
        words = step.words or ("python", *step.command)
        yield from (f"cd -- {_word(step.folder)}",) if step.folder else ()
        yield " ".join(map(_word, words))
        return
    if any(_RUN.search(value) for value in step.raw_parameters.values()):
        yield from _comment("In place of the id of a run, write that of your own run of it, above.")
    given = [f"-P {_word(f'{n}={v}')}" for n, v in sorted(step.raw_parameters.items()) if v]
    yield " ".join([_STEP, _word(step.entry_point), *given])


def _expected(record: RunRecord) -> Iterator[str]:
    """Yield what the run gave, to compare with."""
    outputs = record.outputs
    if outputs is None:
        yield from _comment("The run has not finished: there is nothing to compare with.")
        return
    yield from _comment("Expected of it:")
    for name, value in sorted(outputs.metrics.items())[:_METRICS]:
        yield from _comment(f"  {name} = {value!r}")
    if outputs.model:
        yield from _comment(f"  fitted arrays of the model: SHA-256 {outputs.model}")
    for name, digest in sorted({**outputs.predictions, **outputs.artifacts}.items()):
        yield from _comment(f"  {name}: SHA-256 {digest}")


def _comment(text: str) -> Iterator[str]:
    """Yield a line that a shell does not read: what a record says cannot begin another."""
    yield f"# {visible(text)}"


def _word(text: str) -> str:
    """Quote a text of a record for a shell, in one line that is shown as it is."""
    return shlex.quote(visible(text))
