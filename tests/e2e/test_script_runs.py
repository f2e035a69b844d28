"""Runs of a script, in a clone of the project as a user has it, made again by `reproduce`."""

import re
import textwrap

import pytest
from driving import at_once, refusal

# Each starts processes for seconds; the runs of `fit.py` are in every run of the tests.
drill = pytest.mark.drill("reprise/scripts", "reprise/capture", "reprise/replay", "reprise/process")

# Reads a table that git ignores, from the folder it is started in, and two modules: one beside it,
# one that Python finds by its path. Makes one run for each number that it is given.
FIT = """\
import reprise

import sys
import beside
import pandas as pd
from sklearn.linear_model import LogisticRegression
from study import settings

with reprise.Experiment({"experiment_name": sys.argv[1], "user_id": "ada"}) as experiment:
    for strength in sys.argv[2:]:
        experiment.create_run(f"C={strength}")
        print("run", experiment.run_id)
        X = pd.read_csv(experiment.log_input("table.csv"))
        y = X.pop("y")
        model = LogisticRegression(C=float(strength)).fit(X, y)
        experiment.log_params({"C": strength})
        experiment.log_metrics({"score": model.score(X, y), "mark": beside.MARK + settings.MARK})
        experiment.log_metrics({"loss": [0.5, 0.25 / float(strength)]})
        experiment.log_model(model, X.head())
        experiment.log_predictions(model.predict(X), model.predict_proba(X))
        experiment.terminate_run()
"""
SMALL = """\
import reprise

import sys
with reprise.Experiment({config}).create_run("small") as experiment:
    print("run", experiment.run_id)
    experiment.log_metrics({{"arguments": len(sys.argv)}})
{body}
"""


def write_table(path, *, last=0):
    rows = [f"{i % 7},{i % 5 - i / 9},{int(i % 7 + i % 3 > 4)}" for i in range(80)]
    path.write_text("\n".join(["a,b,y", *rows, f"1,{last},1"]) + "\n")


