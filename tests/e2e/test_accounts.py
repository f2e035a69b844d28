"""What somebody with an account gets of another's work, and somebody without one of anything."""

import contextlib
import http.client
import itertools
import json
import os
import re
import secrets
import shutil
import socket
import ssl
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import pytest
import requests
from driving import HOST, ROOT
from stacks import SERVER_PYTHON, Account, admin_of, ask, new_account

from deploy.dev.processes import Process, free_port, listens
from deploy.server import serve
from deploy.server.nginx import render
from deploy.server.settings import Settings

pytestmark = pytest.mark.drill("deploy/server", "deploy/dev", "tests/e2e/stacks.py")

HIDDEN = b"nobody else's business"
NAME = "note.txt"
FILES = "/api/2.0/mlflow-artifacts/artifacts"
_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Work:
    """What somebody has on the server: an experiment, a run with a file, models."""

    owner: Account
    experiment_id: str
    experiment: str
    run_id: str
    model_id: str
    model: str

    @property
    def folder(self) -> str:
        """Where the run's files are, below the server's artifacts."""
        return f"{self.experiment_id}/{self.run_id}/artifacts"

    @property
    def file(self) -> str:
        return f"{self.folder}/{NAME}"


@dataclass(frozen=True)
class Request:
    """What is asked for; `{…}` stands for a field of the work that it is about."""

    name: str
    method: str
    path: str
    body: dict[str, Any] | None = None
    query: dict[str, str] | None = None
    data: bytes | None = None
    before: Sequence["Request"] = ()  # what the owner does first
    granted: HTTPStatus = HTTPStatus.OK  # what the owner is answered
    destroys: bool = False

    def send(self, stack, credentials: tuple[str, str] | None, about: Any):
        return ask(
            stack,
            credentials,
            self.method,
            _filled(self.path, about),
            json=_filled(self.body, about),
            params=_filled(self.query, about),
            data=self.data,
        )


def _filled(value: Any, about: Any) -> Any:
    if isinstance(value, str):
        return re.sub(r"\{(\w+)\}", lambda found: str(getattr(about, found[1])), value)
    if isinstance(value, dict):
        return {name: _filled(each, about) for name, each in value.items()}
    return [_filled(each, about) for each in value] if isinstance(value, list) else value


def make_work(stack, owner: Account) -> Work:
    """Let somebody make an experiment, a run with a file, and a model with a version."""
    label = f"{owner.name}-{next(_NUMBERS)}"

    def post(path: str, **body: Any) -> dict[str, Any]:
        answer = ask(stack, owner.credentials, "POST", f"/api/2.0/mlflow/{path}", json=body)
        assert answer.ok, answer.text
        return answer.json()

    experiment_id = post("experiments/create", name=label)["experiment_id"]
    run_id = post("runs/create", experiment_id=experiment_id)["run"]["info"]["run_id"]
    post(
        "runs/log-batch",
        run_id=run_id,
        metrics=[{"key": "m", "value": 1.0, "timestamp": 1, "step": 0}],
        params=[{"key": "p", "value": "1"}],
        tags=[{"key": "t", "value": "1"}],
    )
    model = post("logged-models", experiment_id=experiment_id, name="model")["model"]
    work = Work(owner, experiment_id, label, run_id, model["info"]["model_id"], label)
    wrote = ask(stack, owner.credentials, "PUT", f"{FILES}/{work.file}", data=HIDDEN)
    assert wrote.ok, wrote.text
    post("registered-models/create", name=label)
    source = f"mlflow-artifacts:/{work.folder}"
    post("model-versions/create", name=label, source=source, run_id=run_id)
    post("registered-models/alias", name=label, alias="best", version="1")
    return work


@pytest.fixture(scope="module")
def ada(stack):
    return new_account(stack, f"ada-{secrets.token_hex(3)}")


@pytest.fixture(scope="module")
def bea(stack):
    return new_account(stack, f"bea-{secrets.token_hex(3)}")


@pytest.fixture(scope="module")
def hers(stack, bea):
    """What is another's."""
    return make_work(stack, bea)


@pytest.fixture(scope="module")
def mine(stack, ada):
    return make_work(stack, ada)


