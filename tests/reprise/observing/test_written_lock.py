"""A run of a project without a lock carries one, with the digests that the index has."""

from contextlib import nullcontext

import pytest
from test_recorded_environment import INSTALLED

from reprise import tracking
from reprise.errors import EnvironmentMismatchError, TrackingError
from reprise.observing import written_lock
from reprise.observing.written_lock import NAME, WrittenLock

pytestmark = pytest.mark.usefixtures("own_cache")

DIGEST = "sha256:" + "1" * 64
LOCK = f"""\
lock-version = "1.0"
created-by = "uv"

[[packages]]
name = "numpy"
version = "2.4.6"
index = "https://elsewhere.example.org/simple"
wheels = [
    {{ url = "https://e.org/numpy-2.4.6-py3-none-any.whl", hashes = {{ sha256 = "{"1" * 64}" }} }},
]
"""
FORGED = LOCK.replace(f'"{"1" * 64}"', '"1 --index-url=https://evil.example.org"')


def with_(**changes):
    return INSTALLED.model_copy(update=changes)


def test_uv_is_asked_once_for_each_list(listed):
    listed.answer = LOCK

    texts = [WrittenLock(INSTALLED).text() for _ in range(2)]

    assert texts == [LOCK, LOCK]
    assert listed == [["numpy==2.4.6", "pandas==3.0.0"]]


def test_what_no_index_has_is_not_asked_for(listed):
    WrittenLock(with_(origins={"pandas": "git+https://example.org/pandas@1f0e"})).text()

    assert listed == [["numpy==2.4.6"]]


def test_a_project_with_a_lock_needs_none(listed):
    assert WrittenLock(with_(lock_sha256="e" * 64)).text() == ""
    assert listed == []


def test_where_uv_has_none_nothing_is_kept_and_it_is_asked_again(listed):
    for _ in range(2):
        assert WrittenLock(INSTALLED).text() == ""

    assert len(listed) == 2


def test_where_uv_cannot_be_started_there_is_none(monkeypatch):
    def listed(*_):
        raise EnvironmentMismatchError("no uv")

    monkeypatch.setattr("reprise.projects.uv.listed", listed)

    assert WrittenLock(INSTALLED).text() == ""


@pytest.fixture
def run_with(monkeypatch, tmp_path):
    """Let a run have a text as its lock; None: it has none."""

    def run_with(text):
        def artifact(run_id, name):
            assert name == NAME
            if text is None:
                raise TrackingError("none")
            (tmp_path / "lock").write_text(text)
            return nullcontext(tmp_path / "lock")

        monkeypatch.setattr(tracking, "artifact", artifact)

    return run_with


def test_a_replay_has_the_digests_of_it_and_not_its_index(run_with):
    run_with(LOCK)

    (pin,) = written_lock.pins("1" * 32, INSTALLED)

    assert pin.line() == f"numpy==2.4.6 --hash={DIGEST}"


def test_a_run_without_one_has_no_digests(run_with):
    run_with(None)

    assert written_lock.pins("1" * 32, INSTALLED) == ()


def test_a_digest_that_is_none_is_left_out(run_with):
    run_with(FORGED)

    assert [pin.line() for pin in written_lock.pins("1" * 32, INSTALLED)] == ["numpy==2.4.6"]


@pytest.mark.parametrize("text", ["", "[[", "packages = 1"])
def test_what_is_no_lock_is_refused_in_a_line(run_with, text):
    run_with(text)

    with pytest.raises(EnvironmentMismatchError, match="environment/pylock"):
        written_lock.pins("1" * 32, INSTALLED)
