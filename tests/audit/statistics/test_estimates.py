"""Estimates agree with statsmodels and scipy, and hold where nothing varies."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import brentq
from statsmodels.stats.weightstats import DescrStatsW

from audit.records import Estimate, NotMeasured
from audit.statistics import estimates, noninferiority, tango
from audit.statistics.estimates import Bounded, Ratio

Floats = NDArray[np.float64]
ALPHAS = st.sampled_from([0.001, 0.025, 0.05, 0.2])
SEEDS = st.integers(0, 10_000)

few = settings(max_examples=40)


def random_items(seed: int) -> tuple[Floats, NDArray[np.int64]]:
    """Differences −1, 0, 1 that depend on their cluster; some clusters large, some of one item."""
    rng = np.random.default_rng(seed)
    clusters = rng.integers(0, rng.integers(2, 40), rng.integers(50, 300))
    drift = rng.normal(0, 0.3, 40)[clusters]
    return np.clip(np.round(rng.normal(drift, 0.6)), -1, 1), clusters


def random_documents(seed: int) -> tuple[Ratio, Ratio, NDArray[np.int64]]:
    """Sums and counts before and after of rows, several to a cluster."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(20, 200))
    words = rng.integers(1, 500, n).astype(float)
    before = rng.normal(-3, 0.5, n) * words
    after = before + rng.normal(-0.1, 0.1, n) * words
    return Ratio(before, words), Ratio(after, words), rng.integers(0, 15, n)


def number(answer: float | NotMeasured) -> float:
    assert not isinstance(answer, NotMeasured)
    return answer


def plain(estimate: Estimate) -> Estimate:
    """The same as if it were symmetric: what Student's t alone says."""
    return estimate.model_copy(update={"skewness": 0.0})


@st.composite
def scores(draw: st.DrawFn) -> list[float]:
    """Differences of scores between 0 and 1, ties and equal ones included."""
    some = st.one_of(st.sampled_from([-1.0, 0.0, 0.1, 1.0]), st.floats(-1, 1).map(lambda x: round(x, 3)))
    return draw(st.lists(some, min_size=2, max_size=40))


@few
@given(SEEDS)
def test_a_clustered_mean_is_the_cluster_robust_regression_of_statsmodels(seed: int) -> None:
    d, clusters = random_items(seed)
    other = sm.OLS(d, np.ones_like(d)).fit(cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True)
    estimate = estimates.clustered_mean(d, clusters)
    count = len(set(clusters.tolist()))
    assert estimate.value == pytest.approx(other.params[0], rel=1e-12, abs=1e-15)
    assert estimate.standard_error == pytest.approx(other.bse[0], rel=1e-12)
    assert (estimate.n_clusters, estimate.degrees_of_freedom) == (count, count - 1)
    if estimate.standard_error > 0:  # two clusters may have the same mean
        estimate = plain(estimate)
        interval = estimates.lower_bound(estimate, 0.05), estimates.upper_bound(estimate, 0.05)
        assert interval == pytest.approx(tuple(other.conf_int(0.10)[0]), rel=1e-9, abs=1e-12)


@few
@given(SEEDS)
def test_the_design_effect_is_the_robust_variance_over_that_of_independent_items(seed: int) -> None:
    d, clusters = random_items(seed)
    independent = sm.OLS(d, np.ones_like(d)).fit().bse[0]
    estimate = estimates.clustered_mean(d, clusters)
    assert estimate.design_effect == pytest.approx((estimate.standard_error / independent) ** 2, rel=1e-9)


@few
@given(SEEDS)
def test_a_difference_of_ratios_is_the_weighted_cluster_robust_regression_of_statsmodels(seed: int) -> None:
    before, after, clusters = random_documents(seed)
    tops = np.concatenate([before.numerator, after.numerator])
    words = np.concatenate([before.denominator, after.denominator])
    side = np.kron(np.eye(2), np.ones((clusters.size, 1)))
    fit = sm.WLS(tops / words, side, weights=words).fit(
        cov_type="cluster", cov_kwds={"groups": np.tile(clusters, 2), "use_correction": False}
    )
    count = np.unique(clusters).size
    variance = float(np.array([1, -1]) @ fit.cov_params() @ [1, -1]) * count / (count - 1)
    estimate = estimates.difference_of_ratios(before, after, clusters)
    assert estimate.value == pytest.approx(fit.params[0] - fit.params[1], rel=1e-9)
    assert estimate.standard_error == pytest.approx(math.sqrt(variance), rel=1e-9)