def both(
    name: str, method: str, path: str, body: Any = None, *, version: str = "2.0", **words: Any
) -> list[Request]:
    """Return a request as programs make it, and as the browser makes it."""
    return [
        Request(f"{name}-{api}", method, f"/{api}/{version}/mlflow/{path}", body, **words)
        for api in ("api", "ajax-api")
    ]


def get(name: str, path: str, query: Any = None, **words: Any) -> list[Request]:
    return both(name, "GET", path, query=query, **words)


def post(name: str, path: str, body: Any, **words: Any) -> list[Request]:
    return both(name, "POST", path, body, **words)


RUN = {"run_id": "{run_id}"}
EXPERIMENT = {"experiment_id": "{experiment_id}"}
MODEL = {"name": "{model}"}
VERSION = MODEL | {"version": "1"}
PAIR = {"key": "k", "value": "1"}
METRIC = {"key": "m", "value": 2.0, "timestamp": 2, "step": 1}
DATASET = {"name": "d", "digest": "d", "source_type": "local", "source": "s"}
TAG = {"tags": [PAIR]}
DELETE_RUN = post("delete-run", "runs/delete", RUN, destroys=True)
DELETE_EXPERIMENT = post("delete-experiment", "experiments/delete", EXPERIMENT, destroys=True)

