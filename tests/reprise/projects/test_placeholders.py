"""Where a placeholder stands in a command decides what a recorded value may be."""

import pytest

from reprise.projects.placeholders import Place, dangerous, places, takes_arguments

FILES = {"train.py", "steps/fit.py", "run.sh", "./run.sh", "src/pkg/__main__.py"}
ARGUMENTS = (
    "python train.py {a} --b={a}",
    "python -u -W ignore train.py {a}",
    "python -m steps.fit --a {a}",
    "python -m pkg {a}",
    "cd sub; python train.py {a} > log 2>&1",
    "if true; then nohup python train.py {a} & fi",
    "SEED=1 uv run python train.py {a} | tee log",
    "bash run.sh {a}",
    "./run.sh {a}",
)
TEXTS = (
    "python train.py '{a}'",
    'python train.py "x {a}"',
    "python elsewhere.py {a}",
    "python -m elsewhere {a}",
    "torchrun train.py {a}",
    "python train.py $(cat {a})",
    "python train.py # {a}",
    "cat <<END\n{a}\nEND",
)
PROGRAMS = (
    "{a}",
    "python {a}",
    "python -m {a}",
    "python -c {a}",
    "python -m timeit {a}",
    "bash {a}",
    "bash -c 'python train.py {a}'",
    "true; eval {a}",
    "X={a} python train.py",
    "python train.py > {a}.log",
    "python train.py {a!r}",
    "python train.py {a:.3}",
    "python train.py {a[0]}",
    "python train.py ${a}",
    "python train.py \\{a}",
    "python train.py {b:{a}}",
    "python train.py {a} && rm -r {a}",
)


def is_own(name):
    return name in FILES


def place(command):
    return places(command, is_own=is_own)["a"]


def test_a_name_with_a_hyphen_is_found_where_it_stands():
    assert places("python {my-file} {a}", is_own=is_own)["my-file"] is Place.PROGRAM


@pytest.mark.parametrize("command", ARGUMENTS)
def test_an_argument_of_the_projects_own_program_may_be_anything(command):
    assert place(command) is Place.ARGUMENT


@pytest.mark.parametrize("command", TEXTS)
def test_what_quotes_do_not_hold_or_another_program_takes_is_harmless_text(command):
    assert place(command) is Place.TEXT


@pytest.mark.parametrize("command", PROGRAMS)
def test_what_is_run_or_written_is_of_the_commit(command):
    assert place(command) is Place.PROGRAM


@pytest.mark.parametrize("value", ["a b", "0.5", "-1e-3", "data/iris.csv", "schräg"])
def test_a_harmless_text_may_stand_in_quotes(value):
    assert dangerous({"a": value}, TEXTS[0], defaults={}, is_own=is_own) is None


@pytest.mark.parametrize("value", ["$x", "`x`", "a;b", "a'b", "a\nb", "--exec", "@file", "x\\"])
def test_a_text_that_could_be_code_may_not(value):
    assert dangerous({"a": value}, TEXTS[0], defaults={}, is_own=is_own) == "a"


def test_the_commits_own_default_may_stand_anywhere():
    assert dangerous({"a": "x;y"}, "{a}", defaults={"a": "x;y"}, is_own=is_own) is None


@pytest.mark.parametrize(
    ("command", "expected"),
    [("python train.py {a}", True), ("python train.py | tee log", False), ("x\n", False)],
)
def test_only_the_projects_own_program_takes_words_after_its_command(command, expected):
    assert takes_arguments(command, is_own=is_own) is expected
