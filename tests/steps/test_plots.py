"""Plots: the text and the content of figures; equal data give equal files."""

import warnings
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.image import AxesImage
from matplotlib.text import Annotation, Text
from sklearn.datasets import load_digits, load_iris
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.tree import DecisionTreeClassifier

from steps import canvas, model_plots, plots

CURVES = [plots.roc, plots.precision_recall]


def texts(figure):
    """Return every visible text of a figure, once drawn."""
    figure.canvas.draw()
    return [text.get_text() for text in figure.findobj(Text) if text.get_visible()]


def legend(axes):
    return [text.get_text().strip() for text in axes.get_legend().get_texts()]


def lines(axes):
    """Return the curves with points, without the diagonal of chance."""
    return [line for line in axes.lines if len(line.get_xdata()) > 2]


def predictions(n_classes, n=400, seed=0):
    """Return true positions and imperfect probabilities."""
    random = np.random.default_rng(seed)
    true = random.integers(0, n_classes, n)
    weights = random.random((n, n_classes)) + 0.7 * np.eye(n_classes)[true]
    return true, weights / weights.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def deep_tree():
    digits = load_digits()
    return DecisionTreeClassifier(random_state=0).fit(digits.data, digits.target)


@pytest.fixture(scope="module")
def iris_tree():
    iris = load_iris()
    tree = DecisionTreeClassifier(max_depth=2, random_state=0)
    return tree.fit(iris.data, iris.target_names[iris.target])


def every_plot(tree):
    true, probabilities = predictions(3)
    classes, features = ["a", "b", "c"], ["w", "x", "y", "z"]
    named = np.array(classes)[true]
    weights = np.linspace(-1, 1, 12).reshape(3, 4)
    return {
        "confusion_matrix": plots.confusion_matrix(named, np.roll(named, 1), classes),
        "roc": plots.roc(named, probabilities, classes),
        "precision_recall": plots.precision_recall(named, probabilities, classes),
        "calibration": plots.calibration(named, probabilities, classes),
        "importances": model_plots.importances(
            features, weights[0], title="Importances", label="Gain"
        ),
        "coefficients": model_plots.coefficients(features, weights, classes),
        "coefficients_map": model_plots.coefficients(features * 3, np.tile(weights, 3), classes),
        "tree": model_plots.tree(tree, features, classes),
    }


def test_files_are_pngs_with_equal_bytes_in_two_runs(tmp_path, iris_tree):
    for run in ("first", "second"):
        canvas.save_all(every_plot(iris_tree), tmp_path / "new" / run)

    first, second = (
        {path.name: path.read_bytes() for path in (tmp_path / "new" / run).iterdir()}
        for run in ("first", "second")
    )
    assert first == second
    assert set(first) == {f"{name}.png" for name in every_plot(iris_tree)}
    for content in first.values():
        assert content.startswith(b"\x89PNG")
        assert b"Software" not in content


def test_no_figure_is_left_to_pyplot(iris_tree):
    from matplotlib import pyplot as plt

    every_plot(iris_tree)

    assert plt.get_fignums() == []


def test_every_figure_has_a_title(iris_tree):
    for figure in every_plot(iris_tree).values():
        assert figure.axes[0].get_title()


def test_confusion_matrix_counts_every_pair_of_classes():
    y_true = ["a"] * 6 + ["b"] * 4 + ["c"] * 5
    y_pred = ["a"] * 5 + ["b"] + ["b"] * 4 + ["a", "a", "b", "b", "b"]

    figure = plots.confusion_matrix(y_true, y_pred, ["a", "b", "c"])

    axes = figure.axes[0]
    cells = {tuple(map(int, text.get_position()))[::-1]: text.get_text() for text in axes.texts}
    counts = [[cells[row, column] for column in range(3)] for row in range(3)]
    assert counts == [["5", "1", "0"], ["0", "4", "0"], ["2", "3", "0"]]
    assert axes.get_title() == "Confusion matrix: 9 of 15 right"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Predicted class", "True class")


def test_confusion_matrix_is_shaded_by_the_fraction_of_the_true_class():
    figure = plots.confusion_matrix(["a"] * 4 + ["b"], ["a", "a", "a", "b", "b"], ["a", "b", "c"])

    (image,) = [i for i in figure.axes[0].images if isinstance(i, AxesImage)]
    assert image.get_array().tolist() == [[0.75, 0.25, 0], [0, 1, 0], [0, 0, 0]]
    assert image.get_clim() == (0, 1)


