"""A replay sends no file of this machine, and no data that only this machine can reach."""

import hashlib
from pathlib import Path
from types import SimpleNamespace

import pytest
from attackers import run_git
from forging import NO_DIGEST, forge, holds, stored_files

from reprise.errors import NotAllowedError
from reprise.trust import permissions

ROWS = "a,b,label\n" + "".join(f"{i},{i % 7},{'x' if i % 2 else 'y'}\n" for i in range(40))
REFUSED = "expected data of the project or of the public web"


@pytest.fixture
def place(firing_range):
    """A user's machine with secrets, and a commit with links to them."""
    clone, secrets = firing_range.clone, firing_range.secrets
    (secrets / "key.csv").write_text(ROWS, encoding="utf-8")
    (firing_range.home / "key.csv").write_text(ROWS, encoding="utf-8")
    (clone / "link.csv").symlink_to(secrets / "key.csv")
    (clone / "linked").symlink_to(secrets)
    (clone / "public.csv").write_text(ROWS.replace("x", "z"), encoding="utf-8")
    run_git(clone, "add", "--all")
    run_git(clone, "commit", "--quiet", "--message", "Links")
    (clone / ".git" / "info" / "exclude").write_text("ignored.csv\n", encoding="utf-8")
    (clone / "ignored.csv").write_text(ROWS, encoding="utf-8")
    return firing_range


def filled(text, place):
    return text.format(
        secrets=place.secrets, clone=place.clone, home=place.home, port=place.listener.port
    )


SOURCES = {
    "an absolute path": "{secrets}/key.csv",
    "a path out of the project and back": "{clone}/../secrets/key.csv",
    "a relative path out of the project": "../secrets/key.csv",
    "a file URL": "file://{secrets}/key.csv",
    "a file URL in capitals": "FILE://{secrets}/key.csv",
    "a file URL of localhost": "file://localhost{secrets}/key.csv",
    "a file URL with escapes": "file://{secrets}/%6bey.csv",
    "the user's home": "~/key.csv",
    "the variables of a process": "/proc/self/environ",
    "a link of the commit": "link.csv",
    "a folder that is a link of the commit": "linked/key.csv",
    "the settings of the repository": "{clone}/.git/config",
    "a device": "/dev/stdin",
    "the attacker's port": "http://127.0.0.1:{port}/key.csv",
    "the attacker's port by name": "http://localhost:{port}/key.csv",
    "the attacker's port as a number": "http://2130706433:{port}/key.csv",
    "the attacker's port in IPv6": "http://[::ffff:127.0.0.1]:{port}/key.csv",
    "the cloud's metadata": "http://169.254.169.254/latest/meta-data/iam/key.csv",
    "a host of the private network": "https://10.0.0.1/key.csv",
    "a bucket that is read with the user's login": "s3://private/key.csv",
    "a scheme that nobody knows": "gopher://127.0.0.1:{port}/key.csv",
}
IN_A_RECORD = {
    "an input": lambda source: {
        "parameters": {"source": "iris"},
        "inputs": [("source", source, NO_DIGEST)],
    },
    "an argument of a script": lambda source: {
        "entry_point": "setup.py",
        "command": ("reprise/git.py", f"--data={source}"),
    },
}


@pytest.mark.parametrize("source", SOURCES)
def test_a_replay_does_not_read_a_file_that_only_a_record_names(place, source, prepared):
    refuses(place, prepared, parameters={"source": filled(SOURCES[source], place)})


@pytest.mark.parametrize("where", IN_A_RECORD)
@pytest.mark.parametrize(
    "source", ["an absolute path", "a link of the commit", "the cloud's metadata"]
)
def test_the_file_is_refused_in_every_place_of_the_record(place, source, where, prepared):
    refuses(place, prepared, **IN_A_RECORD[where](filled(SOURCES[source], place)))


def refuses(place, prepared, **record):
    run_id = forge(place, **record)
    place.look()

    with pytest.raises(NotAllowedError, match=REFUSED) as refused:
        prepared(run_id)

    assert "\n" not in str(refused.value)
    place.check()


@pytest.fixture
def prepared(place, monkeypatch):
    """Prepare a replay in this process as `reproduce` does, in the clone itself."""
    from reprise import tracking
    from reprise.replay import original_run, prepare

    monkeypatch.chdir(place.clone)
    monkeypatch.setenv("TMPDIR", str(place.temporary))
    monkeypatch.setenv("HOME", str(place.home))

    def prepared(run_id, **request):
        with tracking.using_server(place.store_uri):
            run = original_run.read(run_id)
        asked = prepare.Request(**request)
        parent = SimpleNamespace(run_id="0" * 32, tracking_environment=dict)
        return prepare.prepare(run, asked, folder=place.clone, python=Path("python"), parent=parent)

    return prepared


