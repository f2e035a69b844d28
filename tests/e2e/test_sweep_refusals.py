"""What a sweep will not do, it says in one line, before anything runs."""

import pytest
from driving import HOST, refusal
from sweeping import write_grid

from deploy.dev.processes import free_port

GOOD = "data: iris\nparams: {max_depth: [1, 2]}\n"
WRONG = {
    "unknown step": (GOOD, {"step": "train_dx"}, ["'train_dx'", "did you mean train_dt?"]),
    "step that trains nothing": (GOOD, {"step": "evaluate"}, ["train_lr, train_dt", "'evaluate'"]),
    "unknown parameter": ("params: {max_dept: 1}\n", {}, ["did you mean 'max_depth'?"]),
    "values out of bounds": (
        "params: {max_depth: [0, 3, -5], ccp_alpha: [-1, 0]}\n",
        {},
        ["found '0'", "found '-5'", "found '-1'"],
    ),
    "empty grid": ("data: iris\nparams: {}\n", {}, ["params"]),
    "empty list": ("params: {max_depth: []}\n", {}, ["max_depth is an empty list"]),
    "unknown key": ("grid: {max_depth: 1}\nparams: {cv: 2}\n", {}, ["there is no key 'grid'"]),
    "unknown metric": ("params: {cv: 2}\nmetric: auc\n", {}, ["cv_accuracy_mean", "'auc'"]),
    "too many points": (
        "params: {seed: {from: 1, to: 20000}}\n",
        {},
        ["at most 10000 points, found 20000", "confirm=true"],
    ),
    "interval in a grid": (
        "params: {ccp_alpha: {low: 0, high: 1}}\n",
        {},
        ["ccp_alpha", "strategy=random"],
    ),
    "samples of a grid": (GOOD, {"samples": 3}, ["samples is for a random search"]),
    "random search without samples": (GOOD, {"strategy": "random"}, ["-P samples=20"]),
    "no workers": (GOOD, {"workers": 0}, ["workers must be a whole number >= 1"]),
    "scheduler without TLS": (
        GOOD,
        {"scheduler": "tcp://example.org:8786"},
        ["scheduler must be an address tls://host:port"],
    ),
}


@pytest.fixture(scope="module")
def project(project):
    return project.within("refused")


@pytest.mark.parametrize(("text", "words", "expected"), WRONG.values(), ids=WRONG)
def test_a_mistake_is_one_line_and_leaves_no_run(project, tmp_path, text, words, expected):
    grid = write_grid(tmp_path, text)

    done = project.step("sweep", grid=grid, **words)

    line = refusal(done, "sweep")
    assert [word for word in expected if word not in line] == []
    assert done.run_id == ""


def test_a_grid_that_is_not_there_is_one_line(project, tmp_path):
    done = project.step("sweep", grid=tmp_path / "missing.yaml")

    assert "missing.yaml" in refusal(done, "sweep")


def test_a_scheduler_that_does_not_answer_is_one_line(project, tmp_path):
    from clusters import certified

    user = project.with_variables(certified(tmp_path / "tls"))
    address = f"tls://{HOST}:{free_port()}"

    done = user.step("sweep", grid=write_grid(tmp_path, GOOD), scheduler=address)

    line = refusal(done, "sweep")
    assert address in line
    assert "answers within 10 seconds" in line
