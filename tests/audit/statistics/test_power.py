"""Sample sizes, power and detectable drops answer each other, on the scale of proportions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import ndtr

from audit.records import NotMeasured
from audit.statistics import estimates, noninferiority, power, tango

few = settings(max_examples=40)
SHARES = st.floats(0.01, 0.5)


def number(answer: float | NotMeasured) -> float:
    assert not isinstance(answer, NotMeasured)
    return answer


@few
@given(st.integers(500, 20_000), st.floats(0.05, 0.5))
def test_the_drop_that_n_items_detect_takes_n_items_to_detect(n: int, discordance: float) -> None:
    drop = number(power.detectable_drop(n, discordance, alpha=0.025))
    assert abs(power.items_for_mcnemar(discordance, drop, alpha=0.05) - n) <= 1


@pytest.mark.parametrize(("n", "discordance"), [(500, 0.2), (2000, 0.05), (2000, 0.3)])
def test_the_detectable_drop_is_a_difference_of_proportions(n: int, discordance: float) -> None:
    # A peer reports it standardised (in deviations of the differences) or relative to the accuracy before:
    # models with that drop would then be found far more or far less often than promised.
    drop = number(power.detectable_drop(n, discordance))
    shares = [(discordance + drop) / 2, (discordance - drop) / 2, 1 - discordance]
    lost, gained, _ = np.random.default_rng(n).multinomial(n, shares, 20_000).T
    assert np.mean(tango.score(lost, gained, n, 0.0) > 1.6448536) == pytest.approx(0.8, abs=0.02)


def test_four_times_the_flips_double_the_detectable_drop() -> None:
    # Standardised, it would be the same.
    drops = [number(power.detectable_drop(10_000, discordance)) for discordance in (0.05, 0.2)]
    assert drops[1] / drops[0] == pytest.approx(2, rel=0.01)


@pytest.mark.parametrize(("n", "discordance"), [(10, 0.1), (1000, 0.0), (2000, 0.003)])
def test_where_too_few_items_flip_no_drop_is_detectable(n: int, discordance: float) -> None:
    assert isinstance(power.detectable_drop(n, discordance), NotMeasured)


@few
@given(st.integers(50, 20_000), st.floats(0, 0.5))
def test_the_smallest_margin_of_n_items_takes_n_items(n: int, discordance: float) -> None:
    margin = number(power.smallest_margin(n, discordance))
    assert power.items_for_noninferiority(discordance, margin * (1 + 1e-6)) <= n
    assert power.items_for_noninferiority(discordance, margin * (1 - 1e-6)) >= n


def test_three_items_show_no_margin_when_all_flip() -> None:
    assert isinstance(power.smallest_margin(3, 1.0), NotMeasured)


def test_an_alpha_below_the_error_of_the_exact_test_shows_no_margin() -> None:
    assert isinstance(power.smallest_margin(300, 0.0, alpha=1e-9), NotMeasured)


def test_one_item_that_does_not_flip_shows_a_margin_of_nearly_all() -> None:
    # Had 99 % been lost, one item in a hundred would have stayed
    assert power.items_for_noninferiority(0.0, 0.99) == 1


@pytest.mark.parametrize(("discordance", "margin"), [(0.05, 0.02), (0.1, 0.03), (0.3, 0.05)])
def test_the_items_for_80_percent_power_have_nearly_80_percent_power(
    discordance: float, margin: float
) -> None:
    n = power.items_for_noninferiority(discordance, margin)
    assert power.noninferiority_power(n, discordance, margin) == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize("discordance", [0.1, 0.6, 1.0])
@pytest.mark.parametrize("drop", [-0.05, 0.0, 0.1])
def test_the_power_is_the_probability_of_all_tables_that_pass(discordance: float, drop: float) -> None:
    n, margin = 70, 0.2
    tables = [(b, c, n - b - c) for b in range(n + 1) for c in range(n + 1 - b)]
    passing = [table for table in tables if tango.noninferiority_p(*table[:2], n, margin) < 0.05]
    shares = [(discordance + drop) / 2, (discordance - drop) / 2, 1 - discordance]
    expected = stats.multinomial.pmf(passing, n, shares).sum()
    answer = power.noninferiority_power(n, discordance, margin, drop=drop)
    assert answer == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("n", [30, 31, 62, 63, 64, 126, 127, 128])
def test_where_all_items_flip_the_power_is_a_binomial_tail(n: int) -> None:
    passing = [b for b in range(n + 1) if tango.noninferiority_p(b, n - b, n, 0.2) < 0.05]
    for drop in (0.0, -0.5):
        expected = stats.binom.pmf(passing, n, (1 + drop) / 2).sum()
        assert power.noninferiority_power(n, 1.0, 0.2, drop=drop) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("drop", [-0.01, 0.0, 0.015, 0.03])
def test_the_power_is_how_often_simulated_models_pass(drop: float) -> None:
    shares = [(0.1 + drop) / 2, (0.1 - drop) / 2, 0.9]
    tables = np.random.default_rng(1).multinomial(1000, shares, 2000)
    passed = [noninferiority.p_value(int(b), int(c), 1000, 0.03) < 0.05 for b, c, _ in tables]
    assert power.noninferiority_power(1000, 0.1, 0.03, drop=drop) == pytest.approx(np.mean(passed), abs=0.03)


@few
@given(SHARES, st.floats(-1, 1), st.floats(-1, 1))
def test_the_power_falls_as_the_drop_grows(discordance: float, one: float, other: float) -> None:
    low, high = (share * discordance for share in sorted((one, other)))
    powers = [power.noninferiority_power(500, discordance, 0.03, drop=drop) for drop in (low, high)]
    assert powers[0] >= powers[1] - 1e-9


@pytest.mark.parametrize("n", [1, 2, 50, 1000])
@pytest.mark.parametrize("discordance", [0.0, 1.0])
def test_the_power_of_no_flip_and_of_all_flips_is_a_probability(n: int, discordance: float) -> None:
    assert 0 <= power.noninferiority_power(n, discordance, 0.03) <= 1


def test_without_flips_enough_items_always_pass_and_too_few_never() -> None:
    n = power.items_for_noninferiority(0.0, 0.005)
    assert power.noninferiority_power(n, 0.0, 0.005) == pytest.approx(1)
    assert power.noninferiority_power(n - 50, 0.0, 0.005) == 0


@pytest.mark.parametrize("drop", [0.2, -0.2])
def test_a_drop_larger_than_the_flips_is_refused(drop: float) -> None:
    with pytest.raises(ValueError, match="takes a discordance"):
        power.noninferiority_power(100, 0.1, 0.03, drop=drop)
    with pytest.raises(ValueError, match="takes a discordance"):
        power.items_for_mcnemar(0.1, drop)


def test_more_than_all_items_cannot_flip() -> None:
    with pytest.raises(ValueError, match=r"to 1, not 1\.5"):
        power.items_for_mcnemar(1.5, 0.1)


def test_no_drop_at_all_is_never_detected() -> None:
    with pytest.raises(ValueError, match="takes a discordance"):
        power.items_for_mcnemar(0.1, 0.0)


def test_sampled_answers_count_like_varying_items() -> None:
    assert power.items_for_mean(0.03, 1 / 9, 1 / 9) == math.ceil(2 * 968.9975)


def test_an_estimate_says_how_much_more_of_its_data_it_takes() -> None:
    # 687 items are what flips of 10 % take for 3 points; an estimate from 100 of them takes 6.87 as many.
    estimate = estimates.paired_mean([1, -1] * 5 + [0] * 90)
    assert power.data_for_noninferiority(estimate, 0.03) == pytest.approx(6.87, rel=0.02)


def test_so_much_data_has_80_percent_power_by_the_normal_law() -> None:
    estimate = estimates.paired_mean(np.random.default_rng(0).normal(0, 1, 400))
    error = estimate.standard_error / math.sqrt(power.data_for_noninferiority(estimate, 0.1))
    assert ndtr(0.1 / error - 1.6448536) == pytest.approx(0.8)


@few
@given(st.integers(2, 20), st.integers(2, 10), st.integers(0, 1000))
def test_the_intraclass_correlation_is_that_of_the_analysis_of_variance(
    count: int, size: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    d = rng.normal(size=(count, size)) + rng.normal(size=(count, 1))
    f = stats.f_oneway(*d).statistic
    icc = power.intraclass_correlation(d.ravel(), np.repeat(np.arange(count), size))
    assert icc == pytest.approx((f - 1) / (f + size - 1))


def test_the_inflation_by_the_correlation_is_the_design_effect_of_the_estimate() -> None:
    rng = np.random.default_rng(3)
    clusters = np.repeat(np.arange(200), 15)
    d = rng.normal(0, 0.3, 200)[clusters] + rng.normal(0, 1, 3000)
    inflation = power.design_effect(15, number(power.intraclass_correlation(d, clusters)))
    assert inflation == pytest.approx(number(estimates.clustered_mean(d, clusters).design_effect), rel=0.01)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_a_correlation_has_no_unit(scale: float) -> None:
    d, clusters = np.array([0, 1, 2, 0]), [1, 1, 1, 2]
    assert power.intraclass_correlation(scale * d, clusters) == pytest.approx(-0.2)


def test_unequal_clusters_count_by_their_typical_size() -> None:
    # Two clusters of 3 and 1: m₀ = 4 − 10/4 = 1.5, MSB = 3/4, MSW = 1 by hand.
    assert power.intraclass_correlation([0, 1, 2, 0], [1, 1, 1, 2]) == pytest.approx(-0.25 / 1.25)


def test_clusters_that_all_answer_alike_inside_are_perfectly_correlated() -> None:
    assert power.intraclass_correlation([1, 1, 0, 0], ["a", "a", "b", "b"]) == 1.0


@pytest.mark.parametrize(
    ("d", "clusters"),
    [([0, 0, 0, 0], [1, 1, 2, 2]), ([0.1] * 6, [1, 1, 1, 2, 2, 2]), ([0, 1, 0], [1, 2, 3]), ([0, 1], [1, 1])],
    ids=["identical", "all differ alike", "clusters of one", "one cluster"],
)
def test_a_correlation_that_the_data_do_not_show_is_not_measured(d: list[float], clusters: list[int]) -> None:
    assert isinstance(power.intraclass_correlation(d, clusters), NotMeasured)
