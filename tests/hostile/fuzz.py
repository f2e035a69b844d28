"""Search for input that crashes a loader: `python tests/hostile/fuzz.py SECONDS`, with atheris.

Each loader gets an equal share of the time, in a separate process. Input that makes a loader raise
anything but its one-line refusals is printed, and the exit code is 1.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import atheris

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

with atheris.instrument_imports(include=["reprise", "steps", "deploy", "skops", "yaml"]):
    from loaders import LOADERS, REFUSALS, SEEDS


def fuzz(name, seconds):
    """Search for one loader; this process ends with libFuzzer's exit code."""

    def once(content):
        try:
            LOADERS[name](content)
        except REFUSALS as error:
            if not str(error).isprintable():
                raise AssertionError(f"not one line: {error!r}") from error

    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(SEEDS[name]):
            Path(corpus, str(number)).write_bytes(seed)
        limits = [
            f"-max_total_time={seconds}",
            "-max_len=4096",
            "-timeout=20",
            "-rss_limit_mb=4096",
        ]
        found = f"-artifact_prefix={tempfile.gettempdir()}/fuzz-"
        atheris.Setup([sys.argv[0], *limits, found, "-print_final_stats=0", corpus], once)
        atheris.Fuzz()


def every(seconds):
    """Search for every loader, one after the other, and return the names of faulty loaders."""
    share = str(max(1, seconds // len(LOADERS)))
    faults = []
    for name in LOADERS:
        print(f"=== {name}: {share} s", flush=True)
        done = subprocess.run([sys.executable, __file__, share, name], check=False)
        faults += [name] * (done.returncode != 0)
    return faults


if __name__ == "__main__":
    if len(sys.argv) == 3:
        fuzz(sys.argv[2], sys.argv[1])
    else:
        wrong = every(int(sys.argv[1]))
        print(f"{len(LOADERS) - len(wrong)} of {len(LOADERS)} loaders took everything", *wrong)
        sys.exit(bool(wrong))
