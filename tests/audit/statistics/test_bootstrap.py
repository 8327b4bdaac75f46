"""Resampling agrees with what it approximates, and says so where it can't tell."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from audit.records import Estimate, NotMeasured
from audit.statistics import bootstrap, estimates
from audit.statistics.bootstrap import Sums
from audit.statistics.estimates import Ratio
from audit.statistics.noninferiority import Bounds

Floats = NDArray[np.float64]

few = settings(max_examples=25)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def documents(n: int, seed: int = 3) -> tuple[Ratio, Ratio]:
    """Log-likelihood over words of n documents, before and after."""
    rng = np.random.default_rng(seed)
    words = rng.integers(50, 500, n).astype(float)
    before = rng.normal(-3, 0.5, n) * words
    return Ratio(before, words), Ratio(before + rng.normal(-0.1, 0.1, n) * words, words)


def measured(bounds: Bounds | NotMeasured) -> tuple[float, float]:
    assert isinstance(bounds, Bounds)
    return bounds.lower, bounds.upper


def test_bounds_of_many_clusters_are_nearly_those_of_the_linearised_t(rng: np.random.Generator) -> None:
    before, after = documents(400)
    estimate = estimates.difference_of_ratios(before, after, np.arange(400) // 2)
    resampled = bootstrap.ratio_bounds(before, after, np.arange(400) // 2, 0.05, rng)
    linearised = estimates.lower_bound(estimate, 0.05), estimates.upper_bound(estimate, 0.05)
    assert measured(resampled) == pytest.approx(linearised, abs=0.15 * estimate.standard_error)


def test_what_is_resampled_are_the_clusters(rng: np.random.Generator) -> None:
    before = Ratio(np.repeat([1.0, 0.0] * 20, 10), np.ones(400))
    nothing = Ratio(np.zeros(400), np.ones(400))
    widths = [
        np.ptp(measured(bootstrap.ratio_bounds(before, nothing, clusters, 0.05, rng)))
        for clusters in (np.arange(400), np.arange(400) // 10)
    ]
    assert widths[1] / widths[0] == pytest.approx(10**0.5, rel=0.1)


def test_bca_leans_to_the_long_tail_of_skewed_differences(rng: np.random.Generator) -> None:
    d = np.random.default_rng(0).exponential(1.0, 40)
    nothing = Ratio(np.zeros(40), np.ones(40))
    lower, upper = measured(bootstrap.ratio_bounds(Ratio(d, np.ones(40)), nothing, np.arange(40), 0.05, rng))
    assert upper - d.mean() > 1.3 * (d.mean() - lower)  # of percentiles it is 1.1


def test_the_same_seed_gives_the_same_bounds() -> None:
    before, after = documents(50)
    one, other = (
        bootstrap.ratio_bounds(before, after, np.arange(50), 0.05, np.random.default_rng(1)) for _ in range(2)
    )
    assert one == other


@pytest.mark.parametrize("shift", [0.0, -0.25])
def test_identical_or_equally_changed_models_are_not_bounded(shift: float, rng: np.random.Generator) -> None:
    before, _ = documents(50)
    after = Ratio(np.asarray(before.numerator) + shift * np.asarray(before.denominator), before.denominator)
    assert isinstance(bootstrap.ratio_bounds(before, after, np.arange(50), 0.05, rng), NotMeasured)


def test_a_ratio_that_most_clusters_say_nothing_of_is_not_bounded(rng: np.random.Generator) -> None:
    told = np.array([1.0] + [0.0] * 19)
    score, other = Ratio(told, told), Ratio(np.zeros(20), np.ones(20))
    bounds = bootstrap.ratio_bounds(score, other, np.arange(20), 0.05, rng)
    assert isinstance(bounds, NotMeasured)
    assert "too few units carry it" in bounds.reason


def test_a_single_cluster_is_refused(rng: np.random.Generator) -> None:
    before, after = documents(10)
    with pytest.raises(ValueError, match="resampling needs two or more"):
        bootstrap.ratio_bounds(before, after, np.zeros(10), 0.05, rng)


def mean_of(values: Floats) -> Sums:
    """The mean as a statistic of sums."""
    return Sums(np.column_stack([values, np.ones(values.size)]), lambda sums: sums[..., 0] / sums[..., 1])


def estimated(answer: Estimate | NotMeasured) -> Estimate:
    assert isinstance(answer, Estimate)
    return answer


@pytest.mark.parametrize("size", [1, 4])
def test_a_resampled_mean_has_the_error_and_the_skewness_of_the_mean(
    size: int, rng: np.random.Generator
) -> None:
    before, after = np.random.default_rng(2).exponential(size=(2, 400))
    clusters = np.arange(400) // size
    resampled = estimated(bootstrap.difference_of_sums(mean_of(before), mean_of(after), clusters, rng))
    expected = estimates.clustered_mean(before - after, clusters)
    assert resampled.value == pytest.approx(expected.value)
    assert resampled.standard_error == pytest.approx(expected.standard_error, rel=0.1)
    assert resampled.degrees_of_freedom == expected.degrees_of_freedom
    assert resampled.skewness == pytest.approx(expected.skewness, rel=0.02)


def test_any_statistic_is_resampled_as_one_of_sums_is(rng: np.random.Generator) -> None:
    before, after = np.random.default_rng(2).normal(size=(2, 300))
    clusters = np.arange(300) // 3
    by_sums = bootstrap.difference_of_sums(mean_of(before), mean_of(after), clusters, rng)
    by_rows = bootstrap.difference_of_rows(
        lambda rows: float(before[rows].mean() - after[rows].mean()), clusters, rng
    )
    one, other = estimated(by_sums), estimated(by_rows)
    assert other.value == pytest.approx(one.value)
    assert other.standard_error == pytest.approx(one.standard_error, rel=0.15)
    assert (other.degrees_of_freedom, other.n_clusters) == (one.degrees_of_freedom, one.n_clusters)


def test_a_resample_takes_whole_clusters(rng: np.random.Generator) -> None:
    seen = []

    def drop(rows: NDArray[np.int64]) -> float:
        seen.append(rows)
        return float(rows.mean())

    bootstrap.difference_of_rows(drop, [0, 0, 1, 2, 2], rng)
    for rows in seen[1:]:
        counts = np.bincount(rows, minlength=5)
        assert counts[0] == counts[1]
        assert counts[3] == counts[4]


def test_the_same_rows_on_both_sides_do_not_vary(rng: np.random.Generator) -> None:
    values = np.random.default_rng(2).normal(size=50)
    same = estimated(bootstrap.difference_of_sums(mean_of(values), mean_of(values), np.arange(50), rng))
    assert (same.value, same.standard_error, same.skewness) == (0, 0, 0)


def test_a_statistic_that_some_resamples_do_not_have_has_no_error(rng: np.random.Generator) -> None:
    rare = np.array([1.0] + [0.0] * 49)
    share = Sums(np.column_stack([rare, rare]), lambda sums: sums[..., 0] / sums[..., 1])
    answer = bootstrap.difference_of_sums(share, mean_of(rare), np.arange(50), rng)
    assert isinstance(answer, NotMeasured)
    assert "too few items carry it" in answer.reason


def test_a_statistic_in_one_cluster_is_refused(rng: np.random.Generator) -> None:
    values = np.arange(3.0)
    with pytest.raises(ValueError, match="all 3 items are in one cluster"):
        bootstrap.difference_of_sums(mean_of(values), mean_of(values), np.zeros(3), rng)


def test_the_same_seed_resamples_alike() -> None:
    before, after = np.random.default_rng(2).normal(size=(2, 100))
    one, other = (
        bootstrap.difference_of_sums(
            mean_of(before), mean_of(after), np.arange(100), np.random.default_rng(5)
        )
        for _ in range(2)
    )
    assert one == other


@few
@given(st.lists(st.integers(-5, 5), min_size=1, max_size=9))
def test_few_differences_are_flipped_in_every_way(d: list[int]) -> None:
    flips = [abs(np.dot(d, signs)) for signs in itertools.product([-1, 1], repeat=len(d))]
    expected = np.mean(np.array(flips) >= abs(sum(d)))
    assert bootstrap.sign_flip_p(d, np.random.default_rng(0)) == pytest.approx(expected)


def test_many_differences_are_flipped_at_random(rng: np.random.Generator) -> None:
    d = np.random.default_rng(4).normal(0.12, 1, 200)
    assert bootstrap.sign_flip_p(d, rng) == pytest.approx(stats.ttest_1samp(d, 0).pvalue, abs=0.02)


def test_a_change_that_no_flip_reaches_still_has_a_p_above_0(rng: np.random.Generator) -> None:
    assert bootstrap.sign_flip_p(np.ones(500), rng) == pytest.approx(2 / (bootstrap.RESAMPLES + 1))


def test_items_that_did_not_change_do_not_matter_to_a_flip(rng: np.random.Generator) -> None:
    d = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
    assert bootstrap.sign_flip_p([*d, *[0] * 1000], rng) == 1726 / 32768


@settings(max_examples=10)
@given(st.lists(st.floats(-1, 1), min_size=2, max_size=30))
def test_wilcoxons_p_is_that_of_scipy(d: list[float]) -> None:
    if any(d):
        for alternative in ("two-sided", "greater"):
            other = stats.wilcoxon([x for x in d if x], alternative=alternative)
            assert bootstrap.wilcoxon(d, alternative).p_value == pytest.approx(other.pvalue)


@few
@given(st.lists(st.integers(-99, 99), min_size=1, max_size=40, unique_by=abs))
def test_the_ranks_of_losses_and_gains_add_up(d: list[int]) -> None:
    n = np.count_nonzero(d)
    both = bootstrap.wilcoxon(d).positive_ranks + bootstrap.wilcoxon([-x for x in d]).positive_ranks
    assert both == n * (n + 1) / 2


def test_equal_losses_and_gains_share_their_ranks() -> None:
    assert bootstrap.wilcoxon([0.5, 0, -0.5, 0.5, 2]).positive_ranks == 2 + 2 + 4


@pytest.mark.parametrize("n", [0, 1, 300])
def test_identical_models_are_no_evidence_of_a_change(n: int, rng: np.random.Generator) -> None:
    assert bootstrap.sign_flip_p(np.zeros(n), rng) == 1.0
    assert bootstrap.wilcoxon(np.zeros(n)) == (0.0, 1.0)


def test_a_number_that_was_not_measured_is_refused(rng: np.random.Generator) -> None:
    with pytest.raises(ValueError, match="leave out or refuse"):
        bootstrap.sign_flip_p([1.0, np.nan], rng)


def size_of_mean(values: Floats) -> Sums:
    """|mean|, which noise alone makes larger than 0."""
    return Sums(
        np.column_stack([values, np.ones(values.size)]), lambda sums: abs(sums[..., 0] / sums[..., 1])
    )


def with_mean(errors: float, n: int = 400) -> Floats:
    """Values whose mean is so many of its standard errors."""
    values = np.random.default_rng(1).normal(size=n)
    values = (values - values.mean()) / values.std()
    return 0.01 * (values + errors / np.sqrt(n))


@pytest.mark.parametrize(("errors", "measured"), [(0.9, False), (1.09, True), (5.0, True)])
def test_what_is_a_third_chance_before_has_no_drop(errors: float, measured: bool) -> None:
    # Noise on noise: |N(m, 1)| has the mean m (1 − 2 Φ(−m)) + 2 φ(m), over m by √2 − 1 of what chance made
    folded = errors * (1 - 2 * stats.norm.cdf(-errors)) + 2 * stats.norm.pdf(errors)
    assert ((folded - errors) / (np.sqrt(2) - 1) < errors / 3) == measured
    after = size_of_mean(np.random.default_rng(2).normal(9, 0.1, 400))
    found = bootstrap.difference_of_sums(
        size_of_mean(with_mean(errors)), after, np.arange(400), np.random.default_rng(4)
    )
    assert isinstance(found, Estimate) == measured
    if isinstance(found, NotMeasured):
        assert "show by chance alone" in found.reason


@pytest.mark.parametrize("seed", range(20))
def test_a_signed_statistic_near_zero_is_not_taken_for_chance(seed: int) -> None:
    def mean(sums: Floats) -> Floats:
        return np.asarray(sums[..., 0] / sums[..., 1])

    after = np.random.default_rng(2).normal(-9, 0.1, 400)
    none, some = (Sums(np.column_stack([values, np.ones(400)]), mean) for values in (with_mean(0), after))
    found = bootstrap.difference_of_sums(none, some, np.arange(400), np.random.default_rng(seed))
    assert estimated(found).value == pytest.approx(-after.mean())


def test_chance_on_both_sides_alike_is_no_drop(rng: np.random.Generator) -> None:
    chance = size_of_mean(with_mean(0.1))
    same = estimated(bootstrap.difference_of_sums(chance, chance, np.arange(400), rng))
    assert (same.value, same.standard_error) == (0, 0)


def test_a_model_without_any_error_before_may_have_one_after(rng: np.random.Generator) -> None:
    found = bootstrap.difference_of_sums(
        size_of_mean(np.zeros(400)), size_of_mean(with_mean(5)), np.arange(400), rng
    )
    assert estimated(found).value == pytest.approx(-0.01 * 5 / 20)


def test_a_statistic_over_nothing_in_some_resamples_has_no_error(rng: np.random.Generator) -> None:
    rare = np.array([1.0] + [0.0] * 49)
    over = Sums(
        np.column_stack([np.ones(50), rare]),
        lambda sums: np.where(sums[..., 1] > 0, sums[..., 0] / sums[..., 1], np.nan),
    )
    assert isinstance(bootstrap.difference_of_sums(over, over, np.arange(50), rng), NotMeasured)


@pytest.mark.parametrize("at_once", [2_000_000, 35 * 50])
@pytest.mark.parametrize("seed", range(5))
def test_however_many_are_drawn_at_once_it_is_999_resamples(
    at_once: int, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "_BATCH", at_once)
    drawn: list[int] = []

    def mean(sums: Floats) -> Floats:
        drawn.append(sums.shape[0])
        return np.asarray(sums[..., 0] / sums[..., 1])

    before, after = np.random.default_rng(2).normal(size=(2, 50))
    sides = [Sums(np.column_stack([side, np.ones(50)]), mean) for side in (before, after)]
    found = estimated(
        bootstrap.difference_of_sums(sides[0], sides[1], np.arange(50), np.random.default_rng(seed))
    )
    # And once of all that was seen, once without each item; before and after
    assert sum(drawn) == 2 * (999 + 1 + 50)
    expected = estimates.paired_mean(before - after)
    assert found.standard_error == pytest.approx(expected.standard_error, rel=0.1)


def test_the_error_is_the_spread_of_the_resamples_and_their_bias_as_at_a_kink() -> None:
    seen: list[float] = []

    def drop(rows: NDArray[np.int64]) -> float:
        seen.append(float(np.max(rows)))
        return seen[-1]

    found = estimated(bootstrap.difference_of_rows(drop, np.arange(9), np.random.default_rng(3)))
    value, resamples = seen[0], seen[1:]
    assert len(resamples) == 999
    bias = (np.mean(resamples) - value) / (np.sqrt(2) - 1)
    assert found.standard_error == pytest.approx(np.hypot(np.std(resamples, ddof=1), bias), rel=1e-12)
    assert (found.value, found.skewness) == (8, 0)


def test_rows_that_some_resamples_lack_leave_no_error(rng: np.random.Generator) -> None:
    found = bootstrap.difference_of_rows(
        lambda rows: float("nan") if 0 not in rows else 1.0, np.arange(9), rng
    )
    assert isinstance(found, NotMeasured)


@pytest.mark.parametrize(("size", "what", "clusters"), [(1, "40 items", None), (2, "20 clusters", 20)])
def test_a_resampled_estimate_says_what_was_resampled(
    size: int, what: str, clusters: int | None, rng: np.random.Generator
) -> None:
    before, after = np.random.default_rng(2).normal(5, 1, size=(2, 40))
    found = estimated(
        bootstrap.difference_of_sums(mean_of(before), mean_of(after), np.arange(40) // size, rng)
    )
    assert found.method == f"paired bootstrap of {what}, 999 resamples, t"
    assert found.n_clusters == clusters
    assert isinstance(found.design_effect, NotMeasured)
    assert "resampled as it is" in found.design_effect.reason


def test_two_clusters_are_enough_to_resample(rng: np.random.Generator) -> None:
    before, after = np.random.default_rng(2).normal(5, 1, size=(2, 40))
    found = bootstrap.difference_of_sums(mean_of(before), mean_of(after), np.arange(40) // 20, rng)
    assert estimated(found).degrees_of_freedom == 1


def test_resampled_bounds_name_their_method_and_units(rng: np.random.Generator) -> None:
    before, after = documents(50)
    bounds = bootstrap.ratio_bounds(before, after, np.arange(50), 0.05, rng)
    assert isinstance(bounds, Bounds)
    assert bounds.method == "BCa bootstrap of 50 units, 9999 resamples"


def test_sixteen_differences_are_enumerated_and_seventeen_drawn() -> None:
    assert bootstrap.sign_flip_p(np.arange(1, 17), np.random.default_rng(0)) == 2 / 2**16
    assert bootstrap.sign_flip_p(np.arange(1, 18), np.random.default_rng(0)) >= 2 / (bootstrap.RESAMPLES + 1)


def test_the_same_seed_flips_alike() -> None:
    d = np.random.default_rng(4).normal(0.1, 1, 60)
    one, other = (bootstrap.sign_flip_p(d, np.random.default_rng(6)) for _ in range(2))
    assert one == other


def test_two_clusters_are_bounded_by_what_each_of_them_shows(rng: np.random.Generator) -> None:
    before, after = Ratio([1.0, 2.0], [2.0, 3.0]), Ratio([1.0, 1.0], [2.0, 3.0])
    assert measured(bootstrap.ratio_bounds(before, after, [0, 1], 0.05, rng)) == pytest.approx((0, 1 / 3))
