"""Bundles, trees, names and settings with instructions in them: git reads only their objects."""

import shutil

import pytest
from attackers import SOME, Artifact, commit, hostile_repository, run_git, tree_bundle

from reprise.capture import code
from reprise.errors import CheckoutError, RepriseError
from reprise.projects import address, checkout, restoring

FILE = [(b"100644", b"a.txt", b"hostile\n")]
# Bytes in place of a bundle.
BUNDLES = {
    "nothing": b"",
    "text": b"not a bundle",
    "a script": b"#!/bin/sh\ntouch {canary}\n",
    "a header of another version": b"# v9 git bundle\n\n",
    "an option in its header": b"# v2 git bundle\n--upload-pack=touch {canary}\n\n",
    "an option as what it builds upon": b"# v2 git bundle\n---upload-pack=touch {canary}\n\n",
    "a filter in its header": b"# v3 git bundle\n@filter=sparse:oid=HEAD\n\n",
    "a line without end": b"# v2 git bundle\n-" + b"f" * 1_000_000,
    "very many references": b"# v2 git bundle\n" + b"%s refs/heads/x\n" % SOME.encode() * 200_000,
    "no pack": b"# v2 git bundle\n%s refs/heads/x\n\n" % SOME.encode(),
    "a pack that claims very many objects": (
        b"# v2 git bundle\n%s refs/heads/x\n\nPACK\0\0\0\2\xff\xff\xff\xff" % SOME.encode()
    ),
}
# The tree of a commit in a bundle that is otherwise well-formed.
TREES = {
    "git's own folder": [(b"100644", b".git", b"gitdir: {secrets}\n")],
    "git's own folder in capitals": [(b"100644", b".GIT", b"gitdir: {secrets}\n")],
    "git's own folder by its short name": [(b"100644", b"git~1", b"gitdir: {secrets}\n")],
    "git's own folder with an invisible letter": [
        (b"100644", b".g\xe2\x80\x8cit", b"gitdir: {secrets}\n")
    ],
    "the folder above": [(b"100644", b"..", b"x")],
    "this folder": [(b"100644", b".", b"x")],
    "a path": [(b"100644", b"../../secrets/x", b"x")],
    "a path from the root": [(b"100644", b"/tmp/x", b"x")],
    "a link for the list of submodules": [(b"120000", b".gitmodules", b"{secrets}/key.csv")],
    "a name twice, as a link and as a file": [
        (b"120000", b"a", b"{secrets}"),
        (b"100644", b"a", b"x"),
    ],
}


def filled(content, place):
    for name in ("canary", "secrets"):
        content = content.replace(b"{%s}" % name.encode(), str(getattr(place, name)).encode())
    return content


def bring_back(place, content, name):
    """Check out the content of a run's bundle, beside the user's clone."""
    path = place.folder / "bundle"
    path.write_bytes(content)
    run = commit(name).model_copy(update={"bundle": "runs:/x/code/snapshot.bundle"})
    with checkout.repository(place.clone) as repository:
        repository.obtain(run, lambda _: Artifact(path))
        folder = repository.check_out(run)
        return {found.name for found in folder.iterdir()}


def refused(place, work, *, finished=True):
    with pytest.raises(RepriseError) as refusal:
        work()
    assert "\n" not in str(refusal.value)
    assert not place.canary.exists()
    if finished:
        place.check()
    return str(refusal.value)


@pytest.mark.parametrize("content", BUNDLES.values(), ids=BUNDLES)
def test_a_file_that_is_no_bundle_is_refused(place, content):
    line = refused(place, lambda: bring_back(place, filled(content, place), SOME))

    assert "found a damaged one" in line


@pytest.mark.parametrize("entries", TREES.values(), ids=TREES)
def test_a_tree_that_leads_elsewhere_is_not_written(place, entries):
    head = run_git(place.clone, "rev-parse", "HEAD")
    filled_entries = [(mode, name, filled(content, place)) for mode, name, content in entries]
    content, name = tree_bundle(filled_entries, parent=head)

    refused(place, lambda: bring_back(place, content, name))


def test_an_honest_bundle_is_taken(place):
    head = run_git(place.clone, "rev-parse", "HEAD")
    content, name = tree_bundle(FILE, parent=head)

    assert bring_back(place, content, name) >= {"a.txt"}
    place.check()


def test_a_history_of_another_repository_is_refused_and_forgotten(place):
    content, name = tree_bundle(FILE)

    line = refused(place, lambda: bring_back(place, content, name))

    assert "shares none" in line


def test_a_commit_that_was_refused_is_not_found_by_the_next_run(place):
    content, name = tree_bundle(FILE)
    path = place.folder / "bundle"
    path.write_bytes(content)
    with checkout.repository(place.clone) as repository:
        for run in (commit(name).model_copy(update={"bundle": "x"}), commit(name)):
            with pytest.raises(CheckoutError):
                repository.obtain(run, lambda _: Artifact(path))

    place.check()


@pytest.mark.parametrize(
    "name",
    ["--output={canary}", "-x", "HEAD", "HEAD..main", "$(touch {canary})", f"{SOME}\n", SOME[:39]],
    ids=["an option", "a dash", "a name", "a range", "shell text", "two lines", "too short"],
)
def test_a_commit_that_is_no_whole_id_is_refused(place, name):
    refused(place, lambda: bring_back(place, b"", name.format(canary=place.canary)))


