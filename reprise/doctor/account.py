"""Checks of the user's account on the server: login, versions, permission."""

import configparser
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Experiment, LifecycleStage, Run
from mlflow.exceptions import MlflowException
from mlflow.utils.credentials import read_mlflow_creds
from packaging.version import InvalidVersion, Version

from reprise.doctor.context import TRACKING_URI, Context, status_of
from reprise.doctor.result import CheckResult, failed, ok, quoted, warning
from reprise.errors import TrackingError

FLOOR = Version("3.16.1")  # CVE-2026-2635 and others
EXPERIMENT = "reprise-doctor"
FOREIGN_HOST = "Invalid Host header"
_CREDENTIALS = "~/.mlflow/credentials"
_SEARCH = "/api/2.0/mlflow/experiments/search"
_TRIED = "reprise.doctor"
_OK, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _SERVER_ERROR = 200, 401, 403, 404, 500
_OTHER_LOGINS = ("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_AWS_SIGV4")
_SET_LOGIN = "Do: export MLFLOW_TRACKING_USERNAME=… MLFLOW_TRACKING_PASSWORD=…"


def login(context: Context) -> CheckResult:
    """Check that there is a login, that it works, and that the server requires one."""
    name = "login"
    try:
        given = _login(context)
    except (configparser.Error, OSError, UnicodeDecodeError) as error:
        found = f"{_CREDENTIALS} cannot be read ({type(error).__name__})"
        return failed(name, found, f"Fix or remove it, or: {_SET_LOGIN}")
    try:
        response = context.ask(_SEARCH, params={"max_results": "1"})
        if response.status_code != _OK or not _is_mlflow(response.text):
            return failed(name, *_refused(response.status_code, response.text, given, context))
        open_to_all = context.ask(_SEARCH, anonymous=True, params={"max_results": "1"})
    except TrackingError as error:
        return failed(name, str(error), "Ask the administrator whether the server is up")
    if open_to_all.status_code == _OK:
        found = "the server admits everybody without a login: it has no accounts"
        return warning(
            name, found, "Ask the administrator for `mlflow server --app-name basic-auth`"
        )
    path = Path(_CREDENTIALS).expanduser()
    if path.exists() and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        found = f"{given} is accepted, but others on this machine can read {_CREDENTIALS}"
        return warning(name, found, f"Do: chmod 600 {_CREDENTIALS}")
    return ok(name, f"{given} is accepted, and the server requires a login")


def _login(context: Context) -> str:
    """Name the login that MLflow's client uses, or return ""."""
    credentials = read_mlflow_creds()
    if context.parts.username:
        return f"{context.parts.username} (of {TRACKING_URI})"
    if credentials.username and credentials.password:
        named = os.environ.get("MLFLOW_TRACKING_USERNAME")
        return f"{credentials.username} (of {'the environment' if named else _CREDENTIALS})"
    return next((f"the login of {n}" for n in _OTHER_LOGINS if os.environ.get(n)), "")


def _is_mlflow(text: str) -> bool:
    """Return whether an answer is MLflow's, and not a web page."""
    return text.lstrip().startswith("{")


def _refused(status: int, text: str, given: str, context: Context) -> tuple[str, str]:
    """Return why the server refused a request, and what to do."""
    if status in (_OK, _NOT_FOUND):
        found = f"expected MLflow, found something else (HTTP {status})"
        return found, f"Check {TRACKING_URI}: host, port and path"
    if status == _UNAUTHORIZED:
        if given:
            found = f"the server does not know {given}, or the password is wrong (HTTP 401)"
            return found, f"{_SET_LOGIN}; the administrator can set a new password"
        found = f"expected a user and a password, in the environment or {_CREDENTIALS}, found none"
        return found, _SET_LOGIN
    if status == _FORBIDDEN:
        return _foreign(text, context)
    if status > _SERVER_ERROR:
        found = f"the proxy answers, the MLflow server behind it does not (HTTP {status})"
        return found, "Ask the administrator: systemctl status of the server, and its log"
    found = f"the server refuses (HTTP {status}: {quoted(text, context.secrets())})"
    return found, "Ask the administrator to read its log"


def _foreign(text: str, context: Context) -> tuple[str, str]:
    """Return why the server refuses this host name or this network, and what to do."""
    if FOREIGN_HOST in text:
        found = f"the server does not answer to the name {context.parts.hostname} (foreign Host"
        advice = f"Use the server's own name in {TRACKING_URI}, or ask the administrator to add "
        return f"{found}, HTTP 403)", f"{advice}this one to --allowed-hosts"
    words = quoted(text, context.secrets())
    found = f"something in front of the server refuses this machine (HTTP 403: {words})"
    return found, "Connect to the VPN, or ask for your network to be added to the allowed ones"


