"""Drops whose sampling error is estimated, where counting flips does not do: clusters, scores, ratios.

Each estimate is a mean or a function of sums over rows, linearised: its error is that of the summed
influences of its clusters (Liang & Zeger 1986, Biometrika 73:13-22; for ratios Woodruff 1971, JASA
66:411-414), with the small-sample factor G / (G − 1) of CR1 and Student's t with G − 1 degrees of freedom.
Clusters are taken as independent draws; what happens inside of one may depend on anything.

Where a few clusters lose much, t passes too often: a sample that missed them has a low mean and a low
error. On that side Hall's transformation of t takes the skewness out (1992, JRSS B 54:221-228; its first
terms are Johnson's, 1978, JASA 73:536-544); on the other side, where t errs to the safe side, t stays.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

from audit.records import Estimate, NotMeasured
from audit.statistics import noninferiority, tango
from audit.statistics.noninferiority import Bounds

_ROUNDING = 8 * float(np.finfo(np.float64).eps)
"""Relative size below which a difference is the rounding of the sums, not something that varies."""


@dataclass(frozen=True)
class Ratio:
    """A sum over a sum; one entry per row, a row being an item or all of a document.

    - Perplexity, on the log scale: −log-likelihood over words (or bytes, or tokens), per document.
    - KL per position: summed divergence over positions, per document.
    - BBQ s_DIS: 2 · biased − not-unknown over not-unknown, per item. Of ambiguous items s_AMB is the same
      numerator over all items, as whoever is not right there did not answer "unknown".
    - The mean of a group: outcome where an item is in the group, over 1 where it is, else 0.
    """

    numerator: ArrayLike
    denominator: ArrayLike
    """≥ 0, and above 0 in sum."""


@dataclass(frozen=True)
class Bounded:
    """Items whose drop has a limit, such as 1 of an F1 between 0 and 1.

    Where nothing varies, n counts as independent items: there is nothing to learn their dependence from.
    """

    n: int
    """Items, of all clusters."""
    largest: float = 1.0
    """The largest drop, and the largest gain, that an item can show."""

    def room(self, estimate: Estimate) -> float:
        """How much worse than the estimate an item can be. ValueError if the estimate itself can't be."""
        if not abs(estimate.value) <= self.largest * (1 + _ROUNDING * self.n):
            raise ValueError(f"a drop of {estimate.value:g} is beyond the largest, {self.largest:g}")
        return max(0.0, self.largest - estimate.value)


@dataclass(frozen=True)
class _Linear:
    """A statistic and what each row moves it by."""

    value: float
    influence: NDArray[np.float64]
    """Sums to 0."""
    magnitude: NDArray[np.float64]
    """Size of the terms that the influence is the difference of: what rounding is relative to."""


def paired_mean(d: ArrayLike) -> Estimate:
    """Mean of paired differences of independent items: Student's t with n − 1. ValueError for n < 2.

    >>> estimate = paired_mean([1, 0, 0, -1, 1, 1])
    >>> round(estimate.value, 4), round(estimate.standard_error, 4), estimate.degrees_of_freedom
    (0.3333, 0.3333, 5.0)
    """
    values = np.asarray(d, dtype=np.float64)
    by_itself = _robust(_linear(Ratio(values, np.ones_like(values))), np.arange(values.size))
    independent = {"n_clusters": None, "design_effect": NotMeasured("items are independent")}
    return by_itself.model_copy(update={**independent, "method": "Student's t of the paired differences"})


def clustered_mean(d: ArrayLike, clusters: ArrayLike) -> Estimate:
    """Mean of paired differences of items in clusters (labels, one per item). ValueError for G < 2.

    The same as an ordinary regression on a constant with CR1 cluster-robust errors and t(G − 1).
    """
    values = np.asarray(d, dtype=np.float64)
    return clustered_ratio(Ratio(values, np.ones_like(values)), clusters)


def clustered_ratio(ratio: Ratio, clusters: ArrayLike) -> Estimate:
    """A ratio of sums, such as the mean KL per position by document. ValueError for G < 2 or Σ = 0 below."""
    return _robust(_linear(ratio), clusters)


def difference_of_ratios(before: Ratio, after: Ratio, clusters: ArrayLike) -> Estimate:
    """before − after of two ratios over the same rows, such as two bias scores. Errors as above.

    A perplexity's drop is ln(after / before): the ratios are then log-likelihood over words, not minus it.
    The drop of a gap between two groups is the mean d of the one less the mean d of the other.
    """
    one, other = _linear(before), _linear(after)
    if one.influence.size != other.influence.size:
        raise ValueError(f"{one.influence.size} rows before and {other.influence.size} after are not pairs")
    both = _Linear(one.value - other.value, one.influence - other.influence, one.magnitude + other.magnitude)
    return _robust(both, clusters)


