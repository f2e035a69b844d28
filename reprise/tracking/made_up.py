"""Names that MLflow makes up for runs that nobody has named: `orderly-conch-499`."""

import re

from mlflow.utils.name_utils import _GENERATOR_NOUNS, _GENERATOR_PREDICATES

_SHAPE = re.compile(r"([a-z]+)-([a-z]+)-[0-9]{1,3}")


def is_made_up(name: str | None) -> bool:
    """Return whether MLflow has made up a run's name; a name of that shape may be a user's own."""
    found = _SHAPE.fullmatch(name or "")
    return name in (None, "") or (
        found is not None and found[1] in _GENERATOR_PREDICATES and found[2] in _GENERATOR_NOUNS
    )
