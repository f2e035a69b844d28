"""What stands in the way of a replay is found without running anything: reprise/audit.py."""

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from repositories import commit_all, git, make_repository, publish

from reprise import tracking
from reprise.capture import code
from reprise.data import splits
from reprise.errors import AuditError, TrackingError
from reprise.models import model_store
from reprise.record.digest import sha256_file
from reprise.record.schema import InputData
from reprise.record.verdict import Cause, Judgement, Verdict
from reprise.replay import audit, audit_report
from reprise.replay.verdicts import Replay
from steps.models import decision_tree
from steps.parameters import (
    EvaluateParameters,
    LoadDataParameters,
    MainParameters,
    TrainDecisionTreeParameters,
)

TABLE = pa.table({"x": [1.0, 2.0, 3.0], "y": ["a", "b", "a"]})
MLPROJECT = """\
name: tested
entry_points:
  main: {command: "python -m steps.main"}
  load_data: {command: "python -m steps.load_data"}
  train_dt: {command: "python -m steps.train_dt"}
  evaluate: {command: "python -m steps.evaluate"}
"""


@pytest.fixture
def repository(plain_git, tmp_path, monkeypatch):
    """A repository with an origin that has it, and this process in it."""
    folder = make_repository(tmp_path / "project")
    (folder / "MLproject").write_text(MLPROJECT)
    (folder / "requirements.txt").write_text("numpy==2.4.6\n")
    (folder / "steps").mkdir()
    for name in ("main", "load_data", "train_dt", "evaluate"):
        (folder / "steps" / f"{name}.py").touch()
    (folder / "table.csv").write_text("x,y\n1,a\n")
    commit_all(folder, "a project")
    publish(folder, tmp_path / "origin.git")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def make(store, recording, record_of, repository):
    """Record a finished run of the code as it is, and return its id."""

    def make(parameters=None, *, inputs=(), work=lambda _: None, tags=None, **changes):
        parameters = parameters or TrainDecisionTreeParameters()
        environment = record_of(parameters).environment.model_copy(
            update={"lock_sha256": sha256_file(repository / "requirements.txt")}
        )
        fields = {"code": code.describe(repository), "environment": environment, **changes}
        with recording(parameters, **fields) as run:
            for item in inputs:
                run.add_input(item, context="source")
            work(run)
            run.log_metrics({"accuracy": 0.5})
            run.set_tags(tracking.describe_source(store.run(run.run_id), run.record.code))
            run.set_tags(tags or {})
        return run.run_id

    return make


@pytest.fixture
def load(make):
    """Record a load_data run, and return its id."""

    def load(table=TABLE):
        parts = [("train", table), ("test", table)]
        return make(
            LoadDataParameters(), work=lambda run: splits.store(run, parts, {"target": "y"})
        )

    return load


@pytest.fixture
def train(make):
    """Record a training run that reads a load_data run, and return its id."""

    def train(load_run_id, **changes):
        return make(work=lambda run: splits.read(run, load_run_id, splits.TRAIN), **changes)

    return train


@pytest.fixture
def look(store, tmp_path):
    """Audit the experiment, and return the finding of a run."""

    def look(run_id, **options):
        options.setdefault("paths", (str(tmp_path),))  # beside the project
        found = audit.check(tracking.all_runs(store.experiment_id), **options)
        return next(finding for finding in found if finding.run_id == run_id)

    return look


def carried(repository, store, make):
    """Record a run of a tree with edits, whose commit only its bundle has."""
    with code.capture(repository) as captured:
        run_id = make(
            code=captured.code.model_copy(
                update={"bundle": f"runs:/{_next_id(store, make)}/code/snapshot.bundle"}
            )
        )
        holder = tracking.read_record(run_id).code.bundle.split("/")[1]
        captured.write_bundle(store.artifacts(holder) / "code" / "snapshot.bundle")
    return run_id, store.artifacts(holder) / "code" / "snapshot.bundle"


def _next_id(store, make):
    """Make the run that carries a bundle, with a folder for it."""
    run_id = make()
    (store.artifacts(run_id) / "code").mkdir(parents=True)
    return run_id


def source(uri, sha256="0" * 64):
    return InputData(name="source", uri=str(uri), sha256=sha256)


def reasons(finding):
    return [(reason.kind, reason.text) for reason in finding.reasons]


def only(finding):
    """The single reason why a run cannot be made again."""
    assert finding.answer == "no"
    (reason,) = finding.reasons
    return reason.kind, reason.text


