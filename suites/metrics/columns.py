"""The metrics' inputs, checked: one function for each kind of column. All raise ValueError."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def right_or_wrong(name: str, values: Sequence[Any]) -> Floats:
    """[items] 1 or 0."""
    return one_of(name, values, (0, 1))


def one_of(name: str, values: Sequence[Any], allowed: tuple[int, ...]) -> Floats:
    """[items] of a few whole numbers."""
    numbers = _numbers(name, values)
    stated = f"{', '.join(map(str, allowed[:-1]))} or {allowed[-1]}"
    _refuse(name, numbers, ~np.isin(numbers, allowed), f"must be {stated}")
    return numbers


def shares(name: str, values: Sequence[Any]) -> Floats:
    """[items] probabilities, 0 to 1."""
    numbers = _numbers(name, values)
    _refuse(name, numbers, ~((numbers >= 0) & (numbers <= 1)), "must be a probability, 0 to 1")
    return numbers


def log_likelihoods(name: str, values: Sequence[Any]) -> Floats:
    """[items] logarithms of probabilities: finite and not above 0."""
    numbers = _numbers(name, values)
    _refuse(name, numbers, ~np.isfinite(numbers), "must be a finite log-likelihood")
    _refuse(name, numbers, numbers > 0, "must be a log-likelihood, at most 0; was its negative given?")
    return numbers


def counts(name: str, values: Sequence[Any]) -> Floats:
    """[items] of at least 1 each."""
    numbers = _numbers(name, values)
    _refuse(name, numbers, ~(np.isfinite(numbers) & (numbers >= 1)), "must be a count of 1 or more")
    return numbers


def labels(name: str, values: Sequence[Any]) -> NDArray[Any]:
    """[items] answers or names, none of them missing."""
    _refuse_none_at_all(name, values)
    missing = np.array([value is None for value in values])
    _refuse(name, values, missing, 'must be given; what could not be read needs a label, such as ""')
    return np.array(values)


def _numbers(name: str, values: Sequence[Any]) -> Floats:
    _refuse_none_at_all(name, values)
    return np.array(values, dtype=np.float64)


def _refuse_none_at_all(name: str, values: Sequence[Any]) -> None:
    if len(values) == 0:
        raise ValueError(f"{name}: no items, and a metric needs at least one")


def _refuse(name: str, values: Sequence[Any] | Floats, bad: NDArray[np.bool_], must: str) -> None:
    if bad.any():
        first = int(np.argmax(bad))
        raise ValueError(f"{name}: item {first} is {values[first]}, and it {must}")
