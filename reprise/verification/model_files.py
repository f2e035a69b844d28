"""The files of a stored model: their digests, and whether a replay has made the same files."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from reprise import digests, tracking
from reprise.errors import DigestMismatchError, ModelError
from reprise.process import scratch
from reprise.record.digest import sha256_file
from reprise.tracking import answers


@dataclass(frozen=True)
class ModelFiles:
    """The SHA-256 of each file of a stored model, by name.

    Attributes
    ----------
    verified : dict of str to str
        Of those that the replay has made, too.
    opaque : dict of str to str
        Of pickles with other bytes than those of the replay: nobody can tell what that means.
    """

    verified: dict[str, str] = field(default_factory=dict)
    opaque: dict[str, str] = field(default_factory=dict)


def compare(run_id: str, replayed_by: str) -> ModelFiles:
    """Compare the stored model of a run with that of its replay, file by file.

    Every file is compared by its content, the description and the requirements among them: who can
    replace a file of the model could else let it load other code.

    Parameters
    ----------
    run_id, replayed_by : str

    Raises
    ------
    ModelError, DigestMismatchError, TrackingError
        If a file cannot be read, or is not what the replay has made.
    """
    model_id, made = tracking.logged_model(run_id), tracking.logged_model(replayed_by)
    if model_id is None:
        return ModelFiles()
    if made is None:
        raise ModelError(
            f"expected a model of replay {replayed_by}, to compare that of run {run_id} with, "
            "found none. Restore it: reprise reproduce --materialize"
        )
    with ExitStack() as stack:
        old, new = (
            _fetched(answers.model_id(each), Path(stack.enter_context(scratch.folder())))
            for each in (model_id, made)
        )
        ids = {run_id: "<run>", replayed_by: "<run>", model_id: "<model>", made: "<model>"}
        found = ModelFiles()
        for name in sorted(old.keys() | new.keys()):
            is_same = _is_same(name, old.get(name), new.get(name), ids, model_id=model_id)
            (found.verified if is_same else found.opaque)[name] = sha256_file(old[name])
        return found


def _is_same(
    name: str, old: Path | None, new: Path | None, ids: Mapping[str, str], *, model_id: str
) -> bool:
    """Return whether a file has the same content in both models; False: nobody can tell.

    Raises
    ------
    DigestMismatchError
        If it has another one, or one of the models lacks it.
    """
    a, b = (digests.digest(path, name, replacing=ids) if path else None for path in (old, new))
    if a and b and a.sha256 == b.sha256:
        return True
    if a and b and a.is_opaque and b.is_opaque:
        return False
    raise DigestMismatchError(
        f"{name} of model {model_id}",
        recorded=b.sha256 if b else "none",
        found=a.sha256 if a else "none",
        otherwise="train the model again",
    )


def of_model(model_id: str) -> dict[str, str]:
    """Return the SHA-256 of each file of a logged model as it is now."""
    with scratch.folder() as name:
        files = _fetched(answers.model_id(model_id), Path(name))
        return {name: sha256_file(path) for name, path in sorted(files.items())}


def _fetched(model_id: str, folder: Path) -> dict[str, Path]:
    """Fetch the files of a model, and return them by their names."""
    tracking.download_model(model_id, str(folder))
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path for path in files}
