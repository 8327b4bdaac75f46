"""Bounds of a median from the order of the values alone, whatever their distribution."""

from __future__ import annotations

from collections.abc import Sequence

from scipy import stats

from audit.records import Interval


def median_interval(values: Sequence[float], alpha: float) -> Interval:
    """The k-th smallest and k-th largest value, each a one-sided bound of the median at error ≤ alpha.

    Of n independent values, as many as Binomial(n, ½) lie below the median: k is the largest with
    P(X < k) ≤ alpha, as in the sign test (David & Nagaraja, Order Statistics, 3rd ed. 2003, section 7.1).
    Raises ValueError where even the smallest and largest are no bounds: below five values at .05.

    >>> found = median_interval([5, 1, 8, 2, 7, 3, 6, 4], alpha=0.05)
    >>> found.lower, found.upper, round(found.confidence, 4)
    (2.0, 7.0, 0.9297)
    """
    n = len(values)
    k = sum(float(stats.binom.cdf(below, n, 0.5)) <= alpha for below in range(n))
    if k == 0:
        raise ValueError(f"{n} values bound no median at an error of {alpha:g}")
    ordered = sorted(map(float, values))
    return Interval(
        lower=ordered[k - 1],
        upper=ordered[n - k],
        confidence=1 - 2 * float(stats.binom.cdf(k - 1, n, 0.5)),
        method=f"order statistics: the {k}. smallest and the {k}. largest of {n}",
    )
