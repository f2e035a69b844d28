"""The output is in order, complete and, in a log, plain text."""

import ast
import math
import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest

from reprise.runtime import summary
from reprise.sweeps import leaderboard
from reprise.sweeps.outcome import Outcome
from steps.parameters import (
    LoadDataParameters,
    TrainDecisionTreeParameters,
    TrainLogisticRegressionParameters,
)

ROOT = Path(__file__).parents[2]


def outcome(run_id="1", parameters=None, error="", **metrics):
    return Outcome(parameters or TrainDecisionTreeParameters(), run_id, metrics, 1.0, error)


def ids(outcomes):
    return [each.run_id for each in outcomes]


class TestRanked:
    def test_the_greatest_comes_first(self):
        outcomes = [outcome("low", m=0.1), outcome("high", m=0.9), outcome("middle", m=0.5)]

        assert ids(leaderboard.ranked(outcomes, "m", ascending=False)) == ["high", "middle", "low"]

    def test_the_least_comes_first_where_less_is_better(self):
        outcomes = [outcome("middle", m=0.5), outcome("high", m=0.9), outcome("low", m=-0.1)]

        assert ids(leaderboard.ranked(outcomes, "m", ascending=True)) == ["low", "middle", "high"]

    @pytest.mark.parametrize("ascending", [True, False])
    def test_those_without_the_metric_come_last_in_their_order(self, ascending):
        outcomes = [
            outcome("nan", m=math.nan),
            outcome("missing", n=1.0),
            outcome("zero", m=0.0),
            outcome("nan too", m=math.nan),
        ]

        found = ids(leaderboard.ranked(outcomes, "m", ascending=ascending))

        assert found == ["zero", "nan", "missing", "nan too"]

    @pytest.mark.parametrize("ascending", [True, False])
    def test_ties_keep_their_order(self, ascending):
        outcomes = [outcome(name, m=0.5) for name in "cab"]

        assert ids(leaderboard.ranked(outcomes, "m", ascending=ascending)) == ["c", "a", "b"]

    def test_failed_runs_come_last_even_with_metrics(self):
        outcomes = [outcome("failed", error="no", m=0.9), outcome("low", m=0.1)]

        assert ids(leaderboard.ranked(outcomes, "m", ascending=False)) == ["low", "failed"]

    def test_infinities_are_at_the_ends(self):
        outcomes = [outcome("a", m=-math.inf), outcome("b", m=0.0), outcome("c", m=math.inf)]

        assert ids(leaderboard.ranked(outcomes, "m", ascending=False)) == ["c", "b", "a"]


class TestVaryingParameters:
    def test_are_those_that_differ_between_runs_of_a_step(self):
        outcomes = [
            outcome(parameters=TrainDecisionTreeParameters(max_depth=depth, ccp_alpha=alpha))
            for depth, alpha in ((2, 0.1), (3, 0.1))
        ]

        assert leaderboard.varying_parameters(outcomes) == ["max_depth"]

    def test_are_not_those_by_which_one_step_differs_from_another(self):
        outcomes = [
            outcome(parameters=TrainDecisionTreeParameters(seed=1)),
            outcome(parameters=TrainLogisticRegressionParameters(seed=0)),
        ]

        assert leaderboard.varying_parameters(outcomes) == []

    def test_are_named_once_however_many_steps_vary_them(self):
        outcomes = [
            outcome(parameters=model(seed=seed, cv=cv))
            for model in (TrainLogisticRegressionParameters, TrainDecisionTreeParameters)
            for seed, cv in ((5, 3), (6, 4))
        ]

        assert leaderboard.varying_parameters(outcomes) == ["cv", "seed"]


class TestCommand:
    def test_names_only_chosen_parameters(self):
        parameters = TrainDecisionTreeParameters(max_depth=3, criterion="gini")

        found = summary.command(parameters)

        assert found == "reprise run -e train_dt -P max_depth=3"

    @pytest.mark.parametrize(
        "source", ["a b.csv", "it's.csv", "$(rm -rf x).csv", "a;b&c|d.csv", '"q".csv', "*.csv"]
    )
    def test_quotes_values_for_the_shell(self, source):
        parameters = LoadDataParameters(source=source, target="the class", stratify=False)

        words = shlex.split(summary.command(parameters))

        given = dict(word.split("=", 1) for word in words if "=" in word)
        assert LoadDataParameters.parse(given) == parameters


@pytest.fixture
def no_hints(monkeypatch):
    """Remove variables that tell rich whether the output is a terminal."""
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


