"""Stored models: MLflow's scikit-learn format, saved with skops, loaded without pickle."""

import contextlib
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow.entities import LoggedModelOutput

from reprise import tracking
from reprise.errors import DigestMismatchError, ModelError
from reprise.models import fitted, model_schema
from reprise.models.trusted_types import TRUSTED_TYPES
from reprise.process import scratch
from reprise.record.digest import sha256_model
from reprise.tracking import answers
from reprise.trust import limits
from reprise.visible import word

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from mlflow.models import ModelSignature

    from reprise.runtime.recorder import RunRecorder
NAME = "model"
FILE = "model.skops"
# Errors of skops for a file that is no model: another archive, another version, or no archive.
_DAMAGED = (
    OSError,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    ImportError,
    MemoryError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
    RecursionError,
)
_REQUIREMENTS = ("scikit-learn", "skops", "numpy", "scipy", "pandas", "pyarrow")


def log_model(
    run: "RunRecorder",
    model: Any,
    example: "pd.DataFrame",
    *,
    column_types: "Mapping[str, str] | None" = None,
) -> str:
    """Log a fitted estimator with its signature, an example, and explicit requirements.

    If the run keeps no model, only the model's digest is recorded, to verify the model of a replay.

    MLflow's `log_model` would also request the history of every metric and score the example in a
    new server. This function makes the same public calls without those.

    Parameters
    ----------
    run : RunRecorder
    model : estimator
        Fitted.
    example : DataFrame of shape (n_samples, n_features)
        Rows that it can predict from.
    column_types : mapping of str to str, optional
        MLflow's types of columns of which the example does not show them, such as "long" or "any".

    Returns
    -------
    str
        Digest of the fitted estimator.

    Raises
    ------
    ModelError
        If the model could not be restored exactly.
    """
    import mlflow.sklearn
    from mlflow.models import Model

    digest = sha256_model(model)
    if not run.keeps_models:
        run.log_model_digest(digest, is_logged=False)
        return digest
    refuse_unrestorable(model, digest)
    with scratch.folder() as folder, _requirements_are_right():
        mlflow.sklearn.save_model(
            model,
            f"{folder}/{NAME}",
            mlflow_model=Model(run_id=run.run_id),
            serialization_format="skops",
            skops_trusted_types=list(TRUSTED_TYPES),
            signature=_signature(model, example, column_types or {}),
            input_example=example,
            pip_requirements=[f"{name}=={version(name)}" for name in _REQUIREMENTS],
        )
        tracking.log_model(
            run.run_id,
            f"{folder}/{NAME}",
            experiment_id=run.experiment_id,
            name=NAME,
            params=run.record.step.raw_parameters or run.record.step.parameters,
            model_type=run.record.step.entry_point,
        )
    run.log_model_digest(digest, is_logged=True)
    return digest


def refuse_unrestorable(model: Any, digest: str) -> None:
    """Refuse an estimator that `load_model` would refuse, before anything is stored.

    Parameters
    ----------
    model : estimator
    digest : str
        Digest of the estimator, which the restored estimator must have.

    Raises
    ------
    ModelError
        If skops cannot save it or does not restore it exactly, or it holds a type that is not
        trusted.
    """
    import skops.io
    from skops.io.exceptions import UnsupportedTypeException

    try:
        saved = skops.io.dumps(model)
    except UnsupportedTypeException as error:
        raise ModelError(
            f"expected a model that skops can save, found {type(model).__name__}: {error} "
            "Use another estimator."
        ) from None
    untrusted = sorted(set(skops.io.get_untrusted_types(data=saved)) - set(TRUSTED_TYPES))
    if untrusted:
        raise ModelError(
            f"expected a model of trusted types only, found {', '.join(untrusted)} in this "
            f"{type(model).__name__}: it could not be loaded again. Use another estimator; or "
            "review the type, and add it to TRUSTED_TYPES in reprise/models/trusted_types.py if "
            "it only holds data."
        )
    if sha256_model(skops.io.loads(saved, trusted=list(TRUSTED_TYPES))) != digest:
        raise ModelError(
            f"expected a model that skops restores exactly, found that this {type(model).__name__} "
            "comes back with another digest: it could not be verified. Use another estimator."
        )


def has_model(run_id: str) -> bool:
    """Return whether a run has a logged model."""
    return tracking.logged_model(run_id) is not None


def attach(run_id: str, made_by: str) -> str:
    """Attach the model that a replay has logged to its original run; return the model's id."""
    model_id = model_id_of(made_by)
    tracking.client().log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])
    return model_id


