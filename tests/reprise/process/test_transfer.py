"""A program that talks to a server ends with its work, or with its time, and all it has started."""

import fcntl
import os
import sys
from pathlib import Path

import pytest

from reprise.process import transfer


def run(program, **limits):
    return transfer.run([sys.executable, "-S", "-c", program], Path.cwd(), os.environ, **limits)


def test_what_a_program_prints_is_returned_with_how_it_ended():
    done = run("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")

    assert (done.exit_code, done.output, done.said) == (3, "out\n", "err")


def test_progress_is_no_part_of_what_was_said():
    done = run(
        "import sys; sys.stderr.write('Receiving objects:  50% (1/2)\\rReceiving objects: 100% "
        "(2/2), done.\\nremote: Counting objects: 5, done.\\nremote: Total 5 (delta 0)\\n"
        "remote: Repository not found.\\nfatal: gone\\n')"
    )

    assert done.said == "remote: Repository not found.\nfatal: gone"


@pytest.mark.parametrize(
    ("program", "limits", "said"),
    [
        ("input_ = open('/dev/ptmx', 'rb').read()", {"idle": 0.2}, transfer.SILENT),
        ("while True: print('x', flush=True)", {"total": 0.2}, "was not done in 0.2 s"),
    ],
    ids=["it is silent", "it never ends"],
)
def test_a_program_that_goes_on_is_ended_and_that_is_said(program, limits, said):
    done = run(program, **limits)

    assert done.exit_code != 0
    assert said in done.said


def test_what_a_program_has_started_ends_with_it(tmp_path):
    path = tmp_path / "held"
    done = run(
        f"import fcntl, os, signal; file = open({str(path)!r}, 'w'); "
        "fcntl.flock(file, fcntl.LOCK_EX); os.fork(); print('held', flush=True); signal.pause()",
        idle=0.5,
    )

    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # free when both have ended
    assert transfer.SILENT in done.said


@pytest.mark.parametrize(
    ("users", "whole"),
    [
        ("ssh", "ssh -oBatchMode=yes"),
        ("/usr/bin/ssh -i key", "/usr/bin/ssh -i key -oBatchMode=yes"),
        ("plink -batch", "plink -batch"),
    ],
)
def test_ssh_asks_for_nothing_and_another_program_is_left_as_it_is(users, whole):
    assert transfer.ssh_command(users).startswith(whole)
    assert ("BatchMode" in transfer.ssh_command(users)) == ("BatchMode" in whole)
