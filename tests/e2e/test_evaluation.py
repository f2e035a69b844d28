"""Judging, registering and serving models, on a real tracking server and a real scoring server."""

import json
import os
import pickle
import subprocess
import sys

import pyarrow.parquet as pq
import pytest
from driving import HOST, at_once, fetch, healthy, refusal, server

from deploy.dev.processes import free_port

NAME = "tumours"
PLOTS = {"confusion_matrix", "roc", "precision_recall", "calibration"}
OF_A_TREE = {"importances", "tree"}
OF_A_REGRESSION = {"coefficients"}
PNG = b"\x89PNG\r\n\x1a\n"
# MLFLOW_ALLOW_PICKLE_DESERIALIZATION=false would refuse .skops as well; an audit hook knows better.
PREDICT = """
import json, sys, mlflow, pandas as pd, mlflow.sklearn, skops.io


def no_pickle(event, _):
    if event == "pickle.find_class":
        raise RuntimeError("something was unpickled")


sys.addaudithook(no_pickle)
model = mlflow.pyfunc.load_model(sys.argv[1])
rows = json.load(sys.stdin)
frame = pd.DataFrame(rows["data"], columns=rows["columns"])
print(json.dumps(list(map(str, model.predict(frame)))))
"""
EVIL = """
import os, pathlib
pathlib.Path(os.environ["EVIL_MARK"]).touch()  # on import, as on unpickling


class Evil:
    def __init__(self):
        self.value = 1

    def predict(self, X):
        return X
"""


@pytest.fixture(scope="module")
def team(served):
    return served.within("evaluation")


@pytest.fixture(scope="module")
def trained(team):
    """A good regression on breast_cancer, a stump that is worse, and a tree to tamper with."""
    loaded = team.step("load_data", source="breast_cancer")
    data = {"data": loaded.run_id, "cv": 3}
    good, stump, victim = at_once(
        lambda: team.step("train_lr", **data),
        lambda: team.step("train_dt", max_depth=1, **data),
        lambda: team.step("train_dt", max_depth=4, data=loaded.run_id, cv=0),
    )
    assert [done.exit_code for done in (loaded, good, stump, victim)] == [0] * 4
    return {
        "data": loaded.run_id,
        "good": good.run_id,
        "stump": stump.run_id,
        "victim": victim.run_id,
    }