class TestSound:
    def test_a_run_with_its_code_lock_and_data_can_be_made_again(self, look, load, train):
        finding = look(train(load()))

        assert (finding.answer, finding.reasons) == ("yes", ())

    def test_so_can_a_run_whose_edits_are_in_its_bundle(self, repository, store, make, look):
        (repository / "train.py").write_text("depth = 4\n")

        run_id, _ = carried(repository, store, make)

        assert look(run_id).answer == "yes"

    def test_a_built_in_source_comes_with_the_environment(self, make, look):
        assert look(make(inputs=[source("sklearn:iris")])).answer == "yes"

    def test_a_source_is_found_in_the_code_of_the_run(self, repository, make, look):
        run_id = make(inputs=[source("table.csv", sha256_file(repository / "table.csv"))])
        (repository / "table.csv").write_text("x,y\n2,b\n")

        assert look(run_id).answer == "yes"

    def test_a_source_that_git_ignores_is_found_in_this_folder(self, repository, make, look):
        (repository / "rows.log").write_text("x,y\n1,a\n")

        run_id = make(inputs=[source("rows.log", sha256_file(repository / "rows.log"))])

        assert look(run_id).answer == "yes"

    def test_leaves_nothing_behind(self, look, load, train, temporary):
        look(train(load()))

        assert list(temporary.iterdir()) == []


class TestCode:
    def test_a_commit_that_nobody_has(self, make, repository, look):
        nobody = code.describe(repository).model_copy(update={"commit": "1" * 40, "tree": None})

        kind, text = only(look(make(code=nobody)))

        assert kind == "code"
        assert text.startswith(f"expected commit {'1' * 40} in this clone or at its remote")

    def test_a_commit_that_only_origin_has_can_be_had(self, make, repository, look):
        git(repository, "commit", "--quiet", "--allow-empty", "--message=lost here")
        git(repository, "push", "--quiet")
        run_id = make()
        git(repository, "reset", "--quiet", "--hard", "HEAD^")
        git(repository, "update-ref", "-d", "refs/remotes/origin/main")
        git(repository, "reflog", "expire", "--expire=now", "--all")
        git(repository, "gc", "--quiet", "--prune=now")

        assert look(run_id).answer == "yes"

    def test_a_bundle_that_is_gone(self, repository, store, make, look):
        (repository / "train.py").write_text("depth = 4\n")
        run_id, bundle = carried(repository, store, make)
        bundle.unlink()

        kind, text = only(look(run_id))

        assert kind == "code"
        assert text.startswith("expected the artifact code/snapshot.bundle of run")

    def test_a_bundle_that_is_damaged(self, repository, store, make, look):
        (repository / "train.py").write_text("depth = 4\n")
        run_id, bundle = carried(repository, store, make)
        bundle.write_bytes(bundle.read_bytes()[:-30])

        kind, text = only(look(run_id))

        assert kind == "code"
        assert "found a damaged one" in text

    def test_the_bundle_of_another_run_does_not_stand_in_for_one_that_is_gone(
        self, repository, store, make, look
    ):
        (repository / "train.py").write_text("depth = 4\n")
        commit_all(repository, "unpushed")
        first, bundle = carried(repository, store, make)
        (repository / "train.py").write_text("depth = 5\n")
        second, _ = carried(repository, store, make)
        git(repository, "reset", "--quiet", "--hard", "origin/main")
        git(repository, "reflog", "expire", "--expire=now", "--all")
        git(repository, "gc", "--quiet", "--prune=now")
        bundle.unlink()

        assert look(first).answer == "no"
        assert look(second).answer == "yes"

    def test_a_tree_that_is_not_the_commit_s(self, make, repository, look):
        altered = code.describe(repository).model_copy(update={"tree": "2" * 40})

        kind, text = only(look(make(code=altered)))

        assert (kind, text[:13]) == ("code", "expected tree")

    def test_code_of_another_repository_unless_it_is_named(self, make, repository, look, tmp_path):
        other = make_repository(tmp_path / "other")
        for name in ("MLproject", "requirements.txt"):
            shutil.copy(repository / name, other / name)
        shutil.copytree(repository / "steps", other / "steps")
        commit_all(other)
        publish(other, tmp_path / "other.git")
        run_id = make(code=code.describe(other))

        refused, allowed = look(run_id), look(run_id, allowed=str(tmp_path / "other.git"))

        assert "expected a run of the current repository" in only(refused)[1]
        assert allowed.answer == "yes"

    def test_an_entry_point_that_the_commit_does_not_have(self, repository, make, look):
        (repository / "MLproject").write_text("name: tested\nentry_points: {}\n")
        commit_all(repository)

        kind, text = only(look(make()))

        assert kind == "code"
        assert "expected the entry point train_dt" in text

    def test_a_run_that_was_made_outside_git(self, make, look):
        kind, text = only(look(make(code=code.UNKNOWN)))

        assert kind == "code"
        assert "made outside git" in text