OTHER_READERS = {
    "a training step's data": ("train_dt", "data", "{secrets}/key.csv"),
    "a training step's data behind a link": ("train_dt", "data", "linked/key.csv"),
    "an experiment file": ("main", "params", "{secrets}/key.csv"),
    "an experiment file behind a link": ("main", "params", "linked/key.csv"),
    "a grid": ("sweep", "grid", "../secrets/key.csv"),
    "a scheduler": ("sweep", "scheduler", "tls://127.0.0.1:{port}"),
}


@pytest.mark.parametrize("reader", OTHER_READERS)
def test_other_steps_do_not_read_the_file_either(place, reader, prepared):
    entry_point, name, value = OTHER_READERS[reader]
    parameters = {name: filled(value, place)}
    run_id = forge(place, entry_point=entry_point, parameters=parameters, locations=())
    place.look()

    with pytest.raises(NotAllowedError, match=REFUSED):
        prepared(run_id)

    place.check()


def test_a_file_that_the_user_names_is_read(place, prepared):
    run_id = forge(place, parameters={"source": f"{place.secrets}/key.csv"})

    named = prepared(run_id, paths=(str(place.secrets),))
    changed = prepared(run_id, changes={"source": f"{place.secrets}/key.csv"})

    assert f"{place.secrets}/key.csv" in named.words
    assert f"{place.secrets}/key.csv" in changed.words


def test_a_folder_that_only_begins_like_the_named_one_is_not_read(place, prepared):
    run_id = forge(place, parameters={"source": f"{place.secrets}/key.csv"})

    with pytest.raises(NotAllowedError):
        prepared(run_id, paths=(str(place.secrets)[:-1],))


def test_stored_data_take_the_place_of_their_source(place, prepared):
    stored = f"runs:/{'a' * 32}"
    run_id = forge(
        place,
        entry_point="train_dt",
        parameters={"data": f"{place.secrets}/key.csv"},
        locations=("data",),
        inputs=[("train", f"{stored}/data/train.parquet", NO_DIGEST)],
    )

    assert stored in prepared(run_id).words


@pytest.mark.parametrize(
    "address",
    [
        "https://example.org/iris.csv",
        "public.csv",
        "iris",
        "5",
        "",
        "entropy",
        "a,b",
        "max_depth=7",
    ],
)
def test_honest_values_pass(place, address, monkeypatch):
    monkeypatch.setattr("reprise.trust.permissions.is_public", lambda host: host == "example.org")
    permitted = permissions.of_replay(place.clone, place.clone, ())

    permitted.refuse_values([address], folders=[place.clone])


STEPS = {
    "a file that git ignores": ("load_data", "source", ()),
    "a file that git ignores, with a wrong digest": (
        "load_data",
        "source",
        [("source", "ignored.csv", NO_DIGEST)],
    ),
    "a file that git ignores, for a training step": ("train_dt", "data", ()),
}


@pytest.mark.parametrize("attack", STEPS)
def test_a_step_of_a_replay_sends_nothing_that_is_not_recorded(place, attack):
    entry_point, name, inputs = STEPS[attack]
    run_id = forge(place, entry_point=entry_point, parameters={name: "ignored.csv"}, inputs=inputs)
    before = stored_files(place)
    place.look()

    done = place.run("steps.reproduce", "--run_id", run_id)

    place.check(done, exit_codes=(2,), says="not replayable")
    assert stored_files(place) == before


def test_a_refused_file_leaves_no_trace_at_the_server(place):
    run_id = forge(place, parameters={"source": f"{place.secrets}/key.csv"})
    place.look()

    done = place.run("steps.reproduce", "--run_id", run_id)

    place.check(done, exit_codes=(2,), says="allow_path")
    assert not holds(place, ROWS.encode())


def test_an_audit_does_not_read_the_file_either(place):
    for source in SOURCES.values():
        inputs = [("source", filled(source, place), NO_DIGEST)]
        forge(place, parameters={"source": "iris"}, inputs=inputs)
    place.look()

    done = place.run("steps.audit", "--experiment", "attacks")

    place.check(done, exit_codes=(1, 2))
    assert not holds(place, ROWS.encode())


def test_an_honest_load_from_elsewhere_is_reproduced_where_the_user_allows_it(place):
    source = f"{place.secrets}/key.csv"
    loaded = place.run("steps.load_data", "--source", source)
    run_id = loaded.stdout.split("load_data: run ")[1].split()[0]
    before = stored_files(place)
    place.look()

    done = place.run(
        "steps.reproduce", "--run_id", run_id, "--allow_path", str(place.secrets), timeout=120
    )

    place.check(done, exit_codes=(0,), says="Verdict: identical")
    assert hashlib.sha256(ROWS.encode()).hexdigest() in loaded.stdout + str(
        (place.folder / "artifacts" / run_id / "artifacts" / "provenance.json").read_text("utf-8")
    )
    assert stored_files(place) == before