@pytest.mark.parametrize("fragment", ["--output={canary}:", "-x", "main..HEAD", "HEAD^{{/x}}:"])
def test_a_uri_names_a_commit_by_no_option_and_no_expression(place, fragment):
    uri = f"{place.clone}#{fragment.format(canary=place.canary)}"

    refused(place, lambda: address.opened(address.parse(uri)).__enter__())


class TestSettingsOfARepository:
    def test_of_a_bare_one_within_a_commit_are_not_obeyed(self, place):
        outer = place.folder / "theirs" / "hostile"
        within, head = hostile_repository(outer / "evil", {"MLproject": "name: evil\n"})
        within.rename(outer / "bare")
        shutil.rmtree(outer / "evil")
        (outer / "bare" / "config").write_text(
            "[core]\n\trepositoryformatversion = 0\n\tbare = false\n"
            f'\tworktree = "."\n\tfsmonitor = touch {place.canary};\n'
        )
        (outer / "bare" / "refs" / "heads" / "main").write_text(f"{head}\n")
        (outer / "bare" / "MLproject").write_text("name: evil\n")
        url, _ = hostile_repository(outer, {})

        with address.opened(address.parse(f"{url}#bare")) as folder:
            refused(place, lambda: code.describe(folder), finished=False)

        place.check()

    @pytest.mark.parametrize(
        "settings",
        [
            ("core.fsmonitor", "touch {canary};"),
            ("core.hooksPath", "{secrets}"),
            ("remote.origin.vcs", "evil"),
            ("url.evil::.insteadOf", "file://"),
            ("core.alternateRefsCommand", "touch {canary};"),
        ],
        ids=["a monitor", "hooks", "a program for a remote", "another address", "references"],
    )
    def test_of_a_clone_start_no_program(self, place, settings):
        hook = place.secrets / "post-checkout"
        hook.write_text(f"#!/bin/sh\ntouch {place.canary}\n")
        hook.chmod(0o755)
        name, value = settings
        run_git(
            place.clone,
            "config",
            name,
            value.format(canary=place.canary, secrets=place.secrets),
        )
        place.look()
        head = run_git(place.clone, "rev-parse", "HEAD^{tree}")

        code.describe(place.clone)
        with checkout.repository(place.clone) as repository, pytest.raises(CheckoutError):
            repository.obtain(commit(head[::-1]), None)

        place.check()

    def test_a_replaced_commit_is_not_run_in_place_of_the_recorded_one(self, place):
        head = run_git(place.clone, "rev-parse", "HEAD")
        blob = run_git(place.clone, "hash-object", "-w", "README.md")
        run_git(place.clone, "read-tree", "--empty")
        run_git(place.clone, "update-index", "--add", "--cacheinfo", f"100644,{blob},evil.py")
        tree = run_git(place.clone, "write-tree")
        other = run_git(place.clone, "commit-tree", tree, "-m", "Other")
        run_git(place.clone, "read-tree", "HEAD")
        run_git(place.clone, "replace", head, other)
        place.look()

        with checkout.repository(place.clone) as repository:
            repository.obtain(commit(head), None)
            folder = repository.check_out(commit(head))
            assert (folder / "MLproject").is_file()
            assert not (folder / "evil.py").exists()

        place.check()


@pytest.mark.parametrize("name", ["out", "up", "../../secrets"])
def test_a_project_folder_that_leads_out_of_the_commit_is_refused(place, name):
    folder = place.folder / "theirs" / "hostile"
    folder.mkdir(parents=True)
    (folder / "out").symlink_to(place.secrets)
    (folder / "up").symlink_to("../../../..")
    run_git(folder, "init", "--quiet", "--initial-branch=main")
    run_git(folder, "add", "--all")
    run_git(folder, "commit", "--quiet", "--message", "Links")
    head = run_git(folder, "rev-parse", "HEAD")
    uri = f"file://{folder}#{head}:{name}"
    place.look()

    refused(place, lambda: address.opened(address.parse(uri)).__enter__())


def restored(place, content, name, path):
    """Restore the content of a run's bundle as a branch of the user's clone, and as a folder."""
    bundle = place.folder / "bundle"
    bundle.write_bytes(content)
    run = commit(name).model_copy(update={"bundle": "runs:/x/code/snapshot.bundle"})
    with checkout.repository(place.clone) as repository:
        repository.obtain(run, lambda _: Artifact(bundle))
        if path is None:
            restoring.as_branch(repository, run, place.clone, "before")
        else:
            restoring.as_folder(repository, run, path)


@pytest.mark.parametrize("way", ["branch", "folder"])
@pytest.mark.parametrize("entries", TREES.values(), ids=TREES)
def test_a_tree_that_leads_elsewhere_is_not_restored(place, entries, way, tmp_path):
    head = run_git(place.clone, "rev-parse", "HEAD")
    filled_entries = [(mode, name, filled(content, place)) for mode, name, content in entries]
    content, name = tree_bundle(filled_entries, parent=head)
    path = tmp_path / "back" if way == "folder" else None

    refused(place, lambda: restored(place, content, name, path))

    assert list(tmp_path.glob("back*")) == []
