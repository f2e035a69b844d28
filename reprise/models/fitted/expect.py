"""Expectations of the checks of fitted estimators, and the errors for parts that do not match."""

from typing import Any


def is_a(value: Any, *classes: str) -> bool:
    """Return whether an object is of a class, by its full name and without an import."""
    bases = type(value).__mro__
    return any(f"{base.__module__}.{base.__qualname__}" in classes for base in bases)


def is_fitted(value: Any) -> bool:
    """Return whether an estimator was fitted: whether it has a number of features."""
    return hasattr(value, "n_features_in_")


def shape(array: Any) -> tuple[Any, ...]:
    """Return the shape of an array; for other objects, a tuple that no array has."""
    return tuple(getattr(array, "shape", ("no array",)))


def expect(value: Any, name: str, expected: Any) -> None:
    """Refuse an object with another value of an attribute."""
    expect_equal(value, name, getattr(value, name, None), expected)


def expect_equal(value: Any, name: str, found: Any, expected: Any) -> None:
    """Refuse an object if a value in it is not the expected one.

    Raises
    ------
    ValueError
        With the object's type and the name of the value.
    """
    if found != expected:
        raise ValueError(
            f"a {type(value).__name__} whose {name} do not fit ({found} for {expected})"
        )


def refuse_unless(condition: Any, value: Any, problem: str) -> None:
    """Refuse an object unless a condition holds; `problem` describes its failure.

    Raises
    ------
    ValueError
        With the object's type and the problem.
    """
    if not condition:
        raise ValueError(f"a {type(value).__name__} with {problem}")
