"""The numbers of a comparison against direct computation and statsmodels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from test_compare import ITEM, run_compare, samples

from audit.records import Estimate, Interval, Look, Metric, NotMeasured, Omnibus
from audit.statistics import drop, mcnemar, proportions, several

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
    noise = rng.normal(0, 1, 15)
    after = rng.normal(1.8, 1, 30)
    before = after + 0.2 + np.concatenate([noise, -noise])  # symmetric, so that t alone decides
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
    reason = "2 of 4 documents, before and after, say no number of words, bytes or tokens"
    assert one.difference == NotMeasured(reason)


def test_a_group_of_one_cluster_is_counted_by_its_items() -> None:
    columns = {"cluster": ["a", "a", "b", "b"], "group": ["x", "x", "y", "y"]}
    whole, x, _ = run_compare(samples([1] * 4, **columns), samples([1, 0, 1, 1], **columns), metrics=(ITEM,))
    assert isinstance(whole.estimate, Estimate)
    assert x.estimate == NotMeasured("flips are counted")
    assert isinstance(x.interval, Interval)


BIAS = Metric(name="s_DIS", kind="ratio", two_sided=True, higher_is_better=False, source="x")
"""2 · biased − told over told, of each item."""


def test_a_ratio_is_a_sum_over_a_sum_on_either_side() -> None:
    # Of 10 told answers 7 are biased, after of 8 told ones 6: 2 · 7/10 − 1 = .4 and 2 · 6/8 − 1 = .5
    before = samples([1] * 7 + [-1] * 3 + [0, 0], weight=[1.0] * 10 + [0.0, 0.0])
    after = samples([1] * 6 + [0] + [-1] * 2 + [0, 0, 0], weight=[1.0] * 6 + [0.0] + [1.0] * 2 + [0.0] * 3)
    (one,) = run_compare(before, after, metrics=(BIAS,))
    assert (one.before, one.after) == (pytest.approx(0.4), pytest.approx(0.5))
    assert one.difference == pytest.approx(0.1)  # lower is better: it got worse
    assert isinstance(one.estimate, Estimate)
    errors = (np.array([1] * 7 + [-1] * 3 + [0, 0]) - 0.4 * np.array([1] * 10 + [0, 0])) / 10
    errors -= (
        np.array([1] * 6 + [0] + [-1] * 2 + [0] * 3) - 0.5 * np.array([1] * 6 + [0, 1, 1] + [0] * 3)
    ) / 8
    assert one.estimate.standard_error == pytest.approx(math.sqrt(12 / 11 * (errors @ errors)))


def test_a_ratio_whose_items_lie_in_clusters_has_their_error() -> None:
    rng = np.random.default_rng(3)
    told = [rng.integers(0, 2, 60).astype(float) for _ in range(2)]
    sides = [
        samples(one * rng.choice([-1, 1], 60), weight=one, cluster=[f"t{i // 6}" for i in range(60)])
        for one in told
    ]
    (one,) = run_compare(*sides, metrics=(BIAS,))
    assert isinstance(one.estimate, Estimate)
    assert (one.estimate.n_clusters, one.estimate.degrees_of_freedom) == (10, 9)


def test_a_ratio_over_nothing_is_not_measured() -> None:
    silent = samples([0, 0, 0], weight=[0.0] * 3)
    (one,) = run_compare(samples([1, -1, 1]), silent, metrics=(BIAS,))
    assert one.difference == NotMeasured("no item after has anything that the ratio could be taken over")
    assert one.looks == ()


F1 = Metric(name="f1", kind="score", range=(0.0, 1.0), source="x")


def test_equal_scores_of_a_known_range_have_a_bound() -> None:
    (one,) = run_compare(samples([0.5] * 300), samples([0.5] * 300), metrics=(F1,))
    assert isinstance(one.interval, Interval)
    assert one.interval.upper == pytest.approx(0.009936, abs=5e-7)  # 0 of 300, Clopper-Pearson


def test_a_score_outside_of_its_range_is_not_measured() -> None:
    (one,) = run_compare(samples([0.5, 0.5]), samples([0.5, 1.5]), metrics=(F1,))
    assert one.difference == NotMeasured("1 of 4 outcomes of 'acc' are outside of the range 0 to 1")


def test_a_range_holds_where_lower_is_better_too() -> None:
    low = F1.model_copy(update={"higher_is_better": False, "range": (0.0, 2.0)})
    (one,) = run_compare(samples([0.5, 0.5]), samples([0.5, 1.5]), metrics=(low,))
    assert one.difference == 0.5


def corpus(statistic: str, *, higher_is_better: bool = False) -> Metric:
    return Metric(
        name=statistic, kind="corpus", statistic=statistic, higher_is_better=higher_is_better, source="x"
    )


def test_a_corpus_metrics_drop_is_that_of_the_whole_sets_with_a_resampled_error() -> None:
    groups = [f"g{i % 2}" for i in range(200)]
    before = samples([1] * 160 + [0] * 40, group=groups)
    after = samples([1 if i < 160 and i % 4 else 0 for i in range(200)], group=groups)
    whole = run_compare(before, after, metrics=(corpus("gap"),))[0]
    assert (whole.before, whole.after) == (0.0, pytest.approx(0.4))
    assert whole.difference == pytest.approx(0.4)
    assert len(whole.looks) == 1


def test_a_corpus_metric_that_does_not_change_has_no_error() -> None:
    rng = np.random.default_rng(1)
    side = samples(rng.integers(0, 2, 100))
    (one,) = run_compare(side, side, metrics=(corpus("brier"),))
    assert one.difference == 0
    assert isinstance(one.estimate, Estimate)
    assert one.estimate.standard_error == 0


def test_a_mean_as_a_corpus_metric_is_nearly_its_t() -> None:
    rng = np.random.default_rng(1)
    sides = [samples(rng.integers(0, 2, 400), cluster=[f"c{i // 2}" for i in range(400)]) for _ in range(2)]
    (one,) = run_compare(*sides, metrics=(corpus("brier"),))
    # The confidence is the same everywhere, c: (c − right)² differs as right does, times 2 c − 1
    confidence = math.exp(-1) / sum(math.exp(-k) for k in (1, 2, 3, 4))
    assert isinstance(one.estimate, Estimate)
    (flips,) = run_compare(*sides)
    assert isinstance(flips.estimate, Estimate)
    shrunk = abs(1 - 2 * confidence)
    assert abs(one.estimate.value) == pytest.approx(shrunk * abs(flips.estimate.value))
    assert one.estimate.standard_error == pytest.approx(shrunk * flips.estimate.standard_error, rel=0.1)
    assert one.estimate.n_clusters == 200


def test_a_gap_without_groups_is_not_measured() -> None:
    (one,) = run_compare(samples([1, 0, 1]), samples([1, 1, 1]), metrics=(corpus("gap"),))
    assert isinstance(one.difference, NotMeasured)
    assert "the suite's `group_by` tells" in one.difference.reason


@pytest.mark.parametrize("size", [1e100, -1e200, 1e308])
@pytest.mark.parametrize("kind", ["score", "ratio", "perplexity"])
def test_an_outcome_whose_square_no_double_holds_is_not_measured(kind: str, size: float) -> None:
    metric = Metric.model_validate({"name": "m", "kind": kind, "source": "x"})
    (one,) = run_compare(samples([size, -1, -2]), samples([-1, -1, -3]), metrics=(metric,))
    assert one.difference == NotMeasured(
        "1 of 6 outcomes of 'acc' are no finite numbers below 1e+100 in size"
    )


@pytest.mark.parametrize("size", [0.99e100, 1e-150, 5e-324])
def test_numbers_near_the_ends_of_a_double_are_compared_without_a_warning(size: float) -> None:
    for metric in (SCORE, Metric(name="m", kind="ratio", source="x")):
        (one,) = run_compare(samples([size, 0, 0.0]), samples([0, size / 2, 0.0]), metrics=(metric,))
        assert isinstance(one.difference, float)
        assert isinstance(one.estimate, Estimate)


@pytest.mark.parametrize("weight", [1e-310, 1e-160, 1e100, 1e308])
def test_what_a_ratio_is_over_has_to_be_a_number_to_divide_by(weight: float) -> None:
    odd = samples([1, 0, 1], weight=[weight] * 3)
    (one,) = run_compare(odd, odd, metrics=(Metric(name="m", kind="ratio", source="x"),))
    assert one.difference == NotMeasured(
        "6 of 6 documents, before and after, say no number of what its ratio is taken over"
    )


@pytest.mark.parametrize(("lost", "n"), [(100_000, 100_000), (10**9, 10**9), (2_000, 10**6)])
def test_no_p_value_is_0(lost: int, n: int) -> None:
    seen = Look(n_pairs=n, lost=lost, gained=0, bad_after=lost, estimate=NotMeasured("flips are counted"))
    sure = Estimate(value=0.9, standard_error=1e-4, degrees_of_freedom=1e6, method="t")
    scores = seen.model_copy(update={"lost": NotMeasured("x"), "gained": NotMeasured("x"), "estimate": sure})
    for p in (mcnemar.exact_p(lost, 0), drop.worse_p(seen), drop.worse_p(scores)):
        assert isinstance(p, float)
        assert 0 < p < 1e-100
    many = several.of_flips(np.column_stack([np.ones(3000), np.zeros(3000)]))
    assert isinstance(many, Omnibus)
    assert 0 < many.p_value < 1e-100
    assert 0 < proportions.fisher_more(5000, 5000, 0, 5000) < 1e-100
