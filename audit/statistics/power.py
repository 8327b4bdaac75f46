"""How many items a verdict needs."""

from __future__ import annotations

import math
from bisect import bisect_left
from functools import lru_cache

from scipy.special import ndtri

from audit.statistics import noninferiority


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


@lru_cache(maxsize=256)
def _items_without_flips(margin: float, alpha: float) -> int:
    """Fewest items at which no flip at all shows a drop below the margin."""
    z = float(ndtri(alpha))
    by_score = math.ceil(z * z * (1.0 - margin) / margin)
    most = max(by_score, noninferiority.EXACT_BELOW) + 1
    return bisect_left(range(most), True, lo=1, key=lambda n: noninferiority.p_value(0, 0, n, margin) < alpha)
