"""What the README and CONTRIBUTING say is there, is there."""

import re
from pathlib import Path

import pytest
from click import Context

from reprise.cli import VERBS, cli
from reprise.record.schema import as_text
from reprise.runtime.parameters import expected
from reprise.sweeps import experiment_file
from steps import sweep
from steps.main import planned
from steps.parameters import ENTRY_POINTS, SweepParameters

ROOT = Path(__file__).parents[1]
TEXTS = {
    name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md")
}
FILES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "params").glob("*.yaml"))
GRIDS = [name for name in FILES if name.startswith("params/sweep_")]
EXPERIMENTS = [name for name in FILES if name not in GRIDS]
every_text = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)


def table(name):
    """The README's table of an entry point, as it should be."""
    rows = ["| parameter | default | takes | what it is |", "|---|---|---|---|"]
    for parameter, field in ENTRY_POINTS[name].model_fields.items():
        default = "" if field.is_required() else as_text(field.default)
        shown = f"`{default}`" if default else "required" if field.is_required() else "empty"
        rows.append(f"| `{parameter}` | {shown} | {expected(field)} | {field.description} |")
    return "\n".join(rows)


def section(name):
    """The part of the README below an entry point's heading."""
    _, *found = TEXTS["README.md"].split(f"\n### `{name}`\n")
    assert len(found) == 1, f"expected the heading ### `{name}` once, found it {len(found)} times"
    return re.split(r"\n##+ ", found[0])[0]


def code(text):
    """What a text shows as code: blocks, and words between backticks."""
    blocks = re.findall(r"^```.*?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [*blocks, *re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))]


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_an_entry_point_has_its_docstring_and_its_table(name):
    found = section(name)

    should_be = f"\n{ENTRY_POINTS[name].__doc__}\n\n{table(name)}\n"

    assert found.rstrip("\n") == should_be.rstrip("\n"), f"it should be:\n{should_be}"


def test_entry_points_stand_in_the_order_of_the_code_and_there_are_no_others():
    found = re.findall(r"^### `(\w+)`$", TEXTS["README.md"], re.MULTILINE)

    assert found == list(ENTRY_POINTS)


@every_text
def test_every_make_target_that_is_named_exists(text):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))

    named = {
        target
        for piece in code(text)
        for target in re.findall(r"^make[ \t]+([a-z][a-z-]*)", piece, re.MULTILINE)
    }

    assert named != set()
    assert named - targets == set()


@every_text
def test_every_relative_link_leads_somewhere(text):
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]

    broken = [link for link in links if not (ROOT / link.partition("#")[0]).exists()]

    assert broken == []


def test_the_readme_links_to_what_stands_beside_it():
    links = set(re.findall(r"\]\(([^)\s]+)\)", TEXTS["README.md"]))

    assert {"CONTRIBUTING.md", "CHANGELOG.md", "LICENSE"} <= links


@every_text
def test_every_file_that_is_named_exists(text):
    named = {
        word
        for piece in code(text)
        for word in re.findall(r"\b(?:params|steps|reprise|tests|docs|bench)/[\w./-]*", piece)
    }

    assert named != set()
    assert {name for name in named if not (ROOT / name).exists()} == set()


def test_the_files_that_the_readme_names_are_in_the_folder():
    named = set(re.findall(r"params/\w+\.yaml", TEXTS["README.md"]))

    assert named != set()
    assert named <= set(FILES)  # a user's own are there, too


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_can_be_planned(name):
    loading, trainings, _ = planned(experiment_file.read(ROOT / name))

    assert loading.entry_point == "load_data"
    assert len(trainings) >= 1


@pytest.mark.parametrize("name", GRIDS)
def test_every_grid_can_be_planned(name):
    random = "low:" in (ROOT / name).read_text(encoding="utf-8")
    step = f"train_{name.removesuffix('.yaml').rpartition('_')[2]}"
    parameters = SweepParameters(
        step=step,
        grid=str(ROOT / name),
        strategy="random" if random else "grid",
        samples=20 if random else None,
    )

    found = sweep.planned(parameters)

    assert len(found.runs) >= 20
    assert {run.entry_point for run in found.runs} == {step}


def test_the_example_of_an_experiment_file_is_the_default_one():
    (example,) = (piece for piece in code(TEXTS["README.md"]) if piece.startswith("data:"))
    path = ROOT / ENTRY_POINTS["main"].model_fields["params"].default
    bare = re.sub(r" *#.*", "", example).strip()

    assert bare == re.sub(r"^#.*\n", "", path.read_text(encoding="utf-8")).strip()


def test_the_table_of_the_commands_verbs_is_that_of_its_help():
    rows = re.findall(r"^\| `reprise (\w+)[^|]* \|", TEXTS["README.md"], re.MULTILINE)

    assert rows == list(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_of_the_command_that_is_shown_exists(verb, monkeypatch):
    monkeypatch.chdir(ROOT)
    known = {name for param in cli.get_command(Context(cli), verb).params for name in param.opts}

    shown = [
        word
        for text in TEXTS.values()
        for piece in code(text)
        for line in piece.splitlines()
        if re.match(rf"reprise {verb}\b", line)
        for word in re.findall(r"(?<= )--?[\w-]+", line.partition(" -- ")[0])  # a command's follow
    ]

    assert set(shown) <= known | {"-h", "--help"}


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_every_parameter_of_a_command_that_is_shown_exists(name):
    commands = [
        line
        for text in TEXTS.values()
        for piece in code(text)
        for line in piece.splitlines()
        if re.search(rf"mlflow run .*-e {name}\b", line)
        or (name == "main" and line.startswith("mlflow run") and " -e " not in line)
    ]

    given = {word for line in commands for word in re.findall(r"-P (\w+)=", line)}

    assert given <= set(ENTRY_POINTS[name].model_fields)
