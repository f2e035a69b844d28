"""The work of every rival: one decision tree on iris. As a script it is the lower limit of times.

    python tree.py points.json results.json

trains every point of a JSON list, two at a time, in one process and its two workers: no tracking,
one joblib dump per model. The rivals' projects get a copy of this file.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import joblib
from sklearn.datasets import load_iris
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.tree import DecisionTreeClassifier


def train(point: Mapping[str, str]) -> tuple[DecisionTreeClassifier, dict[str, float]]:
    """Do the same work as bench/naive/train.py, and return the model with its metrics."""
    X, y = load_iris(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.33, random_state=2)
    model = DecisionTreeClassifier(
        max_depth=int(point["max_depth"]),
        min_samples_leaf=int(point["min_samples_leaf"]),
        criterion=point["criterion"],
        random_state=1,
    )
    scores = cross_val_score(model, X_train, y_train, cv=5)
    model.fit(X_train, y_train)
    return model, {
        "cv_accuracy_mean": float(scores.mean()),
        "cv_accuracy_std": float(scores.std()),
        "train_accuracy": float(model.score(X_train, y_train)),
        "test_accuracy": float(model.score(X_test, y_test)),
    }


def train_and_dump(number: int, point: Mapping[str, str]) -> dict[str, float]:
    """Train one point and keep its model beside the script."""
    model, metrics = train(point)
    joblib.dump(model, f"model_{number}.joblib")
    return metrics


if __name__ == "__main__":
    points, results = map(Path, sys.argv[1:])
    tasks = [
        joblib.delayed(train_and_dump)(*item) for item in enumerate(json.loads(points.read_text()))
    ]
    results.write_text(json.dumps(joblib.Parallel(n_jobs=2)(tasks)))
