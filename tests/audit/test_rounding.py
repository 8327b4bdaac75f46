"""One rule of rounding for whatever people read."""

from __future__ import annotations

import math

import pytest

from audit.rounding import rounded


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (1.25, 1, "1.3"),
        (-1.25, 1, "-1.3"),
        (0.5, 0, "1"),
        (2.675, 2, "2.68"),  # the double below it: 2.67499999999999982
        (100 * 0.01235, 2, "1.24"),  # 1.2349999999999999
        (100 * (5 / 400), 1, "1.3"),
        (1.2499999, 1, "1.2"),
        (-0.001, 2, "0.00"),
        (123456789.0, 2, "123456789.00"),
        (1e-30, 4, "0.0000"),
        (math.inf, 2, "more than can be counted"),
    ],
)
def test_a_tie_goes_away_from_zero_whatever_double_is_nearest(value: float, digits: int, text: str) -> None:
    assert rounded(value, digits) == text
