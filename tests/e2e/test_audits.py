"""`audit` says of every run of an experiment whether it can be made again, and makes some again."""

import csv
import json
import random
import re
from dataclasses import replace
from pathlib import Path

import pytest
from driving import at_once, refusal

FIELDS = [
    *("run_id", "entry_point", "name", "status", "start_time", "commit"),
    *("replayable", "reasons", "verdict", "replayed_by"),
]


class Team:
    """An experiment with a load, trainings on it and on a file, edits, failures and plain runs."""

    def __init__(self, project, tables):
        self.project, self.tables = project, tables
        self.name = project.client.get_experiment(project.experiment_id).name
        self.ids = {}

    def make(self):
        project = self.project
        self.ids["loaded"], self.ids["failed"] = (
            done.run_id
            for done in at_once(
                lambda: project.step("load_data", source=self.tables[0]),
                lambda: project.mlflow_run("-e", "train_dt", "-P", "max_depth=banana"),
            )
        )
        self.ids["trained"], self.ids["of a file"] = (
            done.run_id
            for done in at_once(
                lambda: project.step("train_dt", data=self.ids["loaded"], max_depth=2),
                lambda: project.step("load_data", source=self.tables[1], seed=7),
            )
        )
        models = project.folder / "steps" / "models.py"
        kept = models.read_text(encoding="utf-8")
        models.write_text(f"{kept}\n# an edit\n", encoding="utf-8")
        self.ids["edited"] = project.step("train_dt", data=self.ids["loaded"]).run_id
        models.write_text(kept, encoding="utf-8")
        self.ids["running"] = project.client.create_run(
            project.experiment_id, tags={"mlflow.project.entryPoint": "train_dt"}
        ).info.run_id
        return self

    def audit(self, **parameters):
        """Audit the experiment from another one, and return how that ended and its rows."""
        done = replace(self.project.with_variables({"MLFLOW_EXPERIMENT_ID": "0"})).step(
            "audit", experiment=self.name, **parameters
        )
        run_id = (
            replace(self.project, experiment_id="0")
            .search("tags.`mlflow.project.entryPoint` = 'audit'")[0]
            .info.run_id
        )
        return done, self.rows(run_id)

    def rows(self, run_id):
        """The rows of an audit's CSV, by run id."""
        text = self.project.artifact(run_id, "audit.csv").decode()
        return {row["run_id"]: row for row in csv.DictReader(text.splitlines(keepends=True))}

    def row(self, rows, name):
        return rows[self.ids[name]]

    def artifacts(self, name):
        """Folder with the artifacts of a run."""
        uri = self.project.client.get_run(self.ids[name]).info.artifact_uri
        return Path(uri.removeprefix("file://"))


