"""Tango's score test and interval for the difference of paired proportions.

Tango T. (1998), Equivalence test and confidence interval for the difference in proportions for the
paired-sample design, Statistics in Medicine 17:891-908. Here λ of the paper is the drop.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

_HALVINGS = 64
"""Bisections of an interval of length 2: more than a double can tell apart."""


def score(lost: ArrayLike, gained: ArrayLike, n: float, drop: float) -> NDArray[np.float64]:
    """The z statistic of H0: the drop equals `drop`; falls as `drop` grows.

    Its variance uses the restricted maximum-likelihood estimate under H0 (eq. 5 and 6 of the paper).
    Where that variance is 0 the statistic is 0 if the data fit `drop` exactly, else ± infinity.

    >>> round(float(score(30, 25, 1000, 0.02)), 6)
    -1.947026
    """
    if drop < 0:
        # The mirror image: for a negative drop the variance below would cancel catastrophically.
        return -score(gained, lost, n, -drop)
    b = np.asarray(lost, dtype=np.float64)
    c = np.asarray(gained, dtype=np.float64)
    distance = b - c - n * drop
    variance = n * (2.0 * _restricted_gain(b, c, n, drop) + drop * (1.0 - drop))
    with np.errstate(divide="ignore", invalid="ignore"):
        z = distance / np.sqrt(variance)
    return np.where(distance == 0, 0.0, z)


def _restricted_gain(
    lost: NDArray[np.float64], gained: NDArray[np.float64], n: float, drop: float
) -> NDArray[np.float64]:
    """Maximum-likelihood probability of a gain when the drop is `drop` ≥ 0: root of a quadratic."""
    a = 2.0 * n
    b = (2.0 * n - lost + gained) * drop - lost - gained
    c = -gained * drop * (1.0 - drop)
    # c ≤ 0. Not b * b: it underflows for a drop near 0, and the root becomes negative
    root: NDArray[np.float64] = (np.hypot(b, np.sqrt(-4.0 * a * c)) - b) / (2.0 * a)
    return root


def noninferiority_p(lost: int, gained: int, n: int, margin: float) -> float:
    """One-sided p-value of H0: drop ≥ margin. Asymptotic: see `exact` for n < 500.

    >>> round(noninferiority_p(30, 25, 1000, 0.02), 7)
    0.0257658
    """
    return float(ndtr(score(lost, gained, n, margin)))


def upper_bound(lost: int, gained: int, n: int, alpha: float) -> float:
    """One-sided upper bound of the drop with error `alpha`: below the margin just when p < alpha."""
    return upper_bound_at(lost, gained, n, float(ndtri(alpha)))


@lru_cache(maxsize=256)
def upper_bound_at(lost: float, gained: float, n: float, z: float) -> float:
    """The drop at which the score is `z`, a quantile below 0; 1 if it never falls that low.

    Counts need not be whole: those of clustered items are divided by their design effect.
    """
    return _crossing(lambda drop: float(score(lost, gained, n, drop)) > z, (lost - gained) / n, 1.0)


def lower_bound(lost: int, gained: int, n: int, alpha: float) -> float:
    """One-sided lower bound of the drop with error `alpha`: the mirrored table's upper bound."""
    return -upper_bound(gained, lost, n, alpha)


def _crossing(inside: Callable[[float], bool], low: float, high: float) -> float:
    """Where `inside` turns from true to false between `low` and `high`; `high` if it never does."""
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if inside(middle) else (low, middle)
    return high