class TestEnvironment:
    @pytest.mark.parametrize("there", [True, False], ids=["another lock", "no lock"])
    def test_a_lock_that_is_not_the_recorded_one(self, repository, make, look, record_of, there):
        environment = record_of(TrainDecisionTreeParameters()).environment
        if not there:
            (repository / "requirements.txt").rename(repository / "kept.log")
            commit_all(repository)
            shutil.copy(repository / "kept.log", repository / "requirements.txt")
            lock = sha256_file(repository / "kept.log")
            environment = environment.model_copy(update={"lock_sha256": lock})

        kind, text = only(look(make(environment=environment, code=_head(repository))))

        assert kind == "environment"
        assert f"SHA-256 {environment.lock_sha256}" in text
        assert ("found none" in text) is not there


def _head(repository):
    return code.describe(repository).model_copy(update={"dirty": False})


class TestData:
    @pytest.fixture
    def loaded(self, load):
        return load()

    def test_a_stored_part_that_is_gone(self, store, look, loaded, train):
        run_id = train(loaded)
        (store.artifacts(loaded) / "data" / "train.parquet").unlink()

        kind, text = only(look(run_id))

        assert kind == "data"
        assert text.startswith(f"expected the artifact data/train.parquet of run {loaded}")

    @pytest.mark.parametrize("change", ["a value", "its end"])
    def test_a_stored_part_that_was_altered(self, store, look, loaded, train, change):
        run_id = train(loaded)
        path = store.artifacts(loaded) / "data" / "train.parquet"
        if change == "a value":
            pq.write_table(TABLE.slice(1), path)
        else:
            path.write_bytes(path.read_bytes()[:-1])

        kind, text = only(look(run_id))

        assert kind == "data"
        assert "data/train.parquet" in text
        assert "changed since it was recorded" in text

    def test_what_another_load_refers_to_is_looked_at_where_it_is(self, store, look, load, train):
        first, second = load(), load()
        run_id = train(second)

        assert look(run_id).answer == "yes"
        (store.artifacts(first) / "data" / "train.parquet").unlink()
        assert only(look(run_id))[0] == "data"

    def test_a_load_whose_record_is_gone(self, store, look, loaded, train):
        run_id = train(loaded)
        (store.artifacts(loaded) / "provenance.json").unlink()

        kind, text = only(look(run_id))

        assert kind == "data"
        assert f"found run {loaded} without provenance.json" in text

    def test_a_load_that_now_records_another_digest(self, store, look, loaded, train):
        run_id = train(loaded)
        record = tracking.read_record(loaded)
        outputs = record.outputs.model_copy(
            update={"artifacts": {**record.outputs.artifacts, "train": "3" * 64}}
        )
        tracking.log_text(
            loaded, "provenance.json", record.model_copy(update={"outputs": outputs}).to_json()
        )

        kind, text = only(look(run_id))

        assert kind == "data"
        assert f"is {'3' * 64}" in text

    def test_a_source_that_is_gone(self, make, look, tmp_path):
        kind, text = only(look(make(inputs=[source(tmp_path / "none.csv")])))

        assert kind == "data"
        assert "found nothing at" in text

    def test_a_source_that_was_altered(self, make, look, tmp_path):
        (tmp_path / "table.csv").write_text("x,y\n1,a\n")
        run_id = make(inputs=[source(tmp_path / "table.csv", "4" * 64)])

        kind, text = only(look(run_id))

        assert kind == "data"
        assert f"SHA-256 was {'4' * 64}, is " in text

    def test_every_reason_is_told(self, make, look, tmp_path, record_of):
        environment = record_of(TrainDecisionTreeParameters()).environment
        gone = [source(tmp_path / "a"), source(tmp_path / "b")]
        run_id = make(environment=environment, inputs=gone)

        assert [kind for kind, _ in reasons(look(run_id))] == ["environment", "data", "data"]

    def test_the_same_content_is_fetched_once(self, store, look, loaded, train, monkeypatch):
        fetched = []
        real = tracking.artifact

        def artifact(*names, **limits):
            fetched.append(names)
            return real(*names, **limits)

        monkeypatch.setattr("reprise.tracking.artifact", artifact)
        monkeypatch.setattr("reprise.tracking.artifacts.artifact", artifact)

        run_ids = [train(loaded) for _ in range(3)]
        fetched.clear()
        findings = audit.check(tracking.all_runs(store.experiment_id))

        assert {f.run_id for f in findings if f.answer == "yes"} >= set(run_ids)
        assert fetched.count((loaded, "data/train.parquet")) == 1


