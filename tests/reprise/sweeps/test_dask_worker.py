"""What is sent to a worker of a cluster makes runs there without an engine that is installed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from reprise.process import fork_server
from reprise.process.task import StepTask
from reprise.sweeps import dask_executor, dask_worker

pytestmark = pytest.mark.slow  # starts processes
cloudpickle = pytest.importorskip("cloudpickle")

# Stands in for a worker: it has Python and the lock's packages, and no engine.
WORKER = """\
import json, os, pickle, sys
from pathlib import Path

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "reprise":
            raise ImportError(f"there is no {name} here")

sys.meta_path.insert(0, Refuse())
make, started = pickle.loads(Path("sent").read_bytes())
known = make.__globals__
setup = {"project": ".", "libraries": [], "preload": [], "variables": {}}
executor = started(setup, Path("repository").absolute(), dict(os.environ))
asked = known["StepTask"].from_json(sys.argv[1])
(result,) = executor.run([known["Task"]("step", {"a": "1"}, {}, asked)])
executor.__exit__()
print(json.dumps([result.exit_code, result.output, result.run_id]))
"""
STEP = """\
import json, os, sys
from pathlib import Path
asked = json.loads(os.environ["REPRISE_TASK"])
Path(asked.pop("report")).write_text(json.dumps({"run_id": "a1"}))
print(json.dumps([sys.argv[1:], sorted(asked), asked["key"]]))
"""


def test_functions_that_are_sent_run_a_step_and_read_its_report(tmp_path):
    dask_executor._send_by_value()
    (tmp_path / "sent").write_bytes(cloudpickle.dumps((dask_worker.make, dask_worker._started)))
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository" / "step.py").write_text(STEP)
    server = Path(fork_server.__file__).read_text(encoding="utf-8")
    (tmp_path / "fork_server.py").write_text(server, encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "-c", WORKER, StepTask(key="k").to_json()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    exit_code, output, run_id = json.loads(done.stdout)
    assert (exit_code, run_id) == (0, "a1")
    assert json.loads(output) == [["--a", "1"], ["cache", "key"], "k"]