@few
@given(SEEDS)
def test_a_ratio_over_ones_is_a_mean(seed: int) -> None:
    d, clusters = random_items(seed)
    ones, zeros = np.ones_like(d), np.zeros_like(d)
    as_ratio = estimates.difference_of_ratios(Ratio(d, ones), Ratio(zeros, ones), clusters)
    assert as_ratio == estimates.clustered_mean(d, clusters)


def test_the_drop_of_a_perplexity_is_the_logarithm_of_after_over_before() -> None:
    words, before, after = [10, 30], [-20.0, -90.0], [-24.0, -96.0]
    estimate = estimates.difference_of_ratios(Ratio(before, words), Ratio(after, words), ["a", "b"])
    perplexity_before, perplexity_after = math.exp(110 / 40), math.exp(120 / 40)
    assert estimate.value == pytest.approx(math.log(perplexity_after / perplexity_before), rel=1e-12)


def test_bbq_scores_are_ratios_of_counts() -> None:
    # 7 of 10 answers that are not "unknown" are biased; of ambiguous items 40 more are answered "unknown".
    biased, told = np.array([1.0] * 7 + [0.0] * 43), np.array([1.0] * 10 + [0.0] * 40)
    templates = np.arange(50) // 5
    disambiguated = estimates.clustered_ratio(Ratio(2 * biased - told, told), templates)
    ambiguous = estimates.clustered_ratio(Ratio(2 * biased - told, np.ones(50)), templates)
    assert disambiguated.value == pytest.approx(0.4)
    assert ambiguous.value == pytest.approx(0.08)


@few
@given(scores(), st.floats(0.01, 0.5), ALPHAS)
def test_a_paired_mean_is_the_paired_t_test_of_scipy(d: list[float], margin: float, alpha: float) -> None:
    estimate = plain(estimates.paired_mean(d))
    assert estimate.n_clusters is None
    if estimate.standard_error > 0:
        less = stats.ttest_1samp(d, margin, alternative="less")
        greater = stats.ttest_1samp(d, 0.0, alternative="greater")
        assert estimates.noninferiority_p(estimate, margin) == pytest.approx(less.pvalue, rel=1e-8, abs=1e-15)
        assert estimates.inferiority_p(estimate) == pytest.approx(greater.pvalue, rel=1e-8, abs=1e-15)
        upper = stats.ttest_1samp(d, 0.0, alternative="less").confidence_interval(1 - alpha).high
        assert estimates.upper_bound(estimate, alpha) == pytest.approx(upper, rel=1e-8, abs=1e-12)


@few
@given(scores(), st.floats(0.01, 0.5))
def test_equivalence_is_the_two_one_sided_tests_of_statsmodels(d: list[float], margin: float) -> None:
    estimate = plain(estimates.paired_mean(d))
    if estimate.standard_error > 0:
        other = DescrStatsW(np.array(d)).ttost_mean(-margin, margin)[0]
        assert estimates.equivalence_p(estimate, margin) == pytest.approx(other, rel=1e-8, abs=1e-15)


@few
@given(SEEDS)
def test_two_strata_of_opposite_sign_are_welchs_test_of_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = rng.normal(0.1, 1, rng.integers(3, 50)), rng.normal(0, 3, rng.integers(3, 50))
    both = estimates.stratified([estimates.paired_mean(one), estimates.paired_mean(-other)], [1, 1])
    welch = stats.ttest_ind(one, other, equal_var=False)
    assert both.value / both.standard_error == pytest.approx(welch.statistic, rel=1e-9)
    assert both.degrees_of_freedom == pytest.approx(welch.df, rel=1e-9)


def test_one_stratum_is_itself() -> None:
    alone = estimates.clustered_mean(*random_items(1))
    combined = estimates.stratified([alone], [7])
    assert combined.model_dump(exclude={"method"}) == pytest.approx(alone.model_dump(exclude={"method"}))


def test_strata_of_equal_weight_share_the_mean_of_their_design_effects_by_variance() -> None:
    one, other = (estimates.clustered_mean(*random_items(seed)) for seed in (1, 2))
    combined = estimates.stratified([one, other], [1, 1])
    variances = [each.standard_error**2 for each in (one, other)]
    without = sum(v / number(e.design_effect) for v, e in zip(variances, (one, other), strict=True))
    assert combined.design_effect == pytest.approx(sum(variances) / without)
    assert combined.n_clusters == (one.n_clusters or 0) + (other.n_clusters or 0)


def test_strata_of_independent_items_have_no_design_effect() -> None:
    alone = estimates.paired_mean([0, 1, 0, 0])
    assert estimates.stratified([alone, alone], [1, 1]).design_effect == alone.design_effect


