"""The share of a score that is left: against maximised likelihoods, scipy's t test, and by enumeration."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import gammaln, ndtri
from scipy.stats import ttest_1samp

from audit.records import NotMeasured
from audit.statistics import paired_ratio

COUNTS = st.integers(0, 300)


def likeliest_score(both: int, lost: int, gained: int, ratio: float) -> float:
    """The statistic with the lost share that maximises the likelihood under H0, searched for."""
    n = both + lost + gained

    def against(share: float) -> float:
        cells = [1 - (1 + ratio) * share, share, share + ratio - 1]
        cells[0] /= ratio
        cells[2] /= ratio
        return -float(np.dot([both, lost, gained], np.log(np.maximum(cells, 1e-300))))

    found = minimize_scalar(
        against, bounds=(max(0.0, 1 - ratio), 1 / (1 + ratio)), method="bounded", options={"xatol": 1e-12}
    )
    variance = n * ((1 + ratio) * found.x + ratio - 1)
    return float(((both + gained) - ratio * (both + lost)) / np.sqrt(variance))


@pytest.mark.parametrize("ratio", [0.7, 0.95, 0.99, 1.2])
@pytest.mark.parametrize("table", [(59, 16, 6), (500, 30, 12), (20, 9, 14)])
def test_the_statistic_is_the_one_of_the_likeliest_table_under_h0(
    table: tuple[int, int, int], ratio: float
) -> None:
    assert paired_ratio.score(*table, ratio) == pytest.approx(likeliest_score(*table, ratio), abs=1e-4)


@given(both=COUNTS, lost=COUNTS, gained=COUNTS)
def test_the_interval_holds_the_ratio_and_what_is_beyond_it_is_rejected(
    both: int, lost: int, gained: int
) -> None:
    found = paired_ratio.of_flips(both, lost, gained, 0.05)
    if both + lost == 0:
        assert isinstance(found, NotMeasured)
        return
    assert not isinstance(found, NotMeasured)
    lower, upper = found
    assert 0 <= lower <= (both + gained) / (both + lost) <= upper
    z = -ndtri(0.05)
    assert paired_ratio.score(both, lost, gained, 1.001 * upper + 1e-9, 1.0) < -z
    if lower > 1e-9:
        assert paired_ratio.score(both, lost, gained, 0.999 * lower, 1.0) > z


def test_without_a_flip_the_interval_has_the_width_of_the_items() -> None:
    # Of H0 with a ratio r below 1 the likeliest table has no gain: a (1 − r) / √(a r (1 − r)) = z
    a, z2 = 400, float(ndtri(0.05)) ** 2
    assert paired_ratio.of_flips(a, 0, 0, 0.05, correction=0) == pytest.approx((a / (a + z2), 1 + z2 / a))


@pytest.mark.parametrize("alpha", [0.05, 0.01])
@pytest.mark.parametrize(
    ("n", "right", "flips", "ratio"),
    [(100, 0.6, 0.05, 0.95), (400, 0.9, 0.02, 0.98), (400, 0.9, 0.01, 0.99), (200, 0.6, 0.1, 0.99)],
)
def test_a_claim_that_is_just_true_is_refuted_and_a_just_false_one_held_no_more_often_than_said(
    n: int, right: float, flips: float, ratio: float, alpha: float
) -> None:
    drop = right * (1 - ratio)
    lost, gained = (flips + drop) / 2, (flips - drop) / 2
    both = right - lost
    counts = np.meshgrid(
        np.arange(max(0, round(n * both) - 70), min(n, round(n * both) + 70) + 1),
        np.arange(round(n * lost) + 40), np.arange(round(n * gained) + 40), indexing="ij",
    )  # fmt: skip
    left = n - sum(counts)
    cells = [*(one[left >= 0] for one in counts), left[left >= 0]]
    shares = (both, lost, gained, 1 - both - lost - gained)
    logs = gammaln(n + 1) + sum(x * np.log(p) - gammaln(x + 1) for x, p in zip(cells, shares, strict=True))
    chances = np.exp(logs)
    assert chances.sum() == pytest.approx(1, abs=1e-4)  # all tables that can be
    found = paired_ratio.score(*cells[:3], ratio, paired_ratio.CORRECTION)
    assert chances[found < ndtri(alpha)].sum() <= alpha
    assert chances[found > -ndtri(alpha)].sum() <= alpha
    uncorrected = paired_ratio.score(*cells[:3], ratio)
    if flips <= 0.05 and alpha == 0.05:
        assert chances[uncorrected < ndtri(alpha)].sum() > alpha  # why there is a correction


def test_the_score_of_no_flip_has_a_closed_form_and_that_of_a_perfect_fit_is_0() -> None:
    # Above 1 the likeliest table has no loss: a (1 − r) / √(a (r − 1))
    assert float(paired_ratio.score(400, 0, 0, 1.001)) == pytest.approx(-np.sqrt(0.4))
    assert float(paired_ratio.score(50, 10, 10, 1.0)) == 0


def test_a_single_gain_refutes_that_nothing_is_right_after() -> None:
    assert float(paired_ratio.score(0, 0, 1, 0.0)) == np.inf


def test_one_item_right_after_does_not_show_that_anything_is_left() -> None:
    assert lower_of(paired_ratio.of_flips(0, 50, 1, 0.05)) == 0.0
    assert lower_of(paired_ratio.of_flips(0, 50, 2, 0.05)) > 0.0


def test_the_correction_is_of_one_item() -> None:
    assert paired_ratio.of_flips(59, 16, 6, 0.05) == paired_ratio.of_flips(59, 16, 6, 0.05, correction=1)


def lower_of(found: tuple[float, float] | NotMeasured) -> float:
    assert not isinstance(found, NotMeasured)
    return found[0]


RNG = np.random.default_rng(8)
BEFORE = RNG.gamma(2, 1, 120)
AFTER = 0.9 * BEFORE + RNG.normal(0, 0.4, 120)


@pytest.mark.parametrize("end", [0, 1])
def test_fiellers_ends_are_the_ratios_that_a_t_test_just_rejects(end: int) -> None:
    found = paired_ratio.of_scores(BEFORE, AFTER, None, 0.025)
    assert not isinstance(found, NotMeasured)
    assert ttest_1samp(AFTER - found[end] * BEFORE, 0).pvalue == pytest.approx(0.05)
    assert found[0] < AFTER.mean() / BEFORE.mean() < found[1]


@pytest.mark.parametrize("end", [0, 1])
def test_two_items_are_enough_where_they_are_alike(end: int) -> None:
    before, after = np.array([10.0, 10.1]), np.array([9.0, 9.2])
    found = paired_ratio.of_scores(before, after, None, 0.025)
    assert not isinstance(found, NotMeasured)
    assert ttest_1samp(after - found[end] * before, 0).pvalue == pytest.approx(0.05)


def test_a_ratio_has_no_unit() -> None:
    small = paired_ratio.of_scores(1e-3 * BEFORE, 1e-3 * AFTER, None, 0.05)
    assert small == pytest.approx(paired_ratio.of_scores(BEFORE, AFTER, None, 0.05))


@pytest.mark.parametrize("end", [0, 1])
def test_by_clusters_they_are_those_of_the_sums(end: int) -> None:
    found = paired_ratio.of_scores(BEFORE, AFTER, np.arange(120) // 6, 0.025)
    assert not isinstance(found, NotMeasured)
    sums = (AFTER - found[end] * BEFORE).reshape(20, 6).sum(axis=1)
    assert ttest_1samp(sums, 0).pvalue == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("before", "clusters", "said"),
    [
        ([1.0, -1.0, 0.5, -0.4], None, "not told from 0"),
        ([1.0, 2.0], ["a", "a"], "one cluster"),
        ([1.0], None, "one item"),
        ([], None, "two or more"),
    ],
)
def test_what_has_no_ratio_says_why(before: list[float], clusters: list[str] | None, said: str) -> None:
    found = paired_ratio.of_scores(before, before, clusters, 0.05)
    assert isinstance(found, NotMeasured)
    assert said in found.reason