class TestModels:
    X = pd.DataFrame({"length": [1.0, 2.0, 3.0, 4.0]})
    Y = np.array(["a", "a", "b", "b"], dtype=object)

    @pytest.fixture
    def trained(self, make):
        parameters = TrainDecisionTreeParameters()
        model = decision_tree(parameters, self.X).fit(self.X, self.Y)
        return make(parameters, work=lambda run: model_store.log_model(run, model, self.X))

    @pytest.fixture
    def evaluated(self, make, trained, record_of):
        """Record an evaluation, made with other packages or the ones here."""
        from reprise.capture import environment

        def evaluated(installed):
            recorded = tracking.read_record(trained)
            item = InputData(
                name="model", uri=f"runs:/{trained}/model", sha256=recorded.outputs.model
            )
            here = environment.describe(Path.cwd()).packages
            packages = {**here, **installed}
            described = recorded.environment.model_copy(update={"packages": packages})
            return make(EvaluateParameters(), inputs=[item], environment=described)

        return evaluated

    @staticmethod
    def file(store, trained):
        return (
            store.folder / "models" / model_store.model_id_of(trained) / "artifacts" / "model.skops"
        )

    def test_a_model_that_is_as_recorded(self, evaluated, look):
        assert look(evaluated({})).answer == "yes"

    def test_a_model_that_is_gone(self, store, trained, evaluated, look):
        run_id = evaluated({})
        self.file(store, trained).unlink()

        assert only(look(run_id))[0] == "data"

    def test_a_model_that_is_another(self, store, make, trained, evaluated, look):
        run_id = evaluated({})
        other = decision_tree(TrainDecisionTreeParameters(max_depth=1), self.X)
        other.fit(self.X, self.Y[::-1])
        another = make(work=lambda run: model_store.log_model(run, other, self.X))
        shutil.copy(self.file(store, another), self.file(store, trained))

        kind, text = only(look(run_id))

        assert kind == "data"
        assert f"of run {trained} changed since it was recorded" in text

    def test_a_model_of_other_packages_is_not_loaded_but_must_be_there(
        self, store, trained, evaluated, look
    ):
        run_id = evaluated({"scikit-learn": "0.1"})
        self.file(store, trained).write_bytes(b"a format of the time")

        finding = look(run_id)
        self.file(store, trained).unlink()
        gone = look(run_id)

        assert finding.answer == "yes"
        assert [kind for kind, _ in reasons(finding)] == ["note"]
        assert "scikit-learn 0.1" in finding.reasons[0].text
        assert [kind for kind, _ in reasons(gone)] == ["data", "note"]


class TestRecord:
    def test_one_that_is_damaged(self, store, make, look):
        run_id = make()
        (store.artifacts(run_id) / "provenance.json").write_text("{")

        kind, text = only(look(run_id))

        assert kind == "record"
        assert "It is damaged." in text

    def test_one_that_is_gone(self, store, make, look):
        run_id = make()
        (store.artifacts(run_id) / "provenance.json").unlink()

        assert only(look(run_id)) == (
            "record",
            "expected the run's provenance.json, found that it is gone.",
        )

    def test_a_plain_mlflow_run_is_made_again_as_best_one_can(self, store, repository, look):
        run_id = plain(store, repository)

        finding = look(run_id)

        assert finding.answer == "best effort"
        assert "not known: uncommitted edits, data, environment" in finding.reasons[0].text

    def test_a_plain_run_of_a_commit_that_nobody_has_is_not(self, store, repository, look):
        run_id = plain(store, repository, **{"mlflow.source.git.commit": "5" * 40})

        finding = look(run_id)

        assert finding.answer == "no"
        assert [kind for kind, _ in reasons(finding)] == ["note", "code"]

    def test_a_run_that_was_made_interactively_is_not(self, store, repository, look):
        run_id = plain(store, repository, **{"mlflow.project.entryPoint": ""})

        assert "made interactively" in only(look(run_id))[1]


