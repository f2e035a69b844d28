"""Tables as people have them: mixed types, missing values, odd names, the same content twice."""

import csv
import datetime as dt
import shutil

import pytest
from driving import at_once, unquoted

ODD_NAME = """a "double" 'single' $(touch pwned) `touch pwned` & ü;\\ {x}.csv"""
TARGET = "-plays"
ROWS = 90


def write_table(path):
    """Write numbers, text, booleans and dates, of which some are missing."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["temperature", "outlook", "windy", "day", "größe, in m", TARGET])
        for i in range(ROWS):
            warm = i % 3 > 0
            writer.writerow(
                [
                    "" if i % 11 == 0 else 15 + 10 * warm + i % 7 / 10,
                    "" if i % 13 == 0 else ("sunny", "over, cast", 'rai"ny')[i % 3],
                    "" if i % 17 == 0 else str(i % 2 == 0).lower(),
                    "" if i % 19 == 0 else dt.date(2024, 1, 1) + dt.timedelta(days=i),
                    i / 8,
                    "yes" if warm else "no",
                ]
            )


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The same table under an odd name and under a plain one."""
    folder = tmp_path_factory.mktemp("tables")
    write_table(folder / ODD_NAME)
    shutil.copy(folder / ODD_NAME, folder / "plain.csv")
    return {"odd": str(folder / ODD_NAME), "plain": str(folder / "plain.csv")}


@pytest.fixture(scope="module")
def odd(experiment, files):
    """The oddly named file, loaded by `mlflow run` with an oddly named target."""
    words = ["-P", f"source={files['odd']}", "-P", f"target={TARGET}"]
    done = experiment.mlflow_run("-e", "load_data", *words)
    assert done.exit_code == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def plain(experiment, files, odd):
    """The same content under another name, loaded later."""
    done = experiment.step("load_data", source=files["plain"])
    assert done.exit_code == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def trained(experiment, files, odd, plain):
    """A tree trained on the file by name, a regression on the load_data run, both evaluated."""

    def train_and_judge(entry_point, data):
        training = experiment.step(entry_point, data=data)
        assert training.exit_code == 0, training.stderr
        return training, experiment.step("evaluate", run_id=training.run_id)

    tree, regression = at_once(
        lambda: train_and_judge("train_dt", files["plain"]),
        lambda: train_and_judge("train_lr", f"runs:/{odd.run_id}"),
    )
    return {"train_dt": tree, "train_lr": regression}


def test_values_survive_mlflow_run_unchanged(experiment, files, odd):
    step = experiment.record(odd.run_id)["step"]

    assert step["raw_parameters"]["source"] == files["odd"]
    assert step["raw_parameters"]["target"] == TARGET
    assert step["parameters"]["source"] == files["odd"]
    assert unquoted(experiment.client.get_run(odd.run_id).data.params) == step["raw_parameters"]


def test_nothing_in_a_value_is_run(experiment, files, odd):
    assert not list(experiment.folder.rglob("pwned"))


def test_the_input_is_on_the_record_by_content(experiment, odd, plain):
    (first,), (second,) = (experiment.record(each.run_id)["inputs"] for each in (odd, plain))

    assert first["sha256"] == second["sha256"]
    assert (first["rows"], first["columns"]) == (ROWS, 6)


def test_the_same_content_is_stored_once(experiment, odd, plain):
    assert experiment.tags(odd.run_id)["reprise.stored_in"] == odd.run_id
    assert experiment.tags(plain.run_id)["reprise.stored_in"] == odd.run_id
    assert "data/train.parquet" in experiment.artifacts(odd.run_id)
    assert not [name for name in experiment.artifacts(plain.run_id) if name.endswith(".parquet")]


def test_the_same_content_has_the_same_digests(experiment, odd, plain):
    first, second = (experiment.record(each.run_id)["outputs"] for each in (odd, plain))

    assert first == second
    assert set(first["artifacts"]) >= {"train", "test"}


@pytest.mark.parametrize("entry_point", ["train_dt", "train_lr"])
def test_mixed_columns_with_missing_values_train_and_evaluate(experiment, trained, entry_point):
    training, judged = trained[entry_point]

    assert judged.exit_code == 0, judged.stderr
    assert experiment.metrics(training.run_id)["test_accuracy"] > 0.8
    assert experiment.metrics(judged.run_id)["test_accuracy"] > 0.8
    assert experiment.record(training.run_id)["outputs"]["predictions"]


def test_training_by_name_reuses_what_is_loaded(experiment, trained, plain):
    training, _ = trained["train_dt"]

    assert experiment.children(training.run_id) == []
    assert len(experiment.search("tags.`mlflow.project.entryPoint` = 'load_data'")) == 2


def test_both_trainings_read_the_same_data_and_name_the_run_that_loaded_it(
    experiment, trained, odd, plain
):
    (tree,), (regression,) = (experiment.record(t.run_id)["inputs"] for t, _ in trained.values())

    assert tree["sha256"] == regression["sha256"]
    assert tree["uri"].split("/")[1] in (odd.run_id, plain.run_id)
    assert regression["uri"] == f"runs:/{odd.run_id}/data/train.parquet"
