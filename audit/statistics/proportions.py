"""Clopper-Pearson bounds of one proportion."""

from __future__ import annotations

from scipy.special import betaincinv


def lower_bound(successes: int, n: int, alpha: float) -> float:
    """One-sided lower bound with error at most `alpha` (Clopper & Pearson 1934); 0 without a success.

    >>> round(lower_bound(13, 16, 0.025), 5)
    0.54354
    """
    if successes == 0:
        return 0.0
    return float(betaincinv(successes, n - successes + 1, alpha))


def upper_bound(successes: int, n: int, alpha: float) -> float:
    """One-sided upper bound with error at most `alpha`; 1 without a failure.

    >>> round(upper_bound(0, 300, 0.05), 6)
    0.009936
    """
    return 1.0 - lower_bound(n - successes, n, alpha)
