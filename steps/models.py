"""The models: scikit-learn pipelines of encoded columns and an estimator.

The last step of a pipeline is called `classifier` or `regressor`.
"""

from functools import partial
from typing import TYPE_CHECKING, Any

from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from reprise.errors import DataError
from steps import encoding
from steps.tasks import CLASSIFICATION, REGRESSION, Task

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from steps.model_parameters import (
        TrainDecisionTreeParameters,
        TrainDummyParameters,
        TrainForestParameters,
        TrainGradientBoostingParameters,
        TrainLogisticRegressionParameters,
        TrainRidgeParameters,
    )


def logistic_regression(
    parameters: "TrainLogisticRegressionParameters",
    features: "pd.DataFrame",
    task: Task = CLASSIFICATION,
) -> Pipeline:
    """Build a logistic regression for the columns of a frame.

    Parameters
    ----------
    parameters : TrainLogisticRegressionParameters
    features : DataFrame of shape (n_samples, n_features)
        Its column names, types and numbers of categories are used.
    task : {"classification", "regression"}

    Returns
    -------
    Pipeline
        Not fitted. The solver is L-BFGS for a pure L2 penalty, and SAGA for a penalty with L1.

    Raises
    ------
    DataError
        If the task is a regression.
    """
    if task == REGRESSION:
        raise DataError(
            "expected classes to predict, found numbers: train_lr is for classes. Train "
            "train_ridge, or load the data with -P task=classification."
        )
    classifier = LogisticRegression(
        C=parameters.C,
        l1_ratio=parameters.l1_ratio,
        max_iter=parameters.max_iter,
        tol=parameters.tol,
        class_weight=parameters.class_weight,
        solver="saga" if parameters.l1_ratio > 0 else "lbfgs",
        random_state=parameters.seed,
    )
    columns = encoding.linear_columns(
        features, scale=parameters.scale, max_categories=parameters.max_categories
    )
    return _pipeline(columns, classifier, task)


def ridge(
    parameters: "TrainRidgeParameters", features: "pd.DataFrame", task: Task = REGRESSION
) -> Pipeline:
    """Build a linear regression with an L2 penalty for the columns of a frame.

    Parameters
    ----------
    parameters : TrainRidgeParameters
    features : DataFrame of shape (n_samples, n_features)
    task : {"classification", "regression"}

    Returns
    -------
    Pipeline
        Not fitted.

    Raises
    ------
    DataError
        If the task is a classification.
    """
    if task == CLASSIFICATION:
        raise DataError(
            "expected numbers to predict, found classes: train_ridge is for numbers. Train "
            "train_lr, or load the data with -P task=regression."
        )
    columns = encoding.linear_columns(
        features, scale=parameters.scale, max_categories=parameters.max_categories
    )
    return _pipeline(columns, Ridge(alpha=parameters.alpha, random_state=parameters.seed), task)


def decision_tree(
    parameters: "TrainDecisionTreeParameters",
    features: "pd.DataFrame",
    task: Task = CLASSIFICATION,
) -> Pipeline:
    """Build a decision tree for the columns of a frame.

    Parameters
    ----------
    parameters : TrainDecisionTreeParameters
    features : DataFrame of shape (n_samples, n_features)
    task : {"classification", "regression"}
        A regression reduces the squared error, whatever `criterion` says of classes.

    Returns
    -------
    Pipeline
        Not fitted.
    """
    tree = _of_task(
        task,
        partial(DecisionTreeClassifier, criterion=parameters.criterion),
        DecisionTreeRegressor,
        class_weight=parameters.class_weight,
        max_depth=parameters.max_depth,
        min_samples_split=parameters.min_samples_split,
        min_samples_leaf=parameters.min_samples_leaf,
        ccp_alpha=parameters.ccp_alpha,
        random_state=parameters.seed,
    )
    columns = encoding.tree_columns(features, max_categories=parameters.max_categories)
    return _pipeline(columns, tree, task)


def random_forest(
    parameters: "TrainForestParameters", features: "pd.DataFrame", task: Task = CLASSIFICATION
) -> Pipeline:
    """Build a random forest for the columns of a frame.

    Parameters
    ----------
    parameters : TrainForestParameters
    features : DataFrame of shape (n_samples, n_features)
    task : {"classification", "regression"}

    Returns
    -------
    Pipeline
        Not fitted. It is fitted by one thread: threads would add up predictions in any order.
    """
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    forest = _of_task(
        task,
        RandomForestClassifier,
        RandomForestRegressor,
        class_weight=parameters.class_weight,
        n_estimators=parameters.n_estimators,
        max_depth=parameters.max_depth,
        min_samples_leaf=parameters.min_samples_leaf,
        max_features=parameters.max_features,
        random_state=parameters.seed,
        n_jobs=1,
    )
    columns = encoding.tree_columns(features, max_categories=parameters.max_categories)
    return _pipeline(columns, forest, task)


def gradient_boosting(
    parameters: "TrainGradientBoostingParameters",
    features: "pd.DataFrame",
    task: Task = CLASSIFICATION,
) -> Pipeline:
    """Build gradient boosting on histograms for the columns of a frame.

    Parameters
    ----------
    parameters : TrainGradientBoostingParameters
    features : DataFrame of shape (n_samples, n_features)
    task : {"classification", "regression"}

    Returns
    -------
    Pipeline
        Not fitted. Every iteration is made: there is no early stop.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    boosting = _of_task(
        task,
        HistGradientBoostingClassifier,
        HistGradientBoostingRegressor,
        class_weight=parameters.class_weight,
        learning_rate=parameters.learning_rate,
        max_iter=parameters.max_iter,
        max_leaf_nodes=parameters.max_leaf_nodes,
        min_samples_leaf=parameters.min_samples_leaf,
        l2_regularization=parameters.l2_regularization,
        early_stopping=False,
        random_state=parameters.seed,
    )
    columns = encoding.dense_columns(features, max_categories=parameters.max_categories)
    return _pipeline(columns, boosting, task)


def baseline(
    parameters: "TrainDummyParameters", features: "pd.DataFrame", task: Task = CLASSIFICATION
) -> Pipeline:
    """Build the model that every other should beat: it does not look at the features.

    Parameters
    ----------
    parameters : TrainDummyParameters
    features : DataFrame of shape (n_samples, n_features)
    task : {"classification", "regression"}

    Returns
    -------
    Pipeline
        Not fitted. It predicts the most frequent class, with the frequencies as probabilities; or
        the mean.
    """
    del parameters, features
    if task == REGRESSION:
        return Pipeline([("regressor", DummyRegressor())])
    return Pipeline([("classifier", DummyClassifier())])


def feature_names(model: Pipeline) -> list[str]:
    """Return the names of the features that the estimator of a fitted pipeline gets."""
    return encoding.feature_names(model.named_steps["columns"])


def _pipeline(columns: Any, estimator: Any, task: Task) -> Pipeline:
    name = "regressor" if task == REGRESSION else "classifier"
    return Pipeline([("columns", columns), (name, estimator)])


def _of_task(
    task: Task,
    classifier: "Callable[..., Any]",
    regressor: "Callable[..., Any]",
    *,
    class_weight: str | None,
    **chosen: Any,
) -> Any:
    """Build the estimator of a task; weights of classes are for a classification only."""
    if task == CLASSIFICATION:
        return classifier(class_weight=class_weight, **chosen)
    if class_weight is not None:
        raise DataError(
            f"expected no class_weight for a regression, found {class_weight}: there are no "
            "classes. Leave it out, or load the data with -P task=classification."
        )
    return regressor(**chosen)
