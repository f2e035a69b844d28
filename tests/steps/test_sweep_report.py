"""The report of a sweep is complete, ordered, and equal for equal runs."""

import csv
import io
import itertools
import warnings

import numpy as np
import pytest
from matplotlib.text import Annotation

from reprise.record.schema import FILE_NAME
from reprise.sweeps.outcome import Outcome
from steps import canvas, sweep_report
from steps.parameters import SweepParameters, TrainDecisionTreeParameters

METRIC = "cv_accuracy_mean"


def outcome(run_id="1", *, value=None, error="", made_before=False, **parameters):
    metrics = {} if value is None else {METRIC: value}
    made = TrainDecisionTreeParameters(**parameters)
    return Outcome(made, run_id, metrics, 0.12345, error, made_before)


def grid(**lists):
    """Outcomes of all combinations of parameters, each better than the last."""
    points = [
        dict(zip(lists, values, strict=True)) for values in itertools.product(*lists.values())
    ]
    return [outcome(str(i), value=i / len(points), **point) for i, point in enumerate(points)]


def picture(outcomes, *varying, ascending=False):
    """Draw outcomes, and let no warning pass."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = sweep_report.picture(
            sweep_report.table(outcomes), varying, METRIC, ascending=ascending
        )
        figure.canvas.draw()
    return figure


def labels(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def image(figure):
    (drawn,) = figure.axes[0].images
    return np.ma.filled(drawn.get_array().astype(float), np.nan)


def paths(figure):
    """Heights of the runs' lines from left to right, in the order in which they are drawn."""
    return [
        tuple(map(float, line[:, 1]))
        for lines in figure.axes[0].collections
        for line in lines.get_segments()
    ]


def marks(figure, place):
    """Return the labels of an axis of parallel coordinates, from the bottom."""
    found = [each for each in figure.findobj(Annotation) if each.xy[0] == place]
    return [each.get_text() for each in sorted(found, key=lambda each: each.xy[1])]


class TestTable:
    def test_has_a_row_for_each_run_in_their_order(self):
        outcomes = [
            outcome("b", value=0.75, max_depth=2),
            outcome("a", error="no memory", max_depth=3),
            outcome("c", value=0.5, made_before=True),
        ]

        found = sweep_report.table(outcomes)

        assert found["run_id"].tolist() == ["b", "a", "c"]
        assert found["state"].tolist() == ["done", "failed", "made before"]
        assert found["max_depth"].tolist() == ["2", "3", ""]
        assert found[METRIC].fillna(-1).tolist() == [0.75, -1, 0.5]
        assert found["error"].tolist() == ["", "no memory", ""]
        assert found["seconds"].tolist() == [0.123] * 3

    def test_has_all_parameters_and_metrics_between_state_and_seconds(self):
        found = sweep_report.table([outcome(value=0.5)])

        assert found.columns.tolist() == [
            "run_id",
            "state",
            *TrainDecisionTreeParameters.model_fields,
            METRIC,
            "seconds",
            "error",
        ]

    def test_has_the_metrics_of_runs_that_come_after_one_without(self):
        found = sweep_report.table([outcome(error="no"), outcome(value=0.5)])

        assert found[METRIC].isna().tolist() == [True, False]

    def test_of_no_runs_is_empty(self):
        assert sweep_report.table([]).empty


class TestHeatMap:
    def test_is_drawn_of_two_parameters(self):
        figure = picture(
            grid(min_samples_leaf=[1, 2], max_depth=[1, 2, 3]), "min_samples_leaf", "max_depth"
        )

        axes, bar = figure.axes
        assert image(figure).tolist() == [[0, 1 / 6, 2 / 6], [3 / 6, 4 / 6, 5 / 6]]
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("max_depth", "min_samples_leaf")
        assert (labels(axes.xaxis), labels(axes.yaxis)) == (["1", "2", "3"], ["1", "2"])
        assert axes.get_title() == METRIC
        assert bar.get_ylim() == (0, 5 / 6)

    def test_has_numbers_in_the_order_of_their_values(self):
        figure = picture(
            grid(max_depth=[10, 9, 1], criterion=["gini", "entropy"]), "max_depth", "criterion"
        )

        axes = figure.axes[0]
        assert labels(axes.xaxis) == ["1", "9", "10"]
        assert labels(axes.yaxis) == ["entropy", "gini"]
        assert image(figure).tolist() == [[5 / 6, 3 / 6, 1 / 6], [4 / 6, 2 / 6, 0]]

    def test_has_words_after_numbers_and_names_empty_values(self):
        figure = picture(
            grid(max_depth=[None, 2, 10], class_weight=["balanced", None]),
            "max_depth",
            "class_weight",
        )

        axes = figure.axes[0]
        assert labels(axes.xaxis) == ["2", "10", "empty"]
        assert labels(axes.yaxis) == ["empty", "balanced"]

    def test_is_blank_without_a_run(self):
        outcomes = grid(max_depth=[1, 2], min_samples_leaf=[1, 2])[:-1]

        found = image(picture(outcomes, "max_depth", "min_samples_leaf"))

        assert np.isnan(found).tolist() == [[False, False], [False, True]]

    def test_is_drawn_of_a_metric_that_is_the_same_for_all(self):
        outcomes = [outcome(value=0.5, max_depth=d, cv=cv) for d in (1, 2) for cv in (2, 3)]

        assert image(picture(outcomes, "max_depth", "cv")).tolist() == [[0.5, 0.5], [0.5, 0.5]]

    def test_is_drawn_of_one_run(self):
        outcomes = [outcome(value=0.5, max_depth=1)]

        assert image(picture(outcomes, "max_depth", "cv")).tolist() == [[0.5]]

    def test_distinguishes_values(self):
        figure = picture(grid(seed=[12346, 12347], max_depth=[1, 2]), "seed", "max_depth")

        axes = figure.axes[0]
        assert len(set(labels(axes.xaxis))) == len(set(labels(axes.yaxis))) == 2

    def test_is_not_drawn_of_two_runs_at_one_point(self):
        outcomes = [outcome(value=v, max_depth=1, cv=2, seed=s) for s, v in enumerate((0.5, 0.6))]

        assert len(paths(picture(outcomes, "max_depth", "cv"))) == 2

    def test_is_not_drawn_of_more_values_than_a_picture_has_room_for(self):
        outcomes = grid(max_depth=list(range(1, 61)), cv=[2, 3])

        assert len(paths(picture(outcomes, "max_depth", "cv"))) == 120