def test_confusion_matrix_of_many_classes_is_larger_with_smaller_counts_that_fit():
    true = np.repeat(np.arange(30), 2000)

    small = plots.confusion_matrix([0, 1], [0, 1], [0, 1])
    large = plots.confusion_matrix(true, true, range(30))

    assert large.get_figwidth() > small.get_figwidth()
    assert large.axes[0].texts[0].get_fontsize() < small.axes[0].texts[0].get_fontsize() == 11
    large.canvas.draw()
    cell = large.axes[0].get_window_extent().width / 30
    widths = [text.get_window_extent().width for text in large.axes[0].texts]
    assert len(widths) == 900
    assert cell / 2 < max(widths) < cell


@pytest.mark.parametrize(("name", "rotation"), [("cat", 0), ("a long class name", 90)])
def test_names_under_a_matrix_are_turned_where_they_would_overlap(name, rotation):
    classes = [f"{k} {name}" for k in range(5)]

    figure = plots.confusion_matrix(classes, classes, classes)

    figure.canvas.draw()
    labels = figure.axes[0].get_xticklabels()
    assert {label.get_rotation() for label in labels} == {rotation}
    boxes = [label.get_window_extent() for label in labels]
    assert not any(a.overlaps(b) for a, b in pairwise(boxes))


@pytest.mark.parametrize(
    ("plot", "area"),
    [(plots.roc, roc_auc_score), (plots.precision_recall, average_precision_score)],
)
def test_curves_are_named_with_the_area_and_their_macro_average(plot, area):
    true, probabilities = predictions(3)
    classes = np.array(["ant", "_bee", "cat"], dtype=object)

    figure = plot(classes[true], probabilities, classes)

    areas = [area(true == k, probabilities[:, k]) for k in range(3)]
    named = [f"{value:.3f}  {name}" for value, name in zip(areas, classes, strict=True)]
    assert legend(figure.axes[0]) == [*named, f"{np.mean(areas):.3f}  macro average"]


@pytest.mark.parametrize("plot", CURVES)
def test_two_classes_have_one_curve_of_the_second(plot):
    true, probabilities = predictions(2)

    figure = plot(true.astype(bool), probabilities, [False, True])

    assert len(lines(figure.axes[0])) == 1
    assert "of True\n(against False)" in figure.axes[0].get_title()


def test_a_perfect_classifier_has_the_corner_curves():
    y, probabilities = ["a", "a", "b"], np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])

    roc = plots.roc(y, probabilities, ["a", "b"]).axes[0]
    precision_recall = plots.precision_recall(y, probabilities, ["a", "b"]).axes[0]

    assert {(0.0, 0.0), (0.0, 1.0), (1.0, 1.0)} <= set(map(tuple, lines(roc)[0].get_xydata()))
    assert {(0.0, 1.0), (1.0, 1.0)} <= set(map(tuple, lines(precision_recall)[0].get_xydata()))


@pytest.mark.parametrize("plot", CURVES)
def test_of_many_classes_the_three_best_and_worst_are_named(plot):
    true, probabilities = predictions(20)
    probabilities[:, 4] = np.where(true == 4, 1, 0)
    probabilities[:, 7] = np.where(true == 7, 0, 1)

    axes = plot(true, probabilities, range(20)).axes[0]

    names = legend(axes)
    assert len(names) == 3 + 3 + 2
    assert names[0] == "1.000  4"
    assert names[5].endswith("  7")
    assert names[6].endswith("macro average")
    assert names[7] == "14 other classes"
    assert len(lines(axes)) == 20 + 1


@pytest.mark.parametrize("plot", CURVES)
def test_up_to_ten_classes_have_distinct_lines(plot):
    true, probabilities = predictions(10)

    axes = plot(true, probabilities, range(10)).axes[0]

    looks = {(to_hex(line.get_color()), line.get_linestyle()) for line in lines(axes)}
    assert len(looks) == 10 + 1


