"""What a verdict stands on, and what it says nothing about; from two records alone."""

from collections.abc import Sequence

from reprise.record.schema import Environment, Outputs, RunRecord

_LISTED = 5  # names in a line
NOTHING = "nothing that is recorded"
FROM_LOCK = "environment from lock"  # how a basis ends, if both runs have what one lock says


def basis(compared: Outputs, original: RunRecord, replay: RunRecord) -> str:
    """Say how much was compared, and in which environment the replay ran.

    Parameters
    ----------
    compared : Outputs
        All that either run has.
    original, replay : RunRecord
    """
    counts = (
        (len(compared.metrics), "metric"),
        (len(compared.parameters), "parameter"),
        (len(compared.predictions), "digest of predictions", "digests of predictions"),
        (int(compared.model is not None), "model by its arrays"),
        (len(compared.datasets), "logged dataset"),
        (
            len(compared.registered),
            "registered version of a model",
            "registered versions of models",
        ),
    )
    words = [_counted(number, *names) for number, *names in counts if number]
    number = len(compared.artifacts)
    words += [f"{_counted(number, 'artifact')} by content"] if number else []
    return ", ".join([*words, _environment(original.environment, replay.environment)])


def not_compared(unequal: Sequence[str], original: RunRecord, replay: RunRecord) -> tuple[str, ...]:
    """List what the verdict says nothing about.

    Parameters
    ----------
    unequal : sequence of str
        Artifacts whose bytes differ, and of which nobody can tell what that means.
    original, replay : RunRecord
    """
    seen = [record.observed for record in (original, replay) if record.observed]
    not_known = dict.fromkeys(fact for each in seen for fact in each.not_known)
    hosts = [host for each in seen for host in each.hosts]
    edited = [name for each in seen for name in each.edited]
    facts = [f"{name} (opaque: its bytes differ, and it is not loaded)" for name in unequal]
    if edited:
        facts.append(f"files of the commit that were written while it ran ({_few(edited)})")
    if hosts:
        facts.append(f"what came from the network ({_few(hosts)})")
    return (*facts, *not_known)


def _environment(original: Environment, replay: Environment) -> str:
    if not original.python:
        return "environment not recorded"
    if original.lock_sha256 is not None and _as_locked(original) == _as_locked(replay):
        return FROM_LOCK
    changed = _changed(original, replay)
    if not changed:
        return f"environment as recorded ({_counted(len(original.packages), 'distribution')})"
    return f"another environment ({_few(changed)})"


def _as_locked(environment: Environment) -> tuple[object, ...]:
    """Return what is the same of two environments that have the same from their locks."""
    lock = environment.lock_sha256
    return lock, environment.deviations, environment.python, environment.altered


def _changed(original: Environment, replay: Environment) -> list[str]:
    """Return what of an environment is another: Python, and packages by version and content."""
    names = sorted(original.packages.keys() | replay.packages.keys())
    changed = [name for name in names if _release(original, name) != _release(replay, name)]
    files = sorted(dict(original.altered.items() ^ replay.altered.items()))
    return [*(["Python"] if original.python != replay.python else []), *changed, *files]


def _release(environment: Environment, name: str) -> tuple[str | None, str | None]:
    return environment.packages.get(name), environment.files.get(name)


def _counted(number: int, singular: str, plural: str = "") -> str:
    return f"{number} {singular if number == 1 else plural or f'{singular}s'}"


def _few(names: Sequence[str]) -> str:
    each = list(dict.fromkeys(names))
    more = f" and {len(each) - _LISTED} more" if len(each) > _LISTED else ""
    return ", ".join(each[:_LISTED]) + more
