"""Tango's score statistic and interval hold for every table."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import ndtri, xlogy

from audit.statistics import tango

Table = tuple[int, int, int]
ALPHAS = st.sampled_from([0.001, 0.025, 0.05, 0.2])


@st.composite
def tables(draw: st.DrawFn, most: int = 3000) -> Table:
    """Any (lost, gained, n), the corners included."""
    n = draw(st.integers(1, most))
    lost = draw(st.integers(0, n))
    return lost, draw(st.integers(0, n - lost)), n


@given(tables(), ALPHAS)
def test_every_table_has_bounds_around_its_drop(table: Table, alpha: float) -> None:
    lost, gained, n = table
    lower, upper = tango.lower_bound(*table, alpha), tango.upper_bound(*table, alpha)
    assert -1 <= lower <= (lost - gained) / n <= upper <= 1


@given(tables(), ALPHAS)
def test_swapping_lost_and_gained_mirrors_the_interval(table: Table, alpha: float) -> None:
    lost, gained, n = table
    assert tango.upper_bound(gained, lost, n, alpha) == -tango.lower_bound(lost, gained, n, alpha)


@example((0, 0, 1), -0.5, -6e-194)
@given(tables(), st.floats(-1, 1), st.floats(-1, 1))
def test_the_score_falls_as_the_drop_tested_grows(table: Table, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert float(tango.score(*table, low)) >= float(tango.score(*table, high)) - 1e-9


@given(tables(), st.floats(-1, 1))
def test_no_table_and_no_drop_gives_nan(table: Table, drop: float) -> None:
    assert not math.isnan(float(tango.score(*table, drop)))


@given(tables(), ALPHAS, st.floats(0.001, 0.999))
def test_p_is_below_alpha_just_when_the_bound_is_below_the_margin(
    table: Table, alpha: float, margin: float
) -> None:
    upper = tango.upper_bound(*table, alpha)
    if abs(upper - margin) > 1e-9:
        assert (tango.noninferiority_p(*table, margin) < alpha) == (upper < margin)


@given(st.integers(1, 10_000), ALPHAS)
def test_without_a_flip_the_bound_is_the_closed_form_of_the_paper(n: int, alpha: float) -> None:
    z2 = float(ndtri(alpha)) ** 2
    assert tango.upper_bound(0, 0, n, alpha) == pytest.approx(z2 / (n + z2), rel=1e-9)


@given(tables(300), st.floats(0.001, 0.9))
def test_the_closed_form_estimate_maximises_the_likelihood(table: Table, drop: float) -> None:
    lost, gained, n = table

    def negative_log_likelihood(gain: float) -> float:
        rest = max(1 - 2 * gain - drop, 0.0)
        return -float(xlogy(lost, gain + drop) + xlogy(gained, gain) + xlogy(n - lost - gained, rest))

    best = minimize_scalar(
        negative_log_likelihood, bounds=(0, (1 - drop) / 2), method="bounded", options={"xatol": 1e-10}
    )
    z = (lost - gained - n * drop) / math.sqrt(n * (2 * best.x + drop * (1 - drop)))
    assert float(tango.score(lost, gained, n, drop)) == pytest.approx(z, rel=1e-3, abs=1e-3)


def test_where_nothing_can_vary_the_score_is_0_or_infinite() -> None:
    assert float(tango.score(0, 0, 10, 0.0)) == 0
    assert float(tango.score(0, 10, 10, 1.0)) == -math.inf