def test_a_stratum_of_independent_items_has_a_design_effect_of_1() -> None:
    clustered, independent = estimates.clustered_mean(*random_items(1)), estimates.paired_mean([0, 1, 0, 0])
    combined = estimates.stratified([clustered, independent], [1, 1])
    inside = clustered.standard_error**2 / number(clustered.design_effect)
    variance = clustered.standard_error**2 + independent.standard_error**2
    assert combined.design_effect == pytest.approx(variance / (inside + independent.standard_error**2))
    assert combined.n_clusters is None


def test_identical_clusters_leave_the_design_effect_of_the_others() -> None:
    varied, same = (
        estimates.clustered_mean(*random_items(1)),
        estimates.clustered_mean([0.0] * 4, [1, 1, 2, 2]),
    )
    assert estimates.stratified([varied, same], [1, 1]).design_effect == pytest.approx(varied.design_effect)
    assert isinstance(estimates.stratified([same, same], [1, 1]).design_effect, NotMeasured)


def test_a_stratum_of_one_row_per_cluster_leaves_no_design_effect() -> None:
    varied, rows = estimates.clustered_mean(*random_items(1)), estimates.clustered_mean([0, 1, 0], [1, 2, 3])
    assert estimates.stratified([varied, rows], [1, 1]).design_effect == rows.design_effect


def test_a_stratum_whose_clusters_all_differ_alike_leaves_no_design_effect() -> None:
    clustered = estimates.clustered_mean(*random_items(1))
    alike = estimates.clustered_mean([0, 1, 0, 1], [1, 1, 2, 2])
    assert isinstance(estimates.stratified([clustered, alike], [1, 1]).design_effect, NotMeasured)


def test_a_stratum_that_does_not_vary_adds_no_variance() -> None:
    varied, same = estimates.clustered_mean([0, 1, 0, 0], [1, 1, 2, 2]), estimates.paired_mean([0.0] * 9)
    combined = estimates.stratified([varied, same], [1, 1])
    assert combined.standard_error == pytest.approx(varied.standard_error / 2)
    assert combined.degrees_of_freedom == pytest.approx(varied.degrees_of_freedom)


def test_strata_that_do_not_vary_have_no_standard_error_and_no_nan() -> None:
    same = estimates.paired_mean([0.0] * 9)
    combined = estimates.stratified([same, same], [1, 2])
    assert (combined.value, combined.standard_error) == (0.0, 0.0)
    assert isinstance(estimates.upper_bound(combined, 0.05), NotMeasured)


@pytest.mark.parametrize("weights", [[], [1], [1, 0], [1, -1], [1, math.nan], [1, 1, 1]], ids=str)
def test_strata_without_a_positive_weight_each_are_refused(weights: list[float]) -> None:
    alone = estimates.paired_mean([0, 1])
    with pytest.raises(ValueError, match="2 estimates need as many positive weights"):
        estimates.stratified([alone, alone], weights)


@few
@given(scores(), ALPHAS, st.floats(0.01, 0.9), st.sampled_from([None, 1.0, 2.0]))
def test_p_is_below_alpha_just_when_the_bound_is_below_the_margin(
    d: list[float], alpha: float, margin: float, largest: float | None
) -> None:
    estimate = estimates.paired_mean(d)
    bounded = Bounded(len(d), largest) if largest else None
    upper, p = (
        estimates.upper_bound(estimate, alpha, bounded),
        estimates.noninferiority_p(estimate, margin, bounded),
    )
    if isinstance(upper, NotMeasured):
        assert isinstance(p, NotMeasured)
    elif abs(upper - margin) > 1e-9:
        assert (number(p) < alpha) == (upper < margin)


@few
@given(scores(), ALPHAS)
def test_losses_for_gains_mirror_the_bounds(d: list[float], alpha: float) -> None:
    estimate, mirrored = estimates.paired_mean(d), estimates.paired_mean([-x for x in d])
    bounded = Bounded(len(d))
    lower = number(estimates.lower_bound(estimate, alpha, bounded))
    assert lower == pytest.approx(-number(estimates.upper_bound(mirrored, alpha, bounded)), abs=1e-12)
    assert -1 <= lower <= estimate.value <= number(estimates.upper_bound(estimate, alpha, bounded)) <= 1


@few
@given(scores(), st.floats(0.001, 0.99), st.floats(0.001, 0.99))
def test_p_falls_as_the_margin_grows(d: list[float], one: float, other: float) -> None:
    estimate, bounded = estimates.paired_mean(d), Bounded(len(d))
    low, high = sorted((one, other))
    p_low, p_high = (number(estimates.noninferiority_p(estimate, margin, bounded)) for margin in (low, high))
    assert 0 <= p_high <= p_low <= 1