@contextlib.contextmanager
def _requirements_are_right() -> Iterator[None]:
    """Skip MLflow's comparison of the requirements with the installed packages they come from.

    The comparison reads every package's list of files: a tenth of the time of a short run.
    """
    from mlflow.utils import environment

    check = environment.warn_dependency_requirement_mismatches
    environment.warn_dependency_requirement_mismatches = lambda _: None
    try:
        yield
    finally:
        environment.warn_dependency_requirement_mismatches = check


def _signature(
    model: Any, example: "pd.DataFrame", column_types: "Mapping[str, str]"
) -> "ModelSignature":
    """Infer the input of a model; a column of text stays text if all its values are missing."""
    from mlflow.models import infer_signature
    from mlflow.types.schema import AnyType, ColSpec, DataType, Schema

    named = example.columns.intersection(list(column_types))
    typed = example.assign(**dict.fromkeys(named, 0.0))
    unknown = [n for n in typed if typed[n].dtype.kind == "O" and typed[n].isna().all()]
    typed.loc[typed.index[:1], unknown] = ""
    signature = infer_signature(typed, model.predict(example))
    columns = [
        ColSpec(AnyType() if kind == "any" else DataType[kind], name)
        if (kind := column_types.get(name))
        else column
        for name, column in zip(example.columns, signature.inputs.inputs, strict=True)
    ]
    signature.inputs = Schema(columns)
    return signature


def model_id_of(run_id: str) -> str:
    """Return the id of the model that a run logged.

    Raises
    ------
    ModelError
        If the run logged no model.
    """
    model_id = tracking.logged_model(run_id)
    if model_id is None:
        raise ModelError(
            f"expected a training run with a model, found run {run_id} without one. "
            "Name a finished run that trained one; if a sweep did not store it, restore it: "
            f"reprise reproduce {word(run_id)} --materialize"
        )
    return answers.model_id(model_id)


def load_model(run_id: str, *, recorded: str | None) -> Any:
    """Load the model of a run without pickle, and verify that it is the recorded one.

    Raises
    ------
    ModelError
        If its file is missing, of another format, or holds a type that is not trusted.
    DigestMismatchError
        If the digest of its fitted arrays is not the recorded one.
    """
    with stored_file(run_id) as path:
        model = load_file(path)
    try:
        found = sha256_model(model)
    except TypeError as error:
        raise ModelError(
            f"expected a model whose digest can be computed, found one that has none ({error}). "
            "It was not made by this project; do not load it."
        ) from None
    if recorded is not None and found != recorded:
        raise DigestMismatchError(
            f"model {model_id_of(run_id)} of run {run_id}", recorded=recorded, found=found
        )
    return model


def predict(model: Any, features: "pd.DataFrame") -> "tuple[np.ndarray, np.ndarray | None]":
    """Predict with a model from others.

    Parameters
    ----------
    model : estimator
        A classifier, or a regressor.
    features : DataFrame of shape (n_samples, n_features)

    Returns
    -------
    predicted : ndarray of shape (n_samples,)
    probabilities : ndarray of shape (n_samples, n_classes), or None
        None of a regressor.

    Raises
    ------
    ModelError
        If the model cannot predict: its parts do not match each other or the data.
    """
    try:
        is_classifier = hasattr(model, "classes_")
        return model.predict(features), model.predict_proba(features) if is_classifier else None
    except (LookupError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
        raise ModelError(
            f"expected a model that predicts from {features.shape[1]} columns, found one that "
            f"cannot ({type(error).__name__}: {error}). Train the model again."
        ) from None


@contextlib.contextmanager
def stored_file(run_id: str) -> Iterator[Path]:
    """Download the model file of a run into a temporary folder.

    Raises
    ------
    ModelError, TrackingError
        If the file is missing.
    """
    model_id = model_id_of(run_id)
    with scratch.folder() as folder:
        tracking.download_model(model_id, folder)
        path = Path(folder, FILE)
        if not path.is_file():
            raise ModelError(
                f"expected {FILE} in model {model_id}, found "
                f"{', '.join(sorted(p.name for p in Path(folder).iterdir())) or 'nothing'}. "
                "Models in other formats are not loaded; train again with this project."
            )
        yield path


def load_file(path: Path) -> Any:
    """Load a .skops file with only trusted types and consistent arrays.

    Raises
    ------
    ModelError
        If it is no .skops file, or a forged one.
    """
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        model_schema.refuse_forged(path)
        with limits.memory(limits.MODEL_BYTES * 2):
            model = skops.io.load(path, trusted=list(TRUSTED_TYPES))
        fitted.refuse_inconsistent(model)
    except UntrustedTypesFoundException as error:
        raise ModelError(
            f"expected a model of trusted types only, found {error} Do not load it, unless it was "
            "made by a version of Reprise that trusts them: see reprise/models/trusted_types.py."
        ) from None
    except _DAMAGED as error:
        raise ModelError(
            f"expected a model file, found a damaged one ({error}). Train the model again."
        ) from None
    return model
