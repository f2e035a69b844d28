"""Which executor makes the runs: the warm process of this machine, or a cluster.

The warm process starts before this one imports MLflow, so that both import side by side.
"""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from reprise.errors import ParameterError
from reprise.projects import libraries
from reprise.runtime.parameters import parse_argv
from reprise.sweeps.executor import WarmExecutor

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from reprise.sweeps.dask_executor import ClusterExecutor


def raw(arguments: Sequence[str]) -> dict[str, str]:
    """Return raw parameters of a command line; none where it is wrong, as the step will say."""
    try:
        return parse_argv(arguments)
    except ParameterError:
        return {}


def started(preload: Sequence[str], *, workers: str = "") -> WarmExecutor:
    """Start the warm process.

    Parameters
    ----------
    preload : sequence of str
        Modules that the runs need.
    workers : str
        Raw parameter: how many runs at a time; may be wrong.
    """
    return WarmExecutor(
        libraries=libraries.needed(),
        preload=preload,
        workers=int(workers) if workers.isdecimal() and int(workers) else os.cpu_count() or 1,
    )


def chosen(
    warm: WarmExecutor | None, preload: Sequence[str], *, scheduler: str | None
) -> "AbstractContextManager[WarmExecutor | ClusterExecutor]":
    """Return what makes the runs: the warm process, or else the cluster of a scheduler."""
    if warm is not None:
        return warm
    from reprise.sweeps.dask_executor import ClusterExecutor

    return ClusterExecutor(str(scheduler), libraries=libraries.needed(), preload=preload)
