"""What a killed process leaves in the temporary folder goes; what another needs stays."""

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from reprise.process import identity, scratch

HERE = identity.current()


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def folder_of(process, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(identity, "current", lambda: process)
        folder = Path(tempfile.mkdtemp(prefix=scratch.prefix()))
    (folder / "model").mkdir()
    (folder / "model" / "file").write_text("x")
    return folder


def test_the_folders_of_a_process_that_is_gone_are_removed(temporary, monkeypatch):
    left = folder_of(replace(HERE, started="1"), monkeypatch)

    assert scratch.remove_left() == [str(left)]
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    "process",
    [HERE, replace(HERE, started="1", boot="another"), replace(HERE, started="1", namespace="p")],
    ids=["alive", "of another machine", "of another container"],
)
def test_the_folders_of_other_processes_stay(temporary, monkeypatch, process):
    folder = folder_of(process, monkeypatch)

    assert scratch.remove_left() == []
    assert (folder / "model" / "file").is_file()


def test_a_link_with_such_a_name_leads_nowhere(temporary, monkeypatch, tmp_path):
    (tmp_path / "precious").mkdir()
    name = folder_of(replace(HERE, started="1"), monkeypatch).name
    (temporary / f"{name}x").symlink_to(tmp_path / "precious")

    scratch.remove_left()

    assert (tmp_path / "precious").is_dir()


def test_folders_of_other_programs_stay(temporary):
    for name in ("reprise-abc", "reprise-00000000-1-1-x", "other"):
        (temporary / name).mkdir()

    assert scratch.remove_left() == []
