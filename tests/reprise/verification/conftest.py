"""A project with a step that trains and one that evaluates, run by real processes; and keys."""

import subprocess
import sys
from pathlib import Path

import pytest
from asking import AskingParameters
from repositories import commit_all, make_repository, publish

from reprise import tracking
from reprise.replay.prepare import Request
from reprise.signatures import Signers
from reprise.verification.policy import Policy
from reprise.verification.statements import Signing
from reprise.verification.verifying import Verifier

MLPROJECT = """\
name: tiny
entry_points:
  train:
    parameters:
      depth: {type: float, default: 1}
      noise: {type: string, default: ""}
      allow_untracked: {type: string, default: ""}
    command: "python -m train --depth {depth} --noise {noise} --allow_untracked {allow_untracked}"
  evaluate:
    parameters:
      run_id: {type: string}
      allow_untracked: {type: string, default: ""}
    command: "python -m evaluate --run_id {run_id} --allow_untracked {allow_untracked}"
"""
TRAIN = """\
import time

import pandas as pd
from pydantic import Field
from sklearn.tree import DecisionTreeClassifier

from reprise.models import model_store
from reprise.runtime.launch import launch
from reprise.runtime.parameters import Parameters

X = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0], "y": [1.0, 0.0, 1.0, 0.0]})


class TrainParameters(Parameters):
    entry_point = "train"
    depth: int = Field(1, description="a depth")
    noise: str = Field("", description="what differs each time")
    allow_untracked: str | None = Field(None, description="files to carry")


def main(parameters, run):
    tree = DecisionTreeClassifier(max_depth=parameters.depth, random_state=0)
    model_store.log_model(run, tree.fit(X, [0, 1, 1, 0]), X)
    run.log_metrics({"depth": float(parameters.depth)})
    if parameters.noise == "seconds":
        run.log_metrics({"fit_seconds": time.time()})


if __name__ == "__main__":
    launch(TrainParameters, main)
"""
EVALUATE = """\
from pydantic import Field

from reprise import tracking
from reprise.models import model_store
from reprise.models.evaluation import Evaluation
from reprise.record.schema import InputData
from reprise.runtime.launch import launch
from reprise.runtime.parameters import Parameters
from train import X


class EvaluateParameters(Parameters):
    entry_point = "evaluate"
    run_id: str = Field(description="a run")
    allow_untracked: str | None = Field(None, description="files to carry")


def main(parameters, run):
    record = tracking.read_record(parameters.run_id)
    model = model_store.load_model(parameters.run_id, recorded=record.outputs.model)
    run.add_input(
        InputData(
            name="model", uri=f"runs:/{parameters.run_id}/model", sha256=record.outputs.model
        ),
        context="model",
    )
    score = float((model.predict(X) == [0, 1, 1, 0]).mean())
    run.log_metrics({"test_accuracy": score})
    Evaluation(
        run_id=parameters.run_id,
        model=record.outputs.model,
        metric="accuracy",
        score=score,
        greater_is_better=True,
        test_digest="7" * 64,
    ).log(run)


if __name__ == "__main__":
    launch(EvaluateParameters, main)
"""


@pytest.fixture
def project(store, plain_git, warm_processes, tmp_path, monkeypatch):
    """The project in a repository whose main branch origin has, and this process in it."""
    folder = make_repository(tmp_path / "project")
    for name, text in (("MLproject", MLPROJECT), ("train.py", TRAIN), ("evaluate.py", EVALUATE)):
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "requirements.txt").write_text("numpy==2.4.6\n", encoding="utf-8")
    commit_all(folder)
    publish(folder, tmp_path / "origin.git")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def step(store, project):
    """Run a step of the project by a process of its own, and return the run's id."""

    def step(name, **parameters):
        words = [f"--{each}={value}" for each, value in parameters.items()]
        done = subprocess.run(
            [sys.executable, "-m", name, *words], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        made = tracking.find_runs(
            store.experiment_id,
            tags={tracking.ENTRY_POINT: name},
            order_by=["attributes.start_time DESC"],
        )
        return made[0].info.run_id

    return step


@pytest.fixture
def trained(step):
    """A run that has trained a stump."""
    return step("train")


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    """Private keys of Ada, who is allowed to sign, and of Eve, who is not."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ada", "eve"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", name]
        subprocess.run(command, cwd=folder, check=True)
    allowed = f"ada@example.org {(folder / 'ada.pub').read_text(encoding='utf-8')}"
    (folder / "allowed").write_text(allowed, encoding="utf-8")
    return folder


@pytest.fixture
def signing(keys):
    """How somebody signs here, where Ada alone is trusted; "" signs nothing."""

    def signing(name="ada"):
        return Signing(str(Path(keys, name)) if name else "", Signers(keys / "allowed"))

    return signing


@pytest.fixture
def verify(recording, signing):
    """Verify a run below another, as the command does, by a policy and with a key."""

    def verify(run_id, policy=None, *, key="ada", model_id=""):
        with recording(AskingParameters()) as parent:
            asking = Verifier(parent, policy or Policy(), signing(key), Request())
            return asking.verify(run_id, model_id=model_id)

    return verify
