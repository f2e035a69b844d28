"""A sweep is checked whole before anything runs, and says what it found: steps/sweep.py."""

import contextlib
from pathlib import Path

import pytest

from reprise import tracking
from reprise.data import splits
from reprise.errors import ExperimentFileError, ParameterError, RepriseError, RunFailedError
from reprise.sweeps import executors, runner, sweep
from reprise.sweeps.outcome import Outcome
from steps import load_data, train_dt
from steps import sweep as steps_sweep
from steps.metrics import TRAINING_METRICS
from steps.parameters import (
    LoadDataParameters,
    SweepParameters,
    TrainDecisionTreeParameters,
    TrainLogisticRegressionParameters,
)

PARAMS = Path(__file__).parents[2] / "params"
METRIC = "cv_accuracy_mean"


@pytest.fixture
def planned(tmp_path):
    """Plan the sweep of a grid file."""

    def planned(text, **parameters):
        path = tmp_path / "grid.yaml"
        path.write_text(text)
        return steps_sweep.planned(SweepParameters(grid=str(path), **parameters))

    return planned


@pytest.fixture
def refusal(planned):
    """The line that refuses the sweep of a grid file."""

    def refusal(text, *, error=RepriseError, **parameters):
        with pytest.raises(error) as caught:
            planned(text, **parameters)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return refusal


def outcome(run_id="1", error="", **metrics):
    return Outcome(TrainDecisionTreeParameters(max_depth=3), run_id, metrics, 1.0, error)


class TestPlanned:
    def test_gives_the_parameters_of_every_run(self, planned):
        found = planned("data: wine\nparams: {max_depth: {from: 1, to: 2}, criterion: entropy}\n")

        assert found.runs == [
            TrainDecisionTreeParameters(data="wine", max_depth=1, criterion="entropy"),
            TrainDecisionTreeParameters(data="wine", max_depth=2, criterion="entropy"),
        ]
        assert found.data == "wine"

    def test_is_of_the_step_that_is_named(self, planned):
        found = planned("params: {C: [0.1, 1]}\n", step="train_lr")

        assert found.runs == [
            TrainLogisticRegressionParameters(C=0.1),
            TrainLogisticRegressionParameters(C=1.0),
        ]

    def test_is_judged_by_the_metric_of_the_file_in_its_own_direction(self, planned):
        found = planned("params: {max_depth: 1}\nmetric: train_log_loss\n")

        assert (found.metric, found.ascending) == ("train_log_loss", True)

    def test_is_judged_by_the_validated_accuracy_where_the_file_names_no_metric(self, planned):
        found = planned("params: {max_depth: 1}\n")

        assert (found.metric, found.ascending) == (METRIC, False)

    def test_draws_points_which_the_seed_decides(self, planned):
        text = "params: {ccp_alpha: {low: 0, high: 1}, max_depth: {low: 1, high: 99}}\n"
        options = {"strategy": "random", "samples": 5}

        first, again, other = (planned(text, **options, seed=seed).runs for seed in (1, 1, 2))

        assert len(first) == 5
        assert first == again
        assert first != other

    def test_makes_values_that_mean_the_same_once(self, planned):
        found = planned("params: {ccp_alpha: [0, 0.0, '0'], max_depth: [null, '']}\n")

        assert found.runs == [TrainDecisionTreeParameters()]

    def test_takes_the_grid_files_of_the_project(self):
        tree = SweepParameters(step="train_dt", grid=str(PARAMS / "sweep_dt.yaml"))
        line = SweepParameters(
            step="train_lr", grid=str(PARAMS / "sweep_lr.yaml"), strategy="random", samples=20
        )

        assert len(steps_sweep.planned(tree).runs) == 40
        assert len(steps_sweep.planned(line).runs) == 20


WRONG = {
    "a step that is not there": (
        "params: {max_depth: 1}",
        {"step": "train_dx"},
        "found 'train_dx'; did you mean train_dt?",
    ),
    "a step that trains nothing": (
        "params: {source: iris}",
        {"step": "load_data"},
        (
            "expected a step out of train_lr, train_dt, train_ridge, train_rf, train_gb, "
            "train_dummy; found 'load_data'"
        ),
    ),
    "a parameter that is not there": (
        "params: {max_dept: [1, 2]}",
        {},
        "train_dt: there is no parameter 'max_dept'; did you mean 'max_depth'?",
    ),
    "a parameter of another step": (
        "params: {C: [1, 2]}",
        {},
        "train_dt: there is no parameter 'C'",
    ),
    "the data twice": (
        "params: {data: [iris, wine]}",
        {},
        "expected the data once, under data:; found it under params: too.",
    ),
    "a metric that is not there": (
        "params: {max_depth: 1}\nmetric: acuracy",
        {},
        "metric: expected one of cv_accuracy_mean, train_accuracy, ",
    ),
    "an interval in a grid": (
        "params: {ccp_alpha: {low: 0, high: 1}}",
        {},
        "expected values for ccp_alpha, found low and high",
    ),
    "samples of a grid": ("params: {max_depth: 1}", {"samples": 3}, "samples is for a random"),
    "a sample of unknown size": (
        "params: {max_depth: 1}",
        {"strategy": "random"},
        "samples must be how many points to draw; found none",
    ),
    "a value that is no list of values": (
        "params: {max_depth: {a: 1}}",
        {},
        "max_depth is neither a value nor a list",
    ),
}


