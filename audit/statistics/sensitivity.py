"""Second opinions on paired 0/1 outcomes: shown beside the test that decides, never instead of it.

Intervals are (lower, upper) of the drop, each end with one-sided error `alpha`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc, ndtri

from audit.records import NotMeasured
from audit.statistics.proportions import wilson


class ChiSquare(NamedTuple):
    """A chi-square test."""

    statistic: float
    p_value: float


def wald(lost: int, gained: int, n: int, alpha: float) -> tuple[float, float]:
    """The textbook interval. Too narrow for few flips, of no width without any.

    >>> [round(end, 6) for end in wald(6, 16, 161, 0.025)]
    [-0.1184, -0.005824]
    """
    drop = (lost - gained) / n
    return _around(drop, math.sqrt(max(0.0, (lost + gained) / n - drop**2) / n), alpha)


def bonett_price(lost: int, gained: int, n: int, alpha: float) -> tuple[float, float]:
    """Wald's interval with one more lost and one more gained item.

    Bonett & Price 2012, Journal of Educational and Behavioral Statistics 37:479-488.
    """
    share_lost, share_gained = (lost + 1) / (n + 2), (gained + 1) / (n + 2)
    drop = share_lost - share_gained
    return _around(drop, math.sqrt((share_lost + share_gained - drop**2) / (n + 2)), alpha)


def newcombe(both_right: int, lost: int, gained: int, both_wrong: int, alpha: float) -> tuple[float, float]:
    """Newcombe's method 10: two Wilson intervals squared and added, less what the pairing correlates.

    Newcombe 1998, Statistics in Medicine 17:2635-2650; its correlation φ is the one corrected for continuity.
    """
    n = both_right + lost + gained + both_wrong
    before, after = (both_right + lost) / n, (both_right + gained) / n
    low_before, high_before = wilson(both_right + lost, n, alpha)
    low_after, high_after = wilson(both_right + gained, n, alpha)
    phi = _corrected_phi(both_right, lost, gained, both_wrong)
    down = _joined(before - low_before, high_after - after, phi)
    up = _joined(high_before - before, after - low_after, phi)
    drop = (lost - gained) / n
    return max(-1.0, drop - down), min(1.0, drop + up)


def mcnemar_chi_square(lost: int, gained: int, corrected: bool) -> ChiSquare:
    """McNemar's asymptotic test (1947), `corrected` for continuity (Edwards 1948); p is 1 without a flip.

    >>> statistic, p = mcnemar_chi_square(6, 16, corrected=True)
    >>> round(statistic, 6), round(p, 7)
    (3.681818, 0.0550088)
    """
    if lost + gained == 0:
        return ChiSquare(0.0, 1.0)
    distance = max(0, abs(lost - gained) - (1 if corrected else 0))
    return _chi_square(distance**2 / (lost + gained), 1)


def conditional_odds_ratio(lost: int, gained: int) -> float | NotMeasured:
    """lost / gained: the odds that an item that flips is lost (Agresti, Categorical Data Analysis)."""
    if gained == 0:
        return NotMeasured("no item was gained: the odds have no finite value")
    return lost / gained


def conditional_odds_ratio_bounds(lost: int, gained: int, alpha: float) -> tuple[float, float]:
    """The odds ratio's interval: Wilson's of lost / (lost + gained), as odds.

    Infinite above where no item was gained; 0 to infinity where none flipped.
    """
    if lost + gained == 0:
        return 0.0, math.inf
    lower, upper = wilson(lost, lost + gained, alpha)
    return lower / (1.0 - lower), math.inf if gained == 0 else upper / (1.0 - upper)


def cochran_q(outcomes: ArrayLike) -> ChiSquare:
    """Cochran's Q: are all k variants equally often right? `outcomes` is 0/1, items × variants.

    Cochran 1950, Biometrika 37:256-266; with two variants it is McNemar's uncorrected test. p is 1 if no
    item tells the variants apart. ValueError for other outcomes or fewer than two variants.
    """
    right = np.asarray(outcomes, dtype=np.float64)
    if right.ndim != 2 or right.shape[1] < 2 or not np.isin(right, (0.0, 1.0)).all():
        raise ValueError(f"Cochran's Q needs 0/1 outcomes of two or more variants, not shape {right.shape}")
    k = right.shape[1]
    per_variant, per_item = right.sum(axis=0), right.sum(axis=1)
    spread = float(np.sum(per_item * (k - per_item)))
    if spread == 0:
        return ChiSquare(0.0, 1.0)
    between = float(np.sum((per_variant - per_variant.mean()) ** 2))
    return _chi_square(k * (k - 1) * between / spread, k - 1)


def _chi_square(statistic: float, degrees_of_freedom: int) -> ChiSquare:
    """The statistic with its upper tail."""
    return ChiSquare(statistic, float(chdtrc(degrees_of_freedom, statistic)))


def _around(drop: float, standard_error: float, alpha: float) -> tuple[float, float]:
    """A normal interval, cut where no drop can be."""
    reach = -float(ndtri(alpha)) * standard_error
    return max(-1.0, drop - reach), min(1.0, drop + reach)


def _corrected_phi(both_right: int, lost: int, gained: int, both_wrong: int) -> float:
    """Correlation of before and after, its positive numerator lessened by n / 2 but not below 0."""
    margins = (both_right + lost) * (gained + both_wrong) * (both_right + gained) * (lost + both_wrong)
    if margins == 0:
        return 0.0
    numerator = float(both_right * both_wrong - lost * gained)
    if numerator > 0:
        n = both_right + lost + gained + both_wrong
        numerator = max(0.0, numerator - n / 2)
    return numerator / math.sqrt(margins)


def _joined(one: float, other: float, phi: float) -> float:
    """√(one² − 2 φ one other + other²)."""
    return math.sqrt(one**2 - 2 * phi * one * other + other**2)
