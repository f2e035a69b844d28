"""Compare the server with a backup: every row, every artifact, and what a client sees."""

from collections.abc import Iterator, Mapping

from deploy.server import database, stores
from deploy.server.backup import at_once
from deploy.server.errors import ServerError
from deploy.server.manifest import Artifact, Manifest, read
from deploy.server.service import Service
from deploy.server.settings import Settings
from deploy.server.stores import Hashing, Store

_SHOWN = 20  # differences of one kind; a lost bucket would fill the screen


def differences_in_database(
    recorded: Mapping[str, Mapping[str, str]], found: Mapping[str, Mapping[str, str]]
) -> Iterator[str]:
    """Return the rows of a backup that the database lacks, or has changed.

    Parameters
    ----------
    recorded, found : mapping of str to mapping of str to str
        SHA-256 of the rows of each run, model, …, per table. Entries that only `found` has were
        made after the backup, and are no difference.
    """
    for table, owners in recorded.items():
        present = found.get(table, {})
        for owner, digest in owners.items():
            if owner not in present:
                yield f"{table}: {owner} is missing"
            elif present[owner] != digest:
                yield f"{table}: {owner} changed"


def differences_in_artifacts(recorded: Mapping[str, Artifact], bucket: Store) -> Iterator[str]:
    """Read every artifact of a backup, and return the missing and changed ones."""

    def check(item: tuple[str, Artifact]) -> str:
        name, artifact = item
        hashing = Hashing()
        try:
            bucket.read(name, hashing)
        except FileNotFoundError:
            return f"artifact {name} is missing"
        found = hashing.hexdigest()
        same = found == artifact.sha256
        return "" if same else f"artifact {name} changed: recorded {artifact.sha256}, found {found}"

    return filter(None, at_once(check, recorded.items()))


def differences_in_service(settings: Settings) -> Iterator[str]:
    """Log in as a client does, and read every run, registered model and alias."""
    try:
        served = _served(Service(settings))
    except ServerError as error:
        yield str(error)
        return
    with database.connected(settings) as connection, connection.cursor() as cursor:
        for kind, query in _STORED.items():
            cursor.execute(query)
            stored = {tuple(map(str, row)) for row in cursor.fetchall()}
            for row in sorted(stored - served[kind]):
                yield f"the server does not serve the {kind} {' '.join(row)}"


_STORED = {
    "run": "SELECT run_uuid FROM runs",
    "registered model": "SELECT name FROM registered_models",
    "alias": "SELECT name, alias, version FROM registered_model_aliases",
}


def _served(service: Service) -> dict[str, set[tuple[str, ...]]]:
    """Return the runs, registered models and aliases that a client finds."""
    found: dict[str, set[tuple[str, ...]]] = {kind: set() for kind in _STORED}
    for page in service.pages("POST", "/2.0/mlflow/experiments/search", {"view_type": "ALL"}):
        for experiment in page.get("experiments", ()):
            found["run"] |= _runs(service, experiment["experiment_id"])
    for page in service.pages("GET", "/2.0/mlflow/registered-models/search", {}):
        for model in page.get("registered_models", ()):
            found["registered model"].add((model["name"],))
            for alias in model.get("aliases", ()):
                found["alias"].add(_named(service, model["name"], alias["alias"]))
    return found


def _runs(service: Service, experiment_id: str) -> set[tuple[str, ...]]:
    where = {"experiment_ids": [experiment_id], "run_view_type": "ALL"}
    pages = service.pages("POST", "/2.0/mlflow/runs/search", where)
    return {(run["info"]["run_id"],) for page in pages for run in page.get("runs", ())}


def _named(service: Service, name: str, alias: str) -> tuple[str, str, str]:
    where = {"name": name, "alias": alias}
    answer = service.ask("GET", "/2.0/mlflow/registered-models/alias", where)
    return name, alias, str(answer["model_version"]["version"])


def run(settings: Settings, where: str, name: str) -> None:
    """Compare with a backup, print every difference, and refuse if there is one."""
    where = where or settings.backup_to
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
