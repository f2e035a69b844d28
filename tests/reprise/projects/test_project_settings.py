"""What a project says about itself is read from its pyproject.toml."""

from pathlib import Path

import pytest

from reprise.errors import ProjectError
from reprise.projects import libraries, settings
from reprise.projects.settings import Settings

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Settings()),
        ("[tool.other]\nsteps = 3\n", Settings()),
        ('[tool.reprise]\nsteps = "a.b"\n', Settings(steps="a.b")),
        ('[tool.reprise]\npreload = ["a", "b.c"]\n', Settings(preload=("a", "b.c"))),
        ("[tool.reprise]\nnewer = 1\n", Settings()),
    ],
)
def test_settings_are_read(tmp_path, text, expected):
    (tmp_path / "pyproject.toml").write_text(text)

    assert settings.of(tmp_path) == expected


def test_a_project_without_the_file_has_none(tmp_path):
    assert settings.of(tmp_path) == Settings()


@pytest.mark.parametrize(
    "text",
    [
        "[tool",
        "tool = 3",
        "[tool]\nreprise = 3\n",
        f"x = {'[' * 100_000}",
        f"x = '{'a' * 2**21}'",
        "[tool.reprise]\nsteps = 3\n",
        '[tool.reprise]\nsteps = "a b"\n',
        '[tool.reprise]\nsteps = "-c"\n',
        '[tool.reprise]\npreload = "a"\n',
        "[tool.reprise]\npreload = [1]\n",
        '[tool.reprise]\npreload = ["a;b"]\n',
    ],
)
def test_wrong_settings_are_refused_in_a_line(tmp_path, text):
    (tmp_path / "pyproject.toml").write_text(text)

    with pytest.raises(ProjectError, match=r"pyproject\.toml"):
        settings.of(tmp_path)


def test_a_file_that_is_no_text_is_refused_in_a_line(tmp_path):
    (tmp_path / "pyproject.toml").write_bytes(b'name = "\xff"')

    with pytest.raises(ProjectError, match="expected TOML"):
        settings.of(tmp_path)


@pytest.mark.parametrize(
    ("uri", "module"),
    [
        ("https://example.org", "mlflow.store.tracking.rest_store"),
        ("sqlite:///mlflow.db", "mlflow.store.tracking.sqlalchemy_store"),
    ],
)
def test_what_is_loaded_ahead_is_what_the_project_names_and_what_talks_to_its_store(
    monkeypatch, uri, module
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)

    found = libraries.needed(ROOT)

    assert found[: len(settings.of(ROOT).preload)] == settings.of(ROOT).preload
    assert module in found


def test_the_steps_of_this_project_are_named():
    assert settings.of(ROOT).is_step(["python", "-m", "steps.train_dt"])