@few
@given(scores(), st.floats(0.001, 0.49), st.floats(0.001, 0.49))
def test_the_bound_rises_as_alpha_falls(d: list[float], one: float, other: float) -> None:
    estimate, bounded = estimates.paired_mean(d), Bounded(len(d))
    strict, mild = sorted((one, other))
    strict_bound, mild_bound = (number(estimates.upper_bound(estimate, a, bounded)) for a in (strict, mild))
    assert strict_bound >= mild_bound


@few
@given(SEEDS)
def test_neither_the_order_of_items_nor_the_names_of_clusters_matter(seed: int) -> None:
    d, clusters = random_items(seed)
    order = np.random.default_rng(seed + 1).permutation(d.size)
    names = np.array([f"subject {(7 * label) % 41}" for label in clusters])
    one, other = estimates.clustered_mean(d, clusters), estimates.clustered_mean(d[order], names[order])
    assert other.value == pytest.approx(one.value, abs=1e-14)
    assert other.standard_error == pytest.approx(one.standard_error, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("value", [0.0, 0.1, -1 / 3, 1.0])
def test_differences_that_are_all_equal_have_no_standard_error_at_all(value: float) -> None:
    estimate = estimates.clustered_mean([value] * 999, np.arange(999) // 7)
    assert estimate.standard_error == 0
    assert isinstance(estimate.design_effect, NotMeasured)


def test_clusters_that_all_differ_alike_have_no_standard_error_and_a_design_effect_of_0() -> None:
    estimate = estimates.clustered_mean([0.1, -0.3, 0.7] * 50, np.repeat(np.arange(50), 3))
    assert (estimate.standard_error, estimate.design_effect) == (0, 0)


def test_clusters_of_one_row_each_have_no_design_effect() -> None:
    estimate = estimates.clustered_mean([0, 1, 0, 0], ["a", "b", "c", "d"])
    assert isinstance(estimate.design_effect, NotMeasured)


@pytest.mark.parametrize("ask", [estimates.upper_bound, estimates.lower_bound, estimates.noninferiority_p])
def test_identical_models_have_no_bound_where_differences_have_no_limit(
    ask: Callable[[Estimate, float], float | NotMeasured],
) -> None:
    assert isinstance(ask(estimates.paired_mean([0.0] * 300), 0.05), NotMeasured)


def test_identical_models_have_no_equivalence_p_where_differences_have_no_limit() -> None:
    assert isinstance(estimates.equivalence_p(estimates.paired_mean([0.0] * 300), 0.05), NotMeasured)


def test_identical_models_with_bounded_outcomes_are_300_trials_without_a_loss() -> None:
    same, bounded = estimates.paired_mean([0.0] * 300), Bounded(300)
    assert estimates.upper_bound(same, 0.05, bounded) == pytest.approx(0.009936, abs=5e-7)
    assert estimates.lower_bound(same, 0.05, bounded) == pytest.approx(-0.009936, abs=5e-7)
    assert estimates.noninferiority_p(same, 0.02, bounded) == pytest.approx(0.98**300)


def test_a_single_small_difference_does_not_narrow_the_bound_of_identical_models() -> None:
    same, nearly = estimates.paired_mean([0.0] * 300), estimates.paired_mean([0.0] * 299 + [1e-6])
    for ask in (estimates.upper_bound, estimates.noninferiority_p):
        assert number(ask(nearly, 0.05, Bounded(300))) >= number(ask(same, 0.05, Bounded(300)))


def test_bounded_outcomes_that_vary_are_tested_by_t() -> None:
    estimate = estimates.paired_mean([1, -1, 0, 0, 0] * 100)
    for ask in (estimates.upper_bound, estimates.noninferiority_p):
        assert ask(estimate, 0.05, Bounded(500)) == ask(estimate, 0.05)


@pytest.mark.parametrize("value", [-1.0, 1.0])
def test_a_model_that_lost_or_gained_all_has_bounds(value: float) -> None:
    estimate, bounded = estimates.paired_mean([value] * 20), Bounded(20)
    inner = 1 - 2 * (1 - 0.05 ** (1 / 20))
    expected = (inner, 1.0) if value > 0 else (-1.0, -inner)
    bounds = estimates.lower_bound(estimate, 0.05, bounded), estimates.upper_bound(estimate, 0.05, bounded)
    assert bounds == pytest.approx(expected)
    assert estimates.noninferiority_p(estimate, 0.5, bounded) == pytest.approx(1.0 if value > 0 else 0.25**20)


def test_a_drop_beyond_its_own_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="beyond the largest"):
        estimates.upper_bound(estimates.paired_mean([3, 4]), 0.05, Bounded(2))


def test_a_margin_that_no_drop_can_reach_is_refused() -> None:
    with pytest.raises(ValueError, match="no drop can reach the margin"):
        estimates.noninferiority_p(estimates.paired_mean([0, 1]), 1.0, Bounded(2))


@few
@given(scores())
def test_the_skewness_is_that_of_scipy_over_the_root_of_n(d: list[float]) -> None:
    estimate = estimates.paired_mean(d)
    if len(d) > 2 and estimate.standard_error > 1e-6:
        expected = stats.skew(d, bias=False) / math.sqrt(len(d))
        assert estimate.skewness == pytest.approx(expected, abs=1e-6)


def test_the_skewness_of_clusters_is_that_of_their_sums() -> None:
    d, clusters = random_items(3)
    totals = [float(np.sum(d[clusters == one] - d.mean())) for one in np.unique(clusters)]
    expected = stats.skew(totals, bias=False) / math.sqrt(len(totals))
    assert estimates.clustered_mean(d, clusters).skewness == pytest.approx(expected)


def test_strata_share_their_skewness_by_third_cumulants() -> None:
    one, other = estimates.paired_mean([0, 0, 0, 0, 1]), estimates.paired_mean([0, 0, 0.5, 3])
    combined = estimates.stratified([one, other], [1, 3])
    cumulants = [(w * e.standard_error) ** 3 * e.skewness for w, e in ((0.25, one), (0.75, other))]
    assert combined.skewness == pytest.approx(sum(cumulants) / combined.standard_error**3)


def test_symmetric_differences_are_tested_by_t_alone() -> None:
    estimate = estimates.paired_mean([-2.0, -1.0, -0.5, 0.5, 1.0, 2.0])
    for ask in (estimates.upper_bound, estimates.lower_bound, estimates.noninferiority_p):
        assert ask(estimate, 0.05) == pytest.approx(ask(plain(estimate), 0.05), rel=1e-12)


def test_few_large_losses_are_tested_by_halls_transformation() -> None:
    # Hall 1992, the transformation g3 with γ' = γ / √n, at t = (value − margin) / error
    estimate = estimates.paired_mean([0.0] * 40 + [0.1, 0.2, 1.0, 3.0])
    t, skewness = (estimate.value - 0.4) / estimate.standard_error, estimate.skewness
    transformed = t + skewness * t**2 / 3 + skewness**2 * t**3 / 27 + skewness / 6
    expected = stats.t.cdf(transformed, 43)
    assert estimates.noninferiority_p(estimate, 0.4) == pytest.approx(expected)
    assert expected > number(estimates.noninferiority_p(plain(estimate), 0.4))


def test_where_t_errs_to_the_safe_side_it_stays() -> None:
    gains = estimates.paired_mean([0.0] * 40 + [-0.1, -0.2, -1.0, -3.0])
    assert estimates.upper_bound(gains, 0.05) == estimates.upper_bound(plain(gains), 0.05)
    assert number(estimates.lower_bound(gains, 0.05)) < number(estimates.lower_bound(plain(gains), 0.05))


@few
@given(scores(), ALPHAS, st.floats(-0.5, 0.5))
def test_skewness_never_narrows_a_bound(d: list[float], alpha: float, margin: float) -> None:
    estimate = estimates.paired_mean(d)
    if estimate.standard_error > 0:
        wide, narrow = (number(estimates.upper_bound(one, alpha)) for one in (estimate, plain(estimate)))
        assert wide >= narrow or wide == pytest.approx(narrow)  # one formula may round otherwise
        p, p_of_t = (number(estimates.noninferiority_p(one, margin)) for one in (estimate, plain(estimate)))
        assert p >= p_of_t


def test_a_mean_of_a_range_may_reach_its_end_but_for_rounding() -> None:
    estimate = estimates.paired_mean([0.7] * 9 + [0.7000000000000001])
    assert number(estimates.upper_bound(estimate, 0.05, Bounded(10, 0.7))) == 0.7


@st.composite
def clustered_flips(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """0/1 outcomes in clusters: each item lost (1), gained (−1) or the same."""
    d = draw(st.lists(st.sampled_from([-1, 0, 0, 0, 1]), min_size=2, max_size=80))
    clusters = draw(st.lists(st.integers(0, 5), min_size=len(d), max_size=len(d)))
    clusters[:2] = [0, 1]
    return d, clusters


@few
@given(clustered_flips(), ALPHAS, st.floats(0.01, 0.5))
def test_clustered_flips_are_bounded_by_the_widest_of_three_methods(
    flips: tuple[list[int], list[int]], alpha: float, margin: float
) -> None:
    d, clusters = flips
    counts = d.count(1), d.count(-1), len(d)
    estimate, alone = estimates.clustered_mean(d, clusters), noninferiority.bounds(*counts, alpha)
    both = estimates.clustered_binary_bounds(*counts, estimate, alpha)
    assert -1 <= both.lower <= alone.lower
    assert alone.upper <= both.upper <= 1
    if estimate.standard_error > 0:
        assert both.lower <= max(-1.0, number(estimates.lower_bound(plain(estimate), alpha)))
        assert both.upper >= min(1.0, number(estimates.upper_bound(plain(estimate), alpha)))
    p = estimates.clustered_binary_p(*counts, estimate, margin)
    assert p >= noninferiority.p_value(*counts, margin) > 0
    if abs(both.upper - margin) > 1e-9:
        assert (p < alpha) == (both.upper < margin)


@few
@given(clustered_flips(), ALPHAS)
def test_swapping_lost_and_gained_mirrors_the_bounds_of_clustered_flips(
    flips: tuple[list[int], list[int]], alpha: float
) -> None:
    d, clusters = flips
    lost, gained, mirrored = d.count(1), d.count(-1), [-x for x in d]
    one = estimates.clustered_binary_bounds(
        lost, gained, len(d), estimates.clustered_mean(d, clusters), alpha
    )
    other = estimates.clustered_binary_bounds(
        gained, lost, len(d), estimates.clustered_mean(mirrored, clusters), alpha
    )
    assert (other.lower, other.upper) == pytest.approx((-one.upper, -one.lower), abs=1e-12)


def test_flips_in_clusters_that_do_not_matter_are_scored_as_independent_items() -> None:
    # As many flips in each cluster: the design effect is below 1, and 600 clusters make t nearly normal.
    d, clusters = [1, 0, 0, 0, 0] * 600, np.arange(3000) // 5
    bounds = estimates.clustered_binary_bounds(600, 0, 3000, estimates.clustered_mean(d, clusters), 0.05)
    alone = noninferiority.bounds(600, 0, 3000, 0.05)
    assert (bounds.lower, bounds.upper) == pytest.approx((alone.lower, alone.upper), abs=1e-4)


def test_flips_in_clusters_that_answer_as_one_are_scored_as_so_many_items() -> None:
    d, clusters = np.repeat([1, 0, 0, 0, 0] * 120, 5), np.repeat(np.arange(600), 5)
    bounds = estimates.clustered_binary_bounds(600, 0, 3000, estimates.clustered_mean(d, clusters), 0.05)
    of_clusters = noninferiority.bounds(120, 0, 600, 0.05)
    assert (bounds.lower, bounds.upper) == pytest.approx((of_clusters.lower, of_clusters.upper), abs=2e-3)


def test_where_t_is_the_widest_of_the_three_its_p_is_the_largest() -> None:
    # The mirrored table of the test before: t's upper bound is −.1731, the score's −.1745.
    d, clusters = np.repeat([-1, 0, 0, 0, 0] * 120, 5), np.repeat(np.arange(600), 5)
    estimate = estimates.clustered_mean(d, clusters)
    assert estimates.clustered_binary_p(0, 600, 3000, estimate, -0.1738) > 0.05


def test_a_dozen_losses_in_one_subject_weigh_more_than_the_same_scattered() -> None:
    subject = np.arange(600) // 30
    together, scattered = np.zeros(600), np.zeros(600)
    together[:12], scattered[::50] = 1, 1
    uppers = [
        estimates.clustered_binary_bounds(12, 0, 600, estimates.clustered_mean(d, subject), 0.05).upper
        for d in (together, scattered)
    ]
    assert noninferiority.bounds(12, 0, 600, 0.05).upper <= uppers[1] < uppers[0] - 0.01


def passes(lost: Floats, gained: Floats, size: int, margin: float) -> tuple[bool, bool, bool]:
    """Whether counts per cluster pass: by all three methods, by items as independent, by those and t."""
    place = np.tile(np.arange(size), (lost.size, 1))
    d = np.where(place < lost[:, None], 1, np.where(place < (lost + gained)[:, None], -1, 0)).ravel()
    counts = int(lost.sum()), int(gained.sum()), d.size
    estimate = estimates.clustered_mean(d, np.repeat(np.arange(lost.size), size))
    alone = noninferiority.p_value(*counts, margin) < 0.05
    upper = estimates.upper_bound(plain(estimate), 0.05)
    by_t = not isinstance(upper, NotMeasured) and upper < margin
    return estimates.clustered_binary_p(*counts, estimate, margin) < 0.05, alone, alone and by_t


@pytest.mark.parametrize(("count", "size"), [(57, 35), (20, 50), (10, 100)])
def test_a_clustered_model_at_the_margin_passes_at_most_alpha_of_the_time(count: int, size: int) -> None:
    rng = np.random.default_rng(count)
    passed = np.zeros(3)
    for _ in range(1000):
        drop = 0.03 + rng.choice([-0.07, 0.07], count)
        lost = rng.binomial(size, (0.1 + drop) / 2)
        gained = rng.binomial(size - lost, (0.1 - drop) / (2 - 0.1 - drop))
        passed += passes(lost, gained, size, 0.03)
    assert passed[0] <= 71  # 50 and three standard deviations
    assert passed[1] > 110


def test_where_all_flips_are_losses_the_score_stops_most_of_what_t_lets_pass() -> None:
    rng = np.random.default_rng(6)
    passed = np.zeros(3)
    for _ in range(1000):
        lost = rng.binomial(4, rng.beta(0.03 * 4, 0.97 * 4, 300))  # correlated by .2
        passed += passes(lost, np.zeros(300), 4, 0.03)
    assert passed[0] <= 71
    assert passed[2] > passed[0] + 15


def test_the_bounds_of_a_bias_score_cover_it_as_often_as_they_say() -> None:
    rng = np.random.default_rng(5)
    templates = np.repeat(np.arange(60), 20)
    covered = 0
    for _ in range(500):
        shift = rng.normal(0, 0.15, 60)[templates]
        told = rng.random(1200) < np.clip(0.6 + shift, 0, 1)
        biased = told & (rng.random(1200) < np.clip(0.6 + shift, 0, 1))
        score = estimates.clustered_ratio(Ratio(2.0 * biased - told, told), templates)
        lower, upper = (number(ask(score, 0.025)) for ask in (estimates.lower_bound, estimates.upper_bound))
        covered += lower <= 2 * (0.36 + 0.15**2) / 0.6 - 1 <= upper
    assert covered >= 0.92 * 500


@pytest.mark.parametrize("size", [0, 1])
def test_fewer_than_two_items_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match=r"item\(s\): an error can be estimated from two or more"):
        estimates.paired_mean([0.0] * size)


def test_a_single_cluster_is_refused() -> None:
    with pytest.raises(ValueError, match="all 3 items are in one cluster"):
        estimates.clustered_mean([0, 1, 0], ["a", "a", "a"])


def test_labels_that_do_not_fit_the_items_are_refused() -> None:
    with pytest.raises(ValueError, match="3 rows need as many cluster labels, not 2"):
        estimates.clustered_mean([0, 1, 0], ["a", "b"])


def test_a_number_that_was_not_measured_is_refused() -> None:
    with pytest.raises(ValueError, match="leave out or refuse"):
        estimates.paired_mean([0, math.nan])


@pytest.mark.parametrize("denominator", [[0, 0], [2, -1]], ids=str)
def test_a_ratio_over_nothing_is_refused(denominator: list[float]) -> None:
    with pytest.raises(ValueError, match="nothing to divide by"):
        estimates.clustered_ratio(Ratio([1, 1], denominator), ["a", "b"])


def test_ratios_over_other_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="3 rows before and 2 after"):
        estimates.difference_of_ratios(Ratio([1, 1, 1], [1, 1, 1]), Ratio([1, 1], [1, 1]), ["a", "b", "c"])


