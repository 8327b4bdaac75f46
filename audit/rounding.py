"""How a figure is rounded for people, wherever it stands: a tie goes away from zero."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Context, Decimal

_FIGURES = 12
"""Significant ones that are kept first: beyond them lies what arithmetic in doubles leaves of a tie."""

_ANY_SIZE = Context(prec=400)
"""Digits of the largest double with all decimals that anybody shows."""


def rounded(value: float, digits: int) -> str:
    """A number with so many decimals, and no sign on a zero.

    `format` rounds a tie to the even neighbour, and a tie that no double holds either way: of 1.25 it makes
    1.2, and of 1.35 1.4.

    >>> rounded(1e30, 0), rounded(math.inf, 2)
    ('1000000000000000000000000000000', 'more than can be counted')
    >>> rounded(1.25, 1), rounded(-1.25, 1), rounded(100 * 0.01235, 2), rounded(-0.001, 2)
    ('1.3', '-1.3', '1.24', '0.00')
    """
    if math.isinf(value):
        return "more than can be counted"
    exact = Decimal(f"{value:.{_FIGURES}g}")
    text = f"{exact.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, _ANY_SIZE):f}"
    return text.lstrip("-") if float(text) == 0 else text
