"""A `.gitmodules` comes from others: naming a repository there is no reason to fetch it."""

import pytest
from attackers import SOME, Artifact, commit, hostile_repository, modules, run_git, tree_bundle
from plain_git import daemon

from reprise.errors import CheckoutError
from reprise.projects import checkout


def check_out(place, url, name, *, names=("lib",), may_contact=True):
    """Check the code of a named repository out; return the files of its submodules, by name."""
    with checkout.repository(place.clone, allowed=str(url)) as repository:
        repository.obtain(commit(name), None)
        folder = repository.check_out(commit(name), may_contact=may_contact)
        return {
            f"{module}/{path.name}": path.read_text()
            for module in names
            for path in sorted((folder / module).glob("*.*"))
            if path.is_file()
        }, repository.missing_submodules


@pytest.fixture
def private(place):
    """A private repository of the user's, and its commit."""
    folder = place.folder / "theirs" / "private"
    folder.mkdir(parents=True)
    run_git(folder, "init", "--quiet")
    (folder / "secret.txt").write_text("nobody's business\n")
    run_git(folder, "add", "--all")
    run_git(folder, "commit", "--quiet", "--message", "Secret")
    place.look()
    return folder, run_git(folder, "rev-parse", "HEAD")


@pytest.mark.parametrize(
    "address",
    ["{private}", "file://{private}", "../private", "./../private", "{private}/.git"],
    ids=[
        "by its path",
        "by a file address",
        "by a relative path",
        "by a relative path that looks like another",
        "by its git folder",
    ],
)
def test_a_private_repository_nearby_is_not_cloned(place, private, address):
    folder, secret = private
    text = address.format(private=folder)
    url, name = hostile_repository(
        folder.with_name("hostile"), {}, submodules={"lib": (text, secret)}
    )

    with pytest.raises(CheckoutError, match="expected the submodules"):
        check_out(place, url, name)

    place.check()


def test_a_private_repository_in_the_users_clone_is_not_borrowed(place, private):
    folder, secret = private
    run_git(place.clone, "clone", "--quiet", str(folder), "lib")
    place.look()
    url, name = hostile_repository(
        folder.with_name("hostile"), {}, submodules={"lib": (str(folder), secret)}
    )

    with pytest.raises(CheckoutError, match="expected the submodules"):
        check_out(place, url, name)

    place.check()


@pytest.mark.parametrize(
    "address",
    [
        "git://127.0.0.1:{port}/lib",
        "http://127.0.0.1:{port}/lib",
        "ssh://git@127.0.0.1:{port}/lib",
        "git://localhost:{port}/lib",
        "../../../../127.0.0.1:{port}/lib",
    ],
    ids=[
        "by git's protocol",
        "by http",
        "by ssh",
        "by another name of this machine",
        "by a relative address that leads out of the server",
    ],
)
def test_another_server_is_not_contacted(place, address):
    text = address.format(port=place.listener.port)
    url, name = hostile_repository(
        place.folder / "theirs" / "hostile", {}, submodules={"lib": (text, SOME)}
    )

    with daemon(url.parent) as server, pytest.raises(CheckoutError, match="expected the subm"):
        check_out(place, f"{server}/hostile.git", name)

    place.check()


@pytest.mark.parametrize("path", ["lib", "deeply/nested/lib"])
def test_no_server_is_asked_where_none_may_be(place, path):
    text = f"git://127.0.0.1:{place.listener.port}/lib"
    url, name = hostile_repository(
        place.folder / "theirs" / "hostile", {}, submodules={path: (text, SOME)}
    )

    found, missing = check_out(place, url, name, may_contact=False)

    assert (found, missing) == ({}, (path,))
    place.check()


