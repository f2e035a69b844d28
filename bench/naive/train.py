"""A typical first project: log_param, log_metric and log_model with their defaults."""

import argparse

import mlflow
import mlflow.sklearn
from sklearn.datasets import load_iris
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.tree import DecisionTreeClassifier

X, y = load_iris(return_X_y=True, as_frame=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.33, random_state=2)
parser = argparse.ArgumentParser()
parser.add_argument("max_depth", type=int)
parser.add_argument("min_samples_leaf", type=int, nargs="?", default=1)
parser.add_argument("criterion", nargs="?", default="gini")
options = parser.parse_args()
with mlflow.start_run():
    model = DecisionTreeClassifier(**vars(options), random_state=1)
    scores = cross_val_score(model, X_train, y_train, cv=5)
    model.fit(X_train, y_train)
    mlflow.log_param("tree_depth", options.max_depth)
    mlflow.log_metric("cv_accuracy_mean", scores.mean())
    mlflow.log_metric("cv_accuracy_std", scores.std())
    mlflow.log_metric("train_accuracy", model.score(X_train, y_train))
    mlflow.log_metric("test_accuracy", model.score(X_test, y_test))
    mlflow.sklearn.log_model(
        model, name="model", skops_trusted_types=["sklearn.tree._tree.Tree", "numpy.dtype"]
    )
