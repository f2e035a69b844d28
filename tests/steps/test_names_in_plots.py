"""Names in plots stay different when they are cut; letters, dates and zeros are as they are."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.text import Text

from steps import canvas, encoding, fonts, model_plots, models, number_plots
from steps.canvas import short_names
from steps.parameters import TrainDecisionTreeParameters

LONG = [f"Municipality of Long Name Number {i:03d} (district)" for i in range(120)]


def texts(figure):
    figure.canvas.draw()
    return [text.get_text() for text in figure.findobj(Text) if text.get_visible()]


def test_long_names_that_differ_in_the_middle_show_where():
    found = short_names(LONG)

    assert len(set(found)) == len(LONG)
    assert all(f"{i:03d}" in name for i, name in enumerate(found))
    assert max(map(len, found)) <= 18


@given(
    st.lists(
        st.text(alphabet="ab ", min_size=1, max_size=60).map(lambda t: " ".join(t.split())),
        min_size=1,
        max_size=20,
        unique=True,
    )
)
def test_different_names_stay_different(names):
    found = short_names(names)

    assert len(set(found)) == len(names)


@given(st.lists(st.text(max_size=60), min_size=1, max_size=8))
def test_any_names_are_cut_to_as_many_lines(names):
    found = short_names(names)

    assert len(found) == len(names)
    assert not any("\n" in name for name in found)


def test_names_that_fit_are_kept():
    assert short_names(["a", "b c", "$x"]) == ["a", "b c", r"\$x"]


def test_a_letter_without_a_font_is_reported_once_in_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(fonts, "_chosen", lambda missing: ([], missing))
    figures = {name: canvas.canvas(3, 2) for name in ("a", "b")}
    for figure in figures.values():
        figure.subplots().set(title="東京", xlabel="京都")

    canvas.save_all(figures, tmp_path)

    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(
        "No font of this machine has the letters 京, 東, 都: plots show boxes"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]


@pytest.mark.filterwarnings("error")
def test_letters_that_another_font_has_are_drawn_with_it(monkeypatch):
    monkeypatch.setattr(fonts, "_chosen", lambda missing: (["Some Font"], set()))
    figure = canvas.canvas(3, 2)
    axes = figure.subplots()
    axes.set(title="東京", xlabel="plain")

    missing = fonts.give_letters([figure])

    assert missing == ""
    assert axes.title.get_fontfamily() == ["DejaVu Sans", "Some Font"]
    assert axes.xaxis.label.get_fontfamily() != ["DejaVu Sans", "Some Font"]


@pytest.mark.parametrize("text", ["é ü ß", "Ωμέγα", "жук", "עברית"])
def test_letters_of_the_own_font_need_no_other(text):
    figure = canvas.canvas(3, 2)
    figure.subplots().set_title(text)

    assert fonts.give_letters([figure]) == ""


def test_features_of_importance_zero_are_left_out():
    figure = model_plots.importances(
        ["used", "unused", "also"], np.array([0.7, 0.0, 0.3]), title="Importance", label="share"
    )

    shown = texts(figure)
    assert {"used", "also"} <= set(shown)
    assert "unused" not in shown
    assert "Importance\n(top 2 of 3 features)" in shown


def test_if_all_are_zero_the_plot_says_so():
    figure = model_plots.importances(["x"], np.zeros(1), title="Importance", label="share")

    assert "none: all are 0" in texts(figure)


@pytest.mark.parametrize(
    ("moment", "shown"), [("2020-03-01", "≤ 2020-03-01"), ("2020-03-01T08:00", "≤ 2020-03-01 0")]
)
def test_a_tree_splits_by_a_date_that_is_shown_as_one(moment, shown):
    middle = pd.Timestamp(moment)
    X = pd.DataFrame(
        {"day": [middle - pd.Timedelta(hours=12), middle + pd.Timedelta(hours=12)] * 5}
    )
    y = np.array(["before", "after"] * 5, dtype=object)
    model = models.decision_tree(TrainDecisionTreeParameters(), X).fit(X, y)

    figure = model_plots.tree(
        model.named_steps["classifier"],
        models.feature_names(model),
        list(model.classes_),
        times=encoding.time_columns(model.named_steps["columns"]),
    )

    (root,) = [text for text in texts(figure) if text.startswith("day\n")]
    split = root.splitlines()[1]
    assert split == shown if moment == "2020-03-01" else split.startswith(shown)


def test_a_tree_of_numbers_shows_means_and_rows():
    X = pd.DataFrame({"x": np.arange(8.0)})
    y = np.where(X["x"] > 3, 10.0, 2.0)
    model = models.decision_tree(TrainDecisionTreeParameters(), X, "regression").fit(X, y)

    figure = model_plots.tree(model.named_steps["regressor"], ["x"], [])

    shown = texts(figure)
    assert {"x\n≤ 3.5\n6\n8 rows", "2\n4 rows", "10\n4 rows"} <= set(shown)


def test_coefficients_of_numbers_are_bars():
    figure = model_plots.coefficients(["a", "b"], np.array([2.0, -1.0]), [])

    assert {"Coefficients", "Coefficient (change in the target)", "a", "b"} <= set(texts(figure))


class TestNumbers:
    true = np.linspace(0.0, 10.0, 50)

    def test_each_row_is_a_point_and_the_axes_name_the_target(self):
        figure = number_plots.predicted_against_true(self.true, self.true + 1, "price")

        (axes,) = figure.axes
        (points,) = axes.collections
        assert points.get_offsets().data.tolist() == [[t, t + 1] for t in self.true]
        assert {"True price", "Predicted price"} <= set(texts(figure))

    def test_errors_are_drawn_over_the_predicted_number_and_counted(self):
        figure = number_plots.residuals(self.true, self.true - 2, "price")

        scatter, counts = figure.axes
        assert set(scatter.collections[0].get_offsets()[:, 1].tolist()) == {-2.0}
        assert sum(bar.get_width() for bar in counts.patches) == 50

    def test_of_many_rows_some_are_drawn_and_the_title_says_how_many(self):
        true = np.arange(12_000.0)

        figure = number_plots.predicted_against_true(true, true, "y")

        assert len(figure.axes[0].collections[0].get_offsets()) == 4000
        assert "Predicted against true y\n(1 in 3 of 12000 rows)" in texts(figure)

    @pytest.mark.filterwarnings("error")
    def test_one_row_and_equal_numbers_are_drawn(self):
        one = np.array([2.0])

        for draw in (number_plots.predicted_against_true, number_plots.residuals):
            assert texts(draw(one, one, "y"))
