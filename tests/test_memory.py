"""Temporary files are in memory only where there is room, and a program may be started."""

import os
from types import SimpleNamespace

import memory
import pytest

ROOMY = SimpleNamespace(f_bavail=2**33, f_frsize=4096, f_flag=0)


class Config:
    def __init__(self):
        self.at_the_end = []

    def add_cleanup(self, function):
        self.at_the_end.append(function)


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine whose folder in memory is `tmp_path`, and is as the test says."""

    def machine(**found):
        changed = SimpleNamespace(**{**vars(ROOMY), **found})
        monkeypatch.setattr(os, "statvfs", lambda _: changed)
        return tmp_path

    return machine


def test_with_room_a_folder_is_made_that_others_may_enter(machine):
    made = memory.temporary_folder(machine())

    assert made.stat().st_mode & 0o777 == 0o711


@pytest.mark.parametrize("found", [{"f_bavail": 2**14}, {"f_flag": os.ST_NOEXEC}])
def test_without_room_or_where_nothing_can_be_executed_there_is_none(machine, found):
    assert memory.temporary_folder(machine(**found)) is None


def test_where_the_machine_has_no_such_folder_there_is_none(tmp_path):
    assert memory.temporary_folder(tmp_path / "missing") is None


def test_the_folder_is_removed_at_the_end(machine, monkeypatch):
    folder = machine()
    monkeypatch.setattr(memory, "FOLDER", folder)
    monkeypatch.delenv("TMPDIR", raising=False)
    monkeypatch.setattr("tempfile.tempdir", None)
    config = Config()

    memory.use(config)

    (made,) = folder.iterdir()
    assert os.environ["TMPDIR"] == str(made)
    config.at_the_end[0]()
    assert not made.exists()


def test_a_folder_that_somebody_chose_is_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    config = Config()

    memory.use(config)

    assert os.environ["TMPDIR"] == str(tmp_path)
    assert config.at_the_end == []
