"""Group-sequential bounds, conditional power, and what a rule's looks say."""

from __future__ import annotations

import doctest
import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal, norm

from audit.statistics import noninferiority, sequential
from audit.statistics.sequential import Evidence, boundaries, bounds_that_spend, conditional_power, stand

GOLDEN: dict[str, Any] = json.loads(
    (Path(__file__).parents[3] / "fixtures" / "golden" / "sequential.json").read_text(encoding="utf-8")
)
SPENDINGS = st.sampled_from(["obrien-fleming", "pocock"])
ALPHAS = st.sampled_from([0.01, 0.025, 0.05, 0.2])
some = settings(max_examples=40)


@st.composite
def looks_at(draw: st.DrawFn, most: float = 1.0) -> list[float]:
    """Fractions of up to six looks, some of them at the same place or beside one another."""
    steps = draw(st.lists(st.sampled_from([0.0, 0.0005, 0.01, 0.1, 0.3]), max_size=5))
    first = draw(st.floats(0.01, 0.9))
    return [min(most, first + sum(steps[:k])) for k in range(len(steps) + 1)]


def crossed(fractions: list[float], z: tuple[float, ...]) -> float:
    """Probability that a model at the margin crosses one of the bounds, by scipy's multivariate normal."""
    kept = [place for place, bound in enumerate(z) if math.isfinite(bound)]
    t = np.array(fractions)[kept]
    correlation = np.sqrt(np.minimum.outer(t, t) / np.maximum.outer(t, t))
    normal = multivariate_normal(cov=correlation, allow_singular=True, abseps=1e-6, maxpts=300_000, seed=1)
    return 1.0 - float(normal.cdf(np.array(z)[kept]))


def of(n: int, lost: int, gained: int, margin: float = 0.03) -> Evidence:
    """A look at so many flips."""
    return Evidence(
        n,
        noninferiority.p_value(lost, gained, n, margin),
        noninferiority.p_value(gained, lost, n, 0.0),
        (lost - gained) / n,
        sequential.standard_error(lost, gained, n),
    )


@pytest.mark.parametrize(
    "case", GOLDEN["bounds"], ids=lambda case: f"{case['spending']}-{case['alpha']}-{len(case['z'])}"
)
def test_published_bounds_are_reproduced(case: dict[str, Any]) -> None:
    bounds = boundaries(case["fractions"], case["alpha"], case["spending"])
    np.testing.assert_allclose(bounds.z, case["z"], rtol=0, atol=case["tolerance"])


@pytest.mark.parametrize("case", GOLDEN["bounds_that_spend"], ids=lambda case: case["source"])
def test_bounds_of_other_spending_functions_are_reproduced(case: dict[str, Any]) -> None:
    bounds = bounds_that_spend(case["fractions"], case["spent"])
    np.testing.assert_allclose(bounds.z, case["z"], rtol=0, atol=case["tolerance"])


@pytest.mark.parametrize("spending", ["obrien-fleming", "pocock"])
@pytest.mark.parametrize(
    "fractions", [[0.25, 0.5, 0.75, 1], [0.1, 0.3, 0.31, 0.9, 1], [0.5, 0.5005, 1], [0.4, 0.99, 1]], ids=str
)
def test_looks_up_to_the_end_spend_all_of_alpha(fractions: list[float], spending: Any) -> None:
    assert crossed(fractions, boundaries(fractions, 0.05, spending).z) == pytest.approx(0.05, abs=2e-6)


@settings(max_examples=10)
@given(looks_at(), ALPHAS, SPENDINGS)
def test_looks_have_spent_what_their_last_fraction_says(
    fractions: list[float], alpha: float, spending: Any
) -> None:
    reached = crossed(fractions, boundaries(fractions, alpha, spending).z)
    assert reached == pytest.approx(sequential.spent(fractions[-1], alpha, spending), abs=1e-5)


@given(ALPHAS, SPENDINGS)
def test_one_look_at_the_end_is_the_fixed_test(alpha: float, spending: Any) -> None:
    bounds = boundaries([1.0], alpha, spending)
    assert bounds.z == (pytest.approx(norm.isf(alpha)),)
    assert bounds.nominal == (alpha,)


@some
@given(looks_at(1.5), ALPHAS, SPENDINGS)
def test_a_bound_depends_on_the_looks_up_to_it_alone(
    fractions: list[float], alpha: float, spending: Any
) -> None:
    whole = boundaries(fractions, alpha, spending)
    for k in range(1, len(fractions)):
        assert boundaries(fractions[:k], alpha, spending).z == whole.z[:k]


