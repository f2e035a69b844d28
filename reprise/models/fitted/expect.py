"""What a check of a fitted estimator expects, and the error that names what does not fit."""

from typing import Any


def is_a(value: Any, *classes: str) -> bool:
    """Return whether an object is of a class, by full name: nothing is imported to find out."""
    bases = type(value).__mro__
    return any(f"{base.__module__}.{base.__qualname__}" in classes for base in bases)


def is_fitted(value: Any) -> bool:
    """Return whether an estimator was fitted, as far as its number of features says."""
    return hasattr(value, "n_features_in_")


def shape(array: Any) -> tuple[Any, ...]:
    """Return the shape of an array; of anything else, a tuple that no array has."""
    return tuple(getattr(array, "shape", ("no array",)))


def expect(value: Any, name: str, expected: Any) -> None:
    """Refuse an object whose attribute has another value."""
    expect_equal(value, name, getattr(value, name, None), expected)


def expect_equal(value: Any, name: str, found: Any, expected: Any) -> None:
    """Refuse an object of which something has another value.

    Raises
    ------
    ValueError
        That names the object's type and what does not fit.
    """
    if found != expected:
        raise ValueError(
            f"a {type(value).__name__} whose {name} do not fit ({found} for {expected})"
        )


def refuse_unless(condition: Any, value: Any, problem: str) -> None:
    """Refuse an object unless a condition holds, which `problem` describes the lack of.

    Raises
    ------
    ValueError
        That names the object's type and the problem.
    """
    if not condition:
        raise ValueError(f"a {type(value).__name__} with {problem}")
