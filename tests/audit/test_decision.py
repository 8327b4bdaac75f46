"""One rule on one comparison: every row of the decision table, at one look and at several."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import pytest
from by_hand import UNREAD, comparison, divergence, estimate, look, look_at
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from audit.decision import Ruling, rule_on
from audit.records import Comparison, Estimate, Interval, Look, Metric, NotMeasured, Rule
from audit.statistics import drop, proportions
from audit.statistics.noninferiority import Bounds

RIGHT = Metric(name="first", source="x")
SCORE = Metric(name="first", source="x", kind="score")
PERPLEXITY = Metric(name="first", source="x", kind="perplexity", higher_is_better=False)

patient = settings(deadline=None, derandomize=True, max_examples=60)


def rule(**terms: Any) -> Rule:
    return Rule(suite="accuracy", **terms)


def watched(looks: Sequence[Look], planned: int | None = None) -> Comparison:
    """A comparison after these looks, with so many pairs planned; None: all were seen."""
    n = looks[-1].n_pairs
    return comparison(0, 0, n, looks=tuple(looks), n_planned=planned or n, flips=UNREAD, difference=0.0)


def after(*looks: Look, planned: int | None = None, metric: Metric = RIGHT, **terms: Any) -> Ruling:
    """The ruling after these looks."""
    return rule_on(watched(looks, planned), rule(**terms), metric)


def diverged(mean: Estimate | NotMeasured, planned: int = 100, **terms: Any) -> Ruling:
    """The ruling on the divergence of 100 documents."""
    found = comparison(0, 0, 100, n_planned=planned, divergence=divergence(mean))
    return rule_on(found, rule(metric="kl", **terms), None)


# What was not measured


def test_a_drop_without_a_number_is_inconclusive_with_its_reason() -> None:
    why = NotMeasured("no item has a reference")
    ruling = after(look_at(why, 400), metric=SCORE)
    assert (ruling.decision, ruling.because, ruling.settled) == ("inconclusive", why.reason, True)
    assert ruling.p_value == ruling.p_worse == ruling.n_to_decide == ruling.bounds == why


def test_a_drop_without_a_number_so_far_goes_on() -> None:
    ruling = after(look_at(NotMeasured("no item has a reference"), 100), planned=400, metric=SCORE)
    assert (ruling.decision, ruling.settled) == ("inconclusive", False)


@pytest.mark.parametrize(("drop_seen", "decision"), [(0.0, "pass"), (0.2, "fail")])
def test_an_early_look_without_a_number_is_no_evidence_and_no_hindrance(
    drop_seen: float, decision: str
) -> None:
    early = look_at(NotMeasured("no item has a reference"), 100)
    ruling = after(early, look_at(estimate(drop_seen, 0.005), 400), metric=SCORE)
    assert ruling.decision == decision
    assert isinstance(ruling.p_worse, float)


# Several looks


def test_a_drop_far_below_the_margin_passes_at_the_first_look_and_needs_no_more() -> None:
    ruling = after(look(10, 10, 1000), planned=4000)
    assert (ruling.decision, ruling.settled) == ("pass", True)


def test_what_would_pass_as_the_only_look_does_not_pass_as_the_first_of_four() -> None:
    assert after(look(50, 50, 1000)).decision == "pass"
    early = after(look(50, 50, 1000), planned=4000)
    assert (early.decision, early.settled) == ("inconclusive", False)


# Lan-DeMets O'Brien-Fleming at a quarter, half, three quarters and all of the items: z 3.74955, 2.53994,
# 2.01607 and 1.72018 (gsDesign), as one-sided p-values.
@pytest.mark.parametrize(
    ("n", "error"), [(1000, "8.9e-05"), (2000, "0.0055"), (3000, "0.022"), (4000, "0.043")]
)
def test_the_error_that_a_look_may_spend_is_in_the_sentence(n: int, error: str) -> None:
    looks = [look(n_so_far // 13, n_so_far // 25, n_so_far) for n_so_far in range(1000, n + 1, 1000)]
    ruling = after(*looks, planned=4000, margin=0.045)
    assert f"(at {n} of 4000 planned, error {error})" in ruling.because


def test_a_single_look_at_all_items_says_nothing_of_looks() -> None:
    assert "planned" not in after(look(10, 10, 1000)).because


def test_the_bound_in_the_sentence_is_at_the_error_of_its_look() -> None:
    at = look(80, 40, 2000)
    ruling = after(look(40, 20, 1000), at, planned=4000, margin=0.045)
    bounds = drop.bounds(at, 0.005543)  # 1 − Φ(2.53994)
    assert isinstance(bounds, Bounds)
    assert f"upper bound {100 * bounds.upper:.2f} < margin 4.50" in ruling.because


def test_a_pass_stands_whatever_later_looks_show() -> None:
    ruling = after(look(10, 10, 1000), look(160, 20, 2000), planned=4000)
    assert ruling.decision == "pass"
    assert ruling.because.startswith("lost 10, gained 10 of 1000 (at 1000 of 4000 planned")
    assert ruling.p_value == drop.noninferiority_p(look(10, 10, 1000), 0.03)


def test_a_drop_that_reaches_the_margin_and_is_shown_fails_early() -> None:
    ruling = after(look(150, 10, 1000), planned=4000)
    assert (ruling.decision, ruling.settled) == ("fail", True)
    assert "> 0" in ruling.because


def test_a_small_drop_that_is_shown_fails_at_the_end_but_not_before() -> None:
    small = look(70, 42, 1000)  # drop 2.8 points, p < .005 of no drop
    looks = look(35, 21, 500), small
    assert after(*looks).decision == "fail"
    early = after(*looks, planned=1400)
    assert (early.decision, early.settled) == ("inconclusive", False)


def test_a_futile_rule_fails_when_the_drop_reaches_the_margin() -> None:
    ruling = after(look(20, 14, 100), planned=400)
    assert isinstance(ruling.p_worse, float)
    assert ruling.p_worse > 0.1
    assert (ruling.decision, ruling.settled) == ("fail", True)
    assert "and so is the drop itself" in ruling.because


def test_a_futile_rule_is_inconclusive_when_the_drop_does_not_reach_the_margin() -> None:
    ruling = after(look(2, 2, 10), planned=40)
    assert (ruling.decision, ruling.settled) == ("inconclusive", True)
    assert "stopped: even if no further answer is lost on balance, its chance to pass is" in ruling.because


def test_what_may_still_pass_goes_on() -> None:
    ruling = after(look(50, 50, 1000), planned=4000)
    assert (ruling.decision, ruling.settled) == ("inconclusive", False)
    assert "stopped" not in ruling.because


def test_a_rule_undecided_at_the_end_is_inconclusive_and_settled() -> None:
    ruling = after(look(14, 9, 310), look(27, 18, 620))
    assert (ruling.decision, ruling.settled) == ("inconclusive", True)


def test_a_futile_look_may_be_passed_over_and_the_rule_still_pass() -> None:
    ruling = after(look(2, 2, 10), look(12, 12, 1000))
    assert ruling.decision == "pass"


# Fewest pairs


def test_fewer_planned_pairs_than_the_rule_asks_for_are_inconclusive_however_good() -> None:
    ruling = after(look(0, 0, 499), min_pairs=500)
    assert (ruling.decision, ruling.because) == ("inconclusive", "499 pairs, where the rule asks for 500")
    assert ruling.p_value == NotMeasured(ruling.because)


def test_fewer_pairs_so_far_than_the_rule_asks_for_go_on() -> None:
    ruling = after(look(0, 0, 400), planned=1600, min_pairs=500)
    assert (ruling.decision, ruling.settled) == ("inconclusive", False)
    assert ruling.because == "400 pairs so far, where the rule asks for 500"


def test_a_look_before_the_fewest_pairs_is_not_taken() -> None:
    looks = look(0, 0, 400), look(160, 10, 800)
    assert after(*looks, planned=1600, min_pairs=500).decision == "fail"
    assert after(*looks, planned=1600).decision == "pass"
    good_then_bad = look(0, 0, 999), look(160, 10, 2000)
    assert after(*good_then_bad, planned=4000).decision == "pass"
    assert after(*good_then_bad, planned=4000, min_pairs=1000).decision == "fail"


def test_the_fewest_pairs_hold_for_divergences_too() -> None:
    assert diverged(estimate(0.001, 0.001), min_pairs=101).decision == "inconclusive"
    assert diverged(estimate(0.001, 0.001), min_pairs=100).decision == "pass"


# Ceilings


@pytest.mark.parametrize(("bad", "n", "upper"), [(0, 300, 0.009936), (3, 520, 0.014843)])
def test_a_ceiling_is_kept_when_the_upper_bound_lies_below_it(bad: int, n: int, upper: float) -> None:
    # Closed form 1 − .05^(1/300); R binom.test(3, 520, alternative = "less")
    assert after(look(0, 0, n, bad), ceiling=upper + 1e-6).decision == "pass"
    ruling = after(look(0, 0, n, bad), ceiling=upper - 1e-6)
    assert ruling.decision == "inconclusive"
    assert f"{bad} bad of {n}, upper bound" in ruling.because
    assert "≥ ceiling" in ruling.because


def test_a_bound_next_to_its_ceiling_is_printed_with_digits_that_show_it() -> None:
    ruling = after(look(0, 0, 300, 0), ceiling=proportions.upper_bound(0, 300, 0.05) + 1e-7)
    upper, ceiling = (
        ruling.because.split("0 bad of 300, upper bound ")[1].removesuffix(" %").split(" % < ceiling ")
    )
    assert float(upper) < float(ceiling)


def test_a_kept_ceiling_does_not_make_up_for_the_margin() -> None:
    assert after(look(60, 0, 1000, 60), ceiling=0.5).decision == "fail"
    assert after(look(27, 18, 620, 30), ceiling=0.5).decision == "inconclusive"


def test_a_kept_margin_does_not_make_up_for_the_ceiling() -> None:
    assert after(look(0, 0, 1000, 500)).decision == "pass"
    ruling = after(look(0, 0, 1000, 500), ceiling=0.01)
    assert ruling.decision == "fail"
    assert ruling.because.endswith("; 500 bad of 1000, 50.00 % ≥ ceiling 1.00 %")


def test_a_ceiling_that_is_neither_kept_nor_reached_is_inconclusive() -> None:
    ruling = after(look(0, 0, 1000, 8), ceiling=0.01)
    assert ruling.decision == "inconclusive"


def test_a_drop_inside_the_margin_does_not_fail_because_the_ceiling_is_not_shown() -> None:
    within = look(60, 30, 4000, 40)
    assert after(within).decision == "pass"
    assert after(within, ceiling=0.0102).decision == "inconclusive"


def test_bad_outcomes_that_are_shown_to_reach_the_ceiling_fail_early() -> None:
    ruling = after(look(0, 0, 250, 125), planned=1000, ceiling=0.01)
    assert (ruling.decision, ruling.settled) == ("fail", True)


def test_bad_outcomes_that_only_seem_to_reach_the_ceiling_go_on() -> None:
    ruling = after(look(0, 0, 250, 3), planned=1000, ceiling=0.01)
    assert (ruling.decision, ruling.settled) == ("inconclusive", False)


def test_the_items_that_would_decide_a_ceiling_are_those_that_it_takes_without_a_bad_one() -> None:
    ruling = after(look(0, 0, 200, 0), ceiling=0.01)
    assert ruling.n_to_decide == 299  # clean trials to show a share below 1 %
    assert "about 299 items would decide" in ruling.because


def test_bad_outcomes_above_the_ceiling_promise_no_number_of_items() -> None:
    ruling = after(look(0, 0, 250, 3), planned=1000, ceiling=0.01)
    assert isinstance(ruling.n_to_decide, NotMeasured)
    assert ruling.n_to_decide.reason in ruling.because


@pytest.mark.parametrize("metric", [SCORE, PERPLEXITY])
def test_a_ceiling_for_what_is_not_right_or_wrong_is_never_a_pass(metric: Metric) -> None:
    ruling = after(look_at(estimate(0.0, 0.001), 500), metric=metric, ceiling=0.01)
    assert ruling.decision == "inconclusive"
    assert "a ceiling is for the share of bad outcomes" in ruling.because


def test_a_ceiling_for_a_divergence_is_never_a_pass() -> None:
    assert diverged(estimate(0.001, 0.001)).decision == "pass"
    assert diverged(estimate(0.001, 0.001), ceiling=0.01).decision == "inconclusive"


# Clusters, scores, perplexities


def test_flips_in_clusters_pass_only_by_the_widest_bound() -> None:
    assert after(look(12, 9, 620)).decision == "pass"
    clustered = look_at(estimate(3 / 620, 0.02, 9, n_clusters=10), 620, lost=12, gained=9, bad_after=0)
    ruling = after(clustered)
    assert ruling.decision == "inconclusive"
    assert ruling.because.startswith("lost 12, gained 9 of 620: drop 0.48 points")


def test_clusters_take_as_many_more_items_as_their_design_effect() -> None:
    one, two = (
        look_at(
            estimate(0.0, 0.03, 9, n_clusters=10, design_effect=effect), 100, lost=5, gained=5, bad_after=0
        )
        for effect in (1.0, 2.0)
    )
    needed = after(one, margin=0.02).n_to_decide, after(two, margin=0.02).n_to_decide
    assert isinstance(needed[0], int)
    assert needed[1] == pytest.approx(2 * needed[0], abs=1)


@pytest.mark.parametrize(
    ("lost", "n", "margin", "needed"), [(5, 200, 0.01, 3092), (5, 100, 0.02, 1546), (5, 100, 0.03, 687)]
)
def test_the_items_that_would_decide_are_those_of_the_power_table(
    lost: int, n: int, margin: float, needed: int
) -> None:
    ruling = after(look(lost, lost, n), margin=margin)
    assert ruling.decision == "inconclusive"
    assert ruling.n_to_decide == needed


def test_a_score_passes_and_fails_on_its_own_scale() -> None:
    assert after(look_at(estimate(0.01, 0.005), 1000), metric=SCORE).decision == "pass"
    assert after(look_at(estimate(0.02, 0.005), 1000), metric=SCORE, margin=0.025).decision == "fail"
    assert after(look_at(estimate(0.01, 0.02), 1000), metric=SCORE).decision == "inconclusive"
    kept = after(look_at(estimate(2.0, 0.5), 1000), metric=SCORE, margin=5.0)
    assert kept.decision == "pass"
    assert kept.because == "1000 pairs: drop 2.000, upper bound 2.823 < margin 5.000; non-inferior, " + (
        "detectably worse: lower bound 1.177 > 0"
    )


BIAS = Metric(name="first", source="x", kind="ratio", two_sided=True)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_two_sided_margin_holds_either_way(sign: int) -> None:
    def ruling(change: float) -> Ruling:
        return after(look_at(estimate(sign * change, 0.01), 1000), metric=BIAS, margin=0.05)

    assert ruling(0.0).decision == "pass"
    assert ruling(0.034).decision == "fail"  # not shown to be within, and told from 0
    assert ruling(0.06).decision == "fail"
    assert (
        after(look_at(estimate(sign * 0.01, 0.03), 1000), metric=BIAS, margin=0.05).decision == "inconclusive"
    )


def test_a_two_sided_p_is_of_both_sides() -> None:
    ruling = after(look_at(estimate(-0.02, 0.01), 1000), metric=BIAS, margin=0.05)
    assert ruling.p_value == pytest.approx(stats.t.sf(3, 999))
    assert ruling.p_worse == pytest.approx(2 * stats.t.sf(2, 999))


def test_a_two_sided_sentence_names_both_bounds_and_that_either_way_is_damage() -> None:
    ruling = after(look_at(estimate(-0.02, 0.01), 1000), metric=BIAS, margin=0.05)
    assert ruling.because == (
        "1000 pairs: change -0.020, bounds -0.036 and -0.004 within ±0.050, either way is damage; "
        "equivalent, detectably changed"
    )
    lost = after(look_at(estimate(-0.06, 0.001), 1000), metric=BIAS, margin=0.05)
    assert "not within ±0.050, either way is damage and 0 is ruled out" in lost.because


def test_a_gain_fails_a_two_sided_rule_early_and_no_other() -> None:
    gain = look_at(estimate(-0.08, 0.01), 500)
    assert after(gain, planned=1000, metric=BIAS, margin=0.05).decision == "fail"
    assert after(gain, planned=1000, metric=SCORE, margin=0.05).decision == "pass"


def test_two_sides_take_more_pairs_than_one() -> None:
    one, both = (
        after(look_at(estimate(0.0, 0.04), 1000), metric=metric, margin=0.05).n_to_decide
        for metric in (SCORE, BIAS)
    )
    # (z.95 + z.90)² against (z.95 + z.80)², Chow, Shao & Wang 2008 for equivalence
    assert isinstance(one, int)
    assert isinstance(both, int)
    assert both / one == pytest.approx((1.6449 + 1.2816) ** 2 / (1.6449 + 0.8416) ** 2, rel=0.01)


def test_a_margin_that_no_score_can_lose_is_never_a_pass() -> None:
    bounded = Metric(name="first", source="x", kind="score", range=(0.0, 1.0))
    ruling = after(look_at(estimate(0.0, 0.01, largest=1.0), 1000), metric=bounded, margin=1.0)
    assert ruling.decision == "inconclusive"
    assert "no drop can reach the margin" in ruling.because


def test_equal_scores_of_a_known_range_are_as_many_trials_without_a_loss() -> None:
    bounded = Metric(name="first", source="x", kind="score", range=(0.0, 1.0))
    same = estimate(0.0, 0.0, largest=1.0)
    assert after(look_at(same, 99), metric=bounded, margin=0.03).decision == "pass"
    assert after(look_at(same, 98), metric=bounded, margin=0.03).decision == "inconclusive"


def test_a_perplexitys_margin_is_a_ratio() -> None:
    # Of ln(1.03) = .029559 and not of .03
    assert after(look_at(estimate(0.0295, 1e-6), 1000), metric=PERPLEXITY).decision == "pass"
    assert after(look_at(estimate(0.0297, 1e-6), 1000), metric=PERPLEXITY).decision == "fail"


def test_a_perplexity_is_told_in_per_cent() -> None:
    ruling = after(look_at(estimate(math.log(1.02), 0.001), 1000), metric=PERPLEXITY)
    assert ruling.because.startswith("1000 pairs: drop 2.00 %, upper bound 2.17 < margin 3.00")


def test_a_perplexity_whose_bound_is_beyond_a_double_is_told_all_the_same() -> None:
    # Two documents at the first of four looks: t with one degree of freedom at an error of 8.9e-05.
    ruling = after(look_at(estimate(0.3, 0.4, 1), 2), planned=8, metric=PERPLEXITY)
    assert ruling.decision == "fail"
    assert "upper bound more than can be counted ≥ margin 3.0" in ruling.because


def test_more_pairs_of_a_score_are_asked_for_as_its_error_squared() -> None:
    ruling = after(look_at(estimate(0.01, 0.02), 1000), metric=SCORE)
    # n (2.486475 · .02 / .03)², z_.95 + z_.80 = 2.486475
    assert ruling.n_to_decide == 2748


# Where nothing varies


@pytest.mark.parametrize("metric", [SCORE, PERPLEXITY])
def test_pairs_that_are_all_equal_pass_when_all_are_there(metric: Metric) -> None:
    # So many that at most 5 % of all pairs differ, at an error of 5 %: 1 − .05^(1/59) = .0495
    ruling = after(look_at(estimate(0.0, 0.0), 59), metric=metric)
    assert (ruling.decision, ruling.settled) == ("pass", True)
    assert ruling.because == "every one of 59 pairs is equal"
    assert isinstance(ruling.p_value, NotMeasured)


def test_a_few_equal_pairs_are_no_proof() -> None:
    ruling = after(look_at(estimate(0.0, 0.0), 58), metric=SCORE)
    assert (ruling.decision, ruling.n_to_decide) == ("inconclusive", 59)


@pytest.mark.parametrize(("clusters", "decision"), [(58, "inconclusive"), (59, "pass")])
def test_of_equal_pairs_in_clusters_the_clusters_count(clusters: int, decision: str) -> None:
    ruling = after(look_at(estimate(0.0, 0.0, n_clusters=clusters), 600), metric=SCORE)
    assert ruling.decision == decision
    assert f"{clusters} clusters" in ruling.because


def test_pairs_that_are_all_equal_so_far_go_on() -> None:
    assert not after(look_at(estimate(0.0, 0.0), 60), planned=200, metric=SCORE).settled


def test_clusters_whose_items_cancel_are_not_equal_pairs() -> None:
    ruling = after(look_at(estimate(0.0, 0.0, 9, n_clusters=10, design_effect=0.0), 60), metric=SCORE)
    assert ruling.decision == "inconclusive"


def test_pairs_that_all_lose_the_margin_alike_fail() -> None:
    ruling = after(look_at(estimate(1.0, 0.0), 20), metric=SCORE)
    assert ruling.decision == "fail"
    assert ruling.because == "20 pairs lose alike: drop 1.000 ≥ margin 0.030"


@pytest.mark.parametrize("value", [-1.0, 0.01])
def test_pairs_that_differ_alike_below_the_margin_are_inconclusive(value: float) -> None:
    assert after(look_at(estimate(value, 0.0), 20), metric=SCORE).decision == "inconclusive"


@pytest.mark.parametrize("n", [1, 20, 499, 500, 5000])
def test_the_p_value_of_identical_models_is_never_0(n: int) -> None:
    ruling = after(look(0, 0, n))
    assert isinstance(ruling.p_value, float)
    assert 0 < ruling.p_value < 1
    assert ruling.p_worse == 1.0 or n >= 500  # the score of no flips is 0 there
    assert isinstance(ruling.p_worse, float)
    assert ruling.p_worse >= 0.5


# The divergence


def test_a_divergence_passes_by_its_upper_bound_alone() -> None:
    # .01 + 1.646 · .01 = .0265 and .01 + 1.646 · .0125 = .0306
    assert diverged(estimate(0.01, 0.01)).decision == "pass"
    assert diverged(estimate(0.01, 0.0125)).decision == "inconclusive"
    assert diverged(estimate(0.03, 0.0125)).decision == "fail"


def test_a_divergence_above_0_beyond_doubt_is_no_failure() -> None:
    ruling = diverged(estimate(0.01, 0.0001))
    assert ruling.decision == "pass"
    assert isinstance(ruling.p_worse, NotMeasured)
    assert "KL 0.010 nats a position, upper bound 0.010 < margin 0.030" in ruling.because


def test_a_divergence_above_0_beyond_doubt_but_undecided_about_the_margin_is_inconclusive() -> None:
    assert diverged(estimate(0.0295, 0.001)).decision == "inconclusive"


@pytest.mark.parametrize("mean", [estimate(0.001, 0.001), estimate(0.0, 0.0)], ids=["moved", "equal"])
def test_a_divergence_is_settled_only_by_all_items(mean: Estimate) -> None:
    assert diverged(mean).settled
    assert not diverged(mean, planned=400).settled


def test_a_divergence_without_a_sampling_error_is_inconclusive_with_the_reason() -> None:
    ruling = diverged(NotMeasured("one document: an error can be estimated from two or more"))
    assert ruling.decision == "inconclusive"
    assert ruling.because == "one document: an error can be estimated from two or more"


def test_an_undecided_divergence_says_how_many_documents_would_decide() -> None:
    # 100 (2.486475 · .0125 / .03)²
    assert diverged(estimate(0.01, 0.0125)).n_to_decide == 108


# For any table


@st.composite
def any_looks(draw: st.DrawFn) -> tuple[list[Look], int]:
    """Up to four looks at growing counts, and the number of pairs planned."""
    scale = draw(st.sampled_from([1, 10, 100]))
    steps = draw(st.lists(st.tuples(*[st.integers(0, 5)] * 3), min_size=1, max_size=4))
    counts = list(accumulate(steps, lambda so_far, step: tuple(map(sum, zip(so_far, step, strict=True)))))
    looks = []
    for lost, gained, same in counts:
        n = scale * (lost + gained + same)
        if n > (looks[-1].n_pairs if looks else 0):
            looks.append(
                look(scale * lost, scale * gained, n, draw(st.integers(scale * lost, n - scale * gained)))
            )
    if not looks:
        looks = [look(0, 0, 1)]
    return looks, looks[-1].n_pairs + draw(st.integers(0, 400))


@st.composite
def any_estimates(draw: st.DrawFn) -> tuple[list[Look], int]:
    """Up to three looks at an estimate."""
    sizes = draw(st.lists(st.integers(1, 500), min_size=1, max_size=3))
    looks = [
        look_at(
            estimate(
                draw(st.floats(-20, 20)),
                draw(st.one_of(st.just(0.0), st.floats(1e-9, 5))),
                draw(st.integers(1, 99)),
            ),
            n,
        )
        for n in accumulate(sizes)
    ]
    return looks, looks[-1].n_pairs + draw(st.integers(0, 400))


def check_sound(ruling: Ruling) -> None:
    """Numbers are shares or have a reason; the sentence holds no NaN."""
    for p in (ruling.p_value, ruling.p_worse):
        assert isinstance(p, NotMeasured) or 0 <= p <= 1
    assert isinstance(ruling.n_to_decide, NotMeasured) or ruling.n_to_decide >= 1
    assert "nan" not in ruling.because.split()
    assert ruling.because


@patient
@given(
    any_looks(),
    st.sampled_from([0.01, 0.03, 0.3, 0.9]),
    st.sampled_from([0.001, 0.05, 0.4]),
    st.sampled_from([None, 0.01, 0.5]),
)
def test_any_table_of_counts_at_any_look_has_a_ruling_without_nan(
    seen: tuple[list[Look], int], margin: float, alpha: float, ceiling: float | None
) -> None:
    looks, planned = seen
    check_sound(after(*looks, planned=planned, margin=margin, alpha=alpha, ceiling=ceiling))


@patient
@given(any_estimates(), st.sampled_from([SCORE, PERPLEXITY]), st.sampled_from([0.001, 0.03, 2.0]))
def test_any_estimate_at_any_look_has_a_ruling_without_nan(
    seen: tuple[list[Look], int], metric: Metric, margin: float
) -> None:
    looks, planned = seen
    check_sound(after(*looks, planned=planned, metric=metric, margin=margin))


@patient
@given(any_looks(), st.floats(0.005, 0.4), st.floats(1.01, 2))
def test_a_pass_stays_a_pass_at_a_larger_margin(
    seen: tuple[list[Look], int], margin: float, times: float
) -> None:
    looks, planned = seen
    if after(*looks, planned=planned, margin=margin).decision == "pass":
        assert after(*looks, planned=planned, margin=margin * times).decision == "pass"


@patient
@given(any_estimates(), st.floats(0.005, 4), st.floats(1.01, 2))
def test_an_estimate_that_passes_still_passes_at_a_larger_margin(
    seen: tuple[list[Look], int], margin: float, times: float
) -> None:
    looks, planned = seen
    if after(*looks, planned=planned, metric=SCORE, margin=margin).decision == "pass":
        assert after(*looks, planned=planned, metric=SCORE, margin=margin * times).decision == "pass"


@patient
@given(any_looks(), st.sampled_from([0.01, 0.03, 0.3]))
def test_a_decision_is_settled_and_only_a_pass_shows_a_drop_below_the_margin(
    seen: tuple[list[Look], int], margin: float
) -> None:
    looks, planned = seen
    ruling = after(*looks, planned=planned, margin=margin)
    if ruling.decision != "inconclusive":
        assert ruling.settled
    if ruling.decision == "pass":
        assert isinstance(ruling.p_value, float)
        assert ruling.p_value < 0.05
    if ruling.decision == "inconclusive" and looks[-1].n_pairs == planned:
        assert ruling.settled


def test_a_ruined_level_is_told_at_the_first_look_and_a_chance_drop_is_not() -> None:
    """121 lost and 9 gained of 186: no doubt. 17 and 4 of 125: .004 by itself, picked from four looks."""
    ruined = after(look(121, 9, 186), planned=745)
    chance = after(look(17, 4, 125), planned=500)
    assert isinstance(ruined.p_worse, float)
    assert isinstance(chance.p_worse, float)
    assert ruined.p_worse < 1e-5
    by_itself = stats.binomtest(17, 21, alternative="greater").pvalue
    assert chance.p_worse > 2 * by_itself


def test_the_bounds_are_those_of_the_look_that_decided() -> None:
    looks = look(50, 50, 1000), look(90, 90, 2000)
    ruling = after(*looks, planned=4000)
    assert isinstance(ruling.bounds, Interval)
    assert ruling.bounds.confidence == pytest.approx(1 - 2 * stats.norm.sf(2.53994), abs=1e-5)
    at = drop.bounds(looks[1], float(stats.norm.sf(2.53994)))
    assert isinstance(at, Bounds)
    assert (ruling.bounds.lower, ruling.bounds.upper) == pytest.approx((at.lower, at.upper), abs=1e-5)
