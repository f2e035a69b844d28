"""The source of a run, logged for people to read, and as a bundle where nobody else may have it."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from reprise import tracking
from reprise.capture import code
from reprise.process import scratch
from reprise.record.schema import (
    Code,
)

if TYPE_CHECKING:
    from mlflow.entities import Run
CODE_FOLDER = "code"
OWN_FILES = (f"{CODE_FOLDER}/{code.BUNDLE}", f"{CODE_FOLDER}/{code.PATCH}")


def carry(run: "Run", captured: code.Captured, source: Path) -> tuple[Code, dict[str, str]]:
    """Log the source of a run for people to read, and as a bundle where nobody else may have it.

    Returns
    -------
    Code, dict of str to str
        The code with its bundle's URI, and the tags that describe it.
    """
    source_code, tags = captured.code, {}
    with scratch.folder() as name:
        folder = Path(name)
        if source.is_file():
            shutil.copy(source, folder / source.name)
        if captured.carried:
            holder = tracking.find_bundle(run.info.experiment_id, str(source_code.commit))
            if holder is None:
                captured.write_bundle(folder / code.BUNDLE)
            uri = holder or f"runs:/{run.info.run_id}/{CODE_FOLDER}/{code.BUNDLE}"
            source_code = source_code.model_copy(update={"bundle": uri})
            patch = captured.patch()
            if patch:
                (folder / code.PATCH).write_text(patch, encoding="utf-8")
                tags[tracking.PATCH] = patch[: tracking.LONGEST_PATCH]
            tags[tracking.BUNDLE] = uri
        tracking.log_folder(run.info.run_id, folder, CODE_FOLDER)
    return source_code, tags
