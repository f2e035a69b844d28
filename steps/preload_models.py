"""Save a dummy model once in the process that forks the runs, to import what saving needs."""

import mlflow.sklearn
import pandas as pd
from sklearn.tree import DecisionTreeClassifier

from reprise.models.trusted_types import TRUSTED_TYPES
from reprise.process import scratch

with scratch.folder() as _folder:
    mlflow.sklearn.save_model(
        DecisionTreeClassifier().fit(pd.DataFrame({"x": [0.0, 1.0]}), [0, 1]),
        f"{_folder}/model",
        pip_requirements=[],
        skops_trusted_types=list(TRUSTED_TYPES),
    )
