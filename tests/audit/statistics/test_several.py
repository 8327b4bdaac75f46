"""Several variants at once: Cochran's Q and Hotelling's T², against other programs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_rel
from statsmodels.stats.contingency_tables import cochrans_q
from statsmodels.stats.multivariate import test_mvmean as mvmean

from audit.records import NotMeasured, Omnibus
from audit.statistics import several

RNG = np.random.default_rng(3)
SCORES = RNG.normal(size=(40, 1)) + RNG.normal(size=(40, 4)) + [0, 0.1, 0.2, 0.6]
# Cochran 1950: four media for diphtheria bacilli, and 59 specimens that none grew
MEDIA = [
    *[[1, 1, 1, 1]] * 4, *[[1, 1, 0, 1]] * 2, *[[0, 1, 1, 1]] * 3, [0, 1, 0, 1], *[[0, 0, 0, 0]] * 59,
]  # fmt: skip


def of(found: Omnibus | NotMeasured) -> Omnibus:
    assert isinstance(found, Omnibus)
    return found


def test_cochrans_own_example_has_his_numbers() -> None:
    found = of(several.of_flips(MEDIA))
    assert (found.statistic, found.degrees_of_freedom, found.p_value) == pytest.approx(
        (8.05, 3, 0.045), abs=0.005
    )
    other = cochrans_q(np.array(MEDIA))
    assert found.p_value == pytest.approx(other.pvalue)
    assert found.degrees_of_freedom == other.df


def test_with_too_few_telling_items_the_chi_square_is_not_trusted() -> None:
    found = several.of_flips([*[[1, 0, 1]] * 7, *[[1, 1, 1]] * 500])
    assert isinstance(found, NotMeasured)
    assert "3 candidates and 7 items on which they differ" in found.reason
    assert of(several.of_flips([*[[1, 0, 1]] * 8, *[[1, 1, 1]] * 500])).p_value < 0.001


def test_that_all_agree_is_no_evidence_of_a_difference() -> None:
    assert of(several.of_flips([[1, 1], [0, 0]])).p_value == 1
    found = of(several.of_scores([[1.0, 1.0, 1.0], [0.5, 0.5, 0.5]]))
    assert (found.statistic, found.degrees_of_freedom, found.p_value) == (0, 2, 1)


def test_hotellings_test_agrees_with_statsmodels() -> None:
    found, other = of(several.of_scores(SCORES)), mvmean(SCORES[:, 1:] - SCORES[:, :1])
    assert found.statistic == pytest.approx(other.statistic)
    assert found.p_value == pytest.approx(other.pvalue)
    assert (found.degrees_of_freedom, found.denominator) == other.df


def test_of_two_candidates_it_is_the_paired_t_test() -> None:
    found, other = of(several.of_scores(SCORES[:, :2])), ttest_rel(SCORES[:, 1], SCORES[:, 0])
    assert found.statistic == pytest.approx(other.statistic**2)
    assert found.p_value == pytest.approx(other.pvalue)
    assert "clusters" not in found.method


def test_it_does_not_matter_who_comes_first() -> None:
    assert of(several.of_scores(SCORES[:, ::-1])).p_value == pytest.approx(
        of(several.of_scores(SCORES)).p_value
    )


def test_by_clusters_it_is_the_test_of_their_sums() -> None:
    sums = SCORES.reshape(10, 4, 4).sum(axis=1)
    found = of(several.of_scores(SCORES, np.arange(40) // 4))
    assert found.p_value == pytest.approx(mvmean(sums[:, 1:] - sums[:, :1]).pvalue)
    assert "by clusters" in found.method


def test_one_that_is_another_again_counts_once() -> None:
    twice = np.column_stack([SCORES, SCORES[:, 2]])
    assert of(several.of_scores(twice)).p_value == pytest.approx(of(several.of_scores(SCORES)).p_value)


@pytest.mark.parametrize(
    ("scores", "clusters", "said"),
    [
        (SCORES[:3], None, "3 items for 4 candidates"),
        (SCORES, ["a"] * 40, "1 clusters for 2 candidates"),
        (np.tile([0.0, 1.0], (9, 1)), None, "differ by the same everywhere"),
        (np.column_stack([SCORES[:, 0], SCORES[:, 0] + 1, SCORES[:, 1]]), None, "by the same everywhere"),
        (np.zeros((0, 3)), [], "0 clusters"),
    ],
)
def test_what_has_no_test_says_why(scores: object, clusters: list[str] | None, said: str) -> None:
    found = several.of_scores(scores, clusters)  # type: ignore[arg-type]
    assert isinstance(found, NotMeasured)
    assert said in found.reason
