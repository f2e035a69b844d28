"""Which tests run in one worker of pytest-xdist, in which order, and which ones are slow.

A file's tests stay together, as they share what its fixtures have made. The files that need a
server stay together with all others that need it, so that it starts once; they come first, as they
take longest.
"""

import pytest

# Session fixtures that start a server which takes seconds to start.
SERVERS = ("stack", "tracking_server")
# Session fixtures that start any server, or a process that imports the libraries.
PROCESSES = {*SERVERS, "git_server", "warm_process"}
# And fixtures that make a tracking store or git repositories for each test.
SLOW = {*PROCESSES, "store", "plain_git"}
SLOW_FOLDER = "hostile"  # bombs, and hundreds of attacks


def distribute(items):
    """Group, sort and mark the tests that were collected."""
    used = {}
    for item in items:
        used.setdefault(item.path, set()).update(item.fixturenames)
    for item in items:
        server = next((name for name in SERVERS if name in used[item.path]), None)
        item.add_marker(pytest.mark.xdist_group(server or item.path.name))
        if SLOW & set(item.fixturenames) or SLOW_FOLDER in item.path.parts:
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: _rank(used[item.path]))  # stable: else as they were


def name_groups(config, items):
    """End each test's id with its group, by which the controller of pytest-xdist distributes them.

    pytest-xdist 3.8 writes it where pytest 9.2 does not look any more: without this function it
    gives the tests to its workers one by one, and each worker starts every server and fixture.
    """
    if not getattr(config.option, "loadgroup", False):  # pytest-xdist sets it in its workers
        return
    for item in items:
        group = item.get_closest_marker("xdist_group").args[0]
        item._id = type(item.id).parse(f"{item.nodeid}@{group}")


def _rank(fixtures):
    """Return the place of a file: those of a server, then those of processes, then the others."""
    for number, name in enumerate(SERVERS):
        if name in fixtures:
            return number
    return len(SERVERS) + (not PROCESSES & fixtures)
