"""The code of runs, captured as a run does, and the bundles that they carry."""

import contextlib

import pytest

from reprise.capture import code


class Bundles:
    """The bundles that runs carry, by URI."""

    def __init__(self, folder):
        self.folder = folder
        self.opened = []

    def path(self, uri):
        return self.folder / uri.replace("/", "-")

    @contextlib.contextmanager
    def open(self, uri):
        self.opened.append(uri)
        yield self.path(uri)


@pytest.fixture
def bundles(tmp_path):
    (tmp_path / "bundles").mkdir()
    return Bundles(tmp_path / "bundles")


@pytest.fixture
def captured(bundles):
    """Capture a folder as a run does, and keep its bundle where it needs one."""

    def captured(folder):
        with code.capture(folder) as found:
            if not found.carried:
                return found.code
            uri = f"runs:/{len(list(bundles.folder.iterdir()))}/code/snapshot.bundle"
            found.write_bundle(bundles.path(uri))
            return found.code.model_copy(update={"bundle": uri})

    return captured