@some
@given(looks_at(), st.integers(0, 5), ALPHAS, SPENDINGS)
def test_a_second_look_at_the_same_items_changes_no_other_bound(
    fractions: list[float], place: int, alpha: float, spending: Any
) -> None:
    place = min(place, len(fractions) - 1)
    twice = boundaries([*fractions[: place + 1], *fractions[place:]], alpha, spending)
    once = boundaries(fractions, alpha, spending)
    assert twice.z[: place + 1] + twice.z[place + 2 :] == once.z
    assert twice.nominal[place + 1] == 0.0


@some
@given(looks_at(1.5), ALPHAS, SPENDINGS)
def test_no_bound_is_nan_and_no_look_has_more_than_alpha(
    fractions: list[float], alpha: float, spending: Any
) -> None:
    bounds = boundaries(fractions, alpha, spending)
    assert all(z > 0 and not math.isnan(z) for z in bounds.z)
    assert all(0 <= nominal <= alpha for nominal in bounds.nominal)


@given(st.integers(2, 12), ALPHAS)
def test_o_brien_fleming_bounds_fall_from_look_to_look(count: int, alpha: float) -> None:
    z = boundaries([k / count for k in range(1, count + 1)], alpha).z
    assert all(later < earlier for earlier, later in pairwise(z))


@given(looks_at(), SPENDINGS)
def test_a_larger_alpha_has_lower_bounds(fractions: list[float], spending: Any) -> None:
    strict, loose = (boundaries(fractions, alpha, spending).z for alpha in (0.01, 0.05))
    assert all(high >= low for high, low in zip(strict, loose, strict=True))


@given(st.floats(1e-6, 2), st.floats(1e-6, 2), ALPHAS, SPENDINGS)
def test_spending_rises_to_alpha(one: float, other: float, alpha: float, spending: Any) -> None:
    early, late = sorted((one, other))
    assert (
        0
        <= sequential.spent(early, alpha, spending)
        <= sequential.spent(late, alpha, spending)
        <= alpha
        == sequential.spent(1.0, alpha, spending)
    )


def test_beyond_the_planned_items_there_is_nothing_left_to_spend() -> None:
    assert boundaries([0.5, 1.0, 1.2], 0.05).z[2] == math.inf


def test_a_look_at_nothing_new_rejects_nothing_and_one_at_a_little_may() -> None:
    assert boundaries([0.5, 0.5, 1.0], 0.05).z[1] == math.inf
    assert math.isfinite(boundaries([0.1, 0.100005], 0.05).z[1])


@pytest.mark.parametrize("fractions", [[0.5, 0.4], [0.0, 1.0], [-0.1]], ids=str)
def test_fractions_that_fall_or_start_at_nothing_are_refused(fractions: list[float]) -> None:
    with pytest.raises(ValueError, match="fraction"):
        boundaries(fractions, 0.05)


def test_two_hundred_looks_still_spend_alpha() -> None:
    z = boundaries([k / 200 for k in range(1, 201)], 0.05).z
    assert all(map(math.isfinite, z))
    # With ever more looks the last bound tends to that of a Brownian motion watched without a pause,
    # whose own spending this function is: P(sup B > b) = 2 (1 − Φ(b)), b = 1.959964.
    assert 1.90 < z[-1] < 1.959964


@given(st.floats(-3, 5), st.floats(0.05, 0.95), st.floats(1, 3), st.floats(-1, 5))
def test_conditional_power_is_that_of_the_bivariate_normal(
    z: float, fraction: float, bound: float, drift: float
) -> None:
    # Given z at t, z at the end is normal with mean drift + √t (z − drift √t) and variance 1 − t.
    mean = drift + math.sqrt(fraction) * (z - drift * math.sqrt(fraction))
    expected = norm.sf(bound, mean, math.sqrt(1 - fraction))
    assert conditional_power(z, fraction, bound, drift) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("z", "power"), [(1.7, 1.0), (1.645, 0.0), (1.6, 0.0)])
def test_at_the_end_conditional_power_is_what_happened(z: float, power: float) -> None:
    assert conditional_power(z, 1.0, 1.645, 3.0) == power


