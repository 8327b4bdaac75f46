"""How many items a verdict needs, and what so many items can show.

Drops, margins and discordances are differences and shares of items, 0 to 1: .03 is three points. The
discordance is the share of items that flip either way. Items in clusters count as n / design effect.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import ndtri
from scipy.stats import binom

from audit.records import Estimate, NotMeasured
from audit.statistics import noninferiority, tango

_NEGLIGIBLE = 1e-12
"""Probability of one number of discordant items below which it is left out."""


def items_for_noninferiority(
    discordance: float, margin: float, alpha: float = 0.05, power: float = 0.8
) -> int:
    """Items that show a drop below `margin` with this power when the true drop is 0.

    `discordance` is the share of items that flip either way. Normal approximation
    n = d ((z₁₋α + z_power) / M)², but never fewer than the test needs when nothing flips at all.

    >>> items_for_noninferiority(0.10, 0.03)
    687
    """
    z = float(ndtri(1.0 - alpha) + ndtri(power))
    return max(math.ceil(discordance * (z / margin) ** 2), _items_without_flips(margin, alpha))


def noninferiority_power(
    n: int, discordance: float, margin: float, alpha: float = 0.05, drop: float = 0.0
) -> float:
    """Probability that n items pass when the true drop is `drop`; at `drop` = `margin` the false passes.

    Summed over all tables that Tango's score test passes, no approximation from 500 items on; the exact
    test that decides below that passes a little less often.

    >>> round(noninferiority_power(1000, 0.10, 0.03), 4)
    0.9075
    """
    if drop:
        _check_drop(drop, discordance)
    discordant = np.arange(n + 1)
    weight = binom.pmf(discordant, n, discordance)
    discordant = discordant[weight > _NEGLIGIBLE]
    lost_share = 0.5 * (1.0 + (drop / discordance if discordance else 0.0))
    passing = binom.cdf(_most_lost(discordant, n, margin, alpha), discordant, lost_share)
    return float(weight[discordant] @ passing)


def data_for_noninferiority(
    estimate: Estimate, margin: float, alpha: float = 0.05, power: float = 0.8
) -> float:
    """How many times the data of an estimate show a drop below `margin` when the true drop is 0.

    More of the same kind: clusters of the same sizes that vary alike.
    """
    z = float(ndtri(1.0 - alpha) + ndtri(power))
    return (z * estimate.standard_error / margin) ** 2


def smallest_margin(
    n: int, discordance: float, alpha: float = 0.05, power: float = 0.8
) -> float | NotMeasured:
    """The smallest margin that n items can show with this power when the true drop is 0.

    The inverse of `items_for_noninferiority`.
    """
    z = float(ndtri(1.0 - alpha) + ndtri(power))
    margin = max(z * math.sqrt(discordance / n), noninferiority.bounds(0, 0, n, alpha).upper)
    return margin if margin < 1 else NotMeasured(f"{n} items are too few for any margin")


def items_for_mcnemar(discordance: float, drop: float, alpha: float = 0.05, power: float = 0.8) -> int:
    """Items with which McNemar's two-sided test finds a true `drop` with this power.

    n = (z_α/2 √d + z_power √(d − δ²))² / δ² (Connor 1987, Biometrics 43:207-211).

    >>> items_for_mcnemar(0.10, 0.02)
    1960
    """
    _check_drop(drop, discordance)
    return math.ceil(_items_for_drop(discordance, drop, alpha / 2, power))


def detectable_drop(
    n: int, discordance: float, alpha: float = 0.05, power: float = 0.8
) -> float | NotMeasured:
    """The smallest true drop that n items tell from 0 (lower bound above 0) with this power, one-sided.

    A difference of proportions like every drop here: not a standardised effect, not relative to `before`,
    not in points.
    """
    if discordance == 0 or _items_for_drop(discordance, discordance, alpha, power) > n:
        return NotMeasured(
            f"{n} items are too few: not even a loss of all {discordance:.1%} that flip is told from 0"
        )
    # n falls as the drop grows; the lowest drop tried needs more items than anybody has.
    least = math.sqrt(discordance / n) * 1e-3
    return float(
        brentq(lambda drop: _items_for_drop(discordance, drop, alpha, power) - n, least, discordance)
    )


def items_for_mean(
    drop: float, variance: float, sampling_variance: float = 0.0, alpha: float = 0.05, power: float = 0.8
) -> int:
    """Items with which the two-sided test of a mean difference finds a true `drop` (Miller 2024).

    n = (z_α/2 + z_power)² (ω² + σ_A²/K_A + σ_B²/K_B) / δ² (arXiv:2411.00640). `variance` is ω², that of
    the items' expected differences; `sampling_variance` is what drawing K answers per item adds to it.

    >>> items_for_mean(0.03, 1 / 9)
    969
    """
    z = float(ndtri(1.0 - alpha / 2) + ndtri(power))
    return math.ceil(z**2 * (variance + sampling_variance) / drop**2)


def design_effect(cluster_size: float, intraclass: float) -> float:
    """How many times more items it takes in clusters of this size: 1 + (m − 1) ICC (Kish 1965).

    >>> round(design_effect(20, 0.05), 6)
    1.95
    """
    return 1.0 + (cluster_size - 1.0) * intraclass


def intraclass_correlation(d: ArrayLike, clusters: ArrayLike) -> float | NotMeasured:
    """ICC of the differences of items in clusters: ANOVA's estimate, which may be negative.

    (MSB − MSW) / (MSB + (m₀ − 1) MSW), m₀ = (N − Σ m² / N) / (G − 1) (Donner 1986, International
    Statistical Review 54:67-82).
    """
    values = np.asarray(d, dtype=np.float64)
    labels, place = np.unique(np.asarray(clusters), return_inverse=True)
    n, count = values.size, labels.size
    if not 1 < count < n:
        return NotMeasured(f"{n} items in {count} clusters: it takes two clusters, one of them of two items")
    sizes = np.bincount(place)
    means = np.bincount(place, weights=values) / sizes
    between = float(sizes @ (means - values.mean()) ** 2) / (count - 1)
    within = float(np.sum((values - means[place]) ** 2)) / (n - count)
    typical_size = (n - float(sizes @ sizes) / n) / (count - 1)
    total = between + (typical_size - 1.0) * within
    if total <= 1e-24 * float(np.max(values**2)):
        return NotMeasured("all items differ alike: nothing varies that clusters could share")
    return (between - within) / total


def _most_lost(discordant: NDArray[np.int64], n: int, margin: float, alpha: float) -> NDArray[np.int64]:
    """For each number of discordant items: the most of them lost in a table that passes; −1 if none."""
    z = float(ndtri(alpha))
    inside, outside = np.full(discordant.size, -1), discordant + 1
    for _ in range(n.bit_length() + 1):
        middle = (inside + outside) // 2
        passes = tango.score(middle, discordant - middle, n, margin) < z
        undecided = outside - inside > 1
        inside = np.where(undecided & passes, middle, inside)
        outside = np.where(undecided & ~passes, middle, outside)
    return inside


def _items_for_drop(discordance: float, drop: float, alpha: float, power: float) -> float:
    """Items with which a one-sided test tells `drop` from 0, as a real number."""
    under_null = float(ndtri(1.0 - alpha)) * math.sqrt(discordance)
    under_drop = float(ndtri(power)) * math.sqrt(max(0.0, discordance - drop**2))
    return ((under_null + under_drop) / drop) ** 2


def _check_drop(drop: float, discordance: float) -> None:
    """ValueError unless so few items can flip for such a drop."""
    if not 0 < abs(drop) <= discordance <= 1:
        raise ValueError(
            f"a drop of {drop:g} takes a discordance from {abs(drop):g} to 1, not {discordance:g}"
        )


@lru_cache(maxsize=256)
def _items_without_flips(margin: float, alpha: float) -> int:
    """Fewest items at which no flip at all shows a drop below the margin."""
    z = float(ndtri(alpha))
    by_score = math.ceil(z * z * (1.0 - margin) / margin)
    most = max(by_score, noninferiority.EXACT_BELOW) + 1
    return bisect_left(range(most), True, lo=1, key=lambda n: noninferiority.p_value(0, 0, n, margin) < alpha)
