"""Resampling: what decides on corpus metrics, and a second opinion on means and ratios.

Whoever calls brings the random generator, so the same seed gives the same bounds.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from audit.records import NotMeasured
from audit.statistics.estimates import Ratio
from audit.statistics.noninferiority import Bounds

RESAMPLES = 9999
"""Of every bootstrap, and of a permutation test that is not enumerated."""
_ENUMERATED = 16
"""Differences up to which all flips of their signs are tried: 65,536 of them."""
_BATCH = 2_000_000
"""Numbers drawn at once, for the sake of memory."""


class SignedRanks(NamedTuple):
    """Wilcoxon's test."""

    positive_ranks: float
    """Sum of the ranks of the positive differences, R's V."""
    p_value: float


def ratio_bounds(
    before: Ratio, after: Ratio, clusters: ArrayLike, alpha: float, rng: np.random.Generator
) -> Bounds | NotMeasured:
    """BCa bounds of before − after of two ratios over the same rows, resampling clusters.

    Each side has error `alpha` (Efron 1987, JASA 82:171-185). Trustworthy from about 30 clusters.
    """
    _, place = np.unique(np.asarray(clusters), return_inverse=True)
    parts = (before.numerator, before.denominator, after.numerator, after.denominator)
    sums = [np.bincount(place, weights=_finite(part)) for part in parts]

    def drop(*parts: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
        one, over_one, other, over_other = (part.sum(axis=axis) for part in parts)
        difference: NDArray[np.float64] = one / over_one - other / over_other
        return difference

    return _bounds(sums, drop, alpha, rng, "BCa")


def corpus_bounds(
    drop: Callable[[NDArray[np.int64]], float], n: int, alpha: float, rng: np.random.Generator
) -> Bounds | NotMeasured:
    """Percentile bounds of a drop that only a whole corpus has, such as of BLEU or ECE.

    `drop` is called with n row numbers, repeats included, and takes them from before and after alike
    (Koehn 2004, EMNLP). Rows are items, or documents whose items `drop` looks up. Not BCa: its
    jackknife would compute the statistic n times more.
    """

    def of_rows(rows: NDArray[np.int64]) -> float:
        return float(drop(rows))

    return _bounds([np.arange(n)], of_rows, alpha, rng, "percentile")


def sign_flip_p(d: ArrayLike, rng: np.random.Generator) -> float:
    """Two-sided p-value of H0: each difference might as well have had the other sign (Fisher 1935).

    Of clusters, hand in the sum of each. Up to 16 differences all flips are tried, else RESAMPLES
    are drawn. Without two differences either sign is as likely: p is 1.
    """
    values = _finite(d)
    values = values[values != 0]  # a zero is the same with either sign
    if values.size < 2:
        return 1.0
    result = stats.permutation_test(
        (values,),
        np.sum,
        permutation_type="samples",
        n_resamples=2**values.size if values.size <= _ENUMERATED else RESAMPLES,
        batch=max(1, _BATCH // values.size),
        random_state=rng,
    )
    return float(result.pvalue)


def wilcoxon(d: ArrayLike, alternative: Literal["two-sided", "greater"] = "two-sided") -> SignedRanks:
    """Wilcoxon's signed-rank test (1945) of paired differences; `greater`: H1 is a loss.

    Zeros are left out, as Wilcoxon did. Without a difference p is 1.
    """
    values = _finite(d)
    values = values[values != 0]
    if values.size == 0:
        return SignedRanks(0.0, 1.0)
    ranks = stats.rankdata(np.abs(values))
    result = stats.wilcoxon(values, alternative=alternative)
    return SignedRanks(float(ranks[values > 0].sum()), float(result.pvalue))


def _bounds(
    data: list[NDArray[np.float64]] | list[NDArray[np.int64]],
    statistic: Callable[..., float | NDArray[np.float64]],
    alpha: float,
    rng: np.random.Generator,
    method: Literal["BCa", "percentile"],
) -> Bounds | NotMeasured:
    """Both bounds by scipy; NotMeasured where the resamples don't show what could vary."""
    n = data[0].size
    if n < 2:
        raise ValueError(f"{n} unit(s): resampling needs two or more")
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore")  # of degenerate data: what they mean is said below
        result = stats.bootstrap(
            tuple(data),
            statistic,
            paired=True,
            n_resamples=RESAMPLES,
            batch=max(1, _BATCH // n),
            confidence_level=1.0 - 2.0 * alpha,
            method=method,
            random_state=rng,
        )
    resamples = result.bootstrap_distribution
    if not np.isfinite(resamples).all():
        return NotMeasured("in some resamples the statistic is not defined: too few units carry it")
    if np.ptp(resamples) <= 1e-12 * np.abs(resamples).max():
        return NotMeasured(f"all {n} units show the same, so resampling can't tell what an unseen one would")
    lower, upper = result.confidence_interval
    return Bounds(float(lower), float(upper), f"{method} bootstrap of {n} units, {RESAMPLES} resamples")


def _finite(d: ArrayLike) -> NDArray[np.float64]:
    """The numbers as an array. ValueError if one was not measured."""
    values = np.asarray(d, dtype=np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ValueError(
            "a test needs one row of finite numbers: leave out or refuse what was not measured first"
        )
    return values