def test_the_first_crossing_passes_and_later_looks_change_nothing() -> None:
    looks = [of(500, 20, 20), of(1000, 40, 45), of(1500, 150, 20)]
    standing = stand(looks, 2000, 0.03, 0.05)
    assert (standing.outcome, standing.n, standing.conditional_power) == ("pass", 1000, 1.0)
    assert standing.nominal == boundaries([0.25, 0.5, 0.75], 0.05).nominal


def test_what_would_pass_at_full_alpha_does_not_pass_at_the_first_look() -> None:
    seen = of(500, 20, 18)
    assert seen.p_pass < 0.05
    assert stand([seen], 2000, 0.03, 0.05).outcome == "go on"


def test_a_drop_beyond_the_margin_fails_early() -> None:
    standing = stand([of(500, 80, 20)], 2000, 0.03, 0.05)
    assert (standing.outcome, standing.conditional_power) == ("fail", 0.0)


def test_a_small_drop_does_not_fail_early_however_detectable() -> None:
    seen = of(4000, 180, 100)
    assert seen.p_worse < boundaries([0.5], 0.05).nominal[0]
    assert stand([seen], 8000, 0.03, 0.05).outcome == "go on"


def test_at_the_end_a_detectable_drop_that_did_not_pass_fails() -> None:
    seen = of(1000, 70, 45)
    assert seen.drop < 0.03
    assert stand([seen], 1000, 0.03, 0.05).outcome == "fail"


def test_at_the_end_a_drop_that_reaches_the_margin_fails_detectable_or_not() -> None:
    seen = of(500, 130, 115)
    assert seen.p_worse > 0.05
    assert stand([seen], 500, 0.03, 0.05).outcome == "fail"


def test_at_the_end_without_a_crossing_a_rule_is_undecided() -> None:
    standing = stand([of(500, 60, 52)], 500, 0.03, 0.05)
    assert (standing.outcome, standing.conditional_power) == ("undecided", 0.0)


@pytest.mark.parametrize(("p_pass", "p_worse"), [(0.05, 0.5), (0.5, 0.05)])
def test_a_p_value_of_just_alpha_decides_nothing(p_pass: float, p_worse: float) -> None:
    assert stand([Evidence(500, p_pass, p_worse, 0.01, 0.01)], 500, 0.03, 0.05).outcome == "undecided"


def test_a_rule_stands_by_the_spending_that_was_chosen() -> None:
    standing = stand([of(500, 30, 24)], 1000, 0.03, 0.05, "pocock")
    assert standing.nominal == boundaries([0.5], 0.05, "pocock").nominal
    assert standing.nominal != boundaries([0.5], 0.05).nominal
    error = sequential.standard_error(30, 24, 500)
    end = boundaries([0.5, 1.0], 0.05, "pocock").z[-1]
    expected = conditional_power((0.03 - 0.012) / error, 0.5, end, 0.03 / error * math.sqrt(2))
    assert standing.conditional_power == pytest.approx(expected)


def test_a_rule_that_even_zero_drop_could_not_save_is_futile() -> None:
    standing = stand([of(750, 60, 41)], 1000, 0.03, 0.05)
    assert standing.outcome == "futile"
    assert standing.conditional_power is not None
    assert standing.conditional_power < sequential.FUTILE_BELOW


def test_a_rule_with_a_fair_chance_at_zero_drop_goes_on() -> None:
    standing = stand([of(750, 58, 44)], 1000, 0.03, 0.05)
    assert standing.outcome == "go on"
    assert standing.conditional_power is not None
    assert sequential.FUTILE_BELOW < standing.conditional_power < 0.5


def test_without_a_standard_error_nothing_is_futile() -> None:
    seen = of(750, 60, 41)
    standing = stand([Evidence(seen.n, seen.p_pass, seen.p_worse, seen.drop)], 1000, 0.03, 0.05)
    assert (standing.outcome, standing.conditional_power) == ("go on", None)


@pytest.mark.parametrize(("drop", "outcome"), [(0.0, "go on"), (0.03, "futile"), (0.05, "futile")])
def test_where_nothing_varies_only_a_drop_beyond_the_margin_is_futile(drop: float, outcome: str) -> None:
    assert stand([Evidence(50, 0.2, 0.5, drop, 0.0)], 1000, 0.03, 0.05).outcome == outcome


def test_futility_is_advice_and_a_later_look_may_pass() -> None:
    futile, later = of(750, 60, 41), of(1000, 60, 60)
    assert stand([futile, later], 1000, 0.03, 0.05).outcome == "pass"


