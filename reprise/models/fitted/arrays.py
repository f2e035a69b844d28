"""Checks of arrays with a structure: sparse matrices and states of random generators."""

from typing import Any

_MERSENNE_WORDS = 624


def check_sparse(value: Any) -> None:
    """Check that the indices of a sparse matrix are within its shape."""
    from scipy import sparse

    if sparse.issparse(value) and hasattr(value, "check_format"):
        value.check_format(full_check=True)
    elif sparse.issparse(value) and value.format == "coo":
        value._check()  # noqa: SLF001 - there is no public check


def check_random_state(value: Any) -> None:
    """Check the position of a Mersenne Twister within its numbers."""
    from numpy.random import RandomState

    if isinstance(value, RandomState):
        state = value.get_state(legacy=False)
        position = state["state"].get("pos", 0)
        if not 0 <= position <= _MERSENNE_WORDS:
            raise ValueError("a random state with a position beyond its numbers")