def plain(store, repository, **changes):
    """Make a run as stock `mlflow run` leaves it."""
    tags = {
        "mlflow.source.git.commit": git(repository, "rev-parse", "HEAD"),
        "mlflow.source.name": str(repository),
        "mlflow.project.entryPoint": "train_dt",
        **changes,
    }
    return store.make_run(tags=tags, metrics={"accuracy": 1.0})


class TestWhichRuns:
    @pytest.mark.parametrize(
        ("status", "answer"),
        [
            ("RUNNING", "still running"),
            ("SCHEDULED", "still running"),
            ("FAILED", "did not finish"),
            ("KILLED", "did not finish"),
        ],
    )
    def test_a_run_that_has_not_finished_is_not_one_that_cannot_be_made_again(
        self, store, repository, look, status, answer
    ):
        run_id = store.make_run(status="RUNNING", tags={"mlflow.project.entryPoint": "train_dt"})
        store.client.update_run(run_id, status=status)

        assert look(run_id).answer == answer

    def test_entry_points_that_are_left_out_are_known_by_tag_or_by_record(self, store, make):
        ours = make(LoadDataParameters())
        store.client.delete_tag(ours, "mlflow.project.entryPoint")
        store.make_run(tags={"mlflow.project.entryPoint": "load_data"})
        kept = make()

        found = audit.check(tracking.all_runs(store.experiment_id), without={"load_data"})

        assert [finding.run_id for finding in found] == [kept]

    def test_findings_are_in_the_order_in_which_the_runs_started(self, store, make, repository):
        first, failed, last = make(), store.make_run(status="FAILED"), make(code=code.UNKNOWN)

        found = audit.check(tracking.all_runs(store.experiment_id))

        assert [finding.run_id for finding in found] == [first, failed, last]

    def test_all_pages_of_runs_are_read(self, store, monkeypatch):
        monkeypatch.setattr("reprise.tracking.server._PAGE", 2)
        made = [store.make_run(start_time=time) for time in range(1, 6)]

        assert [run.info.run_id for run in tracking.all_runs(store.experiment_id)] == made


class TestRunsBelow:
    @pytest.fixture
    def parent(self, make):
        return make(MainParameters())

    def test_a_run_cannot_be_made_again_if_one_that_it_makes_cannot(
        self, make, look, parent, tmp_path
    ):
        lost = make(
            LoadDataParameters(),
            inputs=[source(tmp_path / "none.csv")],
            tags={tracking.PARENT: parent},
        )

        assert only(look(parent)) == (
            "child runs",
            f"it has child runs that cannot be reproduced: {lost}.",
        )

    def test_but_a_run_whose_output_it_has_read_need_not_be_made_again(
        self, store, make, look, parent, tmp_path
    ):
        parts = [("train", TABLE), ("test", TABLE)]
        loaded = make(
            LoadDataParameters(),
            inputs=[source(tmp_path / "none.csv")],
            work=lambda run: splits.store(run, parts, {"target": "y"}),
            tags={tracking.PARENT: parent},
        )
        read = InputData(
            name="train",
            uri=f"runs:/{loaded}/data/train.parquet",
            sha256=tracking.read_record(loaded).outputs.artifacts["train"],
        )
        record = tracking.read_record(parent).model_copy(update={"inputs": (read,)})
        tracking.log_text(parent, "provenance.json", record.to_json())

        assert look(loaded).answer == "no"
        assert look(parent).answer == "yes"

    def test_a_run_below_that_did_not_finish_changes_nothing(self, store, look, parent):
        store.make_run(status="KILLED", tags={tracking.PARENT: parent})

        assert look(parent).answer == "yes"


class TestExperiment:
    def test_is_found_by_its_name(self, store):
        assert tracking.experiment_id("tests") == store.experiment_id
        assert tracking.experiment_name(store.experiment_id) == "tests"

    def test_an_unknown_name_is_refused_with_the_nearest(self, store):
        store.client.create_experiment("irises")

        with pytest.raises(TrackingError, match=r"found 'iris', .*Did you mean 'irises'"):
            tracking.experiment_id("iris")

    def test_a_deleted_one_is_refused(self, store):
        store.client.delete_experiment(store.client.create_experiment("old"))

        with pytest.raises(TrackingError, match="'old', which has been deleted"):
            tracking.experiment_id("old")


