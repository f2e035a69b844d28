"""Checks of what the server lets the user do: login, versions, permission."""

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


def login(visit: Context) -> CheckResult:
    """Check that there is a login, that it works, and that the server wants one."""
    name = "login"
    try:
        given = _login(visit)
    except (configparser.Error, OSError, UnicodeDecodeError) as error:
        found = f"{_CREDENTIALS} cannot be read ({type(error).__name__})"
        return failed(name, found, f"Mend or remove it, or: {_SET_LOGIN}")
    try:
        response = visit.ask(_SEARCH, params={"max_results": "1"})
        if response.status_code != _OK or not _is_mlflow(response.text):
            return failed(name, *_refused(response.status_code, response.text, given, visit))
        open_to_all = visit.ask(_SEARCH, anonymous=True, params={"max_results": "1"})
    except TrackingError as error:
        return failed(name, str(error), "Ask the administrator whether the server is up")
    if open_to_all.status_code == _OK:
        found = "anybody is let in without a login: the server has no accounts"
        return warning(
            name, found, "Ask the administrator for `mlflow server --app-name basic-auth`"
        )
    path = Path(_CREDENTIALS).expanduser()
    if path.exists() and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        found = f"{given} is let in, but others on this machine can read {_CREDENTIALS}"
        return warning(name, found, f"Do: chmod 600 {_CREDENTIALS}")
    return ok(name, f"{given} is let in, and nobody without a login")


def _login(visit: Context) -> str:
    """Name the login that MLflow's client uses; "": none."""
    credentials = read_mlflow_creds()
    if visit.parts.username:
        return f"{visit.parts.username} (of {TRACKING_URI})"
    if credentials.username and credentials.password:
        named = os.environ.get("MLFLOW_TRACKING_USERNAME")
        return f"{credentials.username} (of {'the environment' if named else _CREDENTIALS})"
    return next((f"the login of {n}" for n in _OTHER_LOGINS if os.environ.get(n)), "")


def _is_mlflow(text: str) -> bool:
    """Tell whether an answer is MLflow's, and not some page."""
    return text.lstrip().startswith("{")


def _refused(status: int, text: str, given: str, visit: Context) -> tuple[str, str]:
    """Return why a request was not answered, and what to do."""
    if status in (_OK, _NOT_FOUND):
        found = f"expected MLflow, found something else (HTTP {status})"
        return found, f"Check {TRACKING_URI}: host, port and path"
    if status == _UNAUTHORIZED:
        if given:
            found = f"the server does not know {given}, or not with this password (HTTP 401)"
            return found, f"{_SET_LOGIN}; the administrator can set a new password"
        found = f"expected a user and a password, in the environment or {_CREDENTIALS}, found none"
        return found, _SET_LOGIN
    if status == _FORBIDDEN:
        return _foreign(text, visit)
    if status > _SERVER_ERROR:
        found = f"the proxy answers, the MLflow server behind it does not (HTTP {status})"
        return found, "Ask the administrator: systemctl status of the server, and its log"
    found = f"the server refuses (HTTP {status}: {quoted(text, visit.secrets())})"
    return found, "Ask the administrator to read its log"


def _foreign(text: str, visit: Context) -> tuple[str, str]:
    """Return why nobody is answered who comes by this name, or from this network."""
    if FOREIGN_HOST in text:
        found = f"the server does not answer to the name {visit.parts.hostname} (foreign Host"
        advice = f"Use the server's own name in {TRACKING_URI}, or ask the administrator to add "
        return f"{found}, HTTP 403)", f"{advice}this one to --allowed-hosts"
    words = quoted(text, visit.secrets())
    found = f"something before the server refuses this machine (HTTP 403: {words})"
    return found, "Connect to the VPN, or ask for your network to be added to the allowed ones"


