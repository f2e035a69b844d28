"""Compare the server with a backup: every row, every artifact, and what a client gets to see."""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import certifi

from deploy.server import database, stores
from deploy.server.backup import at_once
from deploy.server.errors import ServerError
from deploy.server.manifest import Artifact, Manifest, read
from deploy.server.settings import Settings
from deploy.server.stores import Hashing, Store

if TYPE_CHECKING:
    from mlflow import MlflowClient

_SHOWN = 20  # findings of a kind; a lost bucket would fill the screen
_PAGE = 1000


def differences_in_database(
    recorded: Mapping[str, Mapping[str, str]], found: Mapping[str, Mapping[str, str]]
) -> Iterator[str]:
    """Return what a backup has and the database lacks or has otherwise.

    Parameters
    ----------
    recorded, found : mapping of str to mapping of str to str
        Per table the SHA-256 of the rows of each run, model, …. What only `found` has was made
        after the backup, and is no difference.
    """
    for table, owners in recorded.items():
        present = found.get(table, {})
        for owner, digest in owners.items():
            if owner not in present:
                yield f"{table}: {owner} is missing"
            elif present[owner] != digest:
                yield f"{table}: {owner} changed"


def differences_in_artifacts(recorded: Mapping[str, Artifact], bucket: Store) -> Iterator[str]:
    """Read every artifact that a backup has, and return what is missing or has changed."""

    def check(item: tuple[str, Artifact]) -> str:
        name, artifact = item
        hashing = Hashing()
        try:
            bucket.read(name, hashing)  # type: ignore[arg-type]
        except FileNotFoundError:
            return f"artifact {name} is missing"
        found = hashing.hexdigest()
        same = found == artifact.sha256
        return "" if same else f"artifact {name} changed: recorded {artifact.sha256}, found {found}"

    return filter(None, at_once(check, recorded.items()))


def differences_in_service(settings: Settings) -> Iterator[str]:
    """Log in as a client does, and read every run, registered model and alias there is."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    os.environ.setdefault("MLFLOW_TRACKING_USERNAME", settings.mlflow_auth_admin_username)
    os.environ.setdefault(
        "MLFLOW_TRACKING_PASSWORD", settings.mlflow_auth_admin_password.get_secret_value()
    )
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    client = MlflowClient(settings.address, settings.address)
    try:
        with _trusting(settings.tls_certificate):
            served = _served(client)
    except MlflowException as error:
        reason = str(error).splitlines()[0]
        yield (
            f"the server at {settings.address} does not serve a login: {reason}. Start it; if the "
            "admin's password was changed, set MLFLOW_TRACKING_PASSWORD"
        )
        return
    with database.connected(settings) as connection, connection.cursor() as cursor:
        for kind, query in _STORED.items():
            cursor.execute(query)
            stored = {tuple(map(str, row)) for row in cursor.fetchall()}
            for row in sorted(stored - served[kind]):
                yield f"the server does not serve the {kind} {' '.join(row)}"


@contextlib.contextmanager
def _trusting(certificate: Path) -> Iterator[None]:
    """Trust what every client trusts, and the server's own certificate if it signed itself."""
    variable = "MLFLOW_TRACKING_SERVER_CERT_PATH"
    if os.environ.get(variable) or not certificate.is_file():
        yield
        return
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as bundle:
        bundle.write(f"{Path(certifi.where()).read_text()}\n{certificate.read_text()}")
        bundle.flush()
        os.environ[variable] = bundle.name
        try:
            yield
        finally:
            del os.environ[variable]


_STORED = {
    "run": "SELECT run_uuid FROM runs",
    "registered model": "SELECT name FROM registered_models",
    "alias": "SELECT name, alias, version FROM registered_model_aliases",
}


def _served(client: "MlflowClient") -> dict[str, set[tuple[str, ...]]]:
    """Return the runs, registered models and aliases that a client finds."""
    from mlflow.entities import ViewType

    runs: set[tuple[str, ...]] = set()
    models: set[tuple[str, ...]] = set()
    aliases: set[tuple[str, ...]] = set()
    for experiment in _all(client.search_experiments, view_type=ViewType.ALL):
        where = {"experiment_ids": [experiment.experiment_id], "run_view_type": ViewType.ALL}
        runs |= {(run.info.run_id,) for run in _all(client.search_runs, **where)}
    for model in _all(client.search_registered_models):
        models.add((model.name,))
        for alias in model.aliases:
            found = client.get_model_version_by_alias(model.name, alias)
            aliases.add((model.name, alias, str(found.version)))
    return {"run": runs, "registered model": models, "alias": aliases}


def _all(search: Callable[..., Any], **words: Any) -> Iterator[Any]:
    """Call a paged search until it has given everything."""
    token = None
    while True:
        page = search(**words, max_results=_PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def run(settings: Settings, where: str, name: str) -> None:
    """Compare with a backup, print every difference, and refuse if there is one."""
    manifest: Manifest = read(stores.archive(settings, where), name)
    with database.connected(settings) as connection:
        rows = database.digests(connection)
    checks = {
        "database": differences_in_database(manifest.database, rows),
        "artifacts": differences_in_artifacts(manifest.artifacts, stores.artifacts(settings)),
        "service": differences_in_service(settings),
    }
    worst = 0
    for what, differences in checks.items():
        found = list(differences)
        print(f"{'FAILED' if found else 'ok':8}{what}: {_measured(manifest, what)}")
        for line in found[:_SHOWN]:
            print(f"        {line}")
        if len(found) > _SHOWN:
            print(f"        … and {len(found) - _SHOWN} more")
        worst += len(found)
    if worst:
        raise ServerError(
            f"{worst} differences from the backup {manifest.name}. Right after a restore there "
            "must be none; on a server in use, runs that went on since then differ too."
        )
    print(f"the server has all of the backup {manifest.name}")


def _measured(manifest: Manifest, what: str) -> str:
    database = manifest.database
    if what == "artifacts":
        return f"{len(manifest.artifacts)} files read and their SHA-256 compared"
    if what == "database":
        rows = sum(map(len, database.values()))
        return f"{len(database)} tables, {rows} groups of rows compared"
    count = {kind: len(database.get(kind, ())) for kind in ("runs", "registered_models", "users")}
    return f"login, {count['runs']} runs, {count['registered_models']} registered models, aliases"
