"""A project with a step that trains and one that evaluates, run by real processes; and keys."""

import subprocess
import sys
from pathlib import Path

import pytest
from asking import AskingParameters
from evidences import compared, evidence
from mlflow.entities import LoggedModelOutput, LoggedModelStatus
from registered import DIGEST, NAME, file_of
from repositories import commit_all, make_repository, publish

from reprise import tracking
from reprise.models import registry
from reprise.models.evaluation import Evaluation
from reprise.replay.prepare import Request
from reprise.signatures import Signers
from reprise.verification import model_files, promotion
from reprise.verification.evidence import record_digest
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
from reprise.models import registry
from reprise.models.evaluation import Evaluation
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


@pytest.fixture
def train(store, recording):
    """Record a run that has trained a model with this digest, and stored a file of it."""

    def train(digest=DIGEST):
        with recording(AskingParameters()) as run:
            made = store.client.create_logged_model(
                store.experiment_id, name="model", source_run_id=run.run_id
            )
            store.client.finalize_logged_model(made.model_id, LoggedModelStatus.READY)
            store.client.log_outputs(run.run_id, [LoggedModelOutput(made.model_id, step=0)])
            run.log_model_digest(digest, is_logged=False)
        file_of(store, run.run_id).parent.mkdir(parents=True)
        file_of(store, run.run_id).write_text(digest)
        return run.run_id

    return train


@pytest.fixture
def judge(recording):
    """Record a run that has judged the model of a run."""

    def judge(trained, score, *, metric="accuracy", greater=True, test_digest="t1"):
        judged = Evaluation(
            model=tracking.read_record(trained).outputs.model,
            metric=metric,
            score=score,
            greater_is_better=greater,
            test_digest=test_digest,
        )
        with recording(AskingParameters()) as run:
            judged.log(run)
        return run.run_id, judged

    return judge


@pytest.fixture
def candidate(train, judge):
    """Train, judge and register a model, whose version is then the candidate."""

    def candidate(score, *, digest=None, **how):
        trained = train(digest or f"{score!r:0<64}")
        evaluated_by, judged = judge(trained, score, **how)
        registry.register(NAME, trained, judged, evaluated_by=evaluated_by)
        return trained

    return candidate


@pytest.fixture
def replays(monkeypatch):
    """What replays show, by the run: without an entry, the same results once more."""
    shown = {}

    def reproduced(_self, original):
        found = shown.get(original.run_id, (compared(),))
        logged = tracking.logged_model(original.run_id)
        return evidence(
            *found,
            run_id=original.run_id,
            record_sha256=record_digest(original),
            model_files=model_files.of_model(logged) if logged else {},
            replayed_by=None,
        )

    monkeypatch.setattr(Verifier, "_reproduced", reproduced)
    return shown


@pytest.fixture
def verifier(recording, signing, plain_git):
    """Who promotes: Ada, by the default policy."""
    with recording(AskingParameters()) as parent:
        yield Verifier(parent, Policy(), signing(), Request())


@pytest.fixture
def promote(verifier, replays):
    def promote(address=NAME, *, why="", by=None):
        return promotion.promote(by or verifier, address, who="Ada", why=why)

    return promote


@pytest.fixture
def champion(store):
    """The champion's version, or None."""

    def champion():
        return store.client.get_registered_model(NAME).aliases.get("champion")

    return champion
