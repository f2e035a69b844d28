"""A file of a package that somebody has edited is known, if the process has imported it."""

import base64
import hashlib
import os

import pytest

from reprise.observing import altered as module
from reprise.observing.altered import altered
from reprise.record.digest import sha256_text

pytestmark = pytest.mark.usefixtures("own_cache")
CODE = "value = 1\n"


@pytest.fixture
def folder(tmp_path):
    """A folder of installed distributions, with one."""
    folder = tmp_path / "lib" / "python3.11" / "site-packages"
    (folder / "mine").mkdir(parents=True)
    (folder / "mine-1.0.dist-info").mkdir()
    digest = base64.urlsafe_b64encode(hashlib.sha256(CODE.encode()).digest()).decode().rstrip("=")
    rows = []
    for name in ("mine/code.py", "mine/other, too.py"):
        (folder / name).write_text(CODE)
        rows.append(f'"{name}",sha256={digest},{len(CODE)}')
    rows += ["mine/code.pyc,,", "", "../../../bin/mine,sha256=x,1"]
    (folder / "mine-1.0.dist-info" / "RECORD").write_text("\n".join(rows))
    return folder


def test_a_file_as_it_was_installed_is_none(folder):
    assert altered([folder / "mine" / "code.py", folder / "mine" / "other, too.py"]) == {}


def test_an_edited_file_is_named_with_its_digest(folder):
    paths = [folder / "mine" / "code.py", folder / "mine" / "other, too.py"]
    altered(paths)
    for path in paths:
        path.write_text("value = 2\n")

    assert altered(paths) == dict.fromkeys(
        ["mine/code.py", "mine/other, too.py"], sha256_text("value = 2\n")
    )


def test_a_file_that_two_distributions_list_is_as_one_of_them_has_it(folder):
    (folder / "other-1.0.dist-info").mkdir()
    (folder / "other-1.0.dist-info" / "RECORD").write_text("mine/code.py,sha256=other,1\n")

    assert altered([folder / "mine" / "code.py"]) == {}


def test_what_was_not_imported_decides_nothing(folder):
    (folder / "mine" / "code.py").write_text("value = 2\n")

    assert altered([folder / "mine" / "other, too.py"]) == {}


@pytest.mark.parametrize("name", ["mine/added.py", "mine/gone.py", "../../code.py"])
def test_what_no_distribution_lists_is_none(folder, name):
    if "gone" not in name:
        (folder / name).write_text("value = 2\n")

    assert altered([folder / name]) == {}


def test_a_file_that_nobody_has_touched_is_not_read_again(folder, monkeypatch):
    paths = [folder / "mine" / "code.py", folder / "unlisted.py"]
    paths[1].write_text("value = 2\n")
    altered(paths)
    for name in ("sha256_file", "_listed"):
        monkeypatch.delattr(module, name)

    assert altered(paths) == {}


def test_an_edit_that_keeps_size_and_time_is_seen(folder):
    path = folder / "mine" / "code.py"
    altered([path])
    status = path.stat()
    path.write_text("value = 3\n")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    assert altered([path]).keys() == {"mine/code.py"}


@pytest.mark.parametrize("text", ["", "[1]", "{"])
def test_a_damaged_cache_is_none(folder, tmp_path, text):
    path = folder / "mine" / "code.py"
    altered([path])
    (kept,) = (tmp_path / "cache" / "reprise" / "as-installed").iterdir()
    kept.write_text(text)

    assert altered([path]) == {}
