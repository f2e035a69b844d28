"""Two runs of a store are gathered with their schemas and code, shown, and logged as artifacts."""

import json
import subprocess
from pathlib import Path

import pyarrow as pa
import pytest

from reprise import tracking
from reprise.commands import compare, why
from reprise.commands.parameters import WhyParameters
from reprise.data import splits
from reprise.errors import DataError, TrackingError
from reprise.record.comparison import PAGE_NAME, Side, Subject
from reprise.record.patch import CodeDifference
from reprise.record.schema import Code, Outputs
from reprise.replay import original_run
from steps.parameters import (
    CompareParameters,
    LoadDataParameters,
    TrainDecisionTreeParameters,
)

NOBODY = "0" * 32
TABLE = pa.table({"x": [1.0, 2.0], "y": ["a", "b"]})
SCHEMA = {"target": "y", "rows": 2}
PEOPLE = {
    f"GIT_{role}_{field}": "ada" for role in ("AUTHOR", "COMMITTER") for field in ("NAME", "EMAIL")
}


@pytest.fixture
def git(tmp_path, monkeypatch):
    """A repository, which is the current folder."""
    folder = tmp_path / "repository"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name, value in PEOPLE.items():
        monkeypatch.setenv(name, value)

    def git(*arguments):
        done = subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)
        return done.stdout.decode().strip()

    git("init", "--quiet")
    return git


@pytest.fixture
def commit(git):
    """Commit a file `step.py`, and return the commit as a run records it."""

    def commit(content):
        Path("step.py").write_text(content, encoding="utf-8")
        git("add", "step.py")
        git("commit", "--quiet", "-m", "a step")
        return code_of(git("rev-parse", "HEAD"))

    return commit


def code_of(sha, **changes):
    fields = {"repository": None, "project": "", "tree": None, "base_commit": sha, "dirty": False}
    return Code(**{**fields, "commit": sha, **changes})


@pytest.fixture
def compared(recording, store, capsys):
    """Compare two runs; return the id of the run of `compare`, and its output."""

    def compared(a, b, **more):
        capsys.readouterr()
        parameters = CompareParameters(run_id=a, other=b, **more)
        with recording(parameters) as run:
            compare.main(parameters, run)
        return run.run_id, capsys.readouterr().out

    return compared


@pytest.fixture
def trained(recording):
    """Make a run of train_dt with a metric, and return its id."""

    def trained(code, metric=0.5, **parameters):
        with recording(TrainDecisionTreeParameters(**parameters), code=code) as run:
            run.log_metrics({"m": metric})
        return run.run_id

    return trained


@pytest.fixture
def loaded(recording):
    """Make a run of load_data that stores a table, and return its id."""

    def loaded(schema=SCHEMA, table=TABLE):
        with recording(LoadDataParameters()) as run:
            splits.store(run, [(splits.TRAIN, table), (splits.TEST, table)], schema)
        return run.run_id

    return loaded


def logged(store, run_id):
    return json.loads((store.artifacts(run_id) / "comparison.json").read_text(encoding="utf-8"))