RUNS = [
    *get("get-run", "runs/get", RUN),
    *post("update-run", "runs/update", RUN | {"run_name": "x"}),
    *DELETE_RUN,
    *post("restore-run", "runs/restore", RUN, before=DELETE_RUN[:1], destroys=True),
    *post("log-metric", "runs/log-metric", RUN | METRIC),
    *post("log-parameter", "runs/log-parameter", RUN | PAIR),
    *post("log-batch", "runs/log-batch", RUN | {"metrics": [METRIC]}),
    *post("set-tag", "runs/set-tag", RUN | PAIR),
    *post("delete-tag", "runs/delete-tag", RUN | {"key": "t"}, destroys=True),
    *post("log-inputs", "runs/log-inputs", RUN | {"datasets": [{"dataset": DATASET}]}),
    *post(
        "log-outputs",
        "runs/outputs",
        RUN | {"models": [{"model_id": "{model_id}", "step": 0}]},
        destroys=True,
    ),
    *post(
        "log-model",
        "runs/log-model",
        RUN
        | {
            "model_json": json.dumps(
                {
                    "run_id": "r",
                    "artifact_path": "a",
                    "utc_time_created": "2026-01-01",
                    "flavors": {},
                }
            )
        },
    ),
    *get("metric-history", "metrics/get-history", RUN | {"metric_key": "m"}),
    *get(
        "metric-history-interval",
        "metrics/get-history-bulk-interval",
        {"run_ids": "{run_id}", "metric_key": "m"},
    ),
    Request(
        "metric-history-bulk",
        "GET",
        "/ajax-api/2.0/mlflow/metrics/get-history-bulk",
        query=RUN | {"metric_key": "m"},
    ),
    *post("create-run", "runs/create", EXPERIMENT),
]
EXPERIMENTS = [
    *get("get-experiment", "experiments/get", EXPERIMENT),
    *get(
        "get-experiment-by-name",
        "experiments/get-by-name",
        {"experiment_name": "{experiment}"},
    ),
    *post("update-experiment", "experiments/update", EXPERIMENT | {"new_name": "{experiment}"}),
    *DELETE_EXPERIMENT,
    *post(
        "restore-experiment",
        "experiments/restore",
        EXPERIMENT,
        before=DELETE_EXPERIMENT[:1],
        destroys=True,
    ),
    *post("tag-experiment", "experiments/set-experiment-tag", EXPERIMENT | PAIR),
    *post("log-logged-model", "logged-models", EXPERIMENT | {"name": "other"}),
    *get("search-traces-2", "traces", {"experiment_ids": "{experiment_id}"}),
    *post(
        "search-traces",
        "traces/search",
        {"locations": [{"mlflow_experiment": EXPERIMENT, "type": "MLFLOW_EXPERIMENT"}]},
        version="3.0",
    ),
    Request(
        "search-datasets",
        "POST",
        "/ajax-api/2.0/mlflow/experiments/search-datasets",
        {"experiment_ids": ["{experiment_id}"]},
    ),
]
MODELS = [
    *get("get-logged-model", "logged-models/{model_id}"),
    *both("tag-logged-model", "PATCH", "logged-models/{model_id}/tags", TAG),
    *both(
        "finish-logged-model",
        "PATCH",
        "logged-models/{model_id}",
        {"model_id": "{model_id}", "status": 2},
    ),
    *both("delete-logged-model", "DELETE", "logged-models/{model_id}", destroys=True),
    *get("list-logged-models-files", "logged-models/{model_id}/artifacts/directories"),
    *get("get-model", "registered-models/get", MODEL),
    *both("update-model", "PATCH", "registered-models/update", MODEL | {"description": "x"}),
    *post(
        "rename-model", "registered-models/rename", MODEL | {"new_name": "{model}-"}, destroys=True
    ),
    *post("tag-model", "registered-models/set-tag", MODEL | PAIR),
    *both("delete-model", "DELETE", "registered-models/delete", MODEL, destroys=True),
    *post("latest-versions", "registered-models/get-latest-versions", MODEL),
    *get("get-alias", "registered-models/alias", MODEL | {"alias": "best"}),
    *post("set-alias", "registered-models/alias", VERSION | {"alias": "worst"}),
    *both(
        "delete-alias",
        "DELETE",
        "registered-models/alias",
        MODEL | {"alias": "best"},
        destroys=True,
    ),
    *get("get-version", "model-versions/get", VERSION),
    *get("where-version-is", "model-versions/get-download-uri", VERSION),
    *both("update-version", "PATCH", "model-versions/update", VERSION | {"description": "x"}),
    *post("tag-version", "model-versions/set-tag", VERSION | PAIR),
    *post("stage-version", "model-versions/transition-stage", VERSION | {"stage": "Staging"}),
    *post(
        "add-version",
        "model-versions/create",
        MODEL | RUN | {"source": "mlflow-artifacts:/{folder}"},
        destroys=True,
    ),
    *both("delete-version", "DELETE", "model-versions/delete", VERSION, destroys=True),
    Request(
        "get-versions-file",
        "GET",
        "/model-versions/get-artifact",
        query=VERSION | {"path": NAME},
    ),
]
PART = {"path": "{file}", "num_parts": 1}
NOT_OFFERED = HTTPStatus.BAD_REQUEST  # presigned transfer of what goes through the server
ARTIFACTS = [
    *get("list-files", "artifacts/list", RUN),
    Request("get-file-in-browser", "GET", "/get-artifact", query=RUN | {"path": NAME}),
    Request(
        "put-file-in-browser",
        "POST",
        "/ajax-api/2.0/mlflow/upload-artifact",
        query={"run_uuid": "{run_id}", "path": "more.txt"},
        data=b"x",
    ),
    *post(
        "presign-download",
        "artifacts/presigned-download-url",
        RUN | {"path": NAME},
        granted=NOT_OFFERED,
    ),
    *post(
        "presign-upload",
        "artifacts/presigned-upload-url",
        RUN | {"path": NAME},
        granted=NOT_OFFERED,
    ),
    *itertools.chain.from_iterable(
        [
            Request(f"get-file-{api}", "GET", f"/{api}/2.0/mlflow-artifacts/artifacts/{{file}}"),
            Request(
                f"put-file-{api}",
                "PUT",
                f"/{api}/2.0/mlflow-artifacts/artifacts/{{file}}",
                data=HIDDEN,
            ),
            Request(
                f"delete-file-{api}",
                "DELETE",
                f"/{api}/2.0/mlflow-artifacts/artifacts/{{file}}",
                destroys=True,
            ),
            Request(
                f"delete-folder-{api}",
                "DELETE",
                f"/{api}/2.0/mlflow-artifacts/artifacts/{{experiment_id}}",
                destroys=True,
            ),
            Request(
                f"list-folder-{api}",
                "GET",
                f"/{api}/2.0/mlflow-artifacts/artifacts",
                query={"path": "{folder}"},
            ),
            Request(
                f"presign-file-{api}",
                "GET",
                f"/{api}/2.0/mlflow-artifacts/presigned/{{file}}",
            ),
            Request(
                f"start-multipart-{api}",
                "POST",
                f"/{api}/2.0/mlflow-artifacts/mpu/create/{{folder}}",
                PART,
            ),
            *(
                Request(
                    f"{verb}-multipart-{api}",
                    "POST",
                    f"/{api}/2.0/mlflow-artifacts/mpu/{verb}/{{folder}}",
                    {"path": "{file}", "upload_id": "none", "parts": []},
                    granted=HTTPStatus.INTERNAL_SERVER_ERROR,  # there is no such upload
                )
                for verb in ("complete", "abort")
            ),
        ]
        for api in ("api", "ajax-api")
    ),
]
OF_ANOTHER = [*RUNS, *EXPERIMENTS, *MODELS, *ARTIFACTS]