@pytest.mark.parametrize(
    "line",
    ["update = !touch {canary}", "branch = --upload-pack=touch {canary}", "fetchRecurse = yes"],
    ids=["its update is a command", "its branch is an option", "it has settings of others"],
)
def test_a_command_in_a_gitmodules_is_not_run(place, line):
    url, name = hostile_repository(
        place.folder / "theirs" / "hostile",
        {".gitmodules": modules({"lib": ("../lib.git", SOME)}) + "\t" + line + "\n"},
    )
    text = (url.with_suffix("") / ".gitmodules").read_text().replace("{canary}", str(place.canary))
    (url.with_suffix("") / ".gitmodules").write_text(text)
    run_git(url.with_suffix(""), "add", "--all")
    run_git(url.with_suffix(""), "update-index", "--add", "--cacheinfo", f"160000,{SOME},lib")
    run_git(url.with_suffix(""), "commit", "--quiet", "--message", "Next")
    run_git(url.with_suffix(""), "push", "--quiet", str(url), "HEAD:main")
    name = run_git(url, "rev-parse", "main")

    with pytest.raises(CheckoutError, match=r"expected (commit|the submodules)"):
        check_out(place, url, name)

    place.check()


def test_a_gitmodules_that_leads_out_of_the_commit_is_not_read(place, private):
    folder, secret = private
    outside = place.secrets / "modules"
    outside.write_text(modules({"lib": (str(folder), secret)}))
    place.look()
    head = run_git(place.clone, "rev-parse", "HEAD")
    entries = [
        (b"120000", b".gitmodules", str(outside).encode()),
        (b"160000", b"lib", secret),
    ]
    content, name = tree_bundle(entries, parent=head)
    path = place.folder / "theirs" / "bundle"
    path.write_bytes(content)

    run = commit(name).model_copy(update={"bundle": "x"})
    with checkout.repository(place.clone) as repository, pytest.raises(CheckoutError):
        repository.obtain(run, lambda _: Artifact(path))

    place.check()


class TestHonestSubmodules:
    @pytest.fixture
    def library(self, place):
        return hostile_repository(place.folder / "theirs" / "library", {"lib.txt": "honest\n"})

    @pytest.mark.parametrize("address", ["../library.git", "{server}/library.git"])
    def test_of_the_same_server_are_fetched(self, place, library, address):
        path, name = library
        with daemon(path.parent) as server:
            url, outer = hostile_repository(
                path.with_name("honest"),
                {},
                submodules={"lib": (address.format(server=server), name)},
            )
            found, _ = check_out(place, f"{server}/{url.name}", outer)

        assert found == {"lib/lib.txt": "honest\n"}
        place.check()

    def test_that_the_users_clone_has_are_taken_from_there(self, place, library):
        path, _ = library
        allow = ("-c", "protocol.file.allow=always")
        run_git(place.clone, *allow, "submodule", "--quiet", "add", str(path), "lib")
        run_git(place.clone, "commit", "--quiet", "--message", "Library")
        place.look()
        head = run_git(place.clone, "rev-parse", "HEAD")

        with checkout.repository(place.clone) as repository:
            repository.obtain(commit(head), None)
            folder = repository.check_out(commit(head), may_contact=False)
            assert (folder / "lib" / "lib.txt").read_text() == "honest\n"

        place.check()


def test_an_audit_contacts_no_server_of_a_submodule(firing_range, trained):
    text = f"git://127.0.0.1:{firing_range.listener.port}/lib"
    clone = firing_range.clone
    (clone / ".gitmodules").write_text(modules({"lib": (text, SOME)}), encoding="utf-8")
    (clone / "lib").mkdir()
    run_git(clone, "add", ".gitmodules")
    run_git(clone, "update-index", "--add", "--cacheinfo", f"160000,{SOME},lib")
    run_git(clone, "commit", "--quiet", "--message", "A submodule elsewhere")
    trained()
    firing_range.look()

    done = firing_range.run("steps.audit")

    firing_range.check(done, exit_codes=(0,), says="2 replayable")  # as the run had none of it