def test_numerator_and_denominator_of_other_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="equal length"):
        estimates.clustered_ratio(Ratio([1, 1, 1], [1, 1]), ["a", "b", "c"])


def test_an_effect_size_without_a_deviation_is_not_measured() -> None:
    assert isinstance(estimates.standardised_mean([0.5, 0.5, 0.5]), NotMeasured)


def drop_of(value: float, error: float, freedom: float = 39, **fields: Any) -> Estimate:
    return Estimate(value=value, standard_error=error, degrees_of_freedom=freedom, method="by hand", **fields)


@pytest.mark.parametrize("skewness", [-0.4, 0.2, 0.6])
@pytest.mark.parametrize("alpha", [0.005, 0.05])
def test_a_skewed_bound_solves_halls_cubic(skewness: float, alpha: float) -> None:
    # t + γ t² / 3 + γ² t³ / 27 + γ / 6 = the quantile of t (Hall 1992, section 3, with γ over √n)
    quantile = float(stats.t.ppf(alpha, 39))

    def off(t: float) -> float:
        return t + skewness * t**2 / 3 + skewness**2 * t**3 / 27 + skewness / 6 - quantile

    solved = brentq(off, -100, 100)
    upper = estimates.upper_bound(drop_of(0.1, 0.05, skewness=skewness), alpha)
    assert upper == pytest.approx(0.1 - 0.05 * min(quantile, solved))


