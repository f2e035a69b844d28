"""The check that ends every attack finds what an attack would leave."""

import os

import pytest


def replace(path):
    new = path.with_name("new")
    new.write_bytes(path.read_bytes())
    new.rename(path)


def rewrite(path):
    before = path.stat()
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


WAYS = {
    "another file": lambda path: path.with_name("another").touch(),
    "another folder": lambda path: path.with_name("another").mkdir(),
    "no file": lambda path: path.unlink(),
    "the same content in another file": replace,
    "as many bytes, with the time of before": rewrite,
    "a link": lambda path: (path.unlink(), path.symlink_to("/dev/null")),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_is_written_is_found(firing_range, way):
    firing_range.look()
    firing_range.check()

    WAYS[way](firing_range.secrets / "key.csv")

    with pytest.raises(AssertionError, match="written outside"):
        firing_range.check()