@pytest.mark.parametrize(("text", "parameters", "line"), WRONG.values(), ids=WRONG)
def test_a_mistake_is_one_line(refusal, text, parameters, line):
    assert line in refusal(text, **parameters)


def test_all_values_out_of_bounds_are_told_at_once(refusal):
    found = refusal(
        "params: {max_depth: [0, 1, -5], ccp_alpha: [0, -1], criterion: [gini, chance]}\n",
        error=ParameterError,
    )

    for value in ("'0'", "'-5'", "'-1'", "'chance'"):
        assert f"found {value}" in found
    assert "found '1'" not in found
    assert "found 'gini'" not in found


def test_each_value_out_of_bounds_is_told_once(refusal):
    found = refusal("params: {max_depth: [0, 1, -5], ccp_alpha: [0, -1]}\n", error=ParameterError)

    for value in ("'0'", "'-5'", "'-1'"):
        assert found.count(f"found {value}") == 1


def test_a_password_in_the_address_of_the_data_is_not_shown(refusal):
    found = refusal("data: https://me:secret@example.org/x.csv\nparams: {max_depth: 1}\n")

    assert "data must be" in found
    assert "secret" not in found


class TestManyPoints:
    MANY = "params: {max_depth: {from: 1, to: 101}, min_samples_leaf: {from: 1, to: 100}}\n"

    def test_are_refused_unless_confirmed(self, refusal):
        found = refusal(self.MANY, error=ParameterError)

        assert found == (
            "expected at most 10000 points, found 10100. If that is meant, add -P confirm=true."
        )

    def test_are_planned_once_confirmed(self, planned):
        assert len(planned(self.MANY, confirm=True).runs) == 10_100

    def test_are_not_too_many_at_the_limit(self, planned):
        assert len(planned(self.MANY.replace("101", "100")).runs) == 10_000

    def test_are_refused_of_a_sample_too(self, refusal):
        found = refusal(
            "params: {ccp_alpha: {low: 0, high: 1}}\n", strategy="random", samples=10_001
        )

        assert "found 10001" in found

    def test_are_counted_without_making_them(self, refusal):
        ranges = ", ".join(
            f"{name}: {{from: 2, to: 100000}}"
            for name in ("max_depth", "min_samples_leaf", "min_samples_split")
        )

        found = refusal(f"params: {{{ranges}}}\n")

        assert f"found {99_999**3}" in found

    def test_of_which_a_few_are_drawn_need_no_confirmation(self, planned):
        assert len(planned(self.MANY, strategy="random", samples=3).runs) == 3


class TestLessIsBetter:
    @pytest.mark.parametrize("metric", ["cv_log_loss_mean", "train_log_loss"])
    def test_of_a_loss(self, metric):
        assert TRAINING_METRICS[metric]

    @pytest.mark.parametrize(
        "metric", ["cv_accuracy_mean", "train_accuracy", "cv_mcc_mean", "train_roc_auc"]
    )
    def test_of_no_score(self, metric):
        assert not TRAINING_METRICS[metric]

    @pytest.mark.parametrize("metric", ["accuracy", "cv_accuracy_std", "test_accuracy", "x"])
    def test_is_unknown_of_what_no_training_logs(self, refusal, metric):
        found = refusal(f"params: {{max_depth: 1}}\nmetric: {metric}\n", error=ExperimentFileError)

        assert f"found {metric!r}" in found


