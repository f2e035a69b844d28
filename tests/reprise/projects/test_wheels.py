"""A lock whose wheels are kept here is installed from them alone; no index is asked."""

import subprocess
import sys
import zipfile

import pytest

from reprise.projects import environments, uv, wheels
from reprise.projects.requirements import Pin
from reprise.record.digest import sha256_file

PYTHON = ".".join(map(str, sys.version_info[:3]))


def make_wheel(folder, name="tiny", *, answer=42):
    """Write a wheel of one module that has an answer."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    about = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", f"ANSWER = {answer}\n")
        archive.writestr(
            f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{about}/RECORD", "")
    return path


def pin(wheel, *, marker=""):
    name = wheel.name.partition("-")[0]
    return Pin(name, f"{name}==1.0{marker}", (f"sha256:{sha256_file(wheel)}",))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "reprise" / "wheels"


class TestKept:
    def test_a_wheel_is_found_by_the_digest_that_a_lock_asks_for(self, tmp_path):
        wheel = make_wheel(tmp_path)
        wheels.keep([wheel])

        (found,) = wheels.kept([pin(wheel)])

        assert (found.name, found.read_bytes()) == (wheel.name, wheel.read_bytes())

    def test_two_wheels_of_one_name_are_told_apart(self, tmp_path):
        (tmp_path / "a").mkdir()
        (tmp_path / "b").mkdir()
        first, second = make_wheel(tmp_path / "a"), make_wheel(tmp_path / "b", answer=43)
        wheels.keep([first, second])

        assert wheels.kept([pin(second)])[0].read_bytes() == second.read_bytes()
        assert wheels.kept([pin(first)])[0].read_bytes() == first.read_bytes()

    def test_one_that_is_missing_makes_the_others_useless(self, tmp_path):
        here, missing = make_wheel(tmp_path), make_wheel(tmp_path, "other")
        wheels.keep([here])

        assert wheels.kept([pin(here), pin(missing)]) == []

    def test_one_that_was_altered_is_not_used(self, tmp_path, cache):
        wheel = make_wheel(tmp_path)
        wheels.keep([wheel])
        (kept,) = cache.glob("*/*.whl")
        kept.write_bytes(b"something else")

        assert wheels.kept([pin(wheel)]) == []

    def test_what_another_system_needs_is_not_asked_for(self, tmp_path):
        wheel, other = make_wheel(tmp_path), make_wheel(tmp_path, "other")
        wheels.keep([wheel])

        found = wheels.kept([pin(wheel), pin(other, marker=" ; sys_platform == 'win32'")])

        assert [each.name for each in found] == [wheel.name]


@pytest.mark.slow
class TestBuilding:
    @pytest.fixture
    def no_index(self, monkeypatch):
        """An index that nobody answers for."""
        monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
        monkeypatch.setenv("UV_HTTP_RETRIES", "0")

    @pytest.mark.usefixtures("no_index")
    def test_asks_no_index_where_all_wheels_are_here(self, tmp_path):
        wheel = make_wheel(tmp_path)
        wheels.keep([wheel])

        python = environments.built_from([pin(wheel)], "tiny==1.0\n", "a" * 64, PYTHON, ())

        words = [str(python), "-c", "import tiny; print(tiny.ANSWER)"]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        assert done.stdout == "42\n"

    @pytest.mark.usefixtures("no_index")
    def test_asks_the_index_else(self, tmp_path):
        wheel = make_wheel(tmp_path)

        with pytest.raises(uv.EnvironmentMismatchError, match="Check the network"):
            environments.built_from([pin(wheel)], "tiny==1.0\n", "a" * 64, PYTHON, ())
