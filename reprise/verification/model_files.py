"""The files of a stored model: their digests, and whether a replay has made the same files."""

from contextlib import ExitStack
from pathlib import Path

from reprise import digests, tracking
from reprise.errors import DigestMismatchError, ModelError
from reprise.process import scratch
from reprise.record.digest import sha256_file
from reprise.tracking import answers


def verified(run_id: str, replayed_by: str) -> dict[str, str]:
    """Return the SHA-256 of each file of a run's model, which its replay must have made, too.

    Every file is compared by its content, the description and the requirements among them: who can
    replace a file of the model could else let it load other code.

    Parameters
    ----------
    run_id, replayed_by : str

    Returns
    -------
    dict of str to str
        Empty, if the run has no model.

    Raises
    ------
    ModelError, DigestMismatchError, TrackingError
        If a file cannot be read, or is not what the replay has made.
    """
    model_id, made = tracking.logged_model(run_id), tracking.logged_model(replayed_by)
    if model_id is None:
        return {}
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
        for name in sorted(old.keys() | new.keys()):
            recorded, found = (
                digests.digest(files[name], name, replacing=ids).sha256 if name in files else "none"
                for files in (new, old)
            )
            if recorded != found:
                raise DigestMismatchError(
                    f"{name} of model {model_id}",
                    recorded=recorded,
                    found=found,
                    otherwise="train the model again",
                )
        return {name: sha256_file(path) for name, path in sorted(old.items())}


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
