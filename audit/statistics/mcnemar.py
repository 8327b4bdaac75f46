"""McNemar's test: were as many items lost as gained?"""

from __future__ import annotations

from scipy.stats import binom

from audit.statistics.least import told


def exact_p(lost: int, gained: int) -> float:
    """Two-sided exact p-value: twice the smaller binomial tail, at most 1.

    No discordant item is no evidence of a change, so p is 1 there.

    >>> round(exact_p(16, 6), 7)
    0.0524788
    """
    return told(min(1.0, 2.0 * float(binom.cdf(min(lost, gained), lost + gained, 0.5))))


def mid_p(lost: int, gained: int) -> float:
    """Two-sided mid-p value: the observed table counts half (Fagerland, Lydersen & Laake 2013).

    Less conservative than the exact test; its size may exceed the nominal one slightly.

    >>> round(mid_p(16, 6), 7)
    0.0346897
    """
    if lost == gained:
        # Both tails share the observed table, so the exact p of 1 loses half of it.
        return 1.0 - 0.5 * float(binom.pmf(lost, lost + gained, 0.5)) if lost else 1.0
    return exact_p(lost, gained) - float(binom.pmf(min(lost, gained), lost + gained, 0.5))