class TestParallelCoordinates:
    @pytest.mark.parametrize("varying", [["max_depth"], ["max_depth", "cv", "criterion"]])
    def test_have_an_axis_for_each_parameter_and_the_metric(self, varying):
        outcomes = grid(max_depth=[1, 2], cv=[2, 3], criterion=["gini", "entropy"])

        figure = picture(outcomes, *varying)

        axes = figure.axes[0]
        assert labels(axes.xaxis) == [*varying, METRIC]
        assert axes.get_title() == "8 runs"

    def test_have_a_line_for_each_run_the_best_on_top(self):
        outcomes = grid(max_depth=[1, 2], cv=[2, 3], criterion=["entropy", "gini"])

        found = paths(picture(outcomes, "max_depth", "cv", "criterion"))

        assert len(found) == 8
        assert found[0] == (0, 0, 0, 0)
        assert found[-1] == (1, 1, 1, 1)

    def test_have_the_least_on_top_where_less_is_better(self):
        outcomes = grid(max_depth=[1, 2], cv=[2, 3], criterion=["entropy", "gini"])

        found = paths(picture(outcomes, "max_depth", "cv", "criterion", ascending=True))

        assert found[-1] == (0, 0, 0, 0)

    def test_have_sorted_numbers_before_sorted_words(self):
        outcomes = grid(max_depth=[None, 10, 9], cv=[2, 3], seed=[1, 2])

        figure = picture(outcomes, "max_depth", "cv", "seed")

        assert marks(figure, 0) == ["9", "10", "empty"]
        assert marks(figure, 1) == ["2", "3"]
        assert marks(figure, 3) == ["0", "0.9167"]

    def test_label_some_of_many_values(self):
        outcomes = grid(max_depth=list(range(1, 101)))

        figure = picture(outcomes, "max_depth")

        assert 6 <= len(marks(figure, 0)) <= 12
        assert marks(figure, 0)[0] == "1"

    def test_are_drawn_of_a_metric_that_is_the_same_for_all(self):
        outcomes = [outcome(value=0.5, max_depth=d, cv=2, seed=d) for d in (1, 2, 3)]

        figure = picture(outcomes, "max_depth", "cv", "seed")

        assert marks(figure, 3) == ["0.5"]
        assert sorted(paths(figure)) == [(0, 0.5, 0, 0.5), (0.5, 0.5, 0.5, 0.5), (1, 0.5, 1, 0.5)]

    def test_are_drawn_of_one_run(self):
        figure = picture([outcome(value=0.5)], "max_depth", "cv", "seed")

        assert paths(figure) == [(0.5, 0.5, 0.5, 0.5)]


@pytest.mark.parametrize("varying", [["max_depth", "cv"], ["max_depth", "cv", "criterion"]])
def test_equal_runs_give_equal_pictures(tmp_path, varying):
    for name in ("first", "second"):
        outcomes = grid(max_depth=[None, 1, 2], cv=[2, 3], criterion=["gini"])
        canvas.save_all({name: picture(outcomes, *varying)}, tmp_path)

    first, second = ((tmp_path / f"{name}.png").read_bytes() for name in ("first", "second"))
    assert first == second
    assert first.startswith(b"\x89PNG")


class TestLog:
    @pytest.fixture
    def log(self, store, recording):
        """Log the report of outcomes, and return the files that it left."""

        def log(outcomes):
            with recording(SweepParameters()) as run:
                sweep_report.log(run, outcomes, METRIC, ascending=False)
            files = [name for name in store.files(run.run_id) if name != FILE_NAME]
            return files, store.artifacts(run.run_id)

        return log

    def test_leaves_the_table_and_a_picture(self, log):
        outcomes = [outcome("b", value=0.75, max_depth=2), outcome("a", error="a\nb", max_depth=3)]

        files, folder = log(outcomes)

        rows = list(csv.DictReader(io.StringIO((folder / "runs.csv").read_text())))
        assert files == ["parameters.png", "runs.csv"]
        assert [(row["run_id"], row["max_depth"], row[METRIC]) for row in rows] == [
            ("b", "2", "0.75"),
            ("a", "3", ""),
        ]
        assert rows[1]["error"] == "a\nb"

    @pytest.mark.parametrize(
        "outcomes",
        [
            [outcome(value=0.5)],
            [outcome(max_depth=1), outcome(max_depth=2)],
            [outcome(error="no", max_depth=1), outcome(error="no", max_depth=2)],
        ],
        ids=["nothing varies", "no metric", "all failed"],
    )
    def test_draws_no_plot_without_varying_parameters(self, log, outcomes):
        files, _ = log(outcomes)

        assert files == ["runs.csv"]
