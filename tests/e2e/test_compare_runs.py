"""`mlflow run -e compare` of two runs of different commits and parameters, as a user does it."""

import json
import re
from dataclasses import dataclass

import pytest
from driving import Ended, Project, refusal

NOBODY = "0" * 32


@dataclass(frozen=True)
class Compared:
    """Two runs, the command that compared them, and what it logged."""

    project: Project
    a: str
    b: str
    done: Ended

    def differing(self):
        values = json.loads(self.project.artifact(self.done.run_id, "comparison.json"))
        return {
            (section["name"], row["name"]): (row["a"], row["b"])
            for section in values["sections"]
            for row in section["rows"]
            if row["same"] is False
        }

    def patch(self):
        return json.loads(self.project.artifact(self.done.run_id, "comparison.json"))["code"]

    def page(self):
        return self.project.artifact(self.done.run_id, "comparison.html").decode()


@pytest.fixture(scope="module")
def two_runs(clone):
    """A run of the commit that was cloned, and one of uncommitted edits, of other parameters."""
    a = clone.step("train_dt", max_depth=2)
    models = clone.folder / "steps" / "models.py"
    models.write_text(models.read_text(encoding="utf-8") + "\n# an <b>edit</b>\n", encoding="utf-8")
    b = clone.step("train_dt", max_depth=3, cv=3)
    assert (a.exit_code, b.exit_code) == (0, 0), a.stderr + b.stderr
    clone.git("checkout", "--quiet", "--", "steps/models.py")
    return a.run_id, b.run_id


@pytest.fixture(scope="module")
def compared(clone, two_runs):
    a, b = two_runs
    done = clone.mlflow_run("-e", "compare", "-P", f"run_id={a}", "-P", f"other={b}")
    assert done.exit_code == 0, done.stderr
    return Compared(clone, a, b, done)


def test_the_json_has_the_parameters_metrics_and_digests_that_differ(compared):
    a, b = (compared.project.record(run) for run in (compared.a, compared.b))

    found = compared.differing()

    assert found["parameters", "max_depth"] == ("2", "3")
    assert found["parameters", "cv"] == ("5", "3")
    assert found["metrics", "train_accuracy"] == tuple(
        run["outputs"]["metrics"]["train_accuracy"] for run in (a, b)
    )
    assert found["results", "model"] == (a["outputs"]["model"], b["outputs"]["model"])
    assert found["code", "dirty"] == (False, True)
    assert ("data", "train: SHA-256") not in found  # another load, of the same content
    assert {section for section, _ in found} - {"data"} == {
        *("code", "parameters", "metrics", "results"),
    }


def test_the_json_has_the_patch_from_one_runs_code_to_the_others(compared):
    code = compared.patch()

    assert code["files"] == [{"name": "steps/models.py", "added": 2, "removed": 0, "notes": []}]
    assert "+# an <b>edit</b>\n" in code["patch"]


def test_the_page_shows_both_runs_and_the_patch(compared):
    page = compared.page()

    assert compared.a in page
    assert compared.b in page
    assert '<div class="added">+# an &lt;b&gt;edit&lt;/b&gt;</div>' in page
    assert not re.search(r"<script|src=|href=", page)


def test_the_terminal_shows_what_differs_and_counts_the_rest(compared):
    printed = compared.done.stdout

    assert re.search(r"│ max_depth +│ 2 +│ 3 +│", printed)
    assert "min_samples_leaf" not in printed
    assert re.search(rf"^{len(compared.differing())} differ, \d+ equal$", printed, re.MULTILINE)
    assert "  steps/models.py  +2 -0\n" in printed
    assert f"comparison.html of run {compared.done.run_id}\n" in printed


def test_an_unknown_run_is_refused_in_one_line(clone, two_runs):
    done = clone.step("compare", run_id=two_runs[0], other=NOBODY)

    assert NOBODY in refusal(done, "compare")
