"""What the steps import, and a first dummy save: preloaded once by the warm executor."""

import importlib
import tempfile

import matplotlib.figure  # noqa: F401
import mlflow.sklearn
import pandas as pd
from sklearn.tree import DecisionTreeClassifier

import steps.evaluate
import steps.load_data
import steps.training  # noqa: F401
from reprise.models import TRUSTED_TYPES
from steps import libraries

for _name in libraries.needed():
    importlib.import_module(_name)
with tempfile.TemporaryDirectory(prefix="reprise-") as _folder:
    mlflow.sklearn.save_model(
        DecisionTreeClassifier().fit(pd.DataFrame({"x": [0.0, 1.0]}), [0, 1]),
        f"{_folder}/model",
        pip_requirements=[],
        skops_trusted_types=list(TRUSTED_TYPES),
    )