@pytest.mark.parametrize("request_", OF_ANOTHER, ids=lambda request: request.name)
def test_what_is_anothers_is_refused_and_ones_own_is_not(stack, ada, bea, hers, request_):
    work = make_work(stack, bea) if request_.destroys else hers
    for first in request_.before:
        assert first.send(stack, bea.credentials, work).ok

    by_other = request_.send(stack, ada.credentials, work)
    by_owner = request_.send(stack, bea.credentials, work)

    assert (by_other.status_code, by_owner.status_code) == (403, request_.granted), by_owner.text
    assert HIDDEN not in by_other.content


@pytest.mark.parametrize("request_", OF_ANOTHER, ids=lambda request: request.name)
def test_nobody_gets_anything_without_a_login(stack, hers, request_):
    answer = request_.send(stack, None, hers)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")


LISTS = [
    *post("runs", "runs/search", {"experiment_ids": ["{experiment_id}"]}),
    *post("experiments", "experiments/search", {"max_results": 1000}),
    *get("experiments-get", "experiments/search", {"max_results": "1000"}),
    *post("logged-models", "logged-models/search", {"experiment_ids": ["{experiment_id}"]}),
    *get("models", "registered-models/search", {"max_results": "1000"}),
    *get("versions", "model-versions/search", {"max_results": "1000"}),
    Request(
        "graphql",
        "POST",
        "/graphql",
        {
            "query": "query GetRun($data: MlflowGetRunInput!) "
            "{ mlflowGetRun(input: $data) { run { info { runId } } } }",
            "operationName": "GetRun",
            "variables": {"data": {"runId": "{run_id}"}},
        },
    ),
    Request("root-of-files", "GET", FILES, query={"path": ""}),
]


@pytest.mark.parametrize("request_", LISTS, ids=lambda request: request.name)
def test_lists_leave_out_what_is_anothers(stack, ada, bea, hers, request_):
    marks = {"{experiment_id}/", hers.experiment, hers.run_id, hers.model_id}

    by_other = request_.send(stack, ada.credentials, hers)
    by_owner = request_.send(stack, bea.credentials, hers)

    assert not [mark for mark in marks if mark in by_other.text.replace(ada.name, "")]
    if request_.name != "root-of-files":  # not even a list of its own things
        assert [mark for mark in marks if mark in by_owner.text]


@dataclass(frozen=True)
class Target:
    """An account, and the experiment that it is to get."""

    account: str
    experiment_id: str
    fresh: str  # a name that no account has


def new_target(stack, hers: Work) -> Target:
    eve = new_account(stack, f"eve-{secrets.token_hex(3)}")
    return Target(eve.name, hers.experiment_id, f"new-{secrets.token_hex(3)}")


@pytest.fixture(scope="module")
def eve(stack, hers):
    """Somebody whom the admin may change."""
    return new_target(stack, hers)