class TestLeaderboard:
    def outcomes(self):
        return [
            outcome(
                "a" * 32,
                TrainDecisionTreeParameters(max_depth=2),
                cv_accuracy_mean=0.5,
                cv_accuracy_std=0.25,
                train_accuracy=0.75,
            ),
            outcome(
                "b" * 32,
                TrainDecisionTreeParameters(max_depth=3),
                cv_accuracy_mean=0.9375,
                cv_accuracy_std=0.125,
                train_accuracy=1.0,
                test_accuracy=0.875,
            ),
            outcome("c" * 32, TrainDecisionTreeParameters(max_depth=4), error="out of memory"),
        ]

    def printed(self, capsys, **options):
        options = {"metric": "accuracy", "ascending": False, **options}
        leaderboard.leaderboard("Runs", self.outcomes(), **options)
        return capsys.readouterr().out

    def rows(self, text):
        """Cells of the rows of a printed table."""
        lines = [line for line in text.splitlines() if line.startswith("│")]
        return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]

    def test_holds_short_ids_the_best_first_and_the_failed_last(self, no_hints, capsys):
        rows = self.rows(self.printed(capsys))

        assert rows == [
            ["b" * 8, "train_dt", "3", "0.9375", "0.1250", "1.0000", "0.8750"],
            ["a" * 8, "train_dt", "2", "0.5000", "0.2500", "0.7500", ""],
            ["c" * 8, "train_dt (failed)", "4", "", "", "", ""],
        ]

    def test_holds_ids_however_many_parameters_vary(self, no_hints, capsys):
        few = {"data": "a long name.csv", "max_depth": 2, "class_weight": "balanced"}
        many = {"criterion": "entropy", "min_samples_split": 9, "min_samples_leaf": 99, "cv": 3}
        outcomes = [
            outcome("a" * 32, TrainDecisionTreeParameters(**few), cv_accuracy_mean=0.5),
            outcome("b" * 32, TrainDecisionTreeParameters(**many), cv_accuracy_mean=0.6),
        ]

        leaderboard.leaderboard("Runs", outcomes, metric="accuracy", ascending=False)

        text = capsys.readouterr().out
        assert "b" * 8 in text
        assert text.index("b" * 8) < text.index("a" * 8)

    def test_is_in_the_other_order_where_less_is_better(self, no_hints, capsys):
        rows = self.rows(self.printed(capsys, ascending=True))

        assert [row[0][0] for row in rows] == ["a", "b", "c"]

    def test_has_no_colour_codes_in_a_log(self, no_hints, capsys):
        text = self.printed(capsys)

        assert "Runs" in text
        assert "\x1b" not in text

    def test_shows_no_columns_of_metrics_that_no_run_has(self, no_hints, capsys):
        text = self.printed(capsys, metric="mcc")

        assert "cv mcc" not in text
        assert [row[0][0] for row in self.rows(text)] == ["a", "b", "c"]

    @pytest.mark.parametrize(
        ("metric", "order"),
        [
            ("accuracy", ["b", "a"]),
            ("cv_accuracy_mean", ["b", "a"]),
            ("train_accuracy", ["a", "b"]),
        ],
    )
    def test_is_in_the_order_of_the_metric_that_is_named(self, no_hints, capsys, metric, order):
        outcomes = [
            outcome("a" * 32, cv_accuracy_mean=0.5, cv_accuracy_std=0.25, train_accuracy=1.0),
            outcome("b" * 32, cv_accuracy_mean=0.75, cv_accuracy_std=0.5, train_accuracy=0.875),
        ]

        leaderboard.leaderboard("Runs", outcomes, metric=metric, ascending=False)

        text = capsys.readouterr().out
        assert [row[0][0] for row in self.rows(text)] == order
        assert [heading in text for heading in ("cv accuracy", "± std", "train")] == [True] * 3

    def test_shows_the_best_of_many_and_the_number_of_others(self, no_hints, capsys):
        text = self.printed(capsys, most=2)

        assert [row[0][0] for row in self.rows(text)] == ["b", "a"]
        assert text.endswith("and 1 more\n")

    @pytest.mark.parametrize("most", [None, 3, 20])
    def test_shows_all_where_there_are_no_more_than_asked_for(self, no_hints, capsys, most):
        text = self.printed(capsys, most=most)

        assert len(self.rows(text)) == 3
        assert "more" not in text


class TestDone:
    def test_prints_the_run_its_headline_metrics_and_the_next_commands(self, capsys):
        run = SimpleNamespace(
            run_id="a" * 32,
            metrics={"train_accuracy": 1.0, "cv_accuracy_mean": 0.95, "other": 3.0},
            record=SimpleNamespace(step=SimpleNamespace(entry_point="train_dt")),
        )

        headlines = ["cv_accuracy_mean", "cv_accuracy_std", "train_accuracy"]
        summary.done(run, {"make ui": "look at it"}, headlines=headlines)

        assert capsys.readouterr().out == (
            f"train_dt: run {'a' * 32}\n"
            "  cv_accuracy_mean 0.95  train_accuracy 1\n"
            "Next:\n"
            "  # look at it\n"
            "  make ui\n"
        )

    def test_prints_all_metrics_of_a_run_without_headline_metrics(self, capsys):
        run = SimpleNamespace(
            run_id="a" * 32,
            metrics={"rows_train": 100, "rows_test": 50},
            record=SimpleNamespace(step=SimpleNamespace(entry_point="load_data")),
        )

        summary.done(run, {}, headlines=["cv_accuracy_mean"])

        assert "  rows_train 100  rows_test 50\n" in capsys.readouterr().out


def hints():
    """Every text in the engine and the steps that has a command to type, by its file."""
    for path in sorted([*ROOT.glob("reprise/**/*.py"), *ROOT.glob("steps/**/*.py")]):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            text = str(node.value) if isinstance(node, ast.Constant) else ""
            if re.match(r"(mlflow|reprise) run ", text):
                yield path.name, text


def test_every_command_to_type_is_one_of_the_command_reprise():
    found = list(hints())

    assert ("summary.py", "reprise run -e") in found
    others = [hint for hint in found if hint[1].startswith("mlflow run ")]
    by_hand = ("recipe.py", "mlflow run --env-manager=local . -e")  # for who has no Reprise
    assert others == [by_hand, ("door.py", "mlflow run .")]  # which a user has typed
