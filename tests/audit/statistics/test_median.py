"""Bounds of a median by order: the ranks are those of the sign test."""

from __future__ import annotations

import numpy as np
import pytest

from audit.statistics.median import median_interval

# One-sided critical values of the sign test at .05 (Dixon & Mood 1946, table 1, at 10 % two-sided): the most
# signs of the rarer kind that are still significant. The bound is the value after so many.
RANKS = {5: 0, 8: 1, 10: 1, 11: 2, 13: 3, 16: 4, 18: 5, 20: 5, 25: 7}


@pytest.mark.parametrize(("n", "beyond"), RANKS.items())
def test_the_bounds_have_the_ranks_of_the_sign_test(n: int, beyond: int) -> None:
    values = np.random.default_rng(n).permutation(np.arange(1, n + 1)).tolist()
    found = median_interval(values, 0.05)
    assert (found.lower, found.upper) == (beyond + 1, n - beyond)


def test_five_values_reach_from_the_smallest_to_the_largest() -> None:
    # 1 - 2 / 2^5
    assert median_interval([3, 1, 2, 5, 4], 0.05).confidence == pytest.approx(0.9375)


def test_four_values_bound_nothing() -> None:
    with pytest.raises(ValueError, match="4 values bound no median"):
        median_interval([1, 2, 3, 4], 0.05)


def test_one_disturbed_value_of_eight_moves_neither_end() -> None:
    calm = median_interval([1, 2, 3, 4, 5, 6, 7, 8], 0.05)
    assert median_interval([1, 2, 3, 4, 5, 6, 7, 800], 0.05) == calm


def test_the_bound_holds_as_often_as_it_says() -> None:
    draws = np.random.default_rng(3).exponential(size=(4000, 8))
    upper = np.array([median_interval(row.tolist(), 0.05).upper for row in draws])
    missed = (upper < np.log(2)).mean()
    assert abs(missed - 9 / 256) < 3 * np.sqrt(0.035 * 0.965 / 4000)


def test_an_error_of_just_alpha_is_one_that_is_allowed() -> None:
    # All five of a kind: 1 / 2^5
    assert median_interval([1, 2, 3, 4, 5], 1 / 32).lower == 1
