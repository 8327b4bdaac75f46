"""after / before of the same items: the share of a score that is left, with its interval.

Intervals are (lower, upper), each end with one-sided error `alpha`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import ndtri, stdtrit

from audit.records import NotMeasured

CORRECTION = 1.0
"""Items. Without one, few flips refute an honest claim up to twice as often as `alpha` says; with it, by
enumeration over 50 to 800 items and `alpha` from .005 to .05, never more often."""
_LEAST = 1e-12
"""A ratio below all that matter."""


def score(
    both_right: ArrayLike, lost: ArrayLike, gained: ArrayLike, ratio: float, correction: float = 0.0
) -> NDArray[np.float64]:
    """The score statistic of H0: share right after = `ratio` · share right before; about normal.

    Above 0 the items show more than that ratio. Nam & Blackwelder 2002, Statistics in Medicine 21:689-699;
    Tang, Tang & Chan 2003, Statistics in Medicine 22:1217-1233. Items that are wrong twice do not count.
    `correction`: so many items nearer to H0 than what was seen.
    """
    a, b, c = (np.asarray(one, dtype=np.float64) for one in (both_right, lost, gained))
    n = a + b + c
    # The likeliest share of lost items under H0, of those right at least once, is a root of a quadratic
    linear = (2 - ratio**2) * b + c - (ratio**2 - 1) * a
    root = np.sqrt(np.maximum(linear**2 + 4 * (1 + ratio) * n * b * (ratio - 1), 0.0))
    distance = (a + c) - ratio * (a + b)
    corrected = np.sign(distance) * np.maximum(np.abs(distance) - correction, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.maximum((linear + root) / (2 * (1 + ratio) * n), max(0.0, 1 - ratio))
        variance = n * ((1 + ratio) * share + ratio - 1)
        found: NDArray[np.float64] = np.where(corrected == 0, 0.0, corrected / np.sqrt(variance))
    return found


def of_flips(
    both_right: int, lost: int, gained: int, alpha: float, correction: float = CORRECTION
) -> tuple[float, float] | NotMeasured:
    """Tang's score interval of the ratio: those that `score` does not reject.

    Without a correction it is the published one:

    >>> [round(end, 4) for end in of_flips(59, 16, 6, 0.025, correction=0)]
    [0.7476, 0.9876]
    """
    if both_right + lost == 0:
        return NotMeasured("the original had no item right: there is nothing to keep a share of")
    z, estimate = -float(ndtri(alpha)), (both_right + gained) / (both_right + lost)

    def beyond(ratio: float) -> float:
        return abs(float(score(both_right, lost, gained, ratio, correction))) - z

    top = 2 * estimate + 1
    while beyond(top) < 0:
        top *= 2
    lower = 0.0 if both_right + gained <= correction else brentq(beyond, _LEAST, estimate)
    return float(lower), float(brentq(beyond, max(estimate, _LEAST), top))


def of_scores(
    before: ArrayLike, after: ArrayLike, clusters: ArrayLike | None, alpha: float
) -> tuple[float, float] | NotMeasured:
    """Fieller's interval of mean(after) / mean(before): the ratios r at which mean(after − r · before) is 0.

    Fieller 1954, JRSS B 16:175-185, with the variances of sums over `clusters` (labels, one per item; None:
    each item by itself), the factor G / (G − 1), and Student's t with G − 1 degrees of freedom, as
    `estimates` has them. NotMeasured where the original's mean is not told from 0: then no ratio is excluded.
    """
    x, y = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    place = np.arange(x.size) if clusters is None else np.unique(np.asarray(clusters), return_inverse=True)[1]
    groups = int(place.max()) + 1 if x.size else 0
    if groups < 2:
        what = "one item" if clusters is None else "one cluster"
        return NotMeasured(f"{what}: an error can be estimated from two or more")
    sums = np.stack([np.bincount(place, one - one.mean(), minlength=groups) for one in (x, y)])
    (of_x, both), (_, of_y) = sums @ sums.T * groups / (groups - 1) / x.size**2
    q = float(stdtrit(groups - 1, 1 - alpha)) ** 2
    square, middle, rest = x.mean() ** 2 - q * of_x, x.mean() * y.mean() - q * both, y.mean() ** 2 - q * of_y
    if not (square > 0 and x.mean() > 0):
        return NotMeasured("the original's own mean is not told from 0: there is nothing to keep a share of")
    reach = math.sqrt(max(middle**2 - square * rest, 0.0))
    return (middle - reach) / square, (middle + reach) / square