@pytest.mark.parametrize("plot", CURVES)
def test_a_class_absent_from_the_truth_has_no_curve_and_is_named(plot):
    true, probabilities = predictions(4)
    kept = true != 2

    axes = plot(true[kept], probabilities[kept], range(4)).axes[0]

    assert [line.get_label()[7:] for line in lines(axes)] == ["0", "1", "3", "macro average"]
    assert legend(axes)[-1] == "not in the data: 2"


@pytest.mark.parametrize("plot", CURVES)
@pytest.mark.parametrize("n_classes", [1, 2, 3])
def test_the_figure_notes_if_the_truth_holds_one_class(plot, n_classes):
    probabilities = np.full((5, n_classes), 1 / n_classes)

    figure = plot([0] * 5, probabilities, range(n_classes))

    assert "Not defined: every sample is of one class" in texts(figure)
    assert not lines(figure.axes[0])


def test_calibration_shows_how_often_a_probability_came_true_and_how_many_say_so():
    p = np.array([0.14, 0.16, 0.14, 0.16, 0.72, 0.74])
    y = ["n", "n", "n", "y", "y", "y"]

    figure = plots.calibration(y, np.column_stack([1 - p, p]), ["n", "y"])

    upper, lower = figure.axes
    (line,) = [line for line in upper.lines if line.get_marker() == "o"]
    assert line.get_xydata() == pytest.approx(np.array([[0.15, 0.25], [0.73, 1.0]]))
    heights = [round(bar.get_height()) for bar in lower.patches]
    assert heights == [0, 4, 0, 0, 0, 0, 0, 2, 0, 0]
    assert upper.get_title() == "Calibration: probability of y"


def test_calibration_of_three_classes_has_a_line_each():
    true, probabilities = predictions(3)

    classes = np.array(["ant", "_bee", "cat"], dtype=object)

    upper, lower = plots.calibration(classes[true], probabilities, classes).axes

    assert legend(upper) == ["ant", "_bee", "cat"]
    assert len(lower.patches) == 30
    assert sum(bar.get_height() for bar in lower.patches) == 3 * 400


def test_calibration_of_more_classes_is_of_the_predicted_class():
    true = np.array([0, 1, 2, 3])
    probabilities = np.full((4, 4), 0.05) + 0.8 * np.eye(4)[[0, 1, 2, 2]]

    upper, _ = plots.calibration(true, probabilities, range(4)).axes

    (line,) = [line for line in upper.lines if line.get_marker() == "o"]
    assert line.get_xydata() == pytest.approx(np.array([[0.85, 0.75]]))
    assert upper.get_title() == "Calibration: probability of the predicted class"


def test_importances_are_the_twenty_of_greatest_magnitude_greatest_on_top():
    values = np.array([(-1) ** k * k for k in range(30)], dtype=float)

    figure = model_plots.importances(
        [f"f{k}" for k in range(30)], values, title="Gain", label="Share"
    )

    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        f"f{k}" for k in range(29, 9, -1)
    ]
    assert [bar.get_width() for bar in axes.patches] == values[:9:-1].tolist()
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    assert (axes.get_title(), axes.get_xlabel()) == ("Gain\n(top 20 of 30 features)", "Share")
    assert len({to_hex(bar.get_facecolor()) for bar in axes.patches}) == 2


def test_coefficients_of_few_classes_and_features_are_grouped_bars():
    values = np.arange(-4.0, 4.0).reshape(4, 2)

    axes = model_plots.coefficients(["x", "y"], values, ["a", "_b", "c", "d"]).axes[0]

    assert legend(axes) == ["a", "_b", "c", "d"]
    assert [bar.get_width() for bar in axes.patches] == values.ravel().tolist()
    centres = [round(bar.get_y() + bar.get_height() / 2) for bar in axes.patches]
    assert centres == [0, 1] * 4


def test_coefficients_of_two_classes_are_bars_that_name_the_second():
    axes = model_plots.coefficients(["x", "y"], np.array([[0.5, -2.0]]), ["no", "yes"]).axes[0]

    assert axes.get_title() == "Coefficients towards yes"
    assert [bar.get_width() for bar in axes.patches] == [-2.0, 0.5]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["y", "x"]