SOMEBODY = {"username": "{account}"}
PASSWORD = {"password": "correct horse battery staple"}
GRANT = {
    "resource_type": "experiment",
    "resource_id": "{experiment_id}",
    "permission": "MANAGE",
}
GRANTED = post("grant", "users/permissions/grant", SOMEBODY | GRANT, version="3.0", destroys=True)
OF_THE_ADMIN = [
    *post("create-account", "users/create", {"username": "{fresh}"} | PASSWORD, destroys=True),
    *both("delete-account", "DELETE", "users/delete", SOMEBODY, destroys=True),
    *both("become-admin", "PATCH", "users/update-admin", SOMEBODY | {"is_admin": True}),
    *both("change-password", "PATCH", "users/update-password", SOMEBODY | PASSWORD),
    *GRANTED,
    *post(
        "revoke",
        "users/permissions/revoke",
        SOMEBODY | GRANT,
        version="3.0",
        before=GRANTED[:1],
        destroys=True,
    ),
    *post(
        "create-role",
        "roles/create",
        {"name": "{fresh}", "workspace": "default"},
        version="3.0",
        destroys=True,
    ),
    *get("list-roles", "roles/list", {"workspace": "default"}, version="3.0"),
    *get("list-webhooks", "webhooks"),
]


@pytest.mark.parametrize("request_", OF_THE_ADMIN, ids=lambda request: request.name)
def test_only_the_admin_changes_accounts_and_permissions(stack, ada, hers, eve, request_):
    target = new_target(stack, hers) if request_.destroys else eve
    oneself = Target(ada.name, hers.experiment_id, f"own-{secrets.token_hex(3)}")

    for first in request_.before:
        assert first.send(stack, admin_of(stack), target).ok

    for_another = request_.send(stack, ada.credentials, target)
    for_oneself = request_.send(stack, ada.credentials, oneself)
    by_admin = request_.send(stack, admin_of(stack), target)

    own_password = request_.name.startswith("change-password")  # it wants the old one as well
    assert for_another.status_code == 403
    assert for_oneself.status_code == (400 if own_password else 403)
    assert by_admin.status_code == 200, by_admin.text


def test_after_all_that_one_is_no_admin_and_sees_only_ones_own(stack, ada, mine):
    who = ask(stack, ada.credentials, "GET", "/api/2.0/mlflow/users/current")
    found = ask(
        stack,
        ada.credentials,
        "GET",
        "/api/2.0/mlflow/experiments/search?max_results=1000",
    )

    assert who.json()["user"]["username"] == ada.name
    assert who.json()["user"]["is_admin"] is False
    assert [each["name"] for each in found.json()["experiments"]] == [mine.experiment]


# Paths from one's own folder into another's. Clients tidy such paths up, so they are sent raw.
TRICKS = {
    "parent": "{mine}/../{hers}",
    "encoded-dots": "{mine}/%2e%2e/{hers}",
    "encoded-slash": "{mine}/..%2f{hers}",
    "all-encoded": "{mine}%2f%2e%2e%2f{hers}",
    "twice-encoded": "{mine}/%252e%252e/{hers}",
    "twice-encoded-slash": "{mine}/..%252f{hers}",
    "thrice-encoded": "{mine}/%25252e%25252e%25252f{hers}",
    "backslash": "{mine}/..%5c{hers}",
    "long-utf-8": "{mine}/%c0%ae%c0%ae/{hers}",
    "semicolon": "{mine}/..;/{hers}",
    "absolute": "/{hers}",
    "encoded-absolute": "%2f{hers}",
    "twice-encoded-absolute": "%252f{hers}",
    "dot": "./{hers}",
    "encoded-name": "%25{digit}{rest}",
    "other-bucket": "s3://mlflow/artifacts/{hers}",
    "encoded-other-bucket": "s3:%2f%2fmlflow/artifacts/{hers}",
    "file": "file:///etc/passwd",
    "workspace": "workspaces/..%2f..%2f/{hers}",
}
NAMES = {"backslash", "long-utf-8", "semicolon"}  # to S3, these are names in one's own folder
PLACES = {
    "get": ("GET", f"{FILES}/{{path}}"),
    "put": ("PUT", f"{FILES}/{{path}}"),
    "delete": ("DELETE", f"{FILES}/{{path}}"),
    "list": ("GET", f"{FILES}?path={{path}}"),
    "presigned": ("GET", "/api/2.0/mlflow-artifacts/presigned/{path}"),
    "multipart": ("POST", "/api/2.0/mlflow-artifacts/mpu/create/{path}"),
    "browser": ("GET", "/get-artifact?run_id={run_id}&path={path}"),
    "run": ("GET", "/api/2.0/mlflow/artifacts/list?run_id={run_id}&path={path}"),
    "upload": ("POST", "/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run_id}&path={path}"),
}