@pytest.fixture(scope="module")
def judged(team, trained):
    """Evaluations that register: the stump, the best, which are promoted, and the stump again."""
    runs, aliases = {}, {}
    careful = {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
    for name, chosen, promote in (
        ("stump", trained["stump"], "true"),
        ("best", "", "true"),
        ("stump again", trained["stump"], "false"),
    ):
        done = team.step(
            "evaluate", environment=careful, run_id=chosen, register_as=NAME, promote=promote
        )
        assert done.exit_code == 0, done.stderr
        runs[name] = done.run_id
        registered = team.client.get_registered_model(NAME).aliases
        aliases[name] = {alias: int(version) for alias, version in registered.items()}
    return runs, aliases


@pytest.fixture(scope="module")
def rows(team, trained):
    """Ten rows of the test part: features as `dataframe_split`, and their labels."""
    path = team.client.download_artifacts(trained["data"], "data/test.parquet")
    table = pq.read_table(path).slice(0, 10)
    columns = table.to_pydict()
    *features, target = table.column_names
    data = [list(row) for row in zip(*(columns[name] for name in features), strict=True)]
    return {"columns": features, "data": data}, columns[target]


@pytest.fixture(scope="module")
def loaded_predictions(team, judged, rows):
    """What `mlflow.pyfunc` predicts with the champion, in a process that cannot unpickle."""
    done = subprocess.run(
        [sys.executable, "-c", PREDICT, f"models:/{NAME}@champion"],
        input=json.dumps(rows[0]),
        env=team.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def scoring_server(team, judged, tmp_path_factory):
    """URL of `mlflow models serve` with the champion."""
    folder = tmp_path_factory.mktemp("serve")
    port = free_port()
    command = ["mlflow", "models", "serve", "-m", f"models:/{NAME}@champion", "-h", HOST]
    command += ["-p", str(port), "--env-manager", "local"]
    url = f"http://{HOST}:{port}"
    with server(
        command,
        lambda: healthy(f"{url}/health"),
        log=folder / "log",
        environment=team.environment,
        cwd=folder,
    ):
        yield url


def test_without_a_run_id_the_best_by_cross_validation_is_judged(team, trained, judged):
    scores = {name: team.metrics(trained[name])["cv_accuracy_mean"] for name in ("good", "stump")}
    (model,) = [
        data for data in team.record(judged[0]["best"])["inputs"] if data["name"] == "model"
    ]

    assert scores["good"] > scores["stump"]
    assert trained["good"] in model["uri"]


def test_test_metrics_are_on_both_runs(team, trained, judged):
    of_evaluation = team.metrics(judged[0]["best"])
    of_model = team.metrics(trained["good"])

    assert set(of_evaluation) >= {
        f"test_{name}"
        for name in ("accuracy", "balanced_accuracy", "f1_macro", "log_loss", "roc_auc", "mcc")
    }
    assert {name: of_model[name] for name in of_evaluation} == of_evaluation
    assert any("precision" in name for name in of_evaluation)
    assert any("recall" in name for name in of_evaluation)


def test_the_record_of_a_training_still_knows_nothing_of_the_test_part(team, trained, judged):
    assert not [
        name for name in team.record(trained["good"])["outputs"]["metrics"] if "test" in name
    ]


@pytest.mark.parametrize(("name", "own"), [("best", OF_A_REGRESSION), ("stump", OF_A_TREE)])
def test_plots_are_artifacts_of_the_evaluation(team, judged, name, own):
    run_id = judged[0][name]

    names = {file for file in team.artifacts(run_id) if file.startswith("plots/")}

    assert names == {f"plots/{plot}.png" for plot in PLOTS | own}
    for file in names:
        assert team.artifact(run_id, file).startswith(PNG)


def test_the_first_model_that_is_promoted_is_the_champion(judged):
    assert judged[1]["stump"] == {"candidate": 1, "champion": 1}


def test_a_better_model_that_is_promoted_is_the_champion(judged):
    assert judged[1]["best"] == {"candidate": 2, "champion": 2}


def test_a_model_that_is_not_promoted_is_the_candidate_only(judged):
    assert judged[1]["stump again"] == {"candidate": 1, "champion": 2}  # its version once more


def test_a_version_belongs_to_its_training_run(team, trained, judged):
    version = team.client.get_model_version_by_alias(NAME, "champion")

    assert version.run_id == trained["good"]


def test_judging_again_gives_the_same_outputs(team, judged):
    first, again = (team.record(judged[0][name])["outputs"] for name in ("stump", "stump again"))

    assert first == again


def test_pyfunc_loads_and_predicts_without_pickle(loaded_predictions, rows):
    _, labels = rows

    assert len(loaded_predictions) == len(labels)
    right = sum(a == str(b) for a, b in zip(loaded_predictions, labels, strict=True))
    assert right >= 8


def test_a_scoring_server_answers_with_the_same_predictions(
    scoring_server, rows, loaded_predictions
):
    answer = fetch(f"{scoring_server}/invocations", body={"dataframe_split": rows[0]})

    assert [str(label) for label in json.loads(answer)["predictions"]] == loaded_predictions


@pytest.fixture
def victim(team, trained, tracking_server):
    """The stored files of a model, put back after the test."""
    _, artifacts = tracking_server
    (output,) = team.client.get_run(trained["victim"]).outputs.model_outputs
    (folder,) = artifacts.rglob(f"{output.model_id}/artifacts")
    files = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    yield folder
    for path in folder.iterdir():
        path.unlink()
    for path, content in files.items():
        path.write_bytes(content)


@pytest.fixture
def evil(team, tmp_path):
    """Variables with which loading the class Evil leaves a mark, and that mark."""
    (tmp_path / "evil.py").write_text(EVIL)
    mark = tmp_path / "executed"
    return team.with_variables({"PYTHONPATH": str(tmp_path), "EVIL_MARK": str(mark)}), mark


class Bomb:
    """Unpickles by making a folder."""

    def __init__(self, path):
        self.path = os.fspath(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("named", ["model.skops", "model.pkl"])
def test_a_model_replaced_by_a_pickle_is_refused_unread(team, trained, victim, tmp_path, named):
    (victim / "model.skops").unlink()
    (victim / named).write_bytes(pickle.dumps(Bomb(tmp_path / "executed")))

    done = team.step("evaluate", run_id=trained["victim"])

    line = refusal(done, "evaluate")
    assert "expected" in line
    assert "Train the model again" in line or "train again" in line
    assert not (tmp_path / "executed").exists()
    assert team.status(done.run_id) == "FAILED"


def test_a_model_of_an_untrusted_type_is_refused_unread(trained, victim, evil):
    team, mark = evil
    script = "import sys, evil, skops.io; skops.io.dump(evil.Evil(), sys.argv[1])"
    made = team.execute([sys.executable, "-c", script, str(victim / "model.skops")])
    assert made.exit_code == 0, made.stderr
    mark.unlink()

    done = team.step("evaluate", run_id=trained["victim"])

    line = refusal(done, "evaluate")
    assert "expected a model of trusted types only" in line
    assert "evil.Evil" in line
    assert not mark.exists()
    assert team.status(done.run_id) == "FAILED"


def test_a_model_swapped_for_another_sound_one_is_refused(team, trained, victim, tracking_server):
    _, artifacts = tracking_server
    (output,) = team.client.get_run(trained["stump"]).outputs.model_outputs
    (other,) = artifacts.rglob(f"{output.model_id}/artifacts")
    (victim / "model.skops").write_bytes((other / "model.skops").read_bytes())

    done = team.step("evaluate", run_id=trained["victim"], register_as="swapped")

    line = refusal(done, "evaluate")
    assert "SHA-256 was" in line
    assert team.client.search_registered_models("name = 'swapped'") == []


@pytest.mark.parametrize("experiment", [{}, {"MLFLOW_EXPERIMENT_ID": "1"}])
def test_a_server_that_cannot_be_reached_is_said_in_one_line(served, experiment):
    nowhere = {
        "MLFLOW_TRACKING_URI": f"http://{HOST}:{free_port()}",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    }

    done = served.execute(["python", "-m", "steps.train_dt"], environment=nowhere | experiment)

    assert "MLFLOW_TRACKING_URI" in refusal(done, "train_dt")