def versions(context: Context) -> CheckResult:
    """Check the server's version of MLflow, and compare it with this machine's."""
    name = "versions"
    ours = Version(mlflow.__version__)
    try:
        response = context.ask("/version")
        theirs = Version(response.text.strip() if response.status_code == _OK else "")
    except TrackingError as error:
        return failed(name, str(error), "Ask the administrator whether the server is up")
    except InvalidVersion:
        found = f"the server does not report its version (HTTP {response.status_code})"
        return warning(name, found, f"Ask the administrator whether it is {FLOOR} or newer")
    found = f"server {theirs}, here {ours}"
    if theirs < FLOOR:
        found += f": expected a server of {FLOOR} or newer; older ones have known vulnerabilities"
        return failed(name, f"{found} (CVE-2026-2635)", "Ask the administrator to upgrade it")
    if ours.release[:2] > theirs.release[:2]:
        found += ": the server lacks newer features of the client"
        return warning(name, found, "Ask for an upgrade, or install the project's requirements.txt")
    return ok(name, found)


def permission(context: Context) -> CheckResult:
    """Check that a run can be made, tagged and read back in the experiment that runs will use."""
    client = MlflowClient(tracking_uri=context.uri)
    try:
        return _try_run(context, client)
    except MlflowException as error:
        if status_of(error) == _FORBIDDEN:
            return failed("permission", *_forbidden(context))
        found = f"a run cannot be made ({context.shortened(error)})"
        return failed("permission", found, "Ask the administrator to read the server's log")


def _try_run(context: Context, client: MlflowClient) -> CheckResult:
    """Make the doctor's run, tag it, and read it back."""
    name = "permission"
    wanted = _Wanted(client)
    if wanted.fault:
        return failed(name, *wanted.fault)
    experiment = wanted.experiment
    if experiment:
        run = client.create_run(experiment.experiment_id, run_name=EXPERIMENT)
    else:
        experiment, run = _in_own_experiment(context, client)
    context.run = run
    run_id = run.info.run_id
    client.set_tag(run_id, _TRIED, "tried")
    if client.get_run(run_id).data.tags.get(_TRIED) != "tried":
        found = "a tag was logged, but the run does not have it when it is read back"
        return failed(name, found, "Ask the administrator about the server's database replicas")
    found = f"a run was made, tagged and read back in experiment {experiment.name!r}"
    if wanted.missing:
        advice = "Check its spelling; the first run creates it"
        problem = "the experiment of MLFLOW_EXPERIMENT_NAME does not exist"
        return warning(name, f"{found}; {problem}", advice)
    return ok(name, found)


class _Wanted:
    """The experiment that the environment names."""

    def __init__(self, client: MlflowClient) -> None:
        self.experiment: Experiment | None = None
        self.fault: tuple[str, str] | None = None
        by_name = os.environ.get("MLFLOW_EXPERIMENT_NAME")
        by_id = os.environ.get("MLFLOW_EXPERIMENT_ID")
        if by_name:
            self.experiment = client.get_experiment_by_name(by_name)
        elif by_id:
            self.experiment = _by_id(client, by_id)
        self.missing = bool(by_name) and self.experiment is None
        if self.experiment is None and by_id and not by_name:
            found = f"expected the experiment of MLFLOW_EXPERIMENT_ID={by_id}, found none"
            self.fault = found, "Do: unset MLFLOW_EXPERIMENT_ID, or correct it"
        elif self.experiment and by_id and by_id != self.experiment.experiment_id:
            found = "MLFLOW_EXPERIMENT_NAME and MLFLOW_EXPERIMENT_ID name two experiments"
            self.fault = found, "Do: unset MLFLOW_EXPERIMENT_ID"
        elif self.experiment and self.experiment.lifecycle_stage == LifecycleStage.DELETED:
            found = f"experiment {self.experiment.name!r} is deleted"
            self.fault = found, "Name another: export MLFLOW_EXPERIMENT_NAME=…"


def _by_id(client: MlflowClient, experiment_id: str) -> Experiment | None:
    """Return the experiment with this id, or None."""
    try:
        return client.get_experiment(experiment_id)
    except MlflowException as error:
        if status_of(error) != _NOT_FOUND:
            raise
        return None


def _in_own_experiment(context: Context, client: MlflowClient) -> tuple[Experiment, Run]:
    """Make the run in the doctor's experiment, or in the user's own if another user owns that."""
    *shared, own = _names(context)
    for name in shared:
        try:
            return _made(client, name)
        except MlflowException:  # another user's, or deleted
            continue
    return _made(client, own)


def _names(context: Context) -> Iterator[str]:
    yield EXPERIMENT
    if context.user:
        yield f"{EXPERIMENT}-{context.user}"


def _made(client: MlflowClient, name: str) -> tuple[Experiment, Run]:
    """Make the run in the experiment with this name; create the experiment if it is missing."""
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        experiment = client.get_experiment(client.create_experiment(name))
    return experiment, client.create_run(experiment.experiment_id, run_name=EXPERIMENT)


def _forbidden(context: Context) -> tuple[str, str]:
    """Return the advice for a user who may not make runs."""
    named = (os.environ.get(f"MLFLOW_EXPERIMENT_{key}") for key in ("NAME", "ID"))
    where = next(filter(None, named), EXPERIMENT)
    found = f"{context.user or 'this login'} may not make runs in experiment {where!r} (HTTP 403)"
    advice = "Ask its owner or the administrator for the permission EDIT, or name an experiment of"
    return found, f"{advice} your own: export MLFLOW_EXPERIMENT_NAME=…"