def send_raw(
    stack, account: Account, method: str, path: str, body: bytes = b""
) -> tuple[int, bytes]:
    """Send a path as it is written."""
    context = ssl.create_default_context(cafile=stack.tls.authority)
    connection = http.client.HTTPSConnection(HOST, stack.port, context=context, timeout=60)
    credentials = requests.auth._basic_auth_str(*account.credentials)
    headers = {
        "Host": stack.address.removeprefix("https://"),
        "Authorization": credentials,
        "Content-Type": "application/json",
    }
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def written(trick: str, mine: Work, hers: Work) -> str:
    """Return the path of a trick."""
    return TRICKS[trick].format(
        mine=mine.experiment_id,
        hers=hers.file,
        digit=f"{ord(hers.file[0]):x}",
        rest=hers.file[1:],
    )


def versions_of(stack, work: Work) -> list[tuple[str, str]]:
    """Return every version of what is in somebody's experiment."""
    found = stack.s3.client("owner").list_object_versions(
        Bucket="mlflow", Prefix=f"artifacts/{work.experiment_id}/"
    )
    both_kinds = [*found.get("Versions", ()), *found.get("DeleteMarkers", ())]
    return sorted((each["Key"], each["VersionId"]) for each in both_kinds)


@pytest.mark.parametrize("place", PLACES)
def test_no_path_leads_from_ones_own_folder_into_anothers(stack, ada, mine, hers, place):
    method, path = PLACES[place]
    of_run = "{run_id}" in path
    hers_in_s3 = f"/artifacts/{hers.experiment_id}/"
    before = versions_of(stack, hers)

    answers = {}
    for trick in TRICKS:
        name = f"{'../../' if of_run else ''}{written(trick, mine, hers)}"
        body = b'{"path": "x", "num_parts": 1}' if method != "GET" else b""
        answers[trick] = send_raw(
            stack, ada, method, path.format(path=name, run_id=mine.run_id), body
        )

    refused = {trick for trick, (status, _) in answers.items() if status in {400, 403, 404}}
    told = [body for _, body in answers.values()]
    assert refused >= TRICKS.keys() - NAMES
    assert not [body for body in told if HIDDEN in body or hers_in_s3.encode() in body]
    assert versions_of(stack, hers) == before


def test_the_plain_path_of_ones_own_file_leads_to_it(stack, ada, mine):
    found = send_raw(stack, ada, "GET", f"{FILES}/{mine.file}")

    assert found == (200, HIDDEN)


@pytest.mark.parametrize(
    "place",
    ["s3://mlflow/artifacts/{hers}", "mlflow-artifacts:/{hers}", "{disk}", "file://{disk}"],
    ids=["bucket", "proxy", "disk", "file"],
)
def test_nobody_says_where_the_files_of_an_experiment_are(stack, ada, hers, tmp_path, place):
    name = f"elsewhere-{secrets.token_hex(3)}"

    made = ask(
        stack,
        ada.credentials,
        "POST",
        "/api/2.0/mlflow/experiments/create",
        json={"name": name, "artifact_location": place.format(hers=hers.folder, disk=tmp_path)},
    )

    assert made.status_code in {400, 403}


@pytest.mark.parametrize(
    "source",
    ["s3://mlflow/artifacts/{folder}", "mlflow-artifacts:/{folder}", "runs:/{run_id}/"],
    ids=["bucket", "proxy", "run"],
)
def test_ones_own_model_cannot_be_of_anothers_files(stack, ada, mine, hers, source):
    made = ask(
        stack,
        ada.credentials,
        "POST",
        "/api/2.0/mlflow/model-versions/create",
        json={"name": mine.model, "source": _filled(source, hers)},
    )

    assert made.status_code == 400, made.text


@pytest.mark.parametrize(
    "source",
    ["mlflow-artifacts:/{folder}", "runs:/{run_id}/", "models:/{model}/1"],
    ids=["proxy", "run", "version"],
)
def test_ones_own_model_can_be_of_ones_own_files(stack, ada, mine, source):
    made = ask(
        stack,
        ada.credentials,
        "POST",
        "/api/2.0/mlflow/model-versions/create",
        json=_filled(MODEL | RUN | {"source": source}, mine),
    )

    assert made.status_code == 200, made.text


