"""Second opinions hold for every table, and agree with statsmodels where that is right."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import cochrans_q
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from audit.records import NotMeasured
from audit.statistics import sensitivity

Table = tuple[int, int, int, int]
Method = Callable[[Table, float], tuple[float, float]]
ALPHAS = st.sampled_from([0.001, 0.025, 0.05, 0.2])
COUNTS = st.integers(0, 400)
OUTCOMES = st.integers(2, 5).flatmap(
    lambda k: st.lists(st.lists(st.integers(0, 1), min_size=k, max_size=k), min_size=1, max_size=30)
)

METHODS: dict[str, Method] = {
    "wald": lambda table, alpha: sensitivity.wald(table[1], table[2], sum(table), alpha),
    "bonett_price": lambda table, alpha: sensitivity.bonett_price(table[1], table[2], sum(table), alpha),
    "newcombe": lambda table, alpha: sensitivity.newcombe(*table, alpha),
}
tables = st.one_of(
    st.tuples(COUNTS, COUNTS, COUNTS, COUNTS), st.tuples(*[st.sampled_from([0, 1, 2, 500])] * 4)
).filter(any)


@pytest.mark.parametrize("method", METHODS)
@given(table=tables, alpha=ALPHAS)
def test_every_table_has_bounds_in_order(method: str, table: Table, alpha: float) -> None:
    lower, upper = METHODS[method](table, alpha)
    assert -1 <= lower <= upper <= 1


@pytest.mark.parametrize("method", ["wald", "newcombe"])
@given(table=tables, alpha=ALPHAS)
def test_the_bounds_lie_around_the_drop(method: str, table: Table, alpha: float) -> None:
    lower, upper = METHODS[method](table, alpha)
    assert lower - 1e-12 <= (table[1] - table[2]) / sum(table) <= upper + 1e-12


@pytest.mark.parametrize("method", METHODS)
@given(table=tables, alpha=ALPHAS)
def test_swapping_lost_and_gained_mirrors_the_interval(method: str, table: Table, alpha: float) -> None:
    both_right, lost, gained, both_wrong = table
    lower, upper = METHODS[method](table, alpha)
    mirrored = METHODS[method]((both_right, gained, lost, both_wrong), alpha)
    assert mirrored == pytest.approx((-upper, -lower), abs=1e-12)


@pytest.mark.parametrize("method", METHODS)
@given(table=tables)
def test_a_smaller_error_widens_the_interval(method: str, table: Table) -> None:
    (strict_lower, strict_upper), (lower, upper) = (METHODS[method](table, a) for a in (0.01, 0.1))
    assert strict_lower <= lower
    assert upper <= strict_upper


@given(tables, ALPHAS)
def test_to_newcombe_items_always_right_are_like_items_always_wrong(table: Table, alpha: float) -> None:
    both_right, lost, gained, both_wrong = table
    exchanged = sensitivity.newcombe(both_wrong, lost, gained, both_right, alpha)
    assert exchanged == pytest.approx(sensitivity.newcombe(*table, alpha), abs=1e-9)


@pytest.mark.parametrize("table", [(10, 10, 9, 10), (3, 2, 1, 1)])
def test_where_the_correction_takes_all_correlation_newcombes_samples_are_independent(table: Table) -> None:
    # 10 · 10 − 10 · 9 is less than half of 39, and 3 · 1 − 2 · 1 less than half of 7.
    n, before, after = sum(table), table[0] + table[1], table[0] + table[2]
    other = confint_proportions_2indep(before, n, after, n, method="newcomb", compare="diff", alpha=0.1)
    assert sensitivity.newcombe(*table, 0.05) == pytest.approx(other)


def test_a_negative_correlation_is_not_corrected_and_widens_newcombes_interval() -> None:
    lower, upper = confint_proportions_2indep(25, 50, 25, 50, method="newcomb", compare="diff", alpha=0.1)
    negative = sensitivity.newcombe(5, 20, 20, 5, 0.05)
    assert negative[0] < lower - 0.01
    assert upper + 0.01 < negative[1]


def test_without_a_flip_only_wald_claims_to_know_the_drop() -> None:
    assert sensitivity.wald(0, 0, 500, 0.05) == (0, 0)
    for method in ("bonett_price", "newcombe"):
        lower, upper = METHODS[method]((300, 0, 0, 200), 0.05)
        assert lower < 0 < upper


@given(lost=COUNTS, gained=COUNTS)
def test_mcnemars_chi_square_agrees_with_statsmodels(lost: int, gained: int) -> None:
    if lost + gained:
        other = statsmodels_mcnemar([[0, lost], [gained, 0]], exact=False, correction=False)
        assert sensitivity.mcnemar_chi_square(lost, gained, corrected=False) == pytest.approx(
            (other.statistic, other.pvalue)
        )
    if lost != gained:
        other = statsmodels_mcnemar([[0, lost], [gained, 0]], exact=False, correction=True)
        assert sensitivity.mcnemar_chi_square(lost, gained, corrected=True) == pytest.approx(
            (other.statistic, other.pvalue)
        )


@pytest.mark.parametrize("corrected", [True, False])
@pytest.mark.parametrize("each", [0, 1, 40])
def test_as_many_lost_as_gained_is_no_evidence_of_a_change(each: int, corrected: bool) -> None:
    assert sensitivity.mcnemar_chi_square(each, each, corrected) == (0.0, 1.0)


@given(lost=COUNTS, gained=COUNTS, alpha=ALPHAS)
def test_the_odds_ratio_has_the_bounds_of_wilsons_share_of_losses(
    lost: int, gained: int, alpha: float
) -> None:
    if lost + gained:
        lower, upper = sensitivity.conditional_odds_ratio_bounds(lost, gained, alpha)
        low, high = proportion_confint(lost, lost + gained, alpha=2 * alpha, method="wilson")
        assert lower == pytest.approx(low / (1 - low) if lost else 0.0)
        assert upper == pytest.approx(high / (1 - high) if gained else math.inf)


@given(lost=st.integers(1, 400), gained=st.integers(1, 400), alpha=ALPHAS)
def test_swapping_lost_and_gained_inverts_the_odds_ratio(lost: int, gained: int, alpha: float) -> None:
    lower, upper = sensitivity.conditional_odds_ratio_bounds(lost, gained, alpha)
    assert lower < lost / gained < upper
    inverted = sensitivity.conditional_odds_ratio_bounds(gained, lost, alpha)
    assert inverted == pytest.approx((1 / upper, 1 / lower))


def test_without_gains_the_odds_are_not_measured_and_without_flips_not_bounded() -> None:
    assert isinstance(sensitivity.conditional_odds_ratio(5, 0), NotMeasured)
    assert sensitivity.conditional_odds_ratio_bounds(0, 0, 0.05) == (0.0, math.inf)


@given(OUTCOMES)
def test_cochrans_q_agrees_with_statsmodels(outcomes: list[list[int]]) -> None:
    q = sensitivity.cochran_q(outcomes)
    if any(0 < sum(row) < len(row) for row in outcomes):
        other = cochrans_q(np.array(outcomes))
        assert q == pytest.approx((other.statistic, other.pvalue))
    else:
        assert q == (0.0, 1.0)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_cochrans_q_of_two_variants_is_mcnemars_test(outcomes: list[tuple[bool, bool]]) -> None:
    lost, gained = outcomes.count((True, False)), outcomes.count((False, True))
    assert sensitivity.cochran_q(outcomes) == pytest.approx(
        sensitivity.mcnemar_chi_square(lost, gained, corrected=False)
    )


@pytest.mark.parametrize("outcomes", [[[0.5, 1]], [[1], [0]], [1, 0, 1]], ids=str)
def test_what_is_no_table_of_0_and_1_is_refused(outcomes: list[object]) -> None:
    with pytest.raises(ValueError, match="0/1 outcomes of two or more variants"):
        sensitivity.cochran_q(outcomes)
