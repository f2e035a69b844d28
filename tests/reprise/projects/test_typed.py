"""Any command is recorded; from a record only one that starts a file of the commit comes back."""

import pytest
from repositories import commit_all, make_repository

from reprise.errors import CheckoutError, ProjectError
from reprise.projects import typed


@pytest.fixture
def folder(plain_git, tmp_path):
    folder = make_repository(tmp_path / "project")
    (folder / "run.sh").write_text("echo $1\n")
    commit_all(folder)
    (folder / "edited.sh").write_text("echo\n")
    return folder


@pytest.mark.parametrize(
    ("words", "entry_point", "command"),
    [
        (["python", "fit.py", "-x", "5"], "fit.py", ("fit.py", "-x", "5")),
        (["/usr/bin/python3.11", "-m", "pkg.fit"], "pkg.fit", ("-m", "pkg.fit")),
    ],
)
def test_a_command_of_python_is_recorded_as_a_script_is(words, entry_point, command):
    step = typed.step(words)

    assert (step.entry_point, step.command, step.words) == (entry_point, command, ())


@pytest.mark.parametrize("words", [["bash", "run.sh"], ["make"], ["python", "-c", "1"], ["python"]])
def test_another_command_is_recorded_as_it_was_typed(words):
    step = typed.step(words)

    assert (step.entry_point, step.command, step.words) == (words[0], (), tuple(words))


@pytest.mark.parametrize("words", [["bash", "run.sh", "a b"], ["./run.sh", "x"]])
def test_a_command_that_starts_a_file_of_the_commit_comes_back(folder, words):
    assert typed.words(folder, typed.step(words)) == words


@pytest.mark.parametrize(
    "words",
    [
        ["make", "all"],
        ["curl", "http://example.org"],
        ["bash", "-c", "rm -r ."],
        ["bash"],
        ["bash", "edited.sh"],
        ["./edited.sh"],
        ["/bin/sh", "run.sh"],
        ["../x.sh"],
        ["python", "-c", "1"],
    ],
)
def test_any_other_command_of_a_record_is_refused(folder, words):
    with pytest.raises((ProjectError, CheckoutError)):
        typed.words(folder, typed.step(words))
