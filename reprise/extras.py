"""Packages that only some features need: each is an extra of the distribution."""

import contextlib
from collections.abc import Iterator

from reprise.errors import RepriseError

DISTRIBUTION = "mlflow-reprise"
# The packages that pyproject.toml lists under each extra, by the names that are imported.
MODULES = {
    "dask": ("cloudpickle", "distributed"),
    "data": ("pandas", "pyarrow"),
    "excel": ("python_calamine",),
    "models": ("scipy", "sklearn", "skops"),
    "plots": ("matplotlib",),
    "s3": ("boto3", "botocore"),
}


class MissingExtraError(RepriseError):
    """A feature needs a package that is not installed."""

    def __init__(self, module: str, extra: str) -> None:
        super().__init__(
            f"expected the package {module}, which this needs, found that it is not installed. "
            f'Install it: pip install "{DISTRIBUTION}[{extra}]"'
        )


@contextlib.contextmanager
def explaining_missing() -> Iterator[None]:
    """Turn the failed import of an extra's package into the line that says how to install it.

    Raises
    ------
    MissingExtraError
        With the command.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        module = str(error.name).partition(".")[0]
        for extra, modules in MODULES.items():
            if module in modules:
                raise MissingExtraError(module, extra) from None
        raise