def stratified(estimates: Sequence[Estimate], weights: ArrayLike) -> Estimate:
    """Weighted mean of independent estimates, such as one per task; no cluster may reach over two.

    Weights need not add up to 1. Degrees of freedom by Satterthwaite 1946, Biometrics Bulletin 2:110-114.
    """
    share = np.asarray(weights, dtype=np.float64)
    if not estimates or share.shape != (len(estimates),) or not np.all(np.isfinite(share) & (share > 0)):
        raise ValueError(f"{len(estimates)} estimates need as many positive weights, not {share.tolist()}")
    share = share / share.sum()
    parts = (share * [one.standard_error for one in estimates]) ** 2
    variance = float(parts.sum())
    # Of parts of the variance: their squares can't underflow. Without a variance, any number would do.
    freedom = np.array([one.degrees_of_freedom for one in estimates])
    of_variance = parts / variance if variance > 0 else share
    counts = [one.n_clusters for one in estimates]
    return Estimate(
        value=float(share @ [one.value for one in estimates]),
        standard_error=math.sqrt(variance),
        degrees_of_freedom=1.0 / float(np.sum(of_variance**2 / freedom)),
        n_clusters=None if None in counts else sum(count for count in counts if count is not None),
        design_effect=_combined_design_effect(estimates, share),
        # Third cumulants of independent parts add up, as variances do
        skewness=float(of_variance**1.5 @ [one.skewness for one in estimates]) if variance > 0 else 0.0,
        method=f"weighted mean of {len(estimates)} strata, t with Satterthwaite's degrees of freedom",
    )


def standardised_mean(d: ArrayLike) -> float | NotMeasured:
    """Effect size d_z: the mean difference in standard deviations of the differences (Cohen 1988)."""
    estimate = paired_mean(d)
    if estimate.standard_error == 0:
        return NotMeasured("all differences are equal: there is no deviation to divide by")
    return estimate.value / (estimate.standard_error * math.sqrt(estimate.degrees_of_freedom + 1.0))


def upper_bound(estimate: Estimate, alpha: float, bounded: Bounded | None = None) -> float | NotMeasured:
    """One-sided upper bound of the drop with error `alpha`, by t, wider where the drop is skewed upwards.

    If the outcomes are `bounded` it is never narrower than if nothing had varied: n items that all show
    v leave a share of at most 1 − alpha^(1/n) that show something else (Clopper & Pearson 1934, the rule
    of three), and those may show the largest drop. Otherwise an estimate that does not vary has no
    bound: what was never seen may be of any size.
    """
    quantile = float(stdtrit(estimate.degrees_of_freedom, alpha))
    by_t = estimate.value - estimate.standard_error * min(quantile, _skewed(quantile, estimate.skewness))
    if bounded is None:
        return _nothing_varies() if estimate.standard_error == 0 else by_t
    unseen = -float(np.expm1(np.log(alpha) / bounded.n))
    by_range = estimate.value + bounded.room(estimate) * unseen
    return min(bounded.largest, max(by_t, by_range))


def lower_bound(estimate: Estimate, alpha: float, bounded: Bounded | None = None) -> float | NotMeasured:
    """One-sided lower bound of the drop with error `alpha`: the mirrored estimate's upper bound."""
    upper = upper_bound(mirrored(estimate), alpha, bounded)
    return upper if isinstance(upper, NotMeasured) else -upper


def noninferiority_p(
    estimate: Estimate, margin: float, bounded: Bounded | None = None
) -> float | NotMeasured:
    """One-sided p-value of H0: drop ≥ margin; below alpha just when `upper_bound` is below the margin."""
    by_t = _skewed_t_p(estimate, margin)
    if bounded is None:
        return _nothing_varies() if estimate.standard_error == 0 else by_t
    if margin >= bounded.largest:
        raise ValueError(f"no drop can reach the margin {margin:g}: the largest is {bounded.largest:g}")
    if estimate.value >= margin:
        return 1.0
    alike = (bounded.largest - margin) / bounded.room(estimate)
    return max(by_t, float(alike**bounded.n))


def inferiority_p(estimate: Estimate, bounded: Bounded | None = None) -> float | NotMeasured:
    """One-sided p-value of H0: drop ≤ 0; below alpha just when `lower_bound` is above 0."""
    return noninferiority_p(mirrored(estimate), 0.0, bounded)


