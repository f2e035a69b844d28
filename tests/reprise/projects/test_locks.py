"""The lock of a project is known by its kind, and read for this machine."""

import platform

import pytest
from repositories import make_repository
from uv_projects import UV_PROJECT, uv_lock

from reprise.errors import EnvironmentMismatchError
from reprise.projects import locks

A, B = "a" * 64, "b" * 64
PYLOCK = f"""\
lock-version = "1.0"
created-by = "somebody"

[[packages]]
name = "numpy"
version = "2.4.6"
wheels = [
    {{ url = "https://e.org/numpy-2.4.6-py3-none-any.whl", hashes = {{ sha256 = "{A}" }} }},
]
sdist = {{ url = "https://e.org/numpy-2.4.6.tar.gz", hashes = {{ sha256 = "{B}" }} }}

[[packages]]
name = "colorama"
version = "0.4.6"
marker = "sys_platform == 'win32'"
wheels = [
    {{ url = "https://e.org/colorama-0.4.6-py3-none-any.whl", hashes = {{ sha256 = "{A}" }} }},
]

[[packages]]
name = "tomli"
version = "2.0.0"
marker = "python_version < '3.11'"
wheels = [
    {{ url = "https://e.org/tomli-2.0.0-py3-none-any.whl", hashes = {{ sha256 = "{A}" }} }},
]

[[packages]]
name = "mine"
directory = {{ path = ".", editable = true }}
"""
UV = uv_lock(version="2.4.6", sha256=A, source="editable")
POETRY = f"""\
[[package]]
name = "NumPy"
version = "2.4.6"
files = [{{file = "numpy-2.4.6.tar.gz", hash = "sha256:{A}"}}]

[[package]]
name = "of-git"
version = "1.0"
files = []
[package.source]
type = "git"
url = "https://e.org/of-git"
"""
EXPLICIT = """\
# platform: linux-64
@EXPLICIT
https://conda.example.org/conda-forge/{here}/numpy-2.4.6-py311h64a7726_0.conda#00
https://conda.example.org/conda-forge/noarch/tz-data-2025b-h78e105d_0.tar.bz2
https://conda.example.org/conda-forge/win-64/vc-14-h1.conda
"""
CONDA_LOCK = """\
version: 1
package:
- name: numpy
  version: 2.4.6
  manager: conda
  platform: {here}
  url: https://conda.example.org/conda-forge/{here}/numpy-2.4.6-py311h64a7726_0.conda
- name: local
  manager: pip
  url: https://e.org/packages/local-1.0%2Bcpu-py3-none-any.whl
"""
PIXI = """\
version: 6
environments:
  default:
    packages:
      {here}:
      - conda: https://conda.example.org/conda-forge/{here}/numpy-2.4.6-py311h64a7726_0.conda
      - pypi: https://e.org/packages/ab/mlflow-3.17.2-py3-none-any.whl
"""
HERE = f"linux-{'64' if platform.machine() == 'x86_64' else 'aarch64'}"


@pytest.fixture
def project(plain_git, tmp_path):
    """A project in a sub-folder of a repository."""
    folder = make_repository(tmp_path / "team") / "models" / "mine"
    folder.mkdir(parents=True)
    return folder


def pinned(project, python="3.11.7"):
    return {pin.name: (pin.version, pin.hashes) for pin in locks.of(project).pins(python)}


def sha256(*digests):
    return tuple(f"sha256:{digest}" for digest in digests)


def test_a_list_of_requirements_is_one_if_it_has_hashes(project):
    path = project / "requirements.txt"
    path.write_text("numpy==2.4.6\n")
    assert locks.of(project) is None

    path.write_text(f"numpy==2.4.6 --hash=sha256:{A}\n")

    assert pinned(project) == {"numpy": ("2.4.6", sha256(A))}


@pytest.mark.parametrize("name", ["conda.yaml", "python_env.yaml", "pyproject.toml", "spec.txt"])
def test_a_wish_is_none(project, name):
    (project / name).write_text("numpy>=2\n")

    assert locks.of(project) is None


def test_a_lock_of_uv_is_read_by_uv_also_of_a_folder_above(project):
    (project.parent / "pyproject.toml").write_text(UV_PROJECT)
    (project.parent / "uv.lock").write_text(UV)

    assert locks.of(project).name == "../uv.lock"
    assert pinned(project) == {"numpy": ("2.4.6", sha256(A))}


def test_a_standard_lock_is_read_for_this_machine_and_the_release_of_python(project):
    (project / "pylock.toml").write_text(PYLOCK)

    assert pinned(project) == {"numpy": ("2.4.6", sha256(A, B))}
    assert pinned(project, "3.10.2").keys() == {"numpy", "tomli"}


def test_a_lock_of_poetry_has_its_releases(project):
    (project / "poetry.lock").write_text(POETRY)

    assert pinned(project) == {"numpy": ("2.4.6", sha256(A))}


@pytest.mark.parametrize(
    ("name", "text", "more"),
    [
        ("spec-file.txt", EXPLICIT, {"tz-data": ("2025b", ())}),
        ("conda-lock.yml", CONDA_LOCK, {"local": ("1.0+cpu", ())}),
        ("pixi.lock", PIXI, {"mlflow": ("3.17.2", ())}),
    ],
)
def test_a_lock_of_conda_is_the_urls_that_it_lists(project, name, text, more):
    (project / name).write_text(text.format(here=HERE))

    assert pinned(project) == {"numpy": ("2.4.6", ()), **more}
    assert locks.of(project).kind.of_conda


@pytest.mark.parametrize(
    ("name", "text", "deviations"),
    [
        ("pylock.toml", PYLOCK, {"2.4.5": ("numpy 2.4.5, locked 2.4.6",), "2.4.6": ()}),
        ("poetry.lock", POETRY, {"2.4.5": ("numpy 2.4.5, locked 2.4.6",), "2.4.6": ()}),
    ],
)
def test_what_is_not_installed_as_locked_is_listed(project, name, text, deviations):
    (project / name).write_text(text)
    lock = locks.of(project)

    for version, expected in deviations.items():
        assert lock.deviations("3.11.7", {"numpy": version, "more": "1"}) == expected


@pytest.mark.parametrize(
    ("name", "text", "deviations"),
    [("pylock.toml", PYLOCK, ("numpy missing, locked 2.4.6",)), ("poetry.lock", POETRY, ())],
)
def test_what_is_missing_deviates_from_a_lock_that_an_environment_has_as_a_whole(
    project, name, text, deviations
):
    (project / name).write_text(text)

    assert locks.of(project).deviations("3.11.7", {}) == deviations


def test_a_file_that_git_ignores_is_none_as_no_replay_has_it(project):
    (project / ".gitignore").write_text("*.toml\n")
    (project / "pylock.toml").write_text(PYLOCK)

    assert locks.of(project) is None


def test_a_link_out_of_the_repository_is_none(project, tmp_path):
    (tmp_path / "pylock.toml").write_text(PYLOCK)
    (project / "pylock.toml").symlink_to(tmp_path / "pylock.toml")

    assert locks.of(project) is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("uv.lock", "version = 1\n"),
        ("pylock.toml", 'lock-version = "1.0"\n'),
        ("pylock.toml", "\n[["),
        ("poetry.lock", 'package = "numpy"\n'),
        ("pixi.lock", "\udcff"),
    ],
)
def test_one_that_its_tool_has_not_written_is_refused_in_a_line(project, name, text):
    (project / name).write_text(text, errors="surrogateescape")

    with pytest.raises(EnvironmentMismatchError, match="expected"):
        locks.of(project).pins("3.11.7")
