"""The numbers of a comparison against direct computation and statsmodels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from test_compare import ITEM, run_compare, samples

from audit.records import Estimate, Interval, Metric, NotMeasured

SCORE = Metric(name="rouge", kind="score", source="x")
PERPLEXITY = Metric(name="perplexity", kind="perplexity", higher_is_better=False, source="x")


def test_clustered_flips_have_the_error_of_statsmodels_regression_by_cluster() -> None:
    from statsmodels.regression.linear_model import OLS

    rng = np.random.default_rng(3)
    before, after = rng.integers(0, 2, 60), rng.integers(0, 2, 60)
    clusters = rng.integers(0, 8, 60)
    (one,) = run_compare(samples(before), samples(after).assign(cluster="x"))
    assert isinstance(one.estimate, NotMeasured)
    names = [f"c{code}" for code in clusters]
    (one,) = run_compare(samples(before, cluster=names), samples(after, cluster=names))
    fit = OLS(before - after, np.ones(60)).fit(cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True)
    assert isinstance(one.estimate, Estimate)
    assert one.estimate.value == pytest.approx(fit.params[0])
    # statsmodels' CR1 also has (n − 1) / (n − 1) = 1 for a single constant
    assert one.estimate.standard_error == pytest.approx(fit.bse[0])
    assert one.estimate.n_clusters == len(set(names))


def test_an_item_without_a_cluster_is_one_by_itself() -> None:
    clusters = ["a", "a", "b", None, None]
    (one,) = run_compare(samples([1] * 5, cluster=clusters), samples([0, 0, 1, 1, 0], cluster=clusters))
    assert isinstance(one.estimate, Estimate)
    assert one.estimate.n_clusters == 4


def test_one_cluster_has_no_error_and_is_not_measured() -> None:
    columns = {"cluster": ["a"] * 4}
    (one,) = run_compare(samples([1] * 4, **columns), samples([1, 1, 1, 0], **columns))
    assert one.difference == NotMeasured(
        "all 4 pairs are in one cluster: an error can be estimated from two or more"
    )
    assert one.looks == ()


def test_a_score_is_the_mean_difference_with_students_t() -> None:
    from scipy.stats import ttest_1samp

    rng = np.random.default_rng(4)
    before, after = rng.normal(2, 1, 30), rng.normal(1.8, 1, 30)
    (one,) = run_compare(samples(before), samples(after), metrics=(SCORE,))
    interval = ttest_1samp(before - after, 0).confidence_interval(0.9)
    assert (one.before, one.after) == (pytest.approx(before.mean()), pytest.approx(after.mean()))
    assert one.difference == pytest.approx(before.mean() - after.mean())
    assert isinstance(one.interval, Interval)
    assert (one.interval.lower, one.interval.upper) == pytest.approx((interval.low, interval.high))
    assert isinstance(one.flips, NotMeasured)


def test_a_score_that_is_better_low_loses_by_rising() -> None:
    low = SCORE.model_copy(update={"higher_is_better": False})
    (one,) = run_compare(samples([1.0, 2.0]), samples([2.0, 2.5]), metrics=(low,))
    assert (one.before, one.after, one.difference) == (1.5, 2.25, 0.75)


def test_a_score_has_no_lost_and_gained_items() -> None:
    (one,) = run_compare(samples([3.0, 1.0]), samples([2.0, 1.0]), metrics=(SCORE,))
    assert (one.changed, one.n_changed) == ((), 0)


def test_one_pair_of_scores_has_no_error() -> None:
    (one,) = run_compare(samples([3.0]), samples([2.0]), metrics=(SCORE,))
    assert one.difference == NotMeasured("one pair: an error can be estimated from two or more")


def test_a_perplexity_is_of_all_words_and_its_drop_the_log_of_the_ratio() -> None:
    words = [10.0, 30.0, 5.0]
    (one,) = run_compare(
        samples([-20, -90, -12], weight=words), samples([-22, -96, -12], weight=words), metrics=(PERPLEXITY,)
    )
    assert one.before == pytest.approx(math.exp(122 / 45))
    assert one.after == pytest.approx(math.exp(130 / 45))
    assert one.difference == pytest.approx(8 / 45)
    assert isinstance(one.estimate, Estimate)
    # d = (2, 6, 0), residuals d − 8/45 w, √(3/2 Σ e²) / 45
    errors = np.array([2, 6, 0]) - 8 / 45 * np.array(words)
    assert one.estimate.standard_error == pytest.approx(math.sqrt(1.5 * (errors @ errors)) / 45)
    assert one.estimate.degrees_of_freedom == 2


def test_a_perplexity_beyond_a_double_is_not_measured_but_its_drop_is() -> None:
    before, after = samples([-8000, -8200], weight=[10.0, 10.0]), samples([-8100, -8200], weight=[10.0, 10.0])
    (one,) = run_compare(before, after, metrics=(PERPLEXITY,))
    assert isinstance(one.before, NotMeasured)
    assert one.difference == 5.0


def test_documents_without_a_word_have_no_perplexity() -> None:
    empty = samples([-1, -2], weight=[0.0, 0.0], group=["a", "b"])
    for one in run_compare(empty, empty, metrics=(PERPLEXITY,)):
        assert isinstance(one.difference, NotMeasured)
        assert "no words, bytes or tokens" in one.difference.reason


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_a_weight_that_is_no_count_is_not_measured(weight: float) -> None:
    odd = samples([-1, -2], weight=[1.0, weight])
    (one,) = run_compare(odd, odd, metrics=(PERPLEXITY,))
    assert one.difference == NotMeasured("1 of 2 documents say no number of words, bytes or tokens")


def test_a_group_of_one_cluster_is_counted_by_its_items() -> None:
    columns = {"cluster": ["a", "a", "b", "b"], "group": ["x", "x", "y", "y"]}
    whole, x, _ = run_compare(samples([1] * 4, **columns), samples([1, 0, 1, 1], **columns), metrics=(ITEM,))
    assert isinstance(whole.estimate, Estimate)
    assert x.estimate == NotMeasured("flips are counted")
    assert isinstance(x.interval, Interval)