def equivalence_p(estimate: Estimate, margin: float, bounded: Bounded | None = None) -> float | NotMeasured:
    """p-value of H0: |drop| ≥ margin, the larger of two one-sided tests.

    Schuirmann 1987, Journal of Pharmacokinetics and Biopharmaceutics 15:657-680.
    """
    loss = noninferiority_p(estimate, margin, bounded)
    gain = noninferiority_p(mirrored(estimate), margin, bounded)
    if isinstance(loss, NotMeasured) or isinstance(gain, NotMeasured):
        return _nothing_varies()
    return max(loss, gain)


def clustered_binary_bounds(lost: int, gained: int, n: int, estimate: Estimate, alpha: float) -> Bounds:
    """One-sided bounds of the drop of 0/1 outcomes in clusters, each with error `alpha`.

    On each side the widest of `estimate`'s t (from `clustered_mean` of the same items), of Tango's score of
    as many items as these are worth, and of the bound that takes items as independent. The t by itself is
    too narrow where flips are few or nearly all are losses, since the variance that it sees shrinks with
    the drop that it sees; without any flip it has no width.
    """
    alone = noninferiority.bounds(lost, gained, n, alpha)
    quantile = float(stdtrit(estimate.degrees_of_freedom, alpha))
    reach = -quantile * estimate.standard_error
    b, c, size = _effective_counts(lost, gained, n, estimate)
    return Bounds(
        max(-1.0, min(alone.lower, estimate.value - reach, -tango.upper_bound_at(c, b, size, quantile))),
        min(1.0, max(alone.upper, estimate.value + reach, tango.upper_bound_at(b, c, size, quantile))),
        f"widest of cluster-robust t, Tango score of effective counts, and {alone.method}",
    )


def clustered_binary_p(lost: int, gained: int, n: int, estimate: Estimate, margin: float) -> float:
    """One-sided p-value of H0: drop ≥ margin, the largest of the tests of `clustered_binary_bounds`."""
    score = float(tango.score(*_effective_counts(lost, gained, n, estimate), margin))
    return max(
        _t_p(estimate, margin),
        float(stdtr(estimate.degrees_of_freedom, score)),
        noninferiority.p_value(lost, gained, n, margin),
    )


def _effective_counts(lost: int, gained: int, n: int, estimate: Estimate) -> tuple[float, float, float]:
    """Lost, gained and all items over their design effect (Rao & Scott 1992, Biometrics 48:577-585).

    They vary as the counts of so many independent items do. Clusters that seem to help count as no help.
    """
    effect = estimate.design_effect
    over = 1.0 if isinstance(effect, NotMeasured) else max(1.0, effect)
    return lost / over, gained / over, n / over


def _linear(ratio: Ratio) -> _Linear:
    """The ratio of the sums and what each row moves it by: (numerator − ratio · denominator) / Σ."""
    top, bottom = (np.asarray(part, dtype=np.float64) for part in (ratio.numerator, ratio.denominator))
    if top.ndim != 1 or top.shape != bottom.shape:
        raise ValueError(f"a ratio needs two rows of equal length, not {top.shape} over {bottom.shape}")
    if top.size < 2:
        raise ValueError(f"{top.size} item(s): an error can be estimated from two or more")
    if not (np.isfinite(top).all() and np.isfinite(bottom).all()):
        raise ValueError("an estimate needs finite numbers: leave out or refuse what was not measured first")
    if (bottom < 0).any() or not bottom.sum() > 0:
        raise ValueError(
            "the denominators of a ratio must be counts with a sum above 0: there is nothing to divide by"
        )
    total = float(bottom.sum())
    value = float(top.sum()) / total
    magnitude = (np.abs(top) + np.abs(value * bottom)) / total
    return _Linear(value, (top - value * bottom) / total, magnitude)


def _robust(linear: _Linear, clusters: ArrayLike) -> Estimate:
    """The statistic with its cluster-robust error."""
    place, count = _places(np.asarray(clusters))
    n = linear.influence.size
    if place.shape != (n,):
        raise ValueError(f"{n} rows need as many cluster labels, not {place.size}")
    if count < 2:
        raise ValueError(f"all {n} items are in one cluster: an error can be estimated from two or more")
    rounding = _ROUNDING * linear.magnitude
    influence = np.where(np.abs(linear.influence) <= rounding, 0.0, linear.influence)
    sums = np.bincount(place, weights=influence).astype(np.float64)
    sums[np.abs(sums) <= rounding.sum()] = 0.0
    variance = count / (count - 1) * float(sums @ sums)
    independent = n / (n - 1) * float(influence @ influence)
    return Estimate(
        value=linear.value,
        standard_error=math.sqrt(variance),
        degrees_of_freedom=count - 1,
        n_clusters=count,
        skewness=skewness_of_sum(sums),
        design_effect=_design_effect(variance, independent, rows_are_clusters=n == count),
        method=f"cluster-robust t of {count} clusters",
    )