def test_the_p_value_at_a_skewed_bound_is_its_alpha() -> None:
    skewed = drop_of(0.1, 0.05, skewness=0.6)
    upper = estimates.upper_bound(skewed, 0.05)
    assert isinstance(upper, float)
    assert estimates.noninferiority_p(skewed, upper) == pytest.approx(0.05)


@pytest.mark.parametrize("skewness", [-0.6, 0.0, 1e-9, 0.6])
@pytest.mark.parametrize(("distance", "error"), [(1e140, 0.5), (1e200, 0.5), (1e308, 0.5), (1e308, 1e-9)])
def test_a_drop_that_is_beyond_all_errors_has_a_p_value(
    skewness: float, distance: float, error: float
) -> None:
    for value, p in ((-distance, 0.0), (distance, 1.0)):
        assert estimates.noninferiority_p(drop_of(value, error, skewness=skewness), 0.03) == p


def test_an_item_has_the_room_between_the_estimate_and_the_largest_drop() -> None:
    assert Bounded(300).room(drop_of(0.4, 0.1)) == pytest.approx(0.6)
    assert Bounded(1000).room(drop_of(1 + 1000 * np.finfo(float).eps, 0.0)) == 0
    with pytest.raises(ValueError, match=r"1\.5 is beyond the largest, 1"):
        Bounded(300).room(drop_of(1.5, 0.1))