@pytest.fixture(scope="module")
def team(clone, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    tables = [folder / "first.csv", folder / "second.csv"]
    for number, table in enumerate(tables):
        rows = [f"{i + number},{i % 7},{'ab'[i % 2]}" for i in range(40)]
        table.write_text("\n".join(["length,width,kind", *rows]) + "\n")
    return Team(clone.within("audited"), tables).make()


@pytest.fixture(scope="module")
def sound(team):
    """An audit of an experiment that nothing has happened to, with two replays."""
    beside = ("-P", f"allow_path={team.tables[0].parent}")
    done = team.project.mlflow_run("-e", "audit", "-P", "replay=2", "-P", "seed=5", *beside)
    return done, team.rows(done.run_id)


@pytest.fixture(scope="module")
def damaged(team, sound):
    """An audit after a source, a stored part, a bundle, a lock and a record were damaged."""
    team.tables[0].unlink()
    team.tables[1].write_text("length,width,kind\n1,2,a\n")
    (team.artifacts("loaded") / "data" / "train.parquet").unlink()
    (team.artifacts("edited") / "code" / "snapshot.bundle").unlink()
    copied = team.project.client.create_run(team.project.experiment_id)
    team.ids["copied"] = copied.info.run_id
    record = team.project.record(team.ids["of a file"])
    record["environment"]["lock_sha256"] = "0" * 64
    team.project.client.log_text(copied.info.run_id, json.dumps(record), "provenance.json")
    team.project.client.set_terminated(copied.info.run_id)
    return team.audit(replay=1, allow_path=team.tables[0].parent)


def test_exits_0_when_all_runs_can_be_made_again_and_are_the_same(sound):
    done, _ = sound

    assert done.exit_code == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_the_csv_has_every_run_but_the_audit_itself(team, sound):
    done, rows = sound

    assert list(next(iter(rows.values()))) == FIELDS
    assert set(team.ids.values()) == set(rows)
    assert done.run_id not in rows


def test_finished_runs_can_be_made_again(team, sound):
    _, rows = sound

    found = {name: team.row(rows, name) for name in ("loaded", "trained", "of a file", "edited")}
    assert {name: (r["replayable"], r["reasons"]) for name, r in found.items()} == dict.fromkeys(
        found, ("yes", "")
    )
    assert found["trained"]["commit"] == team.project.git("rev-parse", "HEAD")
    assert found["edited"]["commit"] == team.project.tags(team.ids["edited"])["reprise.commit"]


def test_runs_without_a_result_are_listed_as_such(team, sound):
    _, rows = sound

    failed, running = team.row(rows, "failed"), team.row(rows, "running")
    assert (failed["status"], failed["replayable"]) == ("FAILED", "did not finish")
    assert "max_depth must be a whole number" in failed["reasons"]
    assert (running["status"], running["replayable"]) == ("RUNNING", "still running")


def test_the_seed_chooses_which_runs_are_made_again(team, sound):
    _, rows = sound

    able = sorted(run_id for run_id, row in rows.items() if row["replayable"] == "yes")
    chosen = {run_id: row for run_id, row in rows.items() if row["verdict"]}
    assert set(chosen) == set(random.Random(5).sample(able, 2))
    for run_id, row in chosen.items():
        assert row["verdict"] == "identical"
        assert team.project.tags(row["replayed_by"])["reprise.replay_of"] == run_id


def test_the_table_tells_the_same(team, sound):
    done, rows = sound

    first_lines = [line for line in done.stdout.splitlines() if re.match("│ [0-9a-f]{8} ", line)]
    lines = {line.split()[1]: line for line in first_lines}
    assert set(lines) == {run_id[:8] for run_id in rows}
    for run_id, row in rows.items():
        assert row["replayable"] in lines[run_id[:8]]
        assert ("identical" in lines[run_id[:8]]) is (row["verdict"] == "identical")


def test_exits_1_with_one_line_when_runs_cannot_be_made_again(team, damaged):
    done, rows = damaged

    lost = [row for row in rows.values() if row["replayable"] == "no"]
    finished = [row for row in rows.values() if row["status"] == "FINISHED"]
    assert done.exit_code == 1
    assert refusal(done, "audit").startswith(
        f"expected that every run of experiment {team.name} can be reproduced, found that "
        f"{len(lost)} of {len(finished)} finished runs cannot be reproduced"
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("loaded", ["data: ", "found nothing at", "first.csv"]),
        ("of a file", ["data: the input source", "second.csv", "changed since it was recorded"]),
        ("trained", ["data: expected the artifact data/train.parquet", "It was deleted"]),
        ("edited", ["code: expected the artifact code/snapshot.bundle", "data: "]),
        ("copied", ["environment: expected 'requirements.txt' with SHA-256 0000", "data: "]),
    ],
)
def test_says_what_has_been_lost(team, damaged, name, words):
    done, rows = damaged

    row = team.row(rows, name)
    assert row["replayable"] == "no"
    assert [word for word in words if word not in row["reasons"]] == []
    assert words[1] in done.stdout


def test_the_replays_of_an_earlier_audit_are_runs_of_the_experiment_too(sound, damaged):
    replays = {row["replayed_by"] for row in sound[1].values() if row["verdict"]}

    assert replays < set(damaged[1])


def test_the_repository_is_left_as_it_was(team, damaged):
    assert team.project.git("status", "--porcelain") == ""
    assert team.project.git("worktree", "list").count("\n") == 0


def test_an_unknown_experiment_is_refused_with_the_nearest_name(team, sound):
    done = team.project.step("audit", experiment=f"{team.name}x")

    assert f"Did you mean '{team.name}'?" in refusal(done, "audit")
    assert done.exit_code == 2
