"""No p-value is 0: the smallest that is told is the smallest that a double holds with all its digits."""

from __future__ import annotations

import sys

LEAST = sys.float_info.min


def told(p_value: float) -> float:
    """The p-value, or what it is surely below where it underflowed.

    >>> told(0.04), told(0.0)
    (0.04, 2.2250738585072014e-308)
    """
    return max(p_value, LEAST)
