"""Tables that packages ship are loaded, reported and trained on as a data scientist expects."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import (
    accuracy_score,
    log_loss,
    mean_absolute_error,
    r2_score,
    root_mean_squared_error,
)
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from reprise.data import tables
from steps import dataset, evaluate, load_data, models, training
from steps.parameters import (
    EvaluateParameters,
    LoadDataParameters,
    TrainDecisionTreeParameters,
    TrainLogisticRegressionParameters,
    TrainRidgeParameters,
)
from steps.report.report import report
from steps.report.survey import survey
from steps.report.table_checks import Fitted

FOLDER = Path(__file__).parents[2] / ".tables"
STATSMODELS, LIFELINES, VEGA = (
    "statsmodels/datasets/",
    "lifelines/datasets/",
    "vega_datasets/_data/",
)

# What is expected of each: its target, the task and its classes, features that pandas' columns have
# and models do not, and the warnings, by column.
EXPECTED = {
    f"{STATSMODELS}cancer/cancer.csv": ("cancer", "regression", 0, (), {}),
    f"{STATSMODELS}engel/engel.csv": ("foodexp", "regression", 0, (), {}),
    f"{STATSMODELS}fair/fair.csv": ("affairs", "regression", 0, (), {None: "duplicates"}),
    f"{STATSMODELS}heart/heart.csv": ("survival", "regression", 0, (), {}),
    f"{STATSMODELS}stackloss/stackloss.csv": ("STACKLOSS", "regression", 0, (), {}),
    f"{STATSMODELS}longley/longley.csv": ("TOTEMP", "regression", 0, (), {}),
    f"{STATSMODELS}grunfeld/grunfeld.csv": ("invest", "regression", 0, (), {}),
    f"{STATSMODELS}statecrime/statecrime.csv": (
        "murder", "regression", 0, (), {"state": "id"},
    ),
    f"{STATSMODELS}macrodata/macrodata.csv": (
        "realgdp", "regression", 0, (),
        dict.fromkeys(("realcons", "realdpi", "cpi", "pop"), "leak"),
    ),
    f"{STATSMODELS}modechoice/modechoice.csv": (
        "choice", "classification", 2, (), {None: "reading"},
    ),
    "statsmodels/genmod/tests/results/epil.csv": (  # as R writes it, with row names
        "y", "regression", 0, ("Unnamed: 0",), {"Unnamed: 0": "reading"},
    ),
    f"{LIFELINES}rossi.csv": ("arrest", "classification", 2, (), {}),
    f"{LIFELINES}gbsg2.csv": ("cens", "classification", 2, (), {}),
    f"{LIFELINES}lung.csv": ("status", "classification", 2, (), {}),
    f"{LIFELINES}multicenter_aids_cohort.tsv": ("D", "classification", 2, (), {"i": "id"}),
    f"{LIFELINES}lymph_node.csv": (
        "censdead", "classification", 2, (),
        {"id": "id",
         **dict.fromkeys(("diagdateb", "recdate", "deathdate"), "date in text")},
    ),
    f"{LIFELINES}kidney_transplant.csv": (
        "death", "classification", 2, (), {None: "duplicates"},
    ),
    "palmerpenguins/data/penguins.csv": ("species", "classification", 3, (), {}),
    "palmerpenguins/data/penguins-raw.csv": (
        "Species", "classification", 3, (), {"Region": "constant", "Stage": "constant"},
    ),
    f"{VEGA}seattle-weather.csv": (
        "weather", "classification", 5, (),
        {"date": "date in text", "weather": "imbalance"},
    ),
    f"{VEGA}stocks.csv": ("price", "regression", 0, (), {"date": "date in text"}),
    f"{VEGA}iowa-electricity.csv": ("source", "classification", 3, (), {}),
    "gapminder/gapminder.csv": ("lifeExp", "regression", 0, (), {}),
}  # fmt: skip


@pytest.fixture
def path():
    def path(name):
        found = FOLDER / name
        if not found.exists():
            pytest.fail(f"no {found}: make .tables/.installed")
        return found

    return path


@pytest.mark.parametrize("name", EXPECTED)
def test_a_table_is_read_as_pandas_reads_it_and_reported_as_expected(path, name):
    target, task, classes, left_out, warned = EXPECTED[name]
    notices = []

    table = tables.read_table(path(name), name=name, notices=notices)
    prepared = dataset.prepare(table, target=target, features=None, task=None, notices=notices)
    rows = dataset.split_rows(prepared, test_size=0.33, stratify=True, seed=2)
    surveyed = survey(table)
    counts = dataset.profile(prepared).get("classes", {})
    fitted = Fitted(prepared, counts, *rows, warned=surveyed.warned)
    found = report(surveyed, fitted, notices, source=name, chosen="as -P target says")

    separators = {"modechoice.csv": ";", "multicenter_aids_cohort.tsv": "\t"}
    pandas = pd.read_csv(path(name), sep=separators.get(name.rpartition("/")[2], ","))
    assert (table.num_rows, table.num_columns) == pandas.shape
    assert table.column_names == list(pandas.columns)
    assert [c.null_count for c in table.columns] == pandas.isna().sum().tolist()
    numbers = pandas.select_dtypes("number")
    read = table.select(list(numbers.columns)).to_pandas()
    assert np.array_equal(read.to_numpy(float), numbers.to_numpy(float), equal_nan=True)
    assert (found.target, found.task, len(counts)) == (target, task, classes)
    assert found.features == tuple(pandas.columns.drop([target, *left_out]))
    assert {each.notice.column: each.kind for each in found.warnings} == warned


def plain_columns(scale):
    """What a data scientist would write."""
    numbers = [*([StandardScaler()] if scale else []), SimpleImputer()]
    text = [SimpleImputer(strategy="constant", fill_value="missing"), OneHotEncoder()]
    return ColumnTransformer(
        [
            ("numbers", make_pipeline(*numbers), make_column_selector(dtype_include="number")),
            ("text", make_pipeline(*text), make_column_selector(dtype_exclude="number")),
        ]
    )


CLASSES = {
    "accuracy": lambda model, X, y: accuracy_score(y, model.predict(X)),
    "log_loss": lambda model, X, y: log_loss(y, model.predict_proba(X)),
}
NUMBERS = {
    "r2": lambda model, X, y: r2_score(y, model.predict(X)),
    "rmse": lambda model, X, y: root_mean_squared_error(y, model.predict(X)),
    "mae": lambda model, X, y: mean_absolute_error(y, model.predict(X)),
}


@pytest.mark.parametrize(
    ("name", "step", "plain", "measures"),
    [
        (
            "palmerpenguins/data/penguins.csv",
            (TrainLogisticRegressionParameters, models.logistic_regression, {}),
            make_pipeline(plain_columns(scale=True), LogisticRegression()),
            CLASSES,
        ),
        (
            f"{LIFELINES}gbsg2.csv",
            (TrainDecisionTreeParameters, models.decision_tree, {"max_depth": 4}),
            make_pipeline(
                plain_columns(scale=False), DecisionTreeClassifier(max_depth=4, random_state=1)
            ),
            CLASSES,
        ),
        (
            f"{STATSMODELS}statecrime/statecrime.csv",
            (TrainRidgeParameters, models.ridge, {"alpha": 2.0}),
            make_pipeline(plain_columns(scale=True), Ridge(2.0)),
            NUMBERS,
        ),
        (
            f"{STATSMODELS}grunfeld/grunfeld.csv",
            (TrainDecisionTreeParameters, models.decision_tree, {"max_depth": 5}),
            make_pipeline(
                plain_columns(scale=False), DecisionTreeRegressor(max_depth=5, random_state=1)
            ),
            NUMBERS,
        ),
    ],
    ids=lambda value: value.rpartition("/")[2] if isinstance(value, str) else "",
)
def test_training_and_evaluation_agree_with_a_plain_script(
    recording, path, name, step, plain, measures
):
    target = EXPECTED[name][0]
    kind, build, chosen = step
    frame = pd.read_csv(path(name))
    X, y = frame.drop(columns=target), frame[target]
    for column in X.select_dtypes(exclude="number"):
        X[column] = X[column].astype(object)
    if name.endswith("statecrime.csv"):
        X = X.drop(columns="state")
    stratify = y if measures is CLASSES else None
    parts = train_test_split(X, y, test_size=0.33, random_state=2, stratify=stratify)
    plain.fit(parts[0], parts[2])

    drop = "state" if name.endswith("statecrime.csv") else None
    loading = LoadDataParameters(source=str(path(name)), target=target, drop=drop)
    with recording(loading) as loaded:
        load_data.main(loading, loaded)
    parameters = kind(data=loaded.run_id, cv=0, **chosen)
    with recording(parameters) as trained:
        training.train(parameters, trained, build=build)
    with recording(EvaluateParameters(run_id=trained.run_id)) as run:
        found = evaluate.score(evaluate.judge(trained.run_id, run)[0])

    for metric, measure in measures.items():
        assert found[metric] == pytest.approx(measure(plain, parts[1], parts[3]), abs=1e-9)
