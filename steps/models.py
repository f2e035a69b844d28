"""The models: scikit-learn pipelines that impute, encode and, if it matters, scale."""

from typing import TYPE_CHECKING, Any

from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

if TYPE_CHECKING:
    import pandas as pd

    from steps.parameters import TrainDecisionTreeParameters, TrainLogisticRegressionParameters


def logistic_regression(
    parameters: "TrainLogisticRegressionParameters", features: "pd.DataFrame"
) -> Pipeline:
    """Build a logistic regression for the columns of a frame.

    Parameters
    ----------
    parameters : TrainLogisticRegressionParameters
    features : DataFrame of shape (n_samples, n_features)
        Only its column names and types are used.

    Returns
    -------
    Pipeline
        Not fitted. The solver is L-BFGS for a pure L2 penalty, and SAGA for a penalty with L1.
    """
    classifier = LogisticRegression(
        C=parameters.C,
        l1_ratio=parameters.l1_ratio,
        max_iter=parameters.max_iter,
        tol=parameters.tol,
        class_weight=parameters.class_weight,
        solver="saga" if parameters.l1_ratio > 0 else "lbfgs",
        random_state=parameters.seed,
    )
    return Pipeline(
        [("columns", _columns(features, scale=parameters.scale)), ("classifier", classifier)]
    )


def decision_tree(parameters: "TrainDecisionTreeParameters", features: "pd.DataFrame") -> Pipeline:
    """Build a decision tree for the columns of a frame.

    Parameters
    ----------
    parameters : TrainDecisionTreeParameters
    features : DataFrame of shape (n_samples, n_features)
        Only its column names and types are used.

    Returns
    -------
    Pipeline
        Not fitted.
    """
    classifier = DecisionTreeClassifier(
        criterion=parameters.criterion,
        max_depth=parameters.max_depth,
        min_samples_split=parameters.min_samples_split,
        min_samples_leaf=parameters.min_samples_leaf,
        ccp_alpha=parameters.ccp_alpha,
        class_weight=parameters.class_weight,
        random_state=parameters.seed,
    )
    return Pipeline([("columns", _columns(features, scale=False)), ("classifier", classifier)])


def feature_names(model: Pipeline) -> list[str]:
    """Return the names of the features that the classifier of a fitted pipeline gets."""
    columns = model.named_steps["columns"]
    names = [str(name) for name in columns.get_feature_names_out()]
    if isinstance(columns, ColumnTransformer):
        plain = [name.partition("__")[2] for name in names]
        return plain if len(set(plain)) == len(plain) else names
    return names


def _columns(features: "pd.DataFrame", *, scale: bool) -> Pipeline | ColumnTransformer:
    """Standardise numbers (optional) and impute their mean; encode text as indicators.

    StandardScaler keeps missing values, so the imputer can change its output in place. It must not
    change the frame itself.
    """
    numbers = list(features.select_dtypes("number").columns)
    text = [name for name in features.columns if name not in numbers]
    number_steps: list[tuple[str, Any]] = [("scale", StandardScaler())] if scale else []
    number_steps.append(("impute", SimpleImputer(strategy="mean", copy=not scale)))
    if not text:
        return Pipeline(number_steps)  # a ColumnTransformer would make another copy of the table
    text_steps: list[tuple[str, Any]] = [
        ("impute", SimpleImputer(strategy="constant", fill_value="missing")),
        ("encode", OneHotEncoder(handle_unknown="ignore", sparse_output=False)),
    ]
    groups = [("numbers", number_steps, numbers), ("text", text_steps, text)]
    return ColumnTransformer(
        [(name, Pipeline(steps), columns) for name, steps, columns in groups if columns]
    )