def test_identical_bounded_models_have_p_values_of_trials_without_a_loss() -> None:
    same = drop_of(0.0, 0.0)
    assert estimates.equivalence_p(same, 0.03, Bounded(300)) == pytest.approx(0.97**300)
    assert estimates.inferiority_p(same, Bounded(300)) == 1.0


def test_an_equal_change_of_a_ratio_everywhere_does_not_vary() -> None:
    rng = np.random.default_rng(2)
    words = rng.integers(50, 500, 40).astype(float)
    before = rng.normal(-3000, 500, 40) * words  # beside which the change is small
    moved = estimates.difference_of_ratios(
        Ratio(before, words), Ratio(before + 1e-3 * words, words), np.arange(40) // 2
    )
    assert moved.standard_error == 0


@pytest.mark.parametrize("unit", [1e-9, 1e9])
def test_a_ratio_has_no_unit(unit: float) -> None:
    top, bottom = np.array([1.0, 2.0, 4.0]), np.array([2.0, 3.0, 5.0])
    scaled = estimates.clustered_ratio(Ratio(unit * top, unit * bottom), [0, 1, 2])
    plain = estimates.clustered_ratio(Ratio(top, bottom), [0, 1, 2])
    assert (scaled.value, scaled.standard_error) == pytest.approx((plain.value, plain.standard_error))


