"""What a process has read is an input if nobody else brings it: neither git, nor the system."""

import time
from pathlib import Path

import pytest
import reprise_context
from asking import AskingParameters
from repositories import commit_all, make_repository

from reprise.capture.watch import Seen
from reprise.errors import DataError, DigestMismatchError, NotAllowedError
from reprise.observing import inputs
from reprise.process import scratch
from reprise.record.digest import sha256_text
from reprise.record.schema import InputData, Observation
from reprise.replay.input_checks import Inputs
from reprise.trust import permissions


@pytest.fixture
def project(plain_git, tmp_path):
    """A project in a sub-folder; git ignores `data` and `lib`."""
    root = make_repository(tmp_path / "team")
    (root / "model").mkdir()
    (root / ".gitignore").write_text("data/\nlib/\n__pycache__/\nmlruns/\n")
    (root / "model" / "code.py").write_text("1\n")
    commit_all(root)
    for name in ("model/data/a.csv", "data/b.csv", "model/mlruns/m", "model/lib/site-packages/x"):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text(name)
    (root / "model" / "new.py").write_text("2\n")
    return root / "model"


def read(project, *paths, opened=(), named=(), written=(), started_ns=None):
    found, unknown = inputs.read(
        Seen(read=tuple(map(Path, paths)), written=frozenset(map(Path, written))),
        project,
        inputs.own_files(project),
        named=named,
        opened=opened,
        started_ns=time.time_ns() + 10**12 if started_ns is None else started_ns,
    )
    return [item.name for item in found], unknown


def item(name, text):
    return InputData(name=name, uri=name, sha256=sha256_text(text), bytes=len(text))


def test_a_file_that_git_ignores_is_named_by_its_path_from_the_project(project):
    paths = project / "data" / "a.csv", project.parent / "data" / "b.csv"

    assert read(project, *paths) == (["../data/b.csv", "data/a.csv"], [])


def test_a_file_from_elsewhere_is_named_by_its_absolute_path(project, tmp_path):
    (tmp_path / "far.csv").write_text("x")

    assert read(project, tmp_path / "far.csv") == ([str(tmp_path / "far.csv")], [])