@pytest.fixture(scope="module")
def scripts(clone):
    """The clone, with a script and what it needs; Python finds the project as if installed."""
    folder = clone.folder
    for name, text in {
        "analysis/fit.py": FIT,
        "analysis/beside.py": "MARK = 1\n",
        "study/__init__.py": "",
        "study/settings.py": "MARK = 20\n",
        "analysis/.gitignore": "table.csv\n",
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    write_table(folder / "analysis" / "table.csv")
    clone.git("add", "--all")
    clone.git("commit", "--quiet", "--message", "A script")
    variables = {"PYTHONPATH": str(folder), "MLFLOW_TRACKING_URI": clone.store}
    return clone.with_variables(variables)


@pytest.fixture
def restored(scripts):
    """The scripts, and their files as they were when the test ends."""
    yield scripts
    scripts.git("checkout", "--quiet", "--force", "HEAD", "--", ".")
    scripts.git("clean", "--quiet", "--force", "-d")
    write_table(scripts.folder / "analysis" / "table.csv")


def run(project, *words, folder="."):
    """Run a script, and return the ids of its runs."""
    done = project.execute(["python", *words], cwd=project.folder / folder)
    assert done.exit_code == 0, done.stderr
    return re.findall(r"^run (\w+)$", done.stdout, re.MULTILINE)


def small(project, body="", *, words=("small.py",), **config):
    """Write and commit a script that makes one small run; return how it ends, and the run's id."""
    config = {"experiment_name": "small", **config}
    text = SMALL.format(config=config, body=textwrap.indent(body, "    "))
    (project.folder / "small.py").write_text(text)
    done = project.execute(["python", *words])
    return done, done.stdout.split()[1]


def replays(project, run_id, verdict="identical"):
    """Make a run again, and return how that ended, the run that asked, and the one it made."""
    done = project.step("reproduce", run_id=run_id)
    assert project.tags(run_id).get("reprise.verdict", verdict) == verdict, done.stdout
    assert done.exit_code == {"identical": 0, "different": 1, "not replayable": 2}[verdict]
    made = [
        child.info.run_id
        for child in project.children(done.run_id)
        if child.data.tags.get("reprise.replay_of") == run_id
    ]
    return done, made


@pytest.fixture(scope="module")
def first(scripts):
    """Two runs of the committed script, started from its own folder."""
    return run(scripts, "fit.py", "first", "0.5", "2", folder="analysis")


@pytest.fixture(scope="module")
def remade(scripts, first):
    """How the replays of both runs ended, and the runs that they made."""
    return at_once(*(lambda run_id=run_id: replays(scripts, run_id) for run_id in first))


@pytest.mark.parametrize("number", [1, 2])
def test_each_run_of_a_script_is_made_again_identically(scripts, first, remade, number):
    run_id = first[number - 1]
    done, (made,) = remade[number - 1]

    assert "Verdict: identical (6 of 6 equal)" in done.stdout
    assert scripts.tags(made)["reprise.verdict"] == "identical"
    old, new = scripts.record(run_id), scripts.record(made)
    assert old["outputs"] == new["outputs"]
    assert old["code"] == new["code"]
    assert old["step"] == new["step"]
    assert old["step"]["command"] == ["analysis/fit.py", "first", "0.5", "2"]
    assert (old["step"]["folder"], old["step"]["number"]) == ("analysis", number)


def test_the_other_runs_of_a_replayed_script_are_made_below_the_run_that_asked(
    scripts, first, remade
):
    done, (made,) = remade[0]

    names = {child.info.run_id: child.info.run_name for child in scripts.children(done.run_id)}
    names.pop(made)
    assert list(names.values()) == ["C=2"]
    experiment_id = scripts.client.get_run(first[0]).info.experiment_id
    of_the_script = {run.info.run_id for run in scripts.client.search_runs([experiment_id])}
    assert of_the_script == set(first)


@drill
def test_edits_that_are_gone_are_made_again_wherever_python_finds_them(restored):
    folder = restored.folder
    (folder / "analysis" / "beside.py").write_text("MARK = 300\n")
    (folder / "study" / "settings.py").write_text("from study.more import MARK\n")
    (folder / "study" / "more.py").write_text("MARK = 4000\n")
    (run_id,) = run(restored, "fit.py", "edited", "0.5", folder="analysis")
    (folder / "study" / "more.py").unlink()
    (folder / "study" / "settings.py").write_text("MARK = 5\n")
    (folder / "analysis" / "beside.py").write_text("raise RuntimeError\n")

    replays(restored, run_id)

    assert restored.metrics(run_id)["mark"] == 4300
    assert restored.record(run_id)["code"]["dirty"] is True


@drill
def test_another_argument_is_another_run_that_is_made_again_with_it(scripts, first):
    (run_id,) = run(scripts, "fit.py", "first other", "0.01", folder="analysis")

    replays(scripts, run_id)

    found = scripts.metrics(run_id)
    assert found["loss"] == 25
    assert scripts.record(run_id)["step"]["parameters"] == {"C": "0.01"}
    assert scripts.record(run_id)["outputs"]["model"] not in {
        scripts.record(other)["outputs"]["model"] for other in first
    }


@drill
def test_an_altered_input_is_refused_as_the_cause(restored, first):
    write_table(restored.folder / "analysis" / "table.csv", last=1)

    done, (made,) = replays(restored, first[0], "not replayable")

    assert "the input table.csv (analysis/table.csv) changed" in refusal(done, "reproduce")
    assert "cause: data" in done.stdout
    assert restored.status(made) == "FAILED"


@drill
def test_a_module_is_made_again_as_a_module(restored):
    words = ("-m", "small", "-1", "a b", "$(x)", "", "ü")
    done, run_id = small(restored, words=words)

    replays(restored, run_id)

    assert done.exit_code == 0
    assert restored.record(run_id)["step"]["command"] == list(words)
    assert restored.metrics(run_id) == {"arguments": 6.0}


@drill
def test_a_script_that_fails_is_not_made_again(restored):
    done, run_id = small(restored, "raise ValueError('too deep')")

    refused, made = replays(restored, run_id, "not replayable")

    assert done.exit_code == 1
    assert restored.status(run_id) == "FAILED"
    assert "FAILED: ValueError: too deep" in refusal(refused, "reproduce")
    assert made == []


@drill
def test_a_run_without_its_code_is_not_made_again(restored):
    done, run_id = small(restored, use_git_version=False)

    refused, made = replays(restored, run_id, "not replayable")

    assert done.exit_code == 0
    assert "use_git_version switched off" in refusal(refused, "reproduce")
    assert made == []


@drill
def test_what_was_made_interactively_is_not_made_again(restored):
    done, run_id = small(restored, words=("-c", "exec(open('small.py').read())"))

    refused, made = replays(restored, run_id, "not replayable")

    assert done.exit_code == 0
    assert "made interactively" in refusal(refused, "reproduce")
    assert made == []


@drill
def test_a_script_that_depends_on_the_order_of_a_set_is_found_out(restored):
    body = "experiment.log_metrics({'order': hash('a') % 10**9})"
    done, run_id = small(restored, body)

    refused, _ = replays(restored, run_id, "different")

    assert done.exit_code == 0
    assert "a step that is not deterministic" in refusal(refused, "reproduce")


@drill
def test_a_hash_seed_of_the_shell_is_kept(restored):
    body = "experiment.log_metrics({'order': hash('a') % 10**9})"
    _, run_id = small(restored.with_variables({"PYTHONHASHSEED": "7"}), body)

    replays(restored, run_id)

    assert restored.record(run_id)["numerics"]["variables"]["PYTHONHASHSEED"] == "7"


@drill
def test_an_entry_point_that_is_a_script_logs_to_the_run_of_its_command(restored):
    small(restored)
    text = (restored.folder / "MLproject").read_text()
    (restored.folder / "MLproject").write_text(f"{text}\n  small:\n    command: python small.py\n")

    done = restored.mlflow_run("-e", "small")

    assert done.exit_code == 0, done.stderr
    assert restored.status(done.run_id) == "FINISHED"
    assert restored.record(done.run_id)["step"]["entry_point"] == "small.py"
