"""Several variants on the same items at once: does any of them differ from the others?"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import fdtrc

from audit.records import NotMeasured, Omnibus
from audit.statistics.least import told
from audit.statistics.sensitivity import cochran_q

LEAST = 24
"""Variants times items that tell them apart, from which on Q is near enough to a chi-square."""


def of_flips(right: ArrayLike) -> Omnibus | NotMeasured:
    """Cochran's Q of independent items; `right` is 0/1, items × variants. ValueError for other outcomes.

    NotMeasured below Tate & Brown's bound for its chi-square (1970, JASA 65:155-160). That all agree on every
    item is no evidence of a difference, and p is 1.
    """
    outcomes = np.asarray(right, dtype=np.float64)
    statistic, p_value = cochran_q(outcomes)
    k = outcomes.shape[1]
    telling = int(np.count_nonzero(np.ptp(outcomes, axis=1)))
    if 0 < telling * k < LEAST:
        return NotMeasured(
            f"{k} candidates and {telling} items on which they differ: Cochran's Q needs {LEAST} of the one "
            "times the other"
        )
    return Omnibus(statistic=statistic, degrees_of_freedom=k - 1, p_value=told(p_value), method="Cochran's Q")


def of_scores(scores: ArrayLike, clusters: ArrayLike | None = None) -> Omnibus | NotMeasured:
    """Hotelling's T² of each variant's score less the first one's: are all means equal? As an F.

    `scores` is items × variants. Hotelling 1931, Annals of Mathematical Statistics 2:360-378; over the
    sums of `clusters` (labels, one per item), which are what is drawn independently. Variants that never
    differ, or differ as others do, count once. NotMeasured with too few clusters for the covariance.
    """
    values = np.asarray(scores, dtype=np.float64)
    differences = values[:, 1:] - values[:, :1]
    if clusters is not None:
        _, place = np.unique(np.asarray(clusters), return_inverse=True)
        sums = np.zeros((place.max(initial=-1) + 1, differences.shape[1]))
        np.add.at(sums, place, differences)
        differences = sums
    n, what = len(differences), "items" if clusters is None else "clusters"
    # Most versions of numpy have no rank of an empty matrix
    differing = int(np.linalg.matrix_rank(differences)) if n else 0
    if n <= max(differing, 1):
        return NotMeasured(f"{n} {what} for {differing + 1} candidates that differ: it takes more of them")
    mean, covariance = differences.mean(axis=0), np.atleast_2d(np.cov(differences, rowvar=False))
    p = int(np.linalg.matrix_rank(covariance, hermitian=True))
    if p == 0 and not mean.any():
        return Omnibus(statistic=0.0, degrees_of_freedom=values.shape[1] - 1, p_value=1.0, method=_METHOD)
    inverse = np.linalg.pinv(covariance, hermitian=True)
    if p == 0 or not np.allclose(covariance @ inverse @ mean, mean):
        return NotMeasured("some differ by the same everywhere, so that no error can be estimated")
    statistic = (n - p) / (p * (n - 1)) * n * float(mean @ inverse @ mean)
    return Omnibus(
        statistic=statistic,
        degrees_of_freedom=p,
        denominator=n - p,
        p_value=told(float(fdtrc(p, n - p, statistic))),
        method=_METHOD if clusters is None else f"{_METHOD}, by clusters",
    )


_METHOD = "Hotelling's T², as an F"