@pytest.mark.parametrize("parts", [[2.0, -1.0, -1.0], [3.0, -1.0, -1.0, -1.0], [4.0, -3.0, 1.0, -2.0, 0.0]])
def test_the_skewness_of_a_sum_is_that_of_its_parts_over_the_root_of_their_number(parts: list[float]) -> None:
    assert estimates.skewness_of_sum(np.array(parts)) == pytest.approx(
        stats.skew(parts, bias=False) / math.sqrt(len(parts))
    )


def test_the_skewness_of_tiny_differences_is_that_of_large_ones() -> None:
    parts = np.array([3.0, -1.0, -1.0, -1.0])
    assert estimates.skewness_of_sum(1e-140 * parts) == pytest.approx(estimates.skewness_of_sum(parts))


def test_strata_that_do_not_vary_are_not_skewed() -> None:
    assert estimates.stratified([drop_of(0.1, 0.0), drop_of(0.2, 0.0)], [1, 1]).skewness == 0


def test_a_paired_mean_names_its_test() -> None:
    assert estimates.paired_mean([1, 0, -1, 1]).method == "Student's t of the paired differences"


def test_without_a_design_effect_flips_count_as_they_are() -> None:
    alone = drop_of(0.005, 0.001, freedom=9, design_effect=NotMeasured("each cluster is one row"))
    found = estimates.clustered_binary_p(30, 25, 1000, alone, 0.02)
    assert found == pytest.approx(stats.t.cdf(tango.score(30, 25, 1000, 0.02), 9))


def test_where_every_cluster_loses_the_margin_p_is_1() -> None:
    assert estimates.clustered_binary_p(30, 0, 1000, drop_of(0.03, 0.0, design_effect=0.0), 0.03) == 1.0