@pytest.mark.parametrize(("n_classes", "n_features"), [(5, 2), (3, 9), (10, 64)])
def test_coefficients_of_more_are_a_heat_map_of_the_top_features_centred_at_0(
    n_classes, n_features
):
    values = np.random.default_rng(0).normal(size=(n_classes, n_features))
    values[1, 1] = -9
    names = [f"f{k}" for k in range(n_features)]

    axes = model_plots.coefficients(names, values, range(n_classes)).axes[0]

    (image,) = axes.images
    assert image.get_clim() == (-9, 9)
    shown = [label.get_text() for label in axes.get_yticklabels()]
    assert shown[0] == "f1"
    assert len(shown) == min(30, n_features)
    columns = [names.index(name) for name in shown]
    assert np.array_equal(image.get_array(), values[:, columns].T)
    left_out = sorted(set(range(n_features)) - set(columns))
    magnitudes = np.abs(values).max(axis=0)
    assert all(magnitudes[left_out] <= magnitudes[columns].min())
    assert ("top 30 of 64 features" in axes.get_title()) == (n_features > 30)


def test_coefficients_that_are_all_zero_are_drawn():
    (image,) = model_plots.coefficients(["x"] * 9, np.zeros((3, 9)), [0, 1, 2]).axes[0].images

    assert image.get_clim() == (-1, 1)


def test_a_tree_shows_each_split_and_class(iris_tree):
    features = ["sepal length", "sepal width", "petal length", "petal width"]

    figure = model_plots.tree(iris_tree, features, iris_tree.classes_)

    found = texts(figure)
    assert figure.axes[0].get_title() == "Decision tree: 2 levels, 3 leaves"
    assert "class = setosa\n100% of 50" in found
    assert "class = virginica\n98% of 46" in found
    assert "petal width\n≤ 1.75\nclass = versicolor\n50% of 100" in found
    assert not any("…" in text for text in found)


def test_a_tree_deeper_than_five_levels_is_cut_with_a_note(deep_tree):
    figure = model_plots.tree(deep_tree, [f"p{k}" for k in range(64)], range(10))

    found = texts(figure)
    depth, leaves = deep_tree.get_depth(), deep_tree.get_n_leaves()
    title = f"Decision tree: the top 5 of {depth} levels, {leaves} leaves"
    assert figure.axes[0].get_title() == title
    assert "…" in found
    assert 1 < sum("class = " in text for text in found) <= 2**5 - 1


def test_boxes_of_a_tree_do_not_overlap_even_with_long_names(deep_tree):
    names = [f"the mean of the {k}th long measurement" for k in range(64)]

    figure = model_plots.tree(deep_tree, names, [f"WWW WWW a long name {k}" for k in range(10)])

    figure.canvas.draw()
    boxes = [a.get_bbox_patch() for a in figure.findobj(Annotation) if a.get_bbox_patch()]
    extents = [box.get_window_extent() for box in boxes]
    assert not any(a.overlaps(b) for i, a in enumerate(extents) for b in extents[:i])
    assert min(extent.x0 for extent in extents) >= 0
    assert max(extent.x1 for extent in extents) <= figure.bbox.x1


def test_a_tree_of_one_leaf_is_drawn():
    tree = DecisionTreeClassifier().fit([[0], [1]], ["only", "only"])

    figure = model_plots.tree(tree, ["x"], ["only"])

    assert figure.axes[0].get_title() == "Decision tree: 0 levels, 1 leaf"
    assert "class = only\n100% of 2" in texts(figure)


def test_long_names_are_cut_in_the_middle_and_signs_of_formulas_are_kept():
    classes = ["a very long class name number 1", "a very long class name number 2", "$5\nor $10"]

    figure = plots.confusion_matrix(classes, classes, classes)

    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["a very long…mber 1", "a very long…mber 2", r"\$5 or \$10"]
    assert all(len(label.replace("\\", "")) <= 18 for label in labels)


@pytest.mark.parametrize("n_classes", [2, 3, 20])
def test_labels_stay_inside_the_picture_without_warnings(n_classes):
    true, probabilities = predictions(n_classes)
    classes = np.array([f"Wide Name MMWW {k:03d}" for k in range(n_classes)], dtype=object)
    named = classes[true]
    weights = np.random.default_rng(0).normal(size=(n_classes if n_classes > 2 else 1, 40))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figures = [
            plots.confusion_matrix(named, named, classes),
            plots.roc(named, probabilities, classes),
            plots.precision_recall(named, probabilities, classes),
            plots.calibration(named, probabilities, classes),
            model_plots.coefficients(
                [f"feature {k} of a long list of measurements" for k in range(40)], weights, classes
            ),
        ]
        for figure in figures:
            figure.canvas.draw()

    for figure in figures:
        found = figure.get_tightbbox()
        width, height = figure.get_size_inches()
        assert min(found.x0, found.y0) >= 0
        assert found.x1 <= width
        assert found.y1 <= height


