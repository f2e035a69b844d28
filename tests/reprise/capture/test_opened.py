"""The system says which files of a folder were opened, by whatever program."""

import subprocess

from reprise.capture.opened import watching_folders


def test_a_file_that_another_program_opens_is_seen_and_others_are_not(tmp_path):
    (tmp_path / "read").write_text("x")
    (tmp_path / "other").write_text("x")

    with watching_folders([tmp_path]) as opened:
        subprocess.run(["cat", tmp_path / "read"], check=True, capture_output=True)

    assert opened.files() == (tmp_path / "read",)
    assert opened.is_complete


def test_what_is_opened_before_or_after_is_not_seen(tmp_path):
    (tmp_path / "read").write_text("x")

    with watching_folders([tmp_path]) as opened:
        pass
    (tmp_path / "read").read_text()

    assert opened.files() == ()


def test_a_folder_that_cannot_be_watched_is_said(tmp_path):
    with watching_folders([tmp_path, tmp_path / "missing"]) as opened:
        pass

    assert not opened.is_complete


def test_no_folder_at_all_is_watched_completely():
    with watching_folders([]) as opened:
        pass

    assert (opened.files(), opened.is_complete) == ((), True)
