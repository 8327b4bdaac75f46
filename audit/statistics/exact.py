"""Exact unconditional non-inferiority for paired proportions.

Tables are ordered by Tango's one-sided 95 % upper bound of the drop. The p-value of a margin is the
largest probability of a table ordered at or below the one seen when the drop equals the margin. The
discordance (share of items that flip) is unknown: the largest is taken over its 99.9999 % interval and
the missing 1e-6 is added (Berger & Boos 1994, JASA 89:1012-1016), which spares a nearly unchanged
model the lattice effects of a world in which every item flips.

The tables at or below form a set that does not move with the margin, so p falls as the margin grows
and its inversion is Buehler's bound: p < alpha just when the bound is below the margin. Ordering by the
score at each margin instead (Sidik 2003, Statistics in Medicine 22:265-278) gives nearly the same
numbers but sets that jump, and with them bounds that can contradict the p-value. The largest
probability lies on the border drop = margin since the set is convex in Barnard's sense: fewer losses
or more gains stay inside.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import betainc, gammaln, ndtri, xlog1py, xlogy

from audit.statistics import proportions, tango

ORDER_ALPHA = 0.05
"""Error of the Tango bound that orders the tables; the same for every test, so that bounds nest."""
GAMMA = 1e-6
"""Error of the interval of the discordance, added to every p-value."""
_STEPS_PER_SD = 6
"""Grid points of the discordance per standard deviation of the number of discordant items."""
_REFINEMENTS = 3
"""Times that ten steps are made of the two beside the highest point: what is then missed is below GAMMA."""
_NEGLIGIBLE = 1e-13
"""Probability of one number of discordant items below which it is left out."""


def noninferiority_p(lost: int, gained: int, n: int, margin: float) -> float:
    """One-sided p-value of H0: drop ≥ margin, of size at most its level at every n."""
    return _largest_probability(most_lost(lost, gained, n), margin, discordance_interval(lost + gained, n))


@lru_cache(maxsize=4096)
def upper_bound(lost: int, gained: int, n: int, alpha: float) -> float:
    """One-sided upper bound of the drop with error at most `alpha` (Buehler 1957).

    1, which shows nothing, if all items are lost or `alpha` is not above the GAMMA in every p-value.
    """
    if lost == n or alpha <= GAMMA:
        return 1.0
    z = float(ndtri(alpha))

    def excess(drop: float) -> float:
        p = noninferiority_p(lost, gained, n, drop)
        return float(ndtri(min(max(p, 1e-12), 1.0 - 1e-12))) - z

    # On the normal scale the p-value is nearly a line, so the root finder needs few steps.
    low = high = tango.upper_bound(lost, gained, n, alpha)
    step = 0.5 / n
    while excess(low) < 0:
        low, step = max(low - step, -1.0), 4 * step
    while excess(high) > 0:
        high, step = min(high + step, 1.0), 4 * step
    return low if low == high else float(brentq(excess, low, high, xtol=1e-12))


def lower_bound(lost: int, gained: int, n: int, alpha: float) -> float:
    """One-sided lower bound of the drop with error at most `alpha`: the mirrored table's upper bound."""
    return -upper_bound(gained, lost, n, alpha)


def discordance_interval(discordant: int, n: int) -> tuple[float, float]:
    """Clopper-Pearson interval of the discordance with error `GAMMA`."""
    return (
        proportions.lower_bound(discordant, n, GAMMA / 2),
        proportions.upper_bound(discordant, n, GAMMA / 2),
    )


@lru_cache(maxsize=64)
def most_lost(lost: int, gained: int, n: int) -> NDArray[np.int64]:
    """For m = 0…n discordant items: the most of them lost in a table ordered at or below this one.

    −1 where no table with m discordant items is. A table's Tango bound is at most the bound seen just
    when its score at that bound is at most z, so one score per table replaces one bound per table.
    """
    discordant = np.arange(n + 1)
    if lost == n:
        return discordant
    bound = tango.upper_bound(lost, gained, n, ORDER_ALPHA)
    z = float(ndtri(ORDER_ALPHA)) + 1e-9  # the table itself and its ties lie at z up to rounding
    inside = np.full(n + 1, -1)
    outside = discordant + 1
    for _ in range(n.bit_length() + 1):
        middle = (inside + outside) // 2
        undecided = outside - inside > 1
        tried = np.where(undecided, middle, 0)
        below = tango.score(tried, discordant - tried, n, bound) <= z
        inside = np.where(undecided & below, middle, inside)
        outside = np.where(undecided & ~below, middle, outside)
    inside.flags.writeable = False  # shared by the cache
    return inside


def _largest_probability(most: NDArray[np.int64], drop: float, between: tuple[float, float]) -> float:
    """p-value of the set `most`: its largest probability over the discordances, and GAMMA."""
    n = most.size - 1
    low, high = max(between[0], drop), between[1]
    if low > high:  # so few items flip that a drop this large is outside the interval
        return GAMMA
    # d = sin²θ spreads the standard deviation of the number of discordant items evenly: 1/(2√n).
    start, end = math.asin(math.sqrt(low)), math.asin(math.sqrt(high))
    points = max(8, math.ceil((end - start) * 2 * math.sqrt(n) * _STEPS_PER_SD))
    largest = 0.0
    for _ in range(1 + _REFINEMENTS):
        grid = np.linspace(start, end, points)
        values = probability(most, drop, np.sin(grid) ** 2)
        peak = int(np.argmax(values))
        largest = max(largest, float(values[peak]))
        start, end, points = grid[max(peak - 1, 0)], grid[min(peak + 1, points - 1)], 11
    return min(1.0, largest + GAMMA)


def probability(
    most: NDArray[np.int64], drop: float, discordance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Probability of the set at each discordance d; where d < |drop| the drop is the nearest possible.

    Given m discordant items the lost ones are binomial with probability (1 + drop / d) / 2, so a
    discordance costs n terms instead of the n² / 2 tables.
    """
    n = most.size - 1
    m = np.arange(n + 1)
    d = np.clip(discordance, 1e-300, 1.0)[:, None]
    choose = gammaln(n + 1) - gammaln(m + 1) - gammaln(n - m + 1)
    weight = np.exp(choose + xlogy(m, d) + xlog1py(n - m, -d))
    lost_share = np.clip(0.5 * (1.0 + drop / d[:, 0]), 0.0, 1.0)
    row, column = np.nonzero((weight > _NEGLIGIBLE) & (most >= 0))
    k = most[column]
    tail = np.ones(k.size)
    part = k < column
    tail[part] = betainc(column[part] - k[part], k[part] + 1.0, 1.0 - lost_share[row[part]])
    total = np.zeros(d.size)
    np.add.at(total, row, weight[row, column] * tail)
    return total