def test_beyond_forty_classes_a_matrix_has_shades_but_no_counts():
    forty, more = (plots.confusion_matrix(range(n), range(n), range(n)) for n in (40, 41))

    assert len(forty.axes[0].texts) == 40 * 40
    assert min(text.get_fontsize() for text in forty.axes[0].texts) > 6
    assert len(more.axes[0].texts) == 0
    (image,) = (i for i in more.axes[0].images if isinstance(i, AxesImage))
    assert np.array_equal(image.get_array(), np.eye(41))


@pytest.fixture(scope="module")
def five_hundred():
    """Labels, probabilities and a tree of more classes than a picture has room for."""
    true, probabilities = predictions(510, n=2040)
    true[:510] = range(510)
    features = np.random.default_rng(0).random((2040, 3)) + true[:, None]
    return true, probabilities, DecisionTreeClassifier(random_state=0).fit(features, true)


def large_plots(true, probabilities, tree):
    n = range(510)
    weights = np.random.default_rng(0).normal(size=(510, 40))
    return {
        "confusion_matrix": plots.confusion_matrix(true, probabilities.argmax(axis=1), n),
        "roc": plots.roc(true, probabilities, n),
        "precision_recall": plots.precision_recall(true, probabilities, n),
        "calibration": plots.calibration(true, probabilities, n),
        "coefficients": model_plots.coefficients([f"f{k}" for k in range(40)], weights, n),
        "tree": model_plots.tree(tree, ["x", "y", "z"], n),
    }


def test_no_plot_grows_with_the_number_of_classes(five_hundred):
    for name, figure in large_plots(*five_hundred).items():
        drawn = [text for text in figure.findobj(Text) if text.get_text()]
        curves = [line for axes in figure.axes for line in lines(axes)]

        assert max(figure.get_size_inches()) <= 24, name
        assert len(drawn) < 400, name
        assert max((len(text.get_text()) for text in drawn), default=0) < 100, name
        assert len(curves) < 100, name


def test_names_beside_a_large_matrix_are_those_of_rows_and_have_room():
    classes = [f"class {k:03d}" for k in range(510)]

    axes = plots.confusion_matrix(classes, classes, classes).axes[0]

    axes.figure.canvas.draw()
    for axis, side in ((axes.yaxis, "height"), (axes.xaxis, "width")):
        labels = axis.get_ticklabels()
        assert [label.get_text() for label in labels] == [classes[k] for k in axis.get_ticklocs()]
        boxes = [label.get_window_extent() for label in labels]
        assert getattr(boxes[0], side) > 0
        assert not any(a.overlaps(b) for a, b in pairwise(boxes))


@pytest.mark.parametrize("plot", CURVES)
def test_of_hundreds_of_classes_some_are_drawn_and_the_legend_gives_their_number(
    plot, five_hundred
):
    true, probabilities, _ = five_hundred

    axes = plot(true, probabilities, range(510)).axes[0]

    assert "504 other classes (1 in 9 drawn)" in legend(axes)
    assert len(lines(axes)) == 3 + 3 + 56 + 1


def test_a_curve_of_many_points_is_thinned_and_keeps_its_ends_and_its_area():
    random = np.random.default_rng(0)
    true = random.integers(0, 2, 30_000)
    probability = random.random(30_000)

    axes = plots.roc(true, np.stack([1 - probability, probability], axis=1), [0, 1]).axes[0]

    (curve,) = lines(axes)
    assert len(curve.get_xdata()) == 2000
    assert (curve.get_xdata()[0], curve.get_ydata()[0]) == (0, 0)
    assert (curve.get_xdata()[-1], curve.get_ydata()[-1]) == (1, 1)
    assert curve.get_label().startswith(f"{roc_auc_score(true, probability):.3f} ")