def test_a_wrong_password_is_refused_and_the_right_one_still_works(stack, ada, bea):
    who = "/api/2.0/mlflow/users/current"

    wrong = ask(stack, (ada.name, "wrong"), "GET", who)
    anothers = ask(stack, (ada.name, bea.password), "GET", who)
    none = ask(stack, (ada.name, ""), "GET", who)
    right = ask(stack, ada.credentials, "GET", who)

    assert [a.status_code for a in (wrong, anothers, none, right)] == [401, 401, 401, 200]


_ROUTES = """\
import json
from mlflow.server import app as flask
from mlflow.server.auth import create_app

app = create_app(flask)
routes = {(m, r.rule) for r in flask.url_map.iter_rules() for m in r.methods}
for path, methods in app.openapi()["paths"].items():
    routes |= {(method.upper(), path) for method in methods}
for included in app.routes:
    for route in getattr(getattr(included, "original_router", None), "routes", ()):
        routes |= {(method, route.path) for method in route.methods}
print(json.dumps(sorted(routes)))
"""
STATIC = ("GET", "/static-files/{}")
# What anybody may ask. Each was looked at: none says anything about anybody's work.
OPEN = {
    ("GET", "/health"),
    ("GET", "/api/3.0/mlflow/server-info"),
    ("GET", "/ajax-api/3.0/mlflow/server-info"),
    STATIC,
}


