"""Small foreign projects, one for each pattern of the wild, recorded and reproduced elsewhere.

None of them knows of the engine. Each stands in a sub-folder, has an edit that no commit has, and
is reproduced from another clone.
"""

import io
from dataclasses import dataclass, field
from importlib.metadata import version

import pandas as pd
import pytest
from asking import AskingParameters
from repositories import commit_all, git, make_repository
from uv_projects import UV_PROJECT, uv_lock

from reprise.commands.run import How, ordered, run
from reprise.record.verdict import Verdict
from reprise.replay import original_run
from reprise.replay.prepare import Request
from reprise.replay.replay import reproduce

pytestmark = [
    pytest.mark.slow,
    pytest.mark.drill("reprise/observing", "reprise/capture/observer.py", "reprise/digests"),
]

MLPROJECT = """\
name: foreign
entry_points:
  main:
    parameters:
      alpha: {type: float, default: 0.5}
    command: "python train.py {alpha}"
"""
DATA = "x,y\n" + "".join(f"{i},{i % 7}\n" for i in range(60))
FIT = """\
import sys
import mlflow
import numpy as np
from sklearn.linear_model import LogisticRegression

X = np.arange(60).reshape(-1, 1) % 11
y = (np.arange(60) % 7 > 3).astype(int)
"""
UV = uv_lock(version=version("numpy"), sha256="1" * 64)
NOT_DETERMINISTIC = "a step that is not deterministic"


@dataclass(frozen=True)
class Case:
    """A project, and what its replay must say."""

    code: str
    mlproject: str = MLPROJECT
    name: str = "MLproject"
    files: dict[str, str] = field(default_factory=dict)  # committed
    ignored: dict[str, str] = field(default_factory=dict)  # in each clone
    parameters: dict[str, str] = field(default_factory=dict)
    verdict: Verdict = Verdict.IDENTICAL
    causes: tuple[str, ...] = ()
    runs: int = 0  # beside the one that was made for it
    inputs: tuple[str, ...] = ()
    elsewhere: dict[str, str] = field(default_factory=dict)  # outside the project: in ELSEWHERE
    basis: str = ""


def parquet():
    """A table of ten rows as Parquet."""
    buffer = io.BytesIO()
    pd.DataFrame({"y": range(10)}).to_parquet(buffer)
    return buffer.getvalue()