def test_no_look_is_refused() -> None:
    with pytest.raises(ValueError, match="no look"):
        stand([], 1000, 0.03, 0.05)


def test_the_drift_at_zero_drop_is_the_margin_in_standard_errors_at_the_end() -> None:
    n, planned, flips, margin = 1000, 2000, 200, 0.03
    standing = stand([of(n, flips // 2, flips // 2)], planned, margin, 0.05)
    error = math.sqrt(flips / n / n)
    end = boundaries([0.5, 1.0], 0.05).z[-1]
    expected = conditional_power(margin / error, 0.5, end, margin / error * math.sqrt(2))
    assert standing.conditional_power == pytest.approx(expected)


@given(
    st.lists(st.integers(1, 3000), min_size=1, max_size=5),
    st.sampled_from([0.0, 1e-300, 1e-9, 0.01, 0.5, 1.0]),
    st.sampled_from([0.0, 1e-300, 1e-9, 0.01, 0.5, 1.0]),
    st.floats(-1, 1),
    st.one_of(st.just(0.0), st.floats(1e-9, 1)),
)
def test_every_evidence_has_a_standing_and_none_is_nan(
    sizes: list[int], p_pass: float, p_worse: float, drop: float, error: float
) -> None:
    looks = [Evidence(n, p_pass, p_worse, drop, error) for n in sorted(sizes)]
    standing = stand(looks, 1000, 0.03, 0.05)
    assert standing.conditional_power is not None
    assert 0 <= standing.conditional_power <= 1
    assert len(standing.nominal) == len(looks)
    assert standing.n in sizes


def test_the_examples_in_the_docstrings_hold() -> None:
    result = doctest.testmod(sequential)
    assert result.attempted > 0
    assert result.failed == 0


# gsDesign: α .05, four equal looks, O'Brien-Fleming type spending
@pytest.mark.parametrize(("look", "z"), [(1, 3.74955), (2, 2.53994), (3, 2.01607), (4, 1.72018)])
def test_what_lies_on_a_published_bound_has_its_alpha_as_p_value_over_looks(look: int, z: float) -> None:
    p_values = [1.0] * (look - 1) + [float(norm.sf(z))]
    fractions = [0.25, 0.5, 0.75, 1.0][:look]
    assert sequential.p_value_over_looks(p_values, fractions) == pytest.approx(0.05, rel=2e-3)


def test_after_pocock_the_first_look_costs_a_known_factor() -> None:
    """What may be spent at a quarter is α ln(1 + (e − 1)/4) by definition (Lan & DeMets 1983)."""
    factor = math.log1p((math.e - 1) / 4)
    found = sequential.p_value_over_looks([1e-4], [0.25], "pocock")
    assert found == pytest.approx(1e-4 / factor, rel=2e-3)


def test_of_a_single_look_at_all_the_p_value_is_its_own() -> None:
    assert sequential.p_value_over_looks([0.0123], [1.0]) == 0.0123


@pytest.mark.parametrize("spending", ["obrien-fleming", "pocock"])
def test_stopping_at_will_claims_no_more_often_than_alpha(spending: sequential.Spending) -> None:
    """Whoever stops at the look that suits best is still held to α: 4,000 nulls, 3 errors off."""
    draw = np.random.default_rng(5)
    fractions = [0.25, 0.5, 0.75, 1.0]
    steps = draw.normal(size=(4000, 4)) * 0.5
    z = np.cumsum(steps, axis=1) / np.sqrt(fractions)
    nominal = np.array(boundaries(fractions, 0.05, spending).nominal)
    claimed = (norm.sf(z) <= nominal).any(axis=1)
    once = [sequential.p_value_over_looks(list(norm.sf(row)), fractions, spending) for row in z[:40]]
    assert [p <= 0.05 for p in once] == claimed[:40].tolist()
    assert claimed.mean() == pytest.approx(0.05, abs=3 * math.sqrt(0.05 * 0.95 / 4000))


def test_what_is_evidence_of_nothing_stays_so_over_looks() -> None:
    assert sequential.p_value_over_looks([1.0, 0.9], [0.5, 1.0]) == 1.0


def test_p_values_and_looks_have_to_match() -> None:
    with pytest.raises(ValueError, match="2 p-values of 1 looks"):
        sequential.p_value_over_looks([0.1, 0.2], [0.5])
