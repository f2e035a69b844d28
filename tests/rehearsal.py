"""Does once, in the warm process, what every step does with the libraries.

What they compute at their first use (SQLAlchemy's mappers, MLflow's migrations, scikit-learn's
checks of its parameters) is then there in each fork.
"""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path


def rehearse() -> None:
    """Log a small model to a store that is thrown away, and leave this process as it was."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        _log_a_model(Path(folder))
    _restore(before)


def _log_a_model(folder: Path) -> None:
    import mlflow
    from mlflow import MlflowClient
    from mlflow.entities import (
        Dataset,
        DatasetInput,
        InputTag,
        LoggedModelOutput,
        LoggedModelStatus,
        Metric,
        Param,
        RunTag,
    )

    # Not by mlflow.start_run: it remembers the git branch of this process.
    client = MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db")
    experiment = client.create_experiment("rehearsal", artifact_location=str(folder / "artifacts"))
    run_id = client.create_run(experiment).info.run_id
    client.log_batch(run_id, [Metric("m", 1.0, 1, 0)], [Param("p", "1")], [RunTag("t", "1")])
    client.log_text(run_id, "text", "text.txt")
    client.download_artifacts(run_id, "text.txt")
    client.search_runs([experiment], "tags.t = '1'")
    client.search_runs([experiment], "attributes.status = 'FINISHED' AND tags.t = '1'")
    client.log_inputs(run_id, [DatasetInput(Dataset("d", "1", "code", "{}"), [InputTag("t", "1")])])
    model = client.create_logged_model(experiment, name="model", source_run_id=run_id)
    client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 0)])
    client.log_batch(run_id, [Metric("n", 1.0, 1, 0, model_id=model.model_id)])
    client.get_experiment_by_name("rehearsal")
    client.get_run(run_id)
    client.set_terminated(run_id)
    mlflow.sklearn.save_model(
        _fitted(),
        folder / "model",
        serialization_format="skops",
        skops_trusted_types=["sklearn.tree._tree.Tree", "numpy.dtype"],
        pip_requirements=[],
    )


def _fitted():
    import numpy as np
    import pandas as pd
    from sklearn.impute import SimpleImputer
    from sklearn.model_selection import cross_validate
    from sklearn.pipeline import make_pipeline
    from sklearn.tree import DecisionTreeClassifier

    frame = pd.DataFrame({"a": np.arange(30.0), "b": np.arange(30.0)})
    classes = np.array(["x", "y", "z"] * 10)
    model = make_pipeline(SimpleImputer(), DecisionTreeClassifier())
    cross_validate(model, frame, classes, cv=3, scoring=["accuracy", "f1_macro", "roc_auc_ovr"])
    return model.fit(frame, classes)


def _restore(variables: Mapping[str, str]) -> None:
    for name in os.environ.keys() - variables.keys():
        del os.environ[name]
    os.environ.update(variables)
