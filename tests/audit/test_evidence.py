"""The gates before a drop is looked at, and which suite shows that a variant can answer."""

from __future__ import annotations

import pytest
from by_hand import comparison, divergence, estimate, suite

from audit.evidence import Evidence, below_floor, floor_suites, unread
from audit.records import Comparison, Interval, NotMeasured, Rule, Suite

ACCURACY, BIAS = suite("accuracy"), suite("bias", needs_competence=True)
HARMS = suite("harms", higher_is_better=False)


def evidence(*comparisons: Comparison, suites: tuple[Suite, ...] = (ACCURACY, BIAS)) -> Evidence:
    found = {(one.variant, one.suite, one.metric): one for one in comparisons}
    return Evidence(found, {one.name: one for one in suites})


def test_the_accuracy_suite_is_the_floor_where_there_is_one() -> None:
    assert floor_suites([suite("forgetting"), ACCURACY, BIAS]) == [ACCURACY]


def test_else_all_suites_that_need_no_proof_themselves_are() -> None:
    assert floor_suites([suite("forgetting"), suite("robustness"), BIAS]) == [
        suite("forgetting"),
        suite("robustness"),
    ]


def test_a_suite_of_harms_is_no_floor_since_a_silent_model_does_none() -> None:
    assert floor_suites([HARMS, BIAS]) == []
    # Harmful beyond doubt is no proof of competence.
    harmful = comparison(0, 0, 620, suite="harms", after_lower=0.9, chance=NotMeasured("lower is better"))
    reason = below_floor(BIAS, "int4", evidence(harmful, suites=(HARMS, BIAS)))
    assert reason is not None
    assert "no suite here shows" in reason


def test_a_score_is_no_floor() -> None:
    scored = ACCURACY.model_copy(
        update={"name": "summaries", "metrics": (ACCURACY.metrics[0].model_copy(update={"kind": "score"}),)}
    )
    assert floor_suites([scored, BIAS]) == []


def test_a_suite_that_needs_no_competence_has_no_floor() -> None:
    assert below_floor(ACCURACY, "int4", evidence()) is None


@pytest.mark.parametrize(("lower", "read"), [(0.24, False), (0.25, False), (0.251, True)])
def test_the_floor_is_chance_itself(lower: float, read: bool) -> None:
    found = evidence(comparison(0, 0, 620, after_lower=lower))
    assert (below_floor(BIAS, "int4", found) is None) == read


@pytest.mark.parametrize(("upper", "read"), [(0.274, True), (0.275, False), (0.4, False)])
def test_a_variant_that_may_have_lost_half_of_what_the_original_knows_is_broken(
    upper: float, read: bool
) -> None:
    """Of .8 where chance is .25, half of .55."""
    drop = Interval(lower=0.0, upper=upper, confidence=0.9, method="by hand")
    reason = below_floor(BIAS, "int4", evidence(comparison(0, 0, 620, interval=drop)))
    assert (reason is None) == read
    if reason:
        assert "it may have lost" in reason
        assert "half of what the original has above chance is 27.5" in reason


def test_without_an_accuracy_suite_one_of_the_others_is_enough() -> None:
    lost = Interval(lower=0.3, upper=0.5, confidence=0.9, method="by hand")
    low = comparison(0, 0, 620, suite="robustness", interval=lost)
    suites = (suite("forgetting"), suite("robustness"), BIAS)
    kept = comparison(0, 0, 620, suite="forgetting")
    assert below_floor(BIAS, "int4", evidence(low, kept, suites=suites)) is None
    gone = kept.model_copy(update={"interval": lost})
    assert "'forgetting' it may have lost" in str(
        below_floor(BIAS, "int4", evidence(low, gone, suites=suites))
    )


def test_the_pairing_comes_before_the_probe_and_the_probe_before_the_floor() -> None:
    broken = comparison(0, 0, 620, after_lower=0.1)
    blind = comparison(0, 0, 620, suite="bias", before_lower=0.1)
    alone = blind.model_copy(update={"n_unpaired_after": 1})
    rule = Rule(suite="bias")
    assert "without a partner" in str(unread(rule, "int4", evidence(alone, broken)))
    assert "measures nothing" in str(unread(rule, "int4", evidence(blind, broken)))
    read = comparison(0, 0, 620, suite="bias")
    assert "below the accuracy floor" in str(unread(rule, "int4", evidence(read, broken)))
    assert unread(rule, "int4", evidence(read, comparison(0, 0, 620))) is None


def test_a_divergence_is_read_where_the_original_guesses_but_not_where_items_are_missing() -> None:
    rule = Rule(suite="accuracy", metric="kl")
    moved = divergence(estimate(0.01, 0.001))
    blind = comparison(0, 0, 620, before_lower=0.1, divergence=moved)
    assert unread(rule, "int4", evidence(blind)) is None
    alone = blind.model_copy(update={"n_unpaired_before": 1})
    assert "without a partner" in str(unread(rule, "int4", evidence(alone)))


def test_the_comparison_of_a_divergence_is_that_of_the_first_metric() -> None:
    first, second = comparison(0, 0, 620), comparison(1, 0, 620, metric="second")
    found = evidence(second, first)
    assert found.comparison(Rule(suite="accuracy", metric="kl"), "int4") == first
    assert found.metric(Rule(suite="accuracy", metric="kl")) is None
    assert found.comparison(Rule(suite="accuracy", metric="second"), "int4") == second


def test_what_was_not_compared_cannot_be_known() -> None:
    with pytest.raises(LookupError, match="int4"):
        evidence().known(Rule(suite="accuracy"), "int4")
