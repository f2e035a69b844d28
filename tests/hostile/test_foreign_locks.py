"""The lock of a commit from others can pin releases, but cannot instruct the installer."""

import hashlib
import tarfile
import zipfile

import pytest

from reprise.capture import environment
from reprise.errors import EnvironmentMismatchError
from reprise.projects import environments, uv
from reprise.projects.requirements import pins

DIGEST = "0" * 64
PIN = f"small==1.0 --hash=sha256:{DIGEST}"
SETUP = """\
import pathlib
from setuptools import setup
pathlib.Path({canary!r}).touch()
setup(name="small", version="1.0")
"""


@pytest.fixture(scope="session")
def warm_process():
    """No warm process: these attacks are tried in this one."""


@pytest.fixture
def user(firing_range, monkeypatch):
    """The user's process: its folder, home and variables, and an index that has `small` 1.0."""
    for name in ("UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_INDEX", "UV_DEFAULT_INDEX"):
        monkeypatch.delenv(name, raising=False)
    links = firing_range.folder / "links"
    links.mkdir()
    variables = {
        "HOME": firing_range.home,
        "XDG_CACHE_HOME": firing_range.home / ".cache",
        "TMPDIR": firing_range.temporary,
        "UV_FIND_LINKS": links,
        "UV_NO_INDEX": "1",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr("tempfile.tempdir", str(firing_range.temporary))
    monkeypatch.chdir(firing_range.clone)
    return firing_range


def add_wheel(place):
    """Put a wheel of `small` where the user's packages come from, and return its pin."""
    path = place.folder / "links" / "small-1.0-py3-none-any.whl"
    info = "small-1.0.dist-info"
    files = {
        "small.py": "",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: small\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": f"small.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n",
    }
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
    return pin_of(path)


def add_source(place):
    """Add a source distribution with a build that makes the canary, and return its pin."""
    path = place.folder / "links" / "small-1.0.tar.gz"
    setup = place.folder / "setup.py"
    setup.write_text(SETUP.format(canary=str(place.canary)))
    with tarfile.open(path, "w:gz") as archive:
        archive.add(setup, "small-1.0/setup.py")
    return pin_of(path)


def pin_of(path):
    return f"small==1.0 --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


def build(place, text, *, python=None, allow_build=()):
    """Build the environment of a commit's lock, as a replay does."""
    commit = place.folder / "commit"
    commit.mkdir(exist_ok=True)
    lock = commit / "requirements.txt"
    lock.write_text(text)
    place.look()
    return environments.built(
        lock,
        hashlib.sha256(text.encode()).hexdigest(),
        environment.python_version() if python is None else python,
        allow_build=allow_build,
    )


LINES = {
    "an index": "--index-url http://LISTENER/simple",
    "an index with an equals sign": "--index-url=http://LISTENER/simple",
    "an index by its short name": "-i http://LISTENER/simple",
    "another index": "--extra-index-url http://LISTENER/simple",
    "an index with a password": "--extra-index-url http://ada:s3cr3t@LISTENER/simple",
    "an index on a continued line": "--extra-index-url \\\n  http://LISTENER/simple",
    "a folder of packages": "--find-links http://LISTENER/links",
    "a folder of packages by its short name": "-f http://LISTENER/links",
    "a trusted host": "--trusted-host LISTENER",
    "builds from source": "--no-binary :all:",
    "pre-releases": "--pre",
    "an editable install": "-e git+http://LISTENER/evil.git#egg=small",
    "an editable folder": "--editable ./evil",
    "another file of requirements": "-r http://LISTENER/more.txt",
    "another file of requirements here": "-r more.txt",
    "a file of constraints": "-c http://LISTENER/constraints.txt",
    "a git repository": "small @ git+http://LISTENER/evil.git",
    "a git repository without a name": "git+http://LISTENER/evil.git#egg=small",
    "an address": f"small @ http://LISTENER/small.whl --hash=sha256:{DIGEST}",
    "an address without a name": f"http://LISTENER/small.whl --hash=sha256:{DIGEST}",
    "a file of this machine": f"small @ file:///evil/small.whl --hash=sha256:{DIGEST}",
    "a path": f"./evil/small.whl --hash=sha256:{DIGEST}",
    "a variable of the user": "--index-url http://LISTENER/${HOME}",
    "a setting of the build": f"small==1.0 --config-settings=a=b --hash=sha256:{DIGEST}",
    "an option after a pin": f"{PIN} --index-url http://LISTENER/simple",
    "a range": f"small>=1.0 --hash=sha256:{DIGEST}",
    "a pattern": f"small==1.* --hash=sha256:{DIGEST}",
    "an arbitrary version": f"small===1.0 --hash=sha256:{DIGEST}",
    "no hash": "small==1.0",
    "a weak hash": f"small==1.0 --hash=md5:{'0' * 32}",
    "a hash cut short": "small==1.0 --hash=sha256:00",
    "an escape code": "\x1b[2J==1",
}


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_a_lock_is_refused_with(user, line):
    line = line.replace("LISTENER", f"127.0.0.1:{user.listener.port}")

    with pytest.raises(EnvironmentMismatchError) as refusal:
        build(user, f"# a lock\n{PIN}\n{line}\n{PIN}\n")

    user.check()
    assert "in line 3" in str(refusal.value)
    assert str(refusal.value).isprintable()
    assert "s3cr3t" not in str(refusal.value)


def test_settings_of_the_folder_are_not_read(user):
    address = f"http://127.0.0.1:{user.listener.port}/simple"
    settings = (
        f'index-url = "{address}"\nno-index = false\n[pip]\nextra-index-url = ["{address}"]\n'
    )
    (user.clone / "uv.toml").write_text(settings)
    (user.clone.parent / "uv.toml").write_text(settings)
    (user.clone / ".python-version").write_text("3.99.1\n")

    with pytest.raises(EnvironmentMismatchError, match="found that uv cannot"):
        build(user, f"{PIN}\n")

    user.check()


def test_a_package_that_needs_a_build_is_not_built(user):
    with pytest.raises(EnvironmentMismatchError, match="-P allow_build=small"):
        build(user, add_source(user))

    user.check()


def test_a_package_is_not_built_where_another_may_be(user):
    with pytest.raises(EnvironmentMismatchError, match="-P allow_build=small"):
        build(user, add_source(user), allow_build=("other",))

    user.check()


def test_another_file_than_the_pinned_one_is_not_installed(user):
    add_wheel(user)

    with pytest.raises(EnvironmentMismatchError, match="found that uv cannot"):
        build(user, f"{PIN}\n")

    user.check()


@pytest.mark.parametrize("python", ["../../evil", "/evil/python", "-h", "3.11.7/../../evil", ""])
def test_a_recorded_python_is_a_release(user, python):
    with pytest.raises(EnvironmentMismatchError, match="The record was altered"):
        build(user, f"{PIN}\n", python=python)

    user.check()


def test_a_lock_behind_a_link_is_not_read(user):
    commit = user.folder / "commit"
    commit.mkdir()
    (commit / "requirements.txt").symlink_to(user.secrets / "key.csv")

    with pytest.raises(Exception, match=r"expected a file 'requirements\.txt'"):
        environments.built(commit / "requirements.txt", DIGEST, environment.python_version())


def test_a_lock_of_wheels_is_installed_and_writes_nothing_but_caches(user):
    python = build(user, add_wheel(user))

    installed = environment.installed_packages(
        map(str, python.parents[1].glob("lib/python*/site-packages"))
    )
    assert installed == {"small": "1.0"}
    assert python.is_relative_to(user.home / ".cache" / "reprise")
    user.check()


def test_a_lock_may_name_an_index_that_the_user_has_named_too(monkeypatch):
    monkeypatch.setenv("UV_INDEX", "mine=https://packages.example.org/simple")
    lock = f"--extra-index-url https://packages.example.org/simple/\n{PIN}\n"

    (pin,) = pins(lock, indexes=uv.indexes())

    assert pin.line() == PIN


HONEST = {
    "a marker": 'small==1.0 ; python_version < "3.12" --hash=sha256:{}',
    "extras": "Small_Pack[a,b]==1.0 --hash=sha256:{}",
    "many hashes": "small==1.0 \\\n    --hash=sha256:{} \\\n    --hash=sha256:{}\n    # via other",
    "a local version": "small==1.0+cpu --hash=sha256:{}  # why",
    "ends of line of another system": "small==1.0 \\\r\n    --hash=sha256:{}\r\n",
}


@pytest.mark.parametrize("text", HONEST.values(), ids=HONEST)
def test_a_pin_is_taken_with(text):
    (pin,) = pins(text.replace("{}", DIGEST))

    assert pins(pin.line()) == (pin,)
    assert set(pin.hashes) == {f"sha256:{DIGEST}"}
