"""The files that declare the project agree with each other and with the code."""

import hashlib
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from reprise.capture.environment import locked_packages, normalised
from reprise.projects.environments import python_version
from reprise.record.schema import as_text
from reprise.runtime.parameters import mlproject_type
from steps.parameters import ENTRY_POINTS

ROOT = Path(__file__).parents[1]
MLPROJECT = yaml.safe_load((ROOT / "MLproject").read_text(encoding="utf-8"))
CONDA = (ROOT / "conda.yaml").read_text(encoding="utf-8")
LOCKS = ("requirements.txt", "requirements-dev.txt")
LOCKS += ("deploy/server/requirements.txt", "deploy/aws/requirements.txt")
every_entry_point = pytest.mark.parametrize("name", ENTRY_POINTS)


def lock(name):
    return (ROOT / name).read_text(encoding="utf-8")


def requirements(name):
    """The requirements of a requirements*.in, without comments and options."""
    lines = (line.partition("#")[0].strip() for line in lock(name).splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("-")]


def project_files():
    """Paths of what git tracks, and of what it would on `git add --all`."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


def test_mlproject_declares_the_entry_points_in_the_codes_order():
    assert list(MLPROJECT["entry_points"]) == list(ENTRY_POINTS)


def _as_text(declaration):
    return {name: as_text(value) for name, value in declaration.items()}


@every_entry_point
def test_an_entry_point_declares_the_names_of_its_parameters_in_order(name):
    declared = MLPROJECT["entry_points"][name]["parameters"]

    assert list(declared) == list(ENTRY_POINTS[name].model_fields)


@every_entry_point
def test_an_entry_point_declares_types_and_defaults_of_its_parameters(name):
    declared = MLPROJECT["entry_points"][name]["parameters"]
    fields = ENTRY_POINTS[name].model_fields

    expected = {
        n: {"type": mlproject_type(f)} | ({} if f.is_required() else {"default": f.default})
        for n, f in fields.items()
    }

    assert {n: _as_text(d) for n, d in declared.items()} == {
        n: _as_text(d) for n, d in expected.items()
    }


@every_entry_point
def test_the_command_hands_over_each_parameter_without_quotes(name):
    command = MLPROJECT["entry_points"][name]["command"]

    expected = " ".join(f"--{p} {{{p}}}" for p in ENTRY_POINTS[name].model_fields)

    assert command == f"python -m steps.{name} {expected}"


@every_entry_point
def test_every_entry_point_is_a_module_of_the_steps(name):
    assert (ROOT / "steps" / f"{name}.py").is_file()


def test_mlproject_takes_its_environment_from_conda_yaml():
    assert MLPROJECT["conda_env"] == "conda.yaml"


def test_conda_yaml_pins_python_pip_and_the_lock():
    python, pip, packages = yaml.safe_load(CONDA)["dependencies"]

    assert re.fullmatch(r"python=\d+\.\d+\.\d+", python)
    assert re.fullmatch(r"pip=\d+(\.\d+)+", pip)
    assert packages == {"pip": ["-r requirements.txt"]}


def test_conda_yaml_holds_the_digest_of_the_lock():
    digest = hashlib.sha256((ROOT / "requirements.txt").read_bytes()).hexdigest()

    assert CONDA.count("# sha256:") == 1
    assert f"- -r requirements.txt # sha256:{digest}\n" in CONDA


def test_the_python_of_conda_yaml_is_one_that_the_project_supports():
    text = lock("pyproject.toml")

    supported = re.search(r'requires-python = ">=(\d+\.\d+),<(\d+\.\d+)"', text)

    assert Version(supported[1]) <= Version(python_version(CONDA)) < Version(supported[2])


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("requirements.in", "requirements.txt"),
        ("requirements-dev.in", "requirements-dev.txt"),
    ],
)
def test_every_direct_dependency_is_locked_at_a_version_it_allows(source, target):
    locked = locked_packages(lock(target))

    wrong = {
        str(requirement): locked.get(normalised(requirement.name))
        for requirement in requirements(source)
        if normalised(requirement.name) not in locked
        or not requirement.specifier.contains(locked[normalised(requirement.name)])
    }

    assert wrong == {}
    assert requirements(source) != []


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_of_a_lock_is_pinned_once_with_hashes(name):
    text = lock(name).replace("\\\n", " ")
    lines = [line.split() for line in text.splitlines() if line.strip() and line[0] not in " #"]

    assert lines != []
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[^\s]+", line[0])] == []
    assert [
        line[0]
        for line in lines
        if not (hashes := line[1:])
        or not all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", h) for h in hashes)
    ] == []
    assert len({line[0].partition("==")[0] for line in lines}) == len(lines)
    assert len(locked_packages(lock(name))) == len(lines)


def test_the_server_and_its_clients_have_one_version_of_mlflow():
    versions = {
        locked_packages(lock(name))["mlflow"]
        for name in ("requirements.txt", "deploy/server/requirements.txt")
    }

    assert len(versions) == 1


def test_the_tools_lock_does_not_contradict_the_projects():
    project, tools = (locked_packages(lock(name)) for name in LOCKS[:2])

    contradictions = {
        name: (project[name], tools[name])
        for name in project.keys() & tools.keys()
        if project[name] != tools[name]
    }

    assert contradictions == {}
    assert project.keys() & tools.keys()


def test_no_file_of_the_project_names_a_place_on_one_machine():
    places = [("/" + place + "/").encode() for place in ("work", "root", "home", "Users")]
    places = [re.compile(rb"(?<![\w.}/-])" + re.escape(place) + rb"\w") for place in places]

    found = [
        f"{path.relative_to(ROOT)}: {match[0].decode()}"
        for path in project_files()
        for place in places
        for match in place.finditer(path.read_bytes())
    ]

    assert found == []
