"""The script of action.yml is run here as a workflow runs it; it refuses changes of forks."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import pytest
import yaml
from click import Context

from reprise.cli import cli
from reprise.record.basis import FROM_LOCK
from reprise.verification.policy import Policy
from reprise.verification.report import Report
from tools import verify_action

ROOT = Path(__file__).parents[1]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
(STEP,) = ACTION["runs"]["steps"]
OWN = "team/project"


def written(result="met", reasons=()):
    """A report of one run."""
    run = {
        "run_id": "a" * 32,
        "name": "train",
        "result": result,
        "reasons": reasons,
        "verdict": "identical",
        "basis": f"1 metric, {FROM_LOCK}",
        "not_compared": ["nothing that is recorded"],
        "replayed_by": None,
        "evidence": "replay",
        "made": "2026-01-01T00:00:00+00:00",
        "signature": "unsigned",
        "code_from": "this clone",
        "differences": [],
        "causes": [],
    }
    report = Report.of(Policy(), [])
    return report.model_copy(update={"result": result, "runs": (run,)}).model_dump_json()


@pytest.fixture
def workflow(tmp_path, monkeypatch):
    """The variables of a step, and what `reprise verify` was asked for; it writes a report."""
    monkeypatch.chdir(tmp_path)
    asked = []

    def run(command, *, check):
        asked.append(command)
        verify = cli.get_command(Context(cli), command[3])
        given = verify.make_context("verify", command[4:]).params
        Path(given["output"]).write_text(found.report, encoding="utf-8")
        return SimpleNamespace(returncode=found.exit_code)

    found = SimpleNamespace(report=written(), exit_code=0, asked=asked)
    monkeypatch.setattr(verify_action.subprocess, "run", run)
    found.environment = {
        "GITHUB_REPOSITORY": OWN,
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "VERIFY_MODEL": "iris@champion",
    }
    return found


def event(tmp_path, values):
    path = tmp_path / "event.json"
    path.write_text(json.dumps(values), encoding="utf-8")
    return {"GITHUB_EVENT_PATH": str(path)}


def pull_request(head):
    return {"pull_request": {"head": {"repo": head}, "base": {"repo": {"full_name": OWN}}}}


def test_a_step_writes_a_summary_a_badge_and_outputs(workflow, tmp_path):
    assert verify_action.main(workflow.environment) == 0

    assert workflow.asked[0][3:5] == ["verify", "--model=iris@champion"]
    folder = tmp_path / "reprise-verify"
    assert "### Reproduced: met" in (tmp_path / "summary.md").read_text()
    assert (tmp_path / "output").read_text().splitlines() == [
        "result=met",
        "report=reprise-verify/verification.json",
        "badge=reprise-verify/reproduced.svg",
    ]
    assert ET.parse(folder / "reproduced.svg").getroot().tag.endswith("svg")
    assert ET.parse(folder / "junit.xml").getroot().get("tests") == "1"


@pytest.mark.parametrize(("result", "code"), [("not met", 1), ("could not be judged", 2)])
def test_it_ends_as_verify_does_and_shows_the_report_all_the_same(workflow, tmp_path, result, code):
    workflow.report, workflow.exit_code = written(result, ("a reason",)), code

    assert verify_action.main(workflow.environment) == code
    assert "a reason" in (tmp_path / "summary.md").read_text()


def test_a_report_of_an_earlier_step_is_not_shown(workflow, tmp_path, monkeypatch):
    verify_action.main(workflow.environment)
    (tmp_path / "summary.md").unlink()
    refused = SimpleNamespace(returncode=2)
    monkeypatch.setattr(verify_action.subprocess, "run", lambda *_, **__: refused)

    assert verify_action.main(workflow.environment) == 2
    assert not (tmp_path / "summary.md").exists()


def test_inputs_are_the_options_of_verify_and_nothing_else():
    words = verify_action.words(
        {
            "VERIFY_RUNS": f"{'a' * 32} --sign-with=x",
            "VERIFY_EXPERIMENT": "churn --policy evil.toml",
            "VERIFY_SAMPLE": "3",
            "VERIFY_ALLOWED_SIGNERS": "$(id)",
        },
        Path("report.json"),
    )

    assert words == [
        *("verify", "--experiment=churn --policy evil.toml", "--sample=3"),
        *("--allowed-signers=$(id)", "--output=report.json", "--", "a" * 32, "--sign-with=x"),
    ]


def test_every_option_of_the_action_is_one_of_verify_and_an_input():
    verify = cli.get_command(Context(cli), "verify")
    known = {name for param in verify.params for name in param.opts}
    others = {"runs", "folder", "python", "allow-forks"}

    assert {f"--{name}" for name in verify_action._OPTIONS} <= known
    assert set(ACTION["inputs"]) == {*verify_action._OPTIONS, *others}
    assert set(STEP["env"]) == {
        f"VERIFY_{name.upper().replace('-', '_')}" for name in ACTION["inputs"]
    }


def test_no_input_is_text_of_the_script():
    assert "${{" not in STEP["run"]


class TestForks:
    @pytest.mark.parametrize(
        "values",
        [
            pull_request({"full_name": "eve/project"}),
            pull_request(None),  # deleted
            pull_request({}),
            {"workflow_run": {"head_repository": {"full_name": "eve/project"}}},
            {"workflow_run": {}},
        ],
        ids=["of a fork", "of a deleted fork", "of nobody", "by another workflow", "by no one"],
    )
    def test_a_change_of_a_fork_is_refused_before_anything_runs(
        self, workflow, tmp_path, values, capsys
    ):
        assert verify_action.main(workflow.environment | event(tmp_path, values)) == 2

        assert workflow.asked == []
        assert capsys.readouterr().out.startswith(f"::error::expected a change of {OWN}, found")

    @pytest.mark.parametrize(
        "values",
        [
            pull_request({"full_name": OWN}),
            {"workflow_run": {"head_repository": {"full_name": OWN}}},
            {"ref": "refs/heads/main"},
            [],
        ],
        ids=["of a branch", "by another workflow", "a push", "odd"],
    )
    def test_a_change_of_the_repository_itself_is_verified(self, workflow, tmp_path, values):
        assert verify_action.main(workflow.environment | event(tmp_path, values)) == 0

    def test_a_user_may_allow_forks(self, workflow, tmp_path):
        values = pull_request({"full_name": "eve/project"})
        allowed = {"VERIFY_ALLOW_FORKS": "true"}

        assert verify_action.main(workflow.environment | event(tmp_path, values) | allowed) == 0

    @pytest.mark.parametrize("value", ["", "false", "True", "1", "yes"])
    def test_any_other_word_does_not_allow_them(self, workflow, tmp_path, value):
        values = pull_request({"full_name": "eve/project"})
        words = {"VERIFY_ALLOW_FORKS": value}

        assert verify_action.main(workflow.environment | event(tmp_path, values) | words) == 2


@pytest.mark.slow
def test_the_shell_command_of_the_action_starts_the_script(tmp_path):
    values = pull_request({"full_name": "eve/project"})
    variables = {
        "GITHUB_ACTION_PATH": str(ROOT),
        "GITHUB_REPOSITORY": OWN,
        "VERIFY_PYTHON": sys.executable,
        **event(tmp_path, values),
    }

    done = subprocess.run(
        ["bash", "-c", STEP["run"]],
        env={**os.environ, **variables},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (2, "")
    assert "found one of eve/project" in done.stdout


def test_the_hook_asks_for_what_verify_takes():
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    program, *words = shlex.split(hook["entry"])

    command = cli.get_command(Context(cli), words[0])
    context = command.make_context(words[0], [*words[1:], "iris@champion"])

    assert program == "reprise"
    assert (context.params["code"], context.params["model"]) == ("current", "iris@champion")


def test_the_example_workflow_uses_inputs_that_there_are():
    path = ROOT / ".github" / "workflows" / "verify.yml"
    steps = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]["champion"]["steps"]

    (used,) = [step for step in steps if step.get("uses") == "./"]

    assert set(used["with"]) <= set(ACTION["inputs"])