CASES = {
    "autolog": Case(FIT + "mlflow.sklearn.autolog()\nLogisticRegression().fit(X, y)\n"),
    "models": Case(
        FIT
        + "model = LogisticRegression().fit(X, y)\n"
        + "for kind in ('skops', 'pickle', 'cloudpickle'):\n"
        + "    mlflow.sklearn.log_model(model, name=kind, serialization_format=kind)\n"
    ),
    "nested runs": Case(
        "import mlflow\n"
        "with mlflow.start_run():\n"
        "    for k in range(2):\n"
        "        with mlflow.start_run(nested=True):\n"
        "            mlflow.log_param('k', k)\n"
        "            mlflow.log_metric('score', k / 3)\n",
        runs=2,
    ),
    "several steps by mlflow.run": Case(
        "import mlflow\n"
        "with mlflow.start_run():\n"
        "    for n in (1, 2):\n"
        "        mlflow.run('.', 'part', parameters={'n': n}, env_manager='local')\n",
        MLPROJECT + '  part: {parameters: {n: int}, command: "python part.py {n}"}\n',
        files={"part.py": "import sys, mlflow\nmlflow.log_metric('n', float(sys.argv[1]))\n"},
        runs=2,
    ),
    "all cores": Case(
        FIT
        + "from sklearn.ensemble import RandomForestClassifier\n"
        + "model = RandomForestClassifier(n_jobs=-1, random_state=1).fit(X, y)\n"
        + "mlflow.log_metric('score', model.score(X, y))\n"
    ),
    "an ignored file of data": Case(
        "import mlflow, pandas\n"
        "mlflow.log_metric('sum', float(pandas.read_csv('data/table.csv').y.sum()))\n",
        ignored={"data/table.csv": DATA},
        inputs=("data/table.csv",),
    ),
    "a file that C++ reads, named in a parameter": Case(
        "import sys, mlflow, pyarrow.csv\n"
        "mlflow.log_metric('rows', pyarrow.csv.read_csv(sys.argv[1]).num_rows)\n",
        MLPROJECT.replace("alpha: {type: float, default: 0.5}", "data: path").replace(
            "{alpha}", "{data}"
        ),
        ignored={"data/table.csv": DATA},
        parameters={"data": "data/table.csv"},
        inputs=("data/table.csv",),
    ),
    "no start_run, odd types, a hyphen, lines and operators": Case(
        "import sys, mlflow\nmlflow.log_metric('alpha', float(sys.argv[1]))\n",
        "name: odd\n"
        "python_env: python_env.yaml\n"
        "entry_points:\n"
        "  main:\n"
        "    parameters:\n"
        "      my-alpha: {type: int, default: 3}\n"
        "      flag: bool\n"
        "    command: |\n"
        "      echo {flag} > log.txt && \\\n"
        "      python train.py {my-alpha} | cat\n",
        name="MLProject",
        files={"python_env.yaml": "python: '3.11'\ndependencies: [mlflow]\n"},
        parameters={"flag": "yes"},
    ),
    "Parquet that Arrow reads, not named anywhere": Case(
        "import mlflow, pyarrow.parquet\n"
        "table = pyarrow.parquet.read_table('data/table.parquet')\n"
        "mlflow.log_metric('sum', sum(table['y'].to_pylist()))\n",
        ignored={"data/table.parquet": parquet()},
        inputs=("data/table.parquet",),
    ),
    "data by its absolute path": Case(
        "import mlflow\nmlflow.log_metric('bytes', len(open('ELSEWHERE/table.csv').read()))\n",
        elsewhere={"table.csv": DATA},
        inputs=("ELSEWHERE/table.csv",),
    ),
    "bash in the command": Case(
        "import sys, mlflow\nmlflow.log_metric('alpha', float(sys.argv[1]))\n",
        MLPROJECT.replace("python train.py {alpha}", "bash run.sh {alpha}"),
        files={"run.sh": 'set -eu\nwc -l < data/table.csv > rows.txt\npython train.py "$1"\n'},
        ignored={"data/table.csv": DATA},
        inputs=("data/table.csv",),
    ),
    "a lock of uv": Case(
        "import mlflow, numpy\nmlflow.log_metric('sum', float(numpy.arange(3).sum()))\n",
        MLPROJECT,
        files={"pyproject.toml": UV_PROJECT, "uv.lock": UV},
        basis="environment from lock",
    ),
    "python_env.yaml and packages of a src layout": Case(
        "import sys\nsys.path.insert(0, 'src')\n"
        "import mine.model, mlflow\nmlflow.log_metric('value', mine.model.VALUE)\n",
        MLPROJECT.replace("entry_points", "python_env: python_env.yaml\nentry_points"),
        files={
            "python_env.yaml": "python: '3.11'\ndependencies: [mlflow]\n",
            "src/mine/__init__.py": "",
            "src/mine/model.py": "VALUE = 3\n",
        },
        basis="environment as recorded",
    ),
    "unseeded": Case(
        "import random, mlflow\nmlflow.log_metric('x', random.random())\n",
        verdict=Verdict.DIFFERENT,
        causes=(NOT_DETERMINISTIC,),
    ),
    "a clock in a parameter": Case(
        "import time, mlflow\nmlflow.log_param('at', time.time_ns())\nmlflow.log_metric('x', 1)\n",
        verdict=Verdict.DIFFERENT,
        causes=(NOT_DETERMINISTIC,),
    ),
    "files written into the working folder": Case(
        "import json, mlflow\n"
        "json.dump({'a': 1}, open('result.json', 'w'))\n"
        "json.load(open('result.json'))\n"
        "mlflow.log_artifact('result.json')\n"
    ),
    "runs of its own beside an empty one": Case(
        "import mlflow\n"
        "mlflow.set_experiment('mine')\n"
        "for name in ('a', 'b'):\n"
        "    with mlflow.start_run(run_name=name):\n"
        "        mlflow.log_metric('score', len(name) / 3)\n",
        runs=2,
    ),
    "a store of its own": Case(
        "import os, mlflow\n"
        "os.environ.pop('MLFLOW_RUN_ID')\n"
        "os.environ.pop('MLFLOW_EXPERIMENT_ID')\n"
        "mlflow.set_tracking_uri('sqlite:///mlflow.db')\n"
        "mlflow.log_metric('score', 0.5)\n",
        runs=1,
    ),
}


def write(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())


@pytest.mark.parametrize("name", CASES)
def test_a_project_as_it_is_is_recorded_and_reproduced_from_another_clone(
    name, plain_git, store, recording, tmp_path, monkeypatch
):
    case = CASES[name]
    root = make_repository(tmp_path / "team")
    folder = root / "models" / "mine"
    write(root, {".gitignore": "data/\n__pycache__/\n"})
    write(folder, {case.name: case.mlproject, "train.py": "raise SystemExit(9)\n", **case.files})
    commit_all(root)
    elsewhere = tmp_path / "elsewhere"
    write(elsewhere, case.elsewhere)
    code = case.code.replace("ELSEWHERE", str(elsewhere))
    write(folder, {"train.py": code, **case.ignored})  # the edit that makes it work
    monkeypatch.chdir(folder)
    order = ordered(".", "main", case.parameters, None)
    original = original_run.read(run(order, How(backend="reprise", manager="local")))
    git(tmp_path, "clone", "--quiet", str(root), "other")
    there = tmp_path / "other" / "models" / "mine"
    write(there, case.ignored)
    monkeypatch.chdir(there)

    with recording(AskingParameters()) as parent:
        replay = reproduce(
            parent, original, Request(paths=(str(elsewhere),) if case.elsewhere else ())
        )

    assert replay.verdict is case.verdict, replay.judgement
    assert tuple(cause.kind for cause in replay.judgement.causes) == case.causes
    names = (item.name.replace(str(elsewhere), "ELSEWHERE") for item in original.record.inputs)
    assert tuple(names) == case.inputs
    assert len(original.record.observed.runs) == case.runs
    assert case.basis in replay.judgement.basis
    assert git(there, "status", "--porcelain") == ""