def test_a_file_that_the_engine_has_for_a_moment_is_none(project, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with scratch.folder() as name:
        Path(name, "bundle").write_text("x")

        assert read(project, Path(name, "bundle")) == ([], [])


@pytest.mark.parametrize(
    "name", ["code.py", "new.py", "mlruns/m", "lib/site-packages/x", ".git", "missing", "."]
)
def test_what_is_of_the_snapshot_a_store_or_a_library_is_no_input(project, name):
    assert read(project, project / name) == ([], [])


@pytest.mark.parametrize("path", ["/etc/passwd", inputs.__file__, reprise_context.__spec__.origin])
def test_what_is_of_the_system_or_of_the_engine_is_no_input(project, path):
    assert read(project, path) == ([], [])


def test_the_engine_is_no_input_where_a_link_leads_to_it(project, tmp_path):
    (tmp_path / "reprise").symlink_to(Path(inputs.__file__).parents[1])

    assert read(project, tmp_path / "reprise" / "observing" / "inputs.py") == ([], [])


def test_the_tracking_store_is_no_input(project, tmp_path, monkeypatch):
    (tmp_path / "my.db-journal").write_text("x")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/my.db")

    assert read(project, tmp_path / "my.db-journal") == ([], [])


def test_a_file_that_was_written_meanwhile_is_none_and_what_it_held_is_not_known(project):
    path = project / "data" / "a.csv"

    assert read(project, path, started_ns=0) == ([], ["what data/a.csv held before it was written"])
    assert read(project, path, written=[path])[0] == []


def test_a_file_that_a_parameter_names_or_that_any_program_opens_is_one(project):
    assert read(project, named=["data/a.csv", "0.5", "", "a\0b"])[0] == ["data/a.csv"]
    assert read(project, opened=[project / "data" / "a.csv"])[0] == ["data/a.csv"]


def test_folders_with_ignored_files_are_watched_and_libraries_are_not(project):
    folders = inputs.folders_of_data(project)

    assert {project / "data", project.parent / "data"} <= {*folders}
    assert not any({"mlruns", "site-packages"} & {*folder.parts} for folder in folders)


def provide(items, project, checkout, *, allowed=()):
    permitted = permissions.of_replay(checkout, project.parent, allowed)
    inputs.provide(items, project, checkout=checkout, permitted=permitted)


class TestProvide:
    NAME = "data/a.csv"

    def test_copies_into_the_checkout_what_its_commit_does_not_have(self, project, tmp_path):
        checkout = make_repository(tmp_path / "checkout")

        provide([item(self.NAME, "model/data/a.csv")], project, checkout)
        (checkout / self.NAME).write_text("changed")

        assert (project / self.NAME).read_text() == "model/data/a.csv"

    @pytest.mark.parametrize("name", ["data/missing.csv", "data"])
    def test_refuses_what_is_missing(self, project, tmp_path, name):
        with pytest.raises(DataError, match="found none at"):
            provide([item(name, "x")], project, tmp_path / "checkout")

    def test_refuses_what_has_changed_with_both_digests(self, project, tmp_path):
        with pytest.raises(DigestMismatchError, match=sha256_text("x")) as caught:
            provide([item(self.NAME, "x")], project, tmp_path / "checkout")

        assert sha256_text("model/data/a.csv") in str(caught.value)

    @pytest.mark.parametrize("name", ["../../far.csv", "../.git/config", "/a\0b", "a\0b"])
    def test_refuses_a_name_that_leads_out_of_the_repository(self, project, tmp_path, name):
        (tmp_path / "far.csv").write_text("x")

        with pytest.raises(DataError, match="altered"):
            provide([item(name, "x")], project, tmp_path / "checkout")

    def test_writes_through_no_link_that_leads_out_of_the_checkout(self, project, tmp_path):
        checkout = make_repository(tmp_path / "checkout")
        outside = tmp_path / "outside"
        outside.mkdir()
        (checkout / "data").symlink_to(outside)

        with pytest.raises(DataError, match="leads out"):
            provide([item(self.NAME, "model/data/a.csv")], project, checkout)

        assert list(outside.iterdir()) == []

    def test_puts_content_in_the_place_of_a_link_that_leads_nowhere(self, project, tmp_path):
        checkout = make_repository(tmp_path / "checkout")
        (checkout / "data").mkdir()
        (checkout / self.NAME).symlink_to("../.git/annex/objects/x")

        provide([item(self.NAME, "model/data/a.csv")], project, checkout)

        assert (checkout / self.NAME).read_text() == "model/data/a.csv"


class TestElsewhere:
    """A record that names a file by its absolute path does not decide that the file is read."""

    @pytest.fixture
    def far(self, tmp_path):
        (tmp_path / "far.csv").write_text("secret")
        return tmp_path / "far.csv"

    def test_a_file_that_the_user_has_not_named_is_refused_without_its_digest(
        self, project, far, tmp_path
    ):
        with pytest.raises(NotAllowedError, match="allow_path") as caught:
            provide([item(str(far), "x")], project, tmp_path / "checkout")

        assert sha256_text("secret") not in str(caught.value)

    @pytest.mark.parametrize("exists", [True, False])
    def test_the_error_does_not_show_whether_there_is_such_a_file(self, project, far, exists):
        if not exists:
            far.unlink()

        with pytest.raises(NotAllowedError, match="outside the project"):
            provide([item(str(far), "x")], project, project)

    def test_a_file_that_the_user_has_named_is_verified(self, project, far):
        provide([item(str(far), "secret")], project, project, allowed=[str(far.parent)])
        with pytest.raises(DigestMismatchError):
            provide([item(str(far), "x")], project, project, allowed=[str(far)])

    def test_a_file_of_the_clone_by_its_absolute_path_is_verified(self, project):
        path = project / "data" / "a.csv"

        provide([item(str(path), "model/data/a.csv")], project, project)

    def test_an_audit_reads_none_either(self, project, far, monkeypatch, record_of):
        monkeypatch.chdir(project)
        record = record_of(AskingParameters(), observed=Observation())

        text = Inputs().fault(item(str(far), "x"), record, None)

        assert "allow_path" in text
        assert sha256_text("secret") not in text
        assert Inputs([str(far)]).fault(item(str(far), "secret"), record, None) == ""
