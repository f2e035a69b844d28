"""Checks of this machine that need no server: pickle, git."""

from pathlib import Path

from mlflow.environment_variables import MLFLOW_ALLOW_PICKLE_DESERIALIZATION

from reprise.doctor.context import Context
from reprise.doctor.result import CheckResult, failed, ok, quoted, warning
from reprise.errors import CodeError
from reprise.git import contact, git, remote, setting, succeeds
from reprise.urls import without_credentials

REMOTE_SECONDS = 20
_PICKLE = "MLFLOW_ALLOW_PICKLE_DESERIALIZATION"


def pickle(_: Context) -> CheckResult:
    """Check that loading a stored model cannot run code here."""
    export = f"Do: export {_PICKLE}=false"
    try:
        allowed = MLFLOW_ALLOW_PICKLE_DESERIALIZATION.get()
    except ValueError:
        return failed("pickle", f"expected true or false in {_PICKLE}, found neither", export)
    if allowed:
        found = "loading a model may run code of the person who stored it"
        return warning("pickle", found, export)
    return ok("pickle", "models that are pickles are refused")


def repository(context: Context) -> CheckResult:
    """Check that others can get the code of this folder: git, its remote, the current commit."""
    name, folder = "git", context.folder
    try:
        git(folder, "rev-parse", "--show-toplevel")
        chosen = remote(folder)
    except CodeError as error:
        found = f"{folder} is no git repository ({quoted(error.said or str(error))})"
        return failed(name, found, "Run this in the project's folder: a clone of its repository")
    if chosen is None:
        found = "expected a remote 'origin', found none: others cannot get the code"
        return warning(name, found, "Do: git remote add origin <url>")
    url = setting(folder, name=f"remote.{chosen}.url")
    bare = without_credentials(url)
    if bare != url:
        found = f"the URL of {chosen} holds a login, which plain MLflow records"
        return failed(name, found, f"Do: git remote set-url {chosen} {bare}")
    heads, fault = _heads(folder, chosen)
    if fault:
        return failed(name, f"{chosen} ({bare}) does not answer: {fault}", _advice(bare))
    return _published(folder, chosen, heads, bare)


def _published(folder: Path, chosen: str, heads: list[str], url: str) -> CheckResult:
    """Return whether a remote that answers has the current commit."""
    if not succeeds(folder, "rev-parse", "--verify", "--quiet", "HEAD^{commit}"):
        return warning("git", f"{url} answers, but there is no commit here yet", "Do: git commit")
    if _is_on(folder, chosen, heads):
        return ok("git", f"{url} answers, and has the current commit")
    found = f"{url} answers, but does not have the current commit: runs carry it with them"
    return warning("git", f"{found}, but others' clones lack it", f"Do: git push {chosen} HEAD")


def _advice(url: str) -> str:
    """Return the advice for a remote that does not answer."""
    if url.startswith(("http://", "https://")):
        return "Check the URL, the network, and your login: git credential approve"
    if url.startswith("ssh://") or ("@" in url and ":" in url):
        return "Check the URL, the network, and your key: ssh-add -l"
    return "Check the URL: git remote -v"


def _heads(folder: Path, chosen: str, *, seconds: float = REMOTE_SECONDS) -> tuple[list[str], str]:
    """Return the commits of a remote's branches; or none, and why they cannot be listed."""
    try:
        listed = contact(folder, "ls-remote", "--heads", "--", chosen, seconds=seconds)
    except CodeError as error:
        return [], quoted(error.said or str(error))
    return [row.split()[0] for row in listed.splitlines()], ""


def _is_on(folder: Path, chosen: str, heads: list[str]) -> bool:
    """Return whether a remote has the current commit, as far as this clone can know."""
    fetched = git(folder, "for-each-ref", "--format=%(objectname)", f"refs/remotes/{chosen}")
    every = "\n".join(["HEAD", *(f"^{commit}" for commit in [*heads, *fetched.split()]), ""])
    return not git(folder, "rev-list", "--max-count=1", "--ignore-missing", "--stdin", text=every)