class TestMain:
    def test_logs_the_differences_as_json_and_as_a_page(self, compared, trained, commit, store):
        a = trained(commit("1\n"), 0.5, max_depth=2)
        b = trained(commit("2\n"), 0.75, max_depth=3)

        run_id, _ = compared(a, f"runs:/{b}")

        found = logged(store, run_id)
        different = {
            (section["name"], row["name"]): (row["a"], row["b"])
            for section in found["sections"]
            for row in section["rows"]
            if row["same"] is False
        }
        assert (found["a"]["run_id"], found["b"]["run_id"]) == (a, b)
        assert different.pop(("metrics", "m")) == (0.5, 0.75)
        assert different.pop(("parameters", "max_depth")) == ("2", "3")
        assert set(different) == {("code", "commit"), ("code", "base commit")}
        assert "\n-1\n+2\n" in found["code"]["patch"]
        page = (store.artifacts(run_id) / PAGE_NAME).read_text(encoding="utf-8")
        assert {"0.5", "0.75", "+2"} <= set(page.replace("<", ">").split(">"))

    def test_prints_the_differences_the_files_and_the_next_commands(
        self, compared, trained, commit
    ):
        a = trained(commit("1\n"), 0.5, max_depth=2)
        b = trained(commit("2\n2\n"), 0.75, max_depth=3)

        run_id, printed = compared(a, b)

        assert "max_depth" in printed
        assert "0.75 (+0.25)" in printed
        assert "min_samples_leaf" not in printed  # it is equal
        assert "  step.py  +2 -1\n" in printed
        assert f"comparison.html of run {run_id}\n" in printed
        assert f"reprise reproduce {a[:8]}\n" in printed
        assert f"reprise reproduce {b[:8]}\n" in printed

    def test_finds_no_difference_of_a_run_from_itself(self, compared, trained, commit, store):
        run = trained(commit("1\n"))

        run_id, printed = compared(run, run)

        assert logged(store, run_id)["counts"]["different"] == 0
        assert logged(store, run_id)["code"]["patch"] == ""
        assert "\n0 differ, " in printed
        assert "┃" not in printed

    def test_compares_runs_of_different_steps(self, compared, trained, loaded, commit):
        _, printed = compared(trained(commit("1\n")), loaded())

        assert "load_data" in printed
        assert "absent" in printed

    def test_compares_a_failed_run_and_gives_its_error(
        self, compared, trained, recording, commit, store
    ):
        code = commit("1\n")
        parameters = TrainDecisionTreeParameters()
        with pytest.raises(DataError), recording(parameters, code=code) as failing:
            raise DataError("no such column")

        run_id, printed = compared(trained(code), failing.run_id)

        found = logged(store, run_id)
        assert found["b"]["status"] == "FAILED"
        assert found["b"]["error"] == "no such column"
        assert f"B: FAILED run {failing.run_id}  train_dt" in printed
        assert "   no such column\n" in printed
        assert f"reprise reproduce {failing.run_id}" not in printed

    def test_reports_what_a_plain_run_did_not_record(self, compared, trained, commit, store):
        code = commit("1\n")
        tags = {tracking.ENTRY_POINT: "train_dt", tracking.GIT_COMMIT: code.commit}
        raw = TrainDecisionTreeParameters(data="a b.csv").raw()
        quoted = {**raw, "data": "'a b.csv'"}
        plain = store.make_run(params=quoted, metrics={"m": 0.5}, tags=tags)

        run_id, printed = compared(trained(code, data="a b.csv"), plain)

        found = logged(store, run_id)
        assert found["counts"]["different"] == 0
        assert found["counts"]["unknown"] > 10
        assert "   not recorded: uncommitted edits, data, environment" in printed
        assert (
            f"0 differ, {found['counts']['equal']} equal, {found['counts']['unknown']}" in printed
        )

    def test_has_both_runs_as_its_inputs(self, compared, trained, commit, store):
        a, b = trained(commit("1\n")), trained(commit("2\n"))

        run_id, _ = compared(a, b)

        record = tracking.read_record(run_id)
        assert [(i.name, i.uri) for i in record.inputs] == [
            ("run", f"runs:/{a}"),
            ("other", f"runs:/{b}"),
        ]
        assert store.metrics(run_id)["rows_different"] == 2

    def test_reads_code_from_the_repository_that_is_named(
        self, compared, trained, commit, git, tmp_path, store
    ):
        a = commit("1\n")
        other = tmp_path / "other"
        git("clone", "--quiet", ".", str(other))
        subprocess.run(["git", "checkout", "--quiet", "-b", "new"], cwd=other, check=True)
        (other / "step.py").write_text("2\n")
        subprocess.run(["git", "commit", "--quiet", "-am", "new"], cwd=other, check=True)
        head = ["git", "rev-parse", "HEAD"]
        b = subprocess.run(head, cwd=other, check=True, capture_output=True, text=True)

        run_id, _ = compared(
            trained(a), trained(code_of(b.stdout.strip())), allow_repository=str(other)
        )

        assert "\n-1\n+2\n" in logged(store, run_id)["code"]["patch"]

    @pytest.mark.parametrize("turned", [False, True])
    def test_refuses_an_unknown_run(self, compared, trained, commit, turned):
        pair = [trained(commit("1\n")), NOBODY]

        with pytest.raises(TrackingError, match=f"expected the id of a run on .*{NOBODY}"):
            compared(*(reversed(pair) if turned else pair))


class TestCodeDifference:
    def test_is_empty_for_one_commit_that_nobody_need_have(self, git):
        lost = code_of("a" * 40)

        found = compare.code_difference(lost, lost, allowed=None)

        assert found == CodeDifference(patch="")

    def test_goes_from_the_first_to_the_second(self, commit):
        a, b = commit("1\n"), commit("2\n")

        there = compare.code_difference(a, b, allowed=None)
        back = compare.code_difference(b, a, allowed=None)

        assert "\n-1\n+2\n" in there.patch
        assert "\n-2\n+1\n" in back.patch

    def test_reports_for_each_run_why_its_code_cannot_be_found(self, commit):
        none, lost = code_of(None), code_of("a" * 40)

        one = compare.code_difference(commit("1\n"), lost, allowed=None)
        both = compare.code_difference(none, lost, allowed=None)

        assert one.patch is None
        assert [line.partition(":")[0] for line in one.missing] == [
            "The code of run B cannot be had"
        ]
        assert [line.partition(":")[0] for line in both.missing] == [
            "The code of run A cannot be had",
            "The code of run B cannot be had",
        ]

    def test_is_not_read_from_a_repository_that_nobody_named(self, commit):
        foreign = code_of("a" * 40, repository="https://example.org/foreign.git")

        found = compare.code_difference(commit("1\n"), foreign, allowed=None)

        assert "https://example.org/foreign.git" in found.missing[0]

    def test_reports_a_missing_bundle(self, store, commit):
        run_id = store.make_run()
        lost = code_of("a" * 40, bundle=f"runs:/{run_id}/code/snapshot.bundle")

        found = compare.code_difference(commit("1\n"), lost, allowed=None)

        assert "code/snapshot.bundle" in found.missing[0]

    def test_does_not_change_the_repository(self, git, commit):
        a, b = commit("1\n"), commit("2\n")
        before = _files(Path(".git"))

        compare.code_difference(a, b, allowed=None)

        assert _files(Path(".git")) == before


