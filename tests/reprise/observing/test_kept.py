"""A run keeps inputs by content if the user says so: a replay without its files has them."""

from pathlib import Path

import mlflow
import pytest
from repositories import commit_all, make_repository

from reprise import tracking
from reprise.errors import DigestMismatchError, ParameterError, RepriseError, TrackingError
from reprise.observing import inputs, kept, observe
from reprise.observing.kept import Keeping
from reprise.observing.observe import Process
from reprise.record.digest import sha256_text
from reprise.record.schema import InputData
from reprise.trust import permissions

pytestmark = pytest.mark.slow
ALL = Keeping(1 << 20)


@pytest.fixture
def project(plain_git, tmp_path):
    """A project with data that git ignores."""
    root = make_repository(tmp_path / "team")
    (root / ".gitignore").write_text("data/\n")
    (root / "train.py").write_text("1\n")
    commit_all(root)
    (root / "data").mkdir()
    (root / "data" / "a.csv").write_text("a")
    return root


@pytest.fixture
def run_id(store):
    with mlflow.start_run() as run:
        pass
    return run.info.run_id


def item(name, text="a", **changes):
    return InputData(name=name, uri=name, sha256=sha256_text(text), bytes=len(text), **changes)


def provide(items, project, checkout):
    permitted = permissions.of_replay(checkout, project, ())
    inputs.provide(items, project, checkout=checkout, permitted=permitted)


@pytest.mark.parametrize(
    ("text", "number"),
    [("100MiB", 100 << 20), ("1 gib", 1 << 30), ("5", 5), ("2kB", 2000), ("7B", 7)],
)
def test_a_size_has_a_unit(text, number):
    assert kept.size(text) == number


@pytest.mark.parametrize("text", ["0", "-1", "MiB", "1.5GiB", "1TiB", "\u0661", "1" * 20])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ParameterError, match="such as 100MiB"):
        kept.size(text)


def test_nothing_is_kept_unless_the_user_says_so(project, run_id, store):
    found, unkept = kept.keep(run_id, [item("data/a.csv")], project, kept.NOTHING)

    assert (found, unkept) == ((item("data/a.csv"),), [])
    assert not (store.artifacts(run_id) / "inputs").exists()


def test_who_has_not_the_file_or_another_one_has_the_kept_content(project, run_id, tmp_path):
    (only,), unkept = kept.keep(run_id, [item("data/a.csv")], project, ALL)
    (project / "data" / "a.csv").write_text("another")
    checkout = make_repository(tmp_path / "checkout")

    provide([only], project, checkout)

    assert unkept == []
    assert kept.is_kept(only)
    assert (checkout / "data" / "a.csv").read_text() == "a"


def test_the_same_content_is_kept_once_in_an_experiment(project, run_id, store):
    (first,), _ = kept.keep(run_id, [item("data/a.csv")], project, ALL)
    (project / "data" / "b.csv").write_text("b")
    with mlflow.start_run() as other:
        pass

    found, _ = kept.keep(
        other.info.run_id, [item("data/a.csv"), item("data/b.csv", "b")], project, ALL
    )

    assert [each.kept.split("/")[1] for each in found] == [run_id, other.info.run_id]
    assert found[0].kept == first.kept
    assert len([*(store.artifacts(other.info.run_id) / "inputs").iterdir()]) == 1


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("data/big.csv", "x" * 11, "is larger than 10 bytes"),
        ("data/.env", "a", "looks like a secret, by its name"),
        ("data/code.py", "a", "is code"),
        ("data/requirements.txt", "a", "is code, or a list of packages"),
        ("/elsewhere/a.csv", "a", "is outside the project"),
        ("data/link.csv", "far", "is outside the project"),
    ],
)
def test_what_must_not_be_kept_is_named(project, run_id, tmp_path, name, text, why, store):
    if name == "data/link.csv":
        (tmp_path / "far.csv").write_text(text)
        (project / name).symlink_to(tmp_path / "far.csv")
    elif not name.startswith("/"):
        (project / name).write_text(text)

    (only,), unkept = kept.keep(run_id, [item(name, text)], project, Keeping(10))

    assert only.kept == ""
    assert [f"{name}, which is not kept: it {why}" in each for each in unkept] == [True]
    assert not (store.artifacts(run_id) / "inputs").exists()


def test_a_secret_is_known_by_what_is_in_it_and_kept_if_the_user_names_it(project, run_id):
    text = "-----BEGIN " + "PRIVATE KEY-----"
    (project / "data" / "a.csv").write_text(text)

    (only,), _ = kept.keep(run_id, [item("data/a.csv", text)], project, ALL)
    (named,), _ = kept.keep(
        run_id, [item("data/a.csv", text)], project, Keeping(1 << 20, ("data/a.csv",))
    )

    assert (only.kept, bool(named.kept)) == ("", True)


def test_a_store_that_does_not_take_the_content_fails_no_run(project, run_id, monkeypatch):
    def refused(*_, **__):
        raise TrackingError("full")

    monkeypatch.setattr(tracking, "log_folder", refused)
    process = Process(run_id, project, Path(), {}, {}, keeping=ALL)

    assert observe._kept(process, (item("data/a.csv"),)) == (
        (item("data/a.csv"),),
        ["the content of the inputs, which is not kept: full"],
    )


class TestForged:
    """A record that names content is somebody else's words."""

    @pytest.fixture
    def place(self, project, run_id):
        (only,), _ = kept.keep(run_id, [item("data/a.csv")], project, ALL)
        (project / "data" / "a.csv").unlink()
        return only.kept

    @pytest.fixture
    def checkout(self, tmp_path):
        checkout = make_repository(tmp_path / "checkout")
        (checkout / "train.py").write_text("1\n")
        return checkout

    def test_another_content_is_refused_with_both_digests(self, project, place, checkout):
        with pytest.raises(DigestMismatchError, match=sha256_text("a")):
            provide([item("data/a.csv", "b", kept=place)], project, checkout)

        assert not (checkout / "data" / "a.csv").exists()

    @pytest.mark.parametrize(
        "name",
        ["json.py", "requirements.txt", "a/uv.lock", "lib.so", "requirements/x"],
    )
    def test_code_and_lists_of_packages_are_refused(self, project, place, checkout, name):
        with pytest.raises(TrackingError, match="altered"):
            provide([item(name, kept=place)], project, checkout)

        assert not (checkout / name).exists()

    def test_a_file_of_the_commit_stays_as_it_is(self, project, place, checkout):
        (project / "train.py").unlink()

        provide([item("train.py", kept=place)], project, checkout)

        assert (checkout / "train.py").read_text() == "1\n"

    @pytest.mark.parametrize("place", ["runs:/x/inputs/a.input", "file:///etc/passwd", "x"])
    def test_a_place_that_is_none_is_refused(self, project, checkout, place):
        assert not kept.is_kept(item("data/c.csv", kept=place))
        with pytest.raises(TrackingError, match="altered"):
            provide([item("data/c.csv", kept=place)], project, checkout)

    @pytest.mark.parametrize("name", ["../../out.csv", "/tmp/out.csv", "../.git/config"])
    def test_a_name_outside_the_checkout_is_refused(self, project, place, checkout, name):
        with pytest.raises(RepriseError):
            provide([item(name, kept=place)], project, checkout)
