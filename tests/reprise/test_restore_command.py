"""The command that brings the code of a run back takes any name of the run, and says where."""

import pytest
from repositories import fingerprint, git, make_repository

from reprise import tracking
from reprise.capture import code
from reprise.commands import restore
from reprise.commands.parameters import RestoreParameters
from reprise.errors import CheckoutError, ParameterError
from steps.parameters import TrainDecisionTreeParameters


@pytest.fixture
def repository(tmp_path, plain_git, monkeypatch):
    folder = make_repository(tmp_path / "project")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def edited(repository, recording, tmp_path):
    """A run of edited code, whose edits have been undone; its id."""
    (repository / "train.py").write_text("depth = 9\n")
    with code.capture(repository) as captured:
        captured.write_bundle(tmp_path / "snapshot.bundle")
        with recording(TrainDecisionTreeParameters()) as run:
            tracking.log_file(run.run_id, str(tmp_path / "snapshot.bundle"), "code")
            carried = {"bundle": f"runs:/{run.run_id}/code/snapshot.bundle"}
            run._update(code=captured.code.model_copy(update=carried))
    git(repository, "checkout", "--quiet", "--", "train.py")
    return run.run_id


@pytest.fixture
def restored(capsys):
    def restored(**parameters):
        capsys.readouterr()
        restore.start(RestoreParameters(**parameters))
        return capsys.readouterr().out

    return restored


def test_the_code_is_on_a_branch_named_after_the_run(repository, edited, restored):
    out = restored(run_id=edited[:8])

    branch = f"run-{edited[:8]}"
    assert git(repository, "show", f"{branch}:train.py") == "depth = 9"
    assert f"is in the branch {branch}" in out
    assert "with edits of train.py" in out
    assert f"  git switch {branch}" in out


def test_the_code_is_in_a_folder(repository, edited, restored, tmp_path):
    before = fingerprint(repository)

    out = restored(run_id="latest", folder=str(tmp_path / "back"))

    assert (tmp_path / "back" / "train.py").read_text() == "depth = 9\n"
    assert f"  cd {tmp_path / 'back'}" in out
    assert fingerprint(repository) == before


def test_a_branch_and_a_folder_are_one_too_many(repository, edited, restored):
    with pytest.raises(ParameterError, match="found both"):
        restored(run_id=edited, branch="a", folder="b")


def test_a_second_time_the_branch_is_refused(repository, edited, restored):
    restored(run_id=edited)

    with pytest.raises(ParameterError, match="--branch NAME"):
        restored(run_id=edited)


def test_a_run_without_a_commit_cannot_be_restored(repository, store, restored):
    with pytest.raises(CheckoutError, match="made outside git"):
        restored(run_id=store.make_run())