class TestReport:
    @pytest.fixture
    def findings(self, store):
        def finding(answer, *, verdict=None, name="a run", reasons=()):
            run = store.run(store.make_run(start_time=1000, tags={"mlflow.runName": name}))
            judgement = verdict and Judgement(
                verdict=verdict, causes=(Cause(kind="seed", name="s", recorded="1", found="2"),)
            )
            replay = verdict and Replay("", run.info.run_id, "f" * 32, judgement)
            return audit.Finding(run, audit.Answer(answer), reasons, replay=replay)

        return finding

    def test_is_good_when_all_are_replayable_and_identical(self, findings):
        good = [
            findings("yes", verdict=Verdict.IDENTICAL),
            findings("best effort"),
            findings("did not finish"),
            findings("still running"),
        ]

        audit_report.raise_unless_good(good, "iris")
        audit_report.raise_unless_good([], "iris")

    @pytest.mark.parametrize("verdict", [v for v in Verdict if v is not Verdict.IDENTICAL], ids=str)
    def test_is_not_good_when_a_replay_was_not_identical(self, findings, verdict):
        bad = findings("yes", verdict=verdict)

        with pytest.raises(AuditError, match=f"1 of 1 replays.*{bad.run_id}: {verdict}") as raised:
            audit_report.raise_unless_good([bad, findings("yes")], "iris")

        assert raised.value.exit_code == 1

    def test_is_not_good_when_a_run_cannot_be_made_again(self, findings):
        with pytest.raises(AuditError, match="2 of 3 finished runs cannot be reproduced"):
            audit_report.raise_unless_good(
                [findings("yes"), *(findings("no") for _ in range(2)), findings("did not finish")],
                "iris",
            )

    def test_the_csv_has_a_row_for_each_run(self, findings):
        reason = audit.Reason("data", 'it is "gone", they say')
        found = [
            findings("no", name="a, b\nc", reasons=(reason,)),
            findings("yes", verdict=Verdict.DIFFERENT),
        ]

        rows = list(csv.DictReader(audit_report.as_csv(found).splitlines(keepends=True)))

        assert rows[0]["name"] == "a, b\nc"
        assert rows[0]["reasons"] == 'data: it is "gone", they say'
        assert rows[0]["start_time"] == "1970-01-01T00:00:01.000+00:00"
        assert [row["replayable"] for row in rows] == ["no", "yes"]
        assert [row["verdict"] for row in rows] == ["", "different"]
        assert [row["replayed_by"] for row in rows] == ["", "f" * 32]

    def test_the_same_reason_is_printed_once(self, findings, capsys):
        reason = audit.Reason("code", "expected commit x, found none.")
        lost = [findings("no", reasons=(reason,)) for _ in range(7)]

        audit_report.show(lost, "iris")

        shown = capsys.readouterr().out
        assert shown.count("expected commit x") == 1
        assert f"runs: {', '.join(f.run_id for f in lost[:5])} and 2 more" in shown

    def test_the_cause_of_a_difference_two_runs_below_is_printed(self, findings, capsys):
        judgement = Judgement(verdict=Verdict.IDENTICAL)
        found = findings("yes", verdict=Verdict.DIFFERENT)
        for _ in range(2):
            above = replace(found.replay, judgement=judgement, children=(found.replay,))
            found = replace(found, replay=above)

        audit_report.show([found], "iris")

        assert "different: seed: s was 1, is 2" in capsys.readouterr().out

    def test_names_are_shown_as_text(self, findings, capsys):
        audit_report.show([findings("yes", name="[red]a\x1b[31m")], "[b]iris")

        shown = capsys.readouterr().out
        assert "[red]a" in shown
        assert "[b]iris" in shown
        assert "\x1b" not in shown

    def test_counts_every_kind(self, findings):
        found = [
            findings("yes", verdict=Verdict.IDENTICAL),
            findings("yes", verdict=Verdict.DIFFERENT),
            findings("no"),
            findings("did not finish"),
            findings("still running"),
            findings("best effort"),
        ]

        assert audit_report.counts(found) == {
            "runs": 6,
            "replayable": 2,
            "replayable_best_effort": 1,
            "not_replayable": 1,
            "unfinished": 1,
            "running": 1,
            "replayed": 2,
            "identical": 1,
        }