class TestKeys:
    @pytest.fixture
    def loaded(self, recording):
        with recording(LoadDataParameters()) as run:
            load_data.main(LoadDataParameters(), run)
        return run.run_id

    def test_are_those_that_the_runs_will_have(self, store, recording, loaded):
        parameters = [
            TrainDecisionTreeParameters(data=f"runs:/{loaded}", max_depth=depth, cv=0)
            for depth in (1, 2)
        ]
        with recording(SweepParameters()) as parent:
            keys = sweep.keys(parent, parameters, splits.located(loaded, "train").digest)

        trained = []
        for each in parameters:
            with recording(each) as run:
                train_dt.main(each, run)
            trained.append(store.tags(run.run_id)[tracking.KEY])
        assert keys == trained
        assert len(set(keys)) == 2

    def test_are_unknown_where_the_code_is(self, recording, record_of, loaded):
        parameters = TrainDecisionTreeParameters(data=f"runs:/{loaded}")
        known = record_of(SweepParameters()).code

        with recording(SweepParameters(), code=known.model_copy(update={"tree": None})) as parent:
            assert sweep.keys(parent, [parameters], "a" * 64) == [None]


class TestConclude:
    @pytest.fixture
    def run(self, recording):
        with recording(SweepParameters()) as run:
            yield run

    def test_puts_the_best_on_the_record_and_says_what_to_run_next(self, run, capsys):
        outcomes = [outcome("b" * 32, **{METRIC: 0.75}), outcome("a" * 32, **{METRIC: 0.5})]

        sweep.conclude(run, outcomes, METRIC, next_commands=steps_sweep.next_commands)

        assert run.metrics == {"runs": 2, "runs_failed": 0, f"best_{METRIC}": 0.75}
        printed = capsys.readouterr().out
        assert f"evaluate -P run_id={'b' * 8}\n" in printed
        assert f"reprise reproduce {'b' * 8}\n" in printed

    def test_tells_each_that_failed_with_its_command(self, run, capsys):
        outcomes = [outcome("b" * 32, **{METRIC: 0.75}), outcome("a" * 32, error="no memory")]

        with pytest.raises(RunFailedError) as failed:
            sweep.conclude(run, outcomes, METRIC, next_commands=steps_sweep.next_commands)

        assert str(failed.value).startswith("1 of 2 runs failed, as listed above.")
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("a" * 32)
        assert "-e train_dt -P max_depth=3: no memory" in line
        assert run.metrics == {"runs": 2, "runs_failed": 1, f"best_{METRIC}": 0.75}

    def test_says_that_all_have_failed(self, run):
        outcomes = [outcome(error="no"), outcome(error="no")]

        with pytest.raises(RunFailedError, match="2 of 2 runs failed"):
            sweep.conclude(run, outcomes, METRIC, next_commands=steps_sweep.next_commands)

        assert run.metrics == {"runs": 2, "runs_failed": 2}

    def test_says_that_none_has_the_metric(self, run):
        outcomes = [outcome(train_accuracy=1.0)]

        with pytest.raises(RunFailedError) as failed:
            sweep.conclude(run, outcomes, METRIC, next_commands=steps_sweep.next_commands)

        assert f"expected runs with the metric {METRIC}, found none that has it" in str(
            failed.value
        )


class TestWarm:
    @pytest.fixture
    def warm(self):
        """What makes the runs, as the command line asks."""

        def warm(*words):
            found = steps_sweep.start(words)
            with found or contextlib.nullcontext():
                return found

        return warm

    def test_is_this_machine_where_no_scheduler_is_named(self, warm):
        assert warm("--scheduler", "", "--workers", "2").workers == 2

    def test_is_not_started_for_a_cluster(self, warm):
        assert warm("--scheduler", "tls://example.org:8786") is None

    @pytest.mark.parametrize("workers", ["0", "many", ""])
    def test_leaves_wrong_numbers_of_workers_to_be_refused_later(self, warm, workers):
        assert warm("--workers", workers).workers >= 1

    def test_is_not_started_for_a_cluster_that_is_named_in_one_word(self, warm):
        assert warm("--scheduler=tls://example.org:8786") is None


def test_shows_the_best_twenty_and_says_how_many_more_there_are(
    recording, tmp_path, monkeypatch, capsys
):
    made = [
        outcome(f"{number:08x}{0:024}", cv_accuracy_mean=number / 100)
        for number in range(25, 0, -1)
    ]
    monkeypatch.setattr(executors, "chosen", lambda *_, **__: contextlib.nullcontext())
    monkeypatch.setattr(runner, "check_out_for", lambda *_: None)
    monkeypatch.setattr(steps_sweep, "load", lambda *_, **__: "a" * 32)
    monkeypatch.setattr(sweep, "make", lambda *_, **__: made)
    (tmp_path / "grid.yaml").write_text("params: {max_depth: 1}\n")
    parameters = SweepParameters(grid=str(tmp_path / "grid.yaml"))

    with recording(parameters) as run:
        steps_sweep.main(parameters, run, warm=None)

    printed = capsys.readouterr().out
    shown = [each.run_id[:8] in printed.partition("Next:")[0] for each in made]
    assert shown == [True] * 20 + [False] * 5
    assert "and 5 more" in printed