@pytest.fixture(scope="module")
def routes(stack):
    """Methods and paths of the server as it is installed and set up."""
    environment = stack._environment()
    told = environment | serve.environment(Settings.read(environment))
    done = subprocess.run(
        [SERVER_PYTHON, "-c", _ROUTES],
        env=told | {"_MLFLOW_SGI_NAME": "uvicorn"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    return {(m, re.sub(r"<[^>]*>|\{[^}]*\}", "{}", path)) for m, path in found}


ASSISTANT = "/ajax-api/3.0/mlflow/assistant"  # nginx lets nobody there


def test_every_route_but_those_looked_at_wants_a_login(stack, routes):
    asked = {route for route in routes if route[0] not in {"HEAD", "OPTIONS"}}

    with requests.Session() as session:
        session.verify = str(stack.tls.authority)
        session.trust_env = False
        answers = {
            (method, path): session.request(
                method, stack.address + path.replace("{}", "1"), allow_redirects=False, timeout=60
            ).status_code
            for method, path in sorted(asked)
        }

    assert len(asked) > 400
    assert {path.partition("/")[2].partition("/")[0] for _, path in asked} >= {
        "api",
        "ajax-api",
        "gateway",
        "graphql",
    }
    closed = {route for route in asked if route[1].startswith(ASSISTANT)}
    assert {answers[route] for route in closed} == {403}
    assert {route for route, status in answers.items() if status != 401} - closed == OPEN
    assert {answers[route] for route in OPEN - {STATIC}} == {200}


def test_nobody_writes_a_trace(stack, ada, mine, routes):
    """One with the id of another's would take it over, and name another's folder."""
    writing = {
        (method, path)
        for method, path in routes
        if method in {"POST", "PUT", "PATCH"} and ("/traces" in path or "/demo/" in path)
    }
    headers = {"X-MLflow-Experiment-Id": mine.experiment_id}

    answers = {
        (method, path): ask(
            stack, ada.credentials, method, path.replace("{}", "1"), json={}, headers=headers
        )
        for method, path in writing
    }

    taken = {route for route, answer in answers.items() if "takes none" not in answer.text}
    assert writing >= {("POST", "/v1/traces"), ("POST", "/ajax-api/3.0/mlflow/demo/generate")}
    assert {path.rpartition("/")[2] for _, path in taken} == {
        "batchGetInfos",
        "calculate-filter-correlation",
        "delete-traces",
        "metrics",
        "search",
    }
    assert {answers[route].status_code for route in writing - taken} == {403}


@pytest.mark.parametrize("api", ["api", "ajax-api"])
def test_everybody_is_told_that_files_pass_through_the_server(stack, api):
    answer = ask(stack, None, "GET", f"/{api}/3.0/mlflow/server-info")

    told = answer.json()
    assert answer.status_code == 200
    assert told["store_type"] == "SqlStore"
    assert told["multipart_uploads_enabled"] is False
    assert told["multipart_downloads_enabled"] is False


def test_what_is_open_tells_no_secret(stack):
    answer = ask(stack, None, "GET", "/api/3.0/mlflow/server-info")
    told = answer.text

    assert answer.status_code == 200
    assert not [value for value in stack.settings().values() if len(value) > 5 and value in told]


def test_a_host_that_is_not_the_servers_is_refused(stack, ada):
    path = "/api/2.0/mlflow/users/current"

    foreign = ask(stack, ada.credentials, "GET", path, headers={"Host": "evil.example"})
    own = ask(stack, ada.credentials, "GET", path)

    assert (foreign.status_code, own.status_code) == (403, 200)


def test_another_sites_page_can_change_nothing(stack, ada, mine):
    def tag(origin: str) -> int:
        return ask(
            stack,
            ada.credentials,
            "POST",
            "/ajax-api/2.0/mlflow/runs/set-tag",
            json={"run_id": mine.run_id, "key": "from", "value": origin},
            headers={"Origin": origin},
        ).status_code

    foreign = [tag("https://evil.example"), tag("https://localhost.evil.example"), tag("null")]
    own = tag(stack.address)

    assert (foreign, own) == ([403, 403, 403], 200)


@pytest.mark.parametrize("path", ["/health", "/api/2.0/mlflow/users/current", "/nowhere"])
def test_every_answer_insists_on_tls_and_hides_nginxs_version(stack, path):
    answer = ask(stack, None, "GET", path)

    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert answer.headers["Server"] in {"nginx", "uvicorn"}
    assert not re.search(r"nginx/\d", answer.text + str(answer.headers))


def shake_hands(stack, version: ssl.TLSVersion) -> str:
    """Speak one version of TLS with the server, and return the one agreed on."""
    context = ssl.create_default_context(cafile=stack.tls.authority)
    context.set_ciphers("ALL:@SECLEVEL=0")  # or this side would not offer old ones
    context.minimum_version = context.maximum_version = version
    with (
        socket.create_connection((HOST, stack.port), timeout=30) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        return secured.version() or ""


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_of_today_is_spoken(stack, version):
    assert shake_hands(stack, version).replace(".", "_") == version.name


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_tls_1_1_is_refused_by_the_server(stack):
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        shake_hands(stack, ssl.TLSVersion.TLSv1_1)


@pytest.fixture
def fenced(stack, tmp_path):
    """Port of the same servers behind an nginx that allows another network only."""
    told = stack._environment() | {
        "PORT": str(port := free_port()),
        "ALLOWED_NETWORKS": "127.0.0.2/32",
    }
    for name in ("nginx", "log"):
        (tmp_path / name).mkdir()
    (tmp_path / "nginx/mlflow.conf").write_text(render(Settings.read(told)))
    main = tmp_path / "nginx/nginx.conf"
    shared = (stack.folder / "nginx/nginx.conf").read_text()
    main.write_text(shared.replace(str(stack.folder), str(tmp_path)))
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    process = Process([program, "-c", str(main), "-g", "daemon off;"], tmp_path / "log/nginx.out")
    try:
        process.until(lambda: listens(port), "nginx")
        yield port
    finally:
        process.stop()


def test_other_networks_are_shut_out(stack, fenced):
    def status(source: str) -> int:
        context = ssl.create_default_context(cafile=stack.tls.authority)
        connection = http.client.HTTPSConnection(
            HOST, fenced, context=context, timeout=60, source_address=(source, 0)
        )
        with contextlib.closing(connection):
            host = stack.address.removeprefix("https://")
            connection.request("GET", "/health", headers={"Host": host})
            return connection.getresponse().status

    assert (status(HOST), status("127.0.0.2")) == (403, 200)


@pytest.mark.parametrize("path", ["config", "providers", "message", "skills/install"])
def test_nobody_gets_to_the_assistant_which_has_a_shell(stack, path):
    answer = ask(stack, admin_of(stack), "POST", f"{ASSISTANT}/{path}", json={})

    assert answer.status_code == 403
    assert "nginx" in answer.text