def _files(folder):
    return {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in folder.rglob("*") if p.is_file()}


class TestDataSchema:
    def test_is_that_of_the_run_whose_data_was_read(self, loaded, recording):
        load = loaded()
        with recording(TrainDecisionTreeParameters()) as run:
            splits.read(run, load, splits.TRAIN)

        found = compare.data_schema(original_run.read(run.run_id))

        assert SCHEMA.items() <= found.items()

    def test_is_found_where_an_earlier_load_has_stored_it(self, loaded, recording, store):
        first, second = loaded(), loaded()
        with recording(TrainDecisionTreeParameters()) as run:
            splits.read(run, second, splits.TRAIN)

        found = compare.data_schema(original_run.read(run.run_id))

        assert not (store.artifacts(second) / "data").exists()
        assert found == compare.data_schema(original_run.read(first)) != {}

    def test_of_a_load_is_its_own(self, loaded):
        assert SCHEMA.items() <= compare.data_schema(original_run.read(loaded())).items()

    def test_is_none_for_a_run_without_data(self, store):
        assert compare.data_schema(original_run.read(store.make_run())) is None

    @pytest.mark.parametrize("content", [None, b"\xff", b"{", b"[1]"])
    def test_is_none_where_it_was_deleted_or_altered(self, loaded, store, content):
        load = loaded()
        path = store.artifacts(load) / "data" / "schema.json"
        path.unlink()
        if content is not None:
            path.write_bytes(content)

        assert compare.data_schema(original_run.read(load)) is None


class TestShow:
    def test_markup_and_control_characters_are_shown_as_text(self, record_of, capsys, monkeypatch):
        monkeypatch.delenv("COLUMNS", raising=False)  # which processes of the tests may have
        words = "[red]x[/red] [/] \x1b[31m"
        side = Side(run_id="1", name=words, status="FAILED", error=words)
        a, b = (
            Subject(
                side=side,
                record=record_of(
                    TrainDecisionTreeParameters(),
                    code=code_of("a" * 40, changed_files=(words, end)),
                    outputs=Outputs(metrics={words: float(end)}),
                ),
            )
            for end in "12"
        )
        patch = f"diff --git a/{words} b/{words}\n"

        compare.show(compare.compare(a, b, CodeDifference.of(patch)))

        printed = capsys.readouterr().out
        shown = r"[red]x[/red] [/] \x1b[31m"
        assert printed.count(shown) == 2 + 2 + 3 + 1  # names, errors, the table, the patch
        assert "\x1b" not in printed

    def test_digests_are_short_and_words_are_whole(self, record_of, capsys):
        a, b = (
            Subject(
                side=Side(run_id="1", name="n", status="FINISHED"),
                record=record_of(
                    TrainDecisionTreeParameters(criterion=criterion), code=code_of(letter * 40)
                ),
            )
            for letter, criterion in (("a", "gini"), ("b", "entropy"))
        )

        compare.show(compare.compare(a, b, CodeDifference(patch="")))

        printed = capsys.readouterr().out
        assert f" {'a' * 12} " in printed
        assert "a" * 13 not in printed
        assert " entropy " in printed


class TestWhy:
    @pytest.fixture
    def explained(self, capsys):
        def explained(a, b):
            capsys.readouterr()
            why.start(WhyParameters(run_id=a, other=b))
            return capsys.readouterr().out

        return explained

    def test_says_causes_first_then_the_patch_then_what_differs(self, commit, trained, explained):
        a = trained(commit("depth = 3\n"), max_depth=3)
        b = trained(commit("depth = 5\n"), metric=0.75, max_depth=5)

        out = explained(a[:8], b[:8])

        places = [
            out.index(text)
            for text in (
                "  cause: parameter: max_depth was 3, is 5\n",
                "  -depth = 3\n",
                "  +depth = 5\n",
                "metrics",
                " equal\n",
            )
        ]
        assert places == sorted(places)

    def test_makes_no_run(self, store, commit, trained, explained):
        a = trained(commit("x\n"))

        explained(a, a)

        assert len(store.runs()) == 1

    def test_shows_the_first_lines_of_a_long_patch(self, commit, trained, explained):
        a = trained(commit("x\n"))
        b = trained(commit("y\n" * 500))

        out = explained(a, b)

        assert out.count("  +y\n") < 100
        assert " more lines\n" in out

    def test_says_that_nothing_differs(self, commit, trained, explained):
        a, b = (trained(code) for code in [commit("x\n")] * 2)

        assert "cause: none" in explained(a, b)
