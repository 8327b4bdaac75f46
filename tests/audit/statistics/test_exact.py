"""The exact test, against plain enumeration of every table."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, multinomial

from audit.statistics import exact, noninferiority, power, tango

Table = tuple[int, int, int]

few = settings(max_examples=60)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """Any (lost, gained, n) that the exact test is used for."""
    n = draw(st.integers(1, 499))
    lost = draw(st.integers(0, n))
    return lost, draw(st.integers(0, n - lost)), n


def every_table(n: int) -> list[Table]:
    return [
        (lost, gained, n) for lost, gained in itertools.product(range(n + 1), repeat=2) if lost + gained <= n
    ]


def brute_force_p(table: Table, margin: float) -> float:
    """Definition, word by word: order all tables, sum the multinomial, try a dense grid of discordances."""
    lost, gained, n = table
    seen = tango.upper_bound(*table, 0.05)
    at_or_below = [
        (b, c, n - b - c) for b, c, _ in every_table(n) if tango.upper_bound(b, c, n, 0.05) <= seen + 1e-12
    ]
    interval = binomtest(lost + gained, n).proportion_ci(1 - 1e-6)
    low, high = max(interval.low, margin), interval.high
    if low > high:
        return 1e-6
    largest = max(
        multinomial.pmf(at_or_below, n, [(d + margin) / 2, (d - margin) / 2, 1 - d]).sum()
        for d in np.linspace(low, min(high, 1 - 1e-9), 400)
    )
    return min(1.0, float(largest) + 1e-6)


@pytest.mark.parametrize("margin", [0.03, 0.2, 0.5])
@pytest.mark.parametrize(
    "table", [*every_table(4), (1, 0, 9), (0, 3, 9), (2, 2, 9), (5, 1, 9), (4, 5, 9)], ids=str
)
def test_p_is_the_largest_multinomial_probability(table: Table, margin: float) -> None:
    assert exact.noninferiority_p(*table, margin) == pytest.approx(brute_force_p(table, margin), abs=2e-4)


@pytest.mark.parametrize(
    ("table", "margin"),
    [
        *[((17, 9, 255), 0.060663), ((12, 9, 499), 0.022), ((60, 55, 400), 0.04)],
        *[((28, 1, 110), 0.3), ((27, 14, 100), 0.2), ((0, 1, 5), 0.2), ((0, 1, 4), 0.02)],  # narrow peaks
    ],
)
def test_a_far_denser_grid_of_discordances_finds_no_larger_probability(table: Table, margin: float) -> None:
    lost, gained, n = table
    low, high = exact.discordance_interval(lost + gained, n)
    dense = np.linspace(max(low, margin), high, 3000)
    assert (
        exact.noninferiority_p(*table, margin)
        >= exact.probability(exact.most_lost(*table), margin, dense).max()
    )


@pytest.mark.parametrize(("discordant", "n"), [(0, 300), (12, 300), (25, 25)])
def test_the_discordances_tried_are_all_but_a_millionth(discordant: int, n: int) -> None:
    expected = binomtest(discordant, n).proportion_ci(1 - 1e-6)
    low, high = exact.discordance_interval(discordant, n)
    if 0 < discordant < n:
        assert (low, high) == pytest.approx((expected.low, expected.high))
    # 0 or all of them: half of the error is on the side that is no bound
    assert (low, high) == pytest.approx((expected.low, expected.high), rel=0.05)


@pytest.mark.parametrize("drop", [0.2, -0.2])
def test_where_fewer_items_flip_than_the_drop_takes_the_drop_is_the_nearest(drop: float) -> None:
    most, few_flips = exact.most_lost(3, 2, 20), np.array([0.1])
    nearest = 0.1 if drop > 0 else -0.1
    assert exact.probability(most, drop, few_flips) == exact.probability(most, nearest, few_flips)


def test_a_model_that_lost_every_item_shows_no_drop_below_1() -> None:
    assert exact.noninferiority_p(5, 0, 5, 1.0) == 1.0


def test_a_set_that_others_share_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        exact.most_lost(3, 2, 20)[0] = 5


@pytest.mark.parametrize("n", [1, 2, 5, 12, 25])
def test_the_set_is_convex_so_that_the_border_is_the_worst_case(n: int) -> None:
    for seen in every_table(n):
        most = exact.most_lost(*seen)
        inside = {(b, c) for b, c, _ in every_table(n) if b <= most[b + c]}
        for b, c in inside:
            assert b == 0 or (b - 1, c) in inside
            assert b + c == n or (b, c + 1) in inside
        assert seen[:2] in inside


@pytest.mark.parametrize(("n", "margin"), [(20, 0.3), (30, 0.2), (45, 0.1), (62, 0.05)])
def test_a_model_at_the_margin_passes_at_most_alpha_of_the_time(n: int, margin: float) -> None:
    passing = [
        (b, c, n - b - c) for b, c, _ in every_table(n)
        if b - c < n * margin and exact.noninferiority_p(b, c, n, margin) < 0.05
    ]  # fmt: skip
    assert passing
    for d in np.linspace(margin, 1, 60):
        shares = [(d + margin) / 2, (d - margin) / 2, 1 - d]
        assert multinomial.pmf(passing, n, shares).sum() <= 0.05


@few
@given(tables(), st.sampled_from([1e-9, 0.001, 0.05, 0.4]), st.floats(0.005, 0.3))
def test_p_is_below_alpha_just_when_the_bound_is_below_the_margin(
    table: Table, alpha: float, margin: float
) -> None:
    upper = exact.upper_bound(*table, alpha)
    if abs(upper - margin) > 1e-9:
        assert (exact.noninferiority_p(*table, margin) < alpha) == (upper < margin)


@few
@given(tables())
def test_every_table_has_bounds_around_its_drop(table: Table) -> None:
    lost, gained, n = table
    assert (
        -1 <= exact.lower_bound(*table, 0.05) <= (lost - gained) / n <= exact.upper_bound(*table, 0.05) <= 1
    )


@few
@given(tables())
def test_swapping_lost_and_gained_mirrors_the_interval(table: Table) -> None:
    lost, gained, n = table
    assert exact.upper_bound(gained, lost, n, 0.05) == -exact.lower_bound(lost, gained, n, 0.05)


@few
@given(tables(), st.floats(0.001, 0.999), st.floats(0.001, 0.999))
def test_p_falls_as_the_margin_grows(table: Table, one: float, other: float) -> None:
    low, high = sorted((one, other))
    # 1e-5: the grid of discordances may miss the top of a narrow peak by that much.
    assert exact.noninferiority_p(*table, low) >= exact.noninferiority_p(*table, high) - 1e-5


@pytest.mark.parametrize("n", [1, 10, 100, 300, 499])
def test_without_a_flip_the_bound_is_that_of_no_loss_in_n_trials(n: int) -> None:
    clean_trials = 1 - (0.05 - exact.GAMMA) ** (1 / n)
    assert exact.upper_bound(0, 0, n, 0.05) == pytest.approx(clean_trials, rel=0.01)


@pytest.mark.parametrize("alpha", [1e-9, exact.GAMMA])
def test_an_alpha_below_the_error_of_the_method_shows_nothing(alpha: float) -> None:
    assert exact.upper_bound(0, 0, 300, alpha) == 1.0


def test_a_model_that_lost_every_item_is_bounded_by_1() -> None:
    assert exact.upper_bound(40, 0, 40, 0.05) == 1.0


@pytest.mark.parametrize(("n", "method"), [(499, "exact unconditional"), (500, "Tango score")])
def test_the_score_test_takes_over_at_500_pairs(n: int, method: str) -> None:
    test = tango if n == 500 else exact
    assert noninferiority.bounds(12, 9, n, 0.05).method == method
    assert noninferiority.p_value(12, 9, n, 0.03) == test.noninferiority_p(12, 9, n, 0.03)


@pytest.mark.parametrize("margin", [0.005, 0.02, 0.1])
def test_so_many_items_pass_without_a_flip_and_one_fewer_does_not(margin: float) -> None:
    n = power.items_for_noninferiority(0.0, margin)
    assert (
        noninferiority.bounds(0, 0, n, 0.05).upper < margin <= noninferiority.bounds(0, 0, n - 1, 0.05).upper
    )