def _places(labels: NDArray[Any]) -> tuple[NDArray[np.intp], int]:
    """Each label's place among the sorted distinct ones, and how many those are."""
    if labels.dtype.kind == "i" and labels.size and labels.min() >= 0 and labels.max() < labels.size:
        counts = np.bincount(labels)
        if counts.all():  # 0, 1, … without a gap are their own places: no sorting
            return labels.astype(np.intp), counts.size
    distinct, place = np.unique(labels, return_inverse=True)
    return place, distinct.size


def skewness_of_sum(parts: NDArray[np.float64]) -> float:
    """Skewness of a sum of independent parts that add up to 0: that of one of them over √G.

    By G₁ of Joanes & Gill 1998 (The Statistician 47:183-189), which is nearly unbiased. 0 of parts that
    don't vary, and of two, which are always symmetric.
    """
    count, variance = parts.size, float(parts @ parts)
    if count < 3 or variance == 0:
        return 0.0
    largest = float(np.abs(parts).max())  # so that no cube underflows
    scaled = parts / largest
    plain = float(np.sum(scaled**3)) / float(scaled @ scaled) ** 1.5
    return float(plain * math.sqrt(count * (count - 1)) / (count - 2))


def _design_effect(variance: float, independent: float, rows_are_clusters: bool) -> float | NotMeasured:
    """Variance with the clusters over variance without, or why there is none."""
    if rows_are_clusters:
        return NotMeasured("each cluster is one row: what varies inside of it is not seen")
    if independent == 0:
        return NotMeasured("nothing varies, so there are no two variances to compare")
    return variance / independent


def _combined_design_effect(estimates: Sequence[Estimate], share: NDArray[np.float64]) -> float | NotMeasured:
    """Of a weighted mean: its variance over what it would be if no stratum had clusters."""
    with_clusters = without = 0.0
    for weight, one in zip(share, estimates, strict=True):
        variance = float(weight * one.standard_error) ** 2
        effect = 1.0 if one.n_clusters is None else one.design_effect
        if isinstance(effect, NotMeasured) and variance > 0:
            return effect
        if effect == 0:
            return NotMeasured("a stratum's clusters all differ alike: its variance without them is lost")
        with_clusters += variance
        without += 0.0 if isinstance(effect, NotMeasured) else variance / effect
    if all(one.n_clusters is None for one in estimates):
        return NotMeasured("items are independent")
    if without == 0:
        return NotMeasured("nothing varies, so there are no two variances to compare")
    return with_clusters / without


def mirrored(estimate: Estimate) -> Estimate:
    """The same with gains for losses."""
    return estimate.model_copy(update={"value": -estimate.value, "skewness": -estimate.skewness})


def _t_p(estimate: Estimate, drop: float) -> float:
    """P(T ≤ t) of H0: the drop equals `drop`; its limit where the standard error is 0."""
    distance = estimate.value - drop
    if estimate.standard_error == 0:
        return float(np.heaviside(distance, 1.0))
    return float(stdtr(estimate.degrees_of_freedom, distance / estimate.standard_error))


def _skewed_t_p(estimate: Estimate, drop: float) -> float:
    """The same, or if that is larger what Hall's transformation of t gives."""
    if estimate.standard_error == 0:
        return _t_p(estimate, drop)
    t = (estimate.value - drop) / estimate.standard_error
    # t first: of an infinite one there is no other, and `max` keeps the first
    return float(stdtr(estimate.degrees_of_freedom, max(t, _unskewed(t, estimate.skewness))))


def _unskewed(t: float, skewness: float) -> float:
    """Hall's transformation of a t whose numerator has this skewness: nearly a symmetric t, and rising in t.

    t + γ' t² / 3 + γ'² t³ / 27 + γ' / 6 with γ' = γ / √n, his third and simplest cubic.
    """
    slope = skewness / 3
    bend = slope * t  # its factor is never negative, so that a huge t overflows to the side that it is on
    return t * (1 + bend + bend * bend / 3) + slope / 2


def _skewed(quantile: float, skewness: float) -> float:
    """The inverse: the t that `_unskewed` makes this quantile of."""
    slope = skewness / 3
    symmetric = quantile - slope / 2
    root = float(np.cbrt(1 + 3 * slope * symmetric))
    # (root − 1) / slope without the difference of nearly equal numbers
    return 3 * symmetric / (root**2 + root + 1)


def _nothing_varies() -> NotMeasured:
    """Why an estimate without a standard error has neither bounds nor a p-value."""
    return NotMeasured("nothing varies between the items, and what an unseen one could show has no limit")
