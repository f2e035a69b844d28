"""What the steps import, by name: to be loaded ahead of them, in processes that will run one."""

import os

# skops first, as it searches all modules loaded so far.
_EVERYWHERE = (
    "skops.io",
    "mlflow.sklearn",
    "mlflow.pyfunc",
    "sklearn.pipeline",
    "sklearn.model_selection",
    "pyarrow.parquet",
    "git",
)
_SERVER = (
    "mlflow.store.tracking.rest_store",
    "mlflow.store.artifact.mlflow_artifacts_repo",
    "mlflow.tracking.request_header.registry",
)
_DATABASE = ("mlflow.store.tracking.sqlalchemy_store",)


def needed() -> tuple[str, ...]:
    """Return the names for the kind of tracking store that MLFLOW_TRACKING_URI names."""
    served = os.environ.get("MLFLOW_TRACKING_URI", "").startswith("http")
    return (*_EVERYWHERE, *(_SERVER if served else _DATABASE))
