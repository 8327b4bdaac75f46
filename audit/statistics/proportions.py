"""One proportion and its bounds; two proportions of different items, held against each other."""

from __future__ import annotations

import math

from scipy.special import betaincinv, ndtri
from scipy.stats import fisher_exact

from audit.statistics.least import told


def lower_bound(successes: int, n: int, alpha: float) -> float:
    """One-sided lower bound with error at most `alpha` (Clopper & Pearson 1934); 0 without a success.

    >>> round(lower_bound(13, 16, 0.025), 5)
    0.54354
    """
    if successes == 0:
        return 0.0
    return float(betaincinv(successes, n - successes + 1, alpha))


def upper_bound(successes: int, n: int, alpha: float) -> float:
    """One-sided upper bound with error at most `alpha`; 1 without a failure.

    >>> round(upper_bound(0, 300, 0.05), 6)
    0.009936
    """
    return 1.0 - lower_bound(n - successes, n, alpha)


def wilson(successes: int, n: int, alpha: float) -> tuple[float, float]:
    """Wilson's score interval of a proportion (1927), each end with error `alpha`."""
    z2 = float(ndtri(alpha)) ** 2
    share = successes / n
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    reach = math.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n**2))) / (1 + z2 / n)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def difference(successes: int, n: int, others: int, m: int, alpha: float) -> tuple[float, float]:
    """Interval of successes / n − others / m, of items that are not paired; each end with error `alpha`.

    Newcombe's method 10 for independent proportions: two Wilson intervals squared and added (Newcombe 1998,
    Statistics in Medicine 17:873-890). It holds its level in small samples and never leaves −1 to 1.

    >>> [round(end, 4) for end in difference(56, 70, 48, 80, 0.025)]
    [0.0524, 0.3339]
    """
    one, other = successes / n, others / m
    (low, high), (other_low, other_high) = wilson(successes, n, alpha), wilson(others, m, alpha)
    return (
        max(-1.0, one - other - math.hypot(one - low, other_high - other)),
        min(1.0, one - other + math.hypot(high - one, other - other_low)),
    )


def fisher_more(successes: int, n: int, others: int, m: int) -> float:
    """Fisher's exact test, one-sided: the chance of so large a part of all successes among the first n.

    The lady tasting tea had three of four cups right (Fisher 1935, The Design of Experiments).

    >>> round(fisher_more(3, 4, 1, 4), 4)
    0.2429
    """
    return _fisher(successes, n, others, m, "greater")


def fisher_differs(successes: int, n: int, others: int, m: int) -> float:
    """Fisher's exact test, two-sided: all tables no likelier than this one.

    >>> round(fisher_differs(3, 4, 1, 4), 4)
    0.4857
    """
    return _fisher(successes, n, others, m, "two-sided")


def _fisher(successes: int, n: int, others: int, m: int, alternative: str) -> float:
    table = [[successes, n - successes], [others, m - others]]
    return told(float(fisher_exact(table, alternative=alternative).pvalue))