def versions(visit: Context) -> CheckResult:
    """Check the server's version of MLflow, and this machine's against it."""
    name = "versions"
    ours = Version(mlflow.__version__)
    try:
        response = visit.ask("/version")
        theirs = Version(response.text.strip() if response.status_code == _OK else "")
    except TrackingError as error:
        return failed(name, str(error), "Ask the administrator whether the server is up")
    except InvalidVersion:
        found = f"the server does not tell its version (HTTP {response.status_code})"
        return warning(name, found, f"Ask the administrator whether it is {FLOOR} or newer")
    found = f"server {theirs}, here {ours}"
    if theirs < FLOOR:
        found += f": expected a server of {FLOOR} or newer; older ones have known holes"
        return failed(name, f"{found} (CVE-2026-2635)", "Ask the administrator to upgrade it")
    if ours.release[:2] > theirs.release[:2]:
        found += ": what the client has learnt since, the server does not know"
        return warning(name, found, "Ask for an upgrade, or install the project's requirements.txt")
    return ok(name, found)


def permission(visit: Context) -> CheckResult:
    """Check that a run can be made, tagged and read back where runs would go to."""
    client = MlflowClient(tracking_uri=visit.uri)
    try:
        return _try_run(visit, client)
    except MlflowException as error:
        if status_of(error) == _FORBIDDEN:
            return failed("permission", *_forbidden(visit))
        found = f"a run cannot be made ({visit.said(error)})"
        return failed("permission", found, "Ask the administrator to read the server's log")


def _try_run(visit: Context, client: MlflowClient) -> CheckResult:
    """Make the run of this visit, tag it, and read it back."""
    name = "permission"
    wanted = _Wanted(client)
    if wanted.fault:
        return failed(name, *wanted.fault)
    experiment = wanted.experiment
    if experiment:
        run = client.create_run(experiment.experiment_id, run_name=EXPERIMENT)
    else:
        experiment, run = _in_own_experiment(visit, client)
    visit.run = run
    run_id = run.info.run_id
    client.set_tag(run_id, _TRIED, "tried")
    if client.get_run(run_id).data.tags.get(_TRIED) != "tried":
        found = "a tag was logged, and the run read back does not have it"
        return failed(name, found, "Ask the administrator about the server's database replicas")
    found = f"a run was made, tagged and read back in experiment {experiment.name!r}"
    if wanted.missing:
        advice = "Check its spelling; the first run makes it"
        return warning(name, f"{found}; MLFLOW_EXPERIMENT_NAME names none that exists", advice)
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
    """Return an experiment; None: there is none of this id."""
    try:
        return client.get_experiment(experiment_id)
    except MlflowException as error:
        if status_of(error) != _NOT_FOUND:
            raise
        return None


def _in_own_experiment(visit: Context, client: MlflowClient) -> tuple[Experiment, Run]:
    """Make the run in the doctor's experiment; where another user has that name, in one's own."""
    *shared, own = _names(visit)
    for name in shared:
        try:
            return _made(client, name)
        except MlflowException:  # another's, or deleted
            continue
    return _made(client, own)


def _names(visit: Context) -> Iterator[str]:
    yield EXPERIMENT
    if visit.user:
        yield f"{EXPERIMENT}-{visit.user}"


def _made(client: MlflowClient, name: str) -> tuple[Experiment, Run]:
    """Make the run in an experiment of this name, and the experiment if there is none."""
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        experiment = client.get_experiment(client.create_experiment(name))
    return experiment, client.create_run(experiment.experiment_id, run_name=EXPERIMENT)


def _forbidden(visit: Context) -> tuple[str, str]:
    """Return what a user who may not make runs should do."""
    named = (os.environ.get(f"MLFLOW_EXPERIMENT_{key}") for key in ("NAME", "ID"))
    where = next(filter(None, named), EXPERIMENT)
    found = f"{visit.user or 'this login'} may not make runs in experiment {where!r} (HTTP 403)"
    advice = "Ask its owner or the administrator for the permission EDIT, or name an experiment of"
    return found, f"{advice} your own: export MLFLOW_EXPERIMENT_NAME=…"
