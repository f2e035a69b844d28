"""The tags of runs: their names, and the tags that describe a run's code and step."""

from typing import TYPE_CHECKING

from mlflow.entities import (
    Run,
    SourceType,
)
from mlflow.utils import mlflow_tags

from reprise.urls import without_credentials, without_logins_within

if TYPE_CHECKING:
    from reprise.record.schema import Code

CODE = "reprise.code"  # where it is not recorded
COMMIT = "reprise.commit"
TREE = "reprise.tree"
DIRTY = "reprise.dirty"
KEY = "reprise.key"
ERROR = "reprise.error"
ERROR_KIND = "reprise.error_kind"
PROCESS = "reprise.process"  # that keeps the run RUNNING: host, boot, namespace, pid:start time
SEEN = "reprise.seen"  # when that process has last said that it is alive: seconds since 1970
DATA_DIGEST = "reprise.data_digest"
DATA_NAME = "reprise.data_name"  # of the source of a run's data, such as its file's name
STORED_IN = "reprise.stored_in"
MODEL_DIGEST = "reprise.model_digest"
TEST_DIGEST = "reprise.test_digest"
EVALUATED_BY = "reprise.evaluated_by"  # of a registered version: the run that has judged it
BUNDLE = "reprise.bundle"
IGNORED = "reprise.ignored_modules"  # that were imported, and that no commit has
MADE_BEFORE = "reprise.made_before"  # runs of a sweep whose results are those of earlier runs
VERDICT = "reprise.verdict"
REPLAY_OF = "reprise.replay_of"  # the original run, of a replay
RECORDED_BY = "reprise.recorded_by"  # the run whose process has made this one, and has its record
PROJECT_FOLDER = "reprise.project_folder"  # in the repository
KEEPS = "reprise.keeps_inputs"  # true: the run has content of inputs among its artifacts
BOOKKEEPING = "reprise.bookkeeping"  # the command: the run is about other runs, not a result
TWEAK_OF = "reprise.tweak_of"  # the original run, of a run with other parameters or code
IMPORTED_FROM = "reprise.imported_from"  # the id that an imported run had where it was made
IMPORTED_AS = "reprise.imported_as"  # SHA-256 of the archive's seal, once all of a run is here
BACKEND = mlflow_tags.MLFLOW_PROJECT_BACKEND
PROJECT_ENVIRONMENT = mlflow_tags.MLFLOW_PROJECT_ENV
PATCH = mlflow_tags.MLFLOW_GIT_DIFF
PARENT = mlflow_tags.MLFLOW_PARENT_RUN_ID
RUN_NAME = mlflow_tags.MLFLOW_RUN_NAME
SOURCE_NAME = mlflow_tags.MLFLOW_SOURCE_NAME
GIT_COMMIT = mlflow_tags.MLFLOW_GIT_COMMIT
GIT_REPOSITORY = mlflow_tags.MLFLOW_GIT_REPO_URL
NOTE = mlflow_tags.MLFLOW_RUN_NOTE
ENTRY_POINT = mlflow_tags.MLFLOW_PROJECT_ENTRY_POINT
SYSTEM_METRICS = "system/"  # prefix of MLflow's metrics of the machine
LONGEST_ERROR = 4000  # characters in a tag
LONGEST_PATCH = 5000


def describe_source(run: Run, code: "Code") -> dict[str, str]:
    """Return the tags that describe the code of a run, for search and for the MLflow UI."""
    name = run.data.tags.get(SOURCE_NAME, "")
    tags = {COMMIT: code.commit or "", TREE: code.tree or ""}
    if not code.commit:
        tags[CODE] = "not recorded"
    else:  # code outside a repository is neither clean nor dirty
        dirty = str(code.dirty).lower()
        tags |= {DIRTY: dirty, mlflow_tags.MLFLOW_GIT_DIRTY: dirty}
    if name:
        tags[SOURCE_NAME] = without_credentials(name)
    if code.base_commit:
        tags[GIT_COMMIT] = code.base_commit
    if code.repository:
        tags[GIT_REPOSITORY] = code.repository
    return {name: value for name, value in tags.items() if run.data.tags.get(name) != value}


def describe_step(entry_point: str, code: "Code") -> dict[str, str]:
    """Return the tags that `mlflow run` would set, for a step that ran without it."""
    tags = {
        ENTRY_POINT: entry_point,
        mlflow_tags.MLFLOW_SOURCE_TYPE: SourceType.to_string(SourceType.PROJECT),
    }
    if code.repository:
        tags[SOURCE_NAME] = code.repository
    return tags


def error_tag(error: str) -> str:
    """Return an error as text for a tag, without credentials in URLs."""
    return without_logins_within(error)[:LONGEST_ERROR]
