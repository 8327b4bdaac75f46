"""Resampling: what decides on corpus metrics, and a second opinion on means and ratios.

Whoever calls brings the random generator, so the same seed gives the same bounds.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from audit.records import Estimate, NotMeasured
from audit.statistics import estimates
from audit.statistics.estimates import Ratio
from audit.statistics.noninferiority import Bounds

RESAMPLES = 9999
"""Of the bootstrap of a bound, and of a permutation test that is not enumerated."""
FOR_AN_ERROR = 999
"""Of the bootstrap of a standard error: known to 2.2 % by so many."""
MOST_BY_CHANCE = 1 / 3
"""Share of the statistic before that may be the noise of its terms: of a model without any error of
calibration, or without a gap, it is all. docs/error-rates.md shows what passes without this limit."""
_OF_BIAS = 1.0 / (math.sqrt(2.0) - 1.0)
"""Bias at a kink, such as where |x| or a largest of equals turns, over what resampling shows of it: noise is
added to noise, so that its size grows by √2 where it should have grown from 0."""
_OF_RESAMPLING = 1 / 4
"""Of a statistic's own spread: what 999 resamples may show as bias where there is none, 3.3 of its errors. At
a kink it is .47 and more, wherever the noise is a third of what is seen."""
_ROUNDING = 1e-12
"""Relative size below which resamples are the same."""
_ENUMERATED = 16
"""Differences up to which all flips of their signs are tried: 65,536 of them."""
_BATCH = 2_000_000
"""Numbers drawn at once, for the sake of memory."""


@dataclass(frozen=True)
class Sums:
    """A statistic of a set of rows that depends on them through sums alone."""

    rows: NDArray[np.float64]
    """[rows, k] what each row adds."""
    of: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    """[..., k] sums → [...] the statistic; NaN where it is not defined."""


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
    sums = [np.bincount(place, weights=_finite(part)).astype(np.float64) for part in parts]

    def drop(*parts: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
        one, over_one, other, over_other = (part.sum(axis=axis) for part in parts)
        difference: NDArray[np.float64] = one / over_one - other / over_other
        return difference

    return _bounds(sums, drop, alpha, rng)


def difference_of_sums(
    before: Sums, after: Sums, clusters: ArrayLike, rng: np.random.Generator
) -> Estimate | NotMeasured:
    """before − after of two statistics that depend on their rows through sums, resampling clusters.

    The rows are pairs, and a resample takes the same of both (Koehn 2004, EMNLP).
    """
    labels, place = np.unique(np.asarray(clusters), return_inverse=True)
    one, other = (_by_cluster(side.rows, place, labels.size) for side in (before, after))

    def values(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """[resamples, clusters] how often each cluster is in it → [2, resamples] before and after."""
        return np.array([before.of(weights @ one), after.of(weights @ other)])

    with np.errstate(divide="ignore", invalid="ignore"):
        seen = values(np.ones((1, labels.size)))[:, 0]
        resamples = np.concatenate([values(counts) for counts in _counts(labels.size, rng)], axis=1)
        without_one = before.of(one.sum(axis=0) - one) - after.of(other.sum(axis=0) - other)
    skewness = estimates.skewness_of_sum(without_one.mean() - without_one)
    difference = _resampled(float(seen[0] - seen[1]), resamples[0] - resamples[1], place, skewness)
    by_chance = _OF_BIAS * (float(resamples[0].mean()) - float(seen[0]))
    if isinstance(difference, NotMeasured) or difference.standard_error == 0:
        return difference
    by_resampling = _OF_RESAMPLING * float(resamples[0].std(ddof=1))
    if by_chance > max(MOST_BY_CHANCE * abs(float(seen[0])), by_resampling):
        return NotMeasured(
            f"of the {seen[0]:.2g} before, about {by_chance:.2g} is what so many items show by chance alone, "
            "and so may be what is lost: it takes more items, or a metric that is a mean"
        )
    return difference


def difference_of_rows(
    drop: Callable[[NDArray[np.int64]], float], clusters: ArrayLike, rng: np.random.Generator
) -> Estimate | NotMeasured:
    """The same of any statistic: `drop` is called with row numbers, repeats included, and takes them from
    before and after alike. It is computed anew for each resample, and its skewness is not known.
    """
    labels, place = np.unique(np.asarray(clusters), return_inverse=True)
    order = np.argsort(place, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(place))[:-1])
    value = float(drop(np.arange(place.size)))
    resamples = [
        float(drop(np.concatenate([members[one] for one in rng.integers(labels.size, size=labels.size)])))
        for _ in range(FOR_AN_ERROR)
    ]
    return _resampled(value, np.array(resamples), place, 0.0)


def _by_cluster(rows: NDArray[np.float64], place: NDArray[np.intp], count: int) -> NDArray[np.float64]:
    """Sums of the rows of each cluster."""
    sums = np.zeros((count, rows.shape[1]))
    np.add.at(sums, place, rows)
    return sums


def _counts(units: int, rng: np.random.Generator) -> Iterator[NDArray[np.float64]]:
    """How often each unit is in each of `FOR_AN_ERROR` resamples, some resamples at a time."""
    at_once = max(1, _BATCH // units)
    for start in range(0, FOR_AN_ERROR, at_once):
        size = min(at_once, FOR_AN_ERROR - start)
        drawn = rng.integers(units, size=(size, units)) + units * np.arange(size)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * units).reshape(size, units).astype(np.float64)


def _resampled(
    value: float, resamples: NDArray[np.float64], place: NDArray[np.intp], skewness: float
) -> Estimate | NotMeasured:
    """The drop with the standard deviation of its resamples as its error, referred to t(G − 1).

    Bias counts as error, as in a root mean square error: a statistic that takes a size or a largest depends
    on how much its terms vary, and before and after need not vary alike.
    """
    count, n = int(place.max()) + 1, place.size
    if count < 2:
        raise ValueError(f"all {n} items are in one cluster: resampling needs two or more")
    if not (np.isfinite(value) and np.isfinite(resamples).all() and np.isfinite(skewness)):
        return NotMeasured("in some resamples the statistic is not defined: too few items carry it")
    error, bias = float(resamples.std(ddof=1)), float(resamples.mean()) - value
    if error <= _ROUNDING * float(np.abs(resamples).max()):
        error = bias = 0.0
    what = "items" if count == n else "clusters"
    return Estimate(
        value=value,
        standard_error=math.hypot(error, _OF_BIAS * bias),
        degrees_of_freedom=count - 1,
        n_clusters=None if count == n else count,
        design_effect=NotMeasured("resampled as it is: the error without clusters was not computed"),
        skewness=skewness,
        method=f"paired bootstrap of {count} {what}, {FOR_AN_ERROR} resamples, t",
    )


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
    data: list[NDArray[np.float64]],
    statistic: Callable[..., NDArray[np.float64]],
    alpha: float,
    rng: np.random.Generator,
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
            method="BCa",
            random_state=rng,
        )
    resamples = result.bootstrap_distribution
    if not np.isfinite(resamples).all():
        return NotMeasured("in some resamples the statistic is not defined: too few units carry it")
    if np.ptp(resamples) <= _ROUNDING * np.abs(resamples).max():
        return NotMeasured(f"all {n} units show the same, so resampling can't tell what an unseen one would")
    lower, upper = result.confidence_interval
    return Bounds(float(lower), float(upper), f"BCa bootstrap of {n} units, {RESAMPLES} resamples")


def _finite(d: ArrayLike) -> NDArray[np.float64]:
    """The numbers as an array. ValueError if one was not measured."""
    values = np.asarray(d, dtype=np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ValueError(
            "a test needs one row of finite numbers: leave out or refuse what was not measured first"
        )
    return values
