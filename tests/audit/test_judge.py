"""Every branch of the decision table, and the rate of false passes."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from by_hand import UNREAD, comparison, divergence, estimate, look_at, suite, variant

from audit.judge import judge
from audit.records import (
    CheckedClaim,
    Comparison,
    Derivation,
    Interval,
    Level,
    ModelRef,
    NotMeasured,
    Rule,
    Suite,
    Verdict,
)
from audit.statistics import noninferiority
from audit.statistics.correction import holm


def judge_one(one: Comparison, rule: Rule | None = None, **of_suite: Any) -> Verdict:
    """The verdict of one rule on one level."""
    (verdict,) = judge(
        [one], [rule or Rule(suite="accuracy")], [variant("int4")], [suite("accuracy", **of_suite)]
    )
    return verdict


def decisions(verdicts: tuple[Verdict, ...]) -> list[str]:
    return [verdict.decision for verdict in verdicts]


def test_a_drop_shown_to_be_below_the_margin_passes() -> None:
    verdict = judge_one(comparison(12, 9, 620))
    assert verdict.decision == "pass"
    assert verdict.because == "lost 12, gained 9 of 620: drop 0.48 points, upper bound 1.79 < margin 3.00"
    assert verdict.p_value == noninferiority.p_value(12, 9, 620, 0.03)
    assert verdict.n_to_decide == NotMeasured("decided")


def test_a_drop_below_the_margin_but_above_0_passes_and_says_so() -> None:
    verdict = judge_one(comparison(60, 30, 4000))
    assert verdict.decision == "pass"
    assert "non-inferior, detectably worse: lower bound 0.37 > 0" in verdict.because


def test_a_drop_shown_to_be_above_0_and_not_below_the_margin_fails() -> None:
    verdict = judge_one(comparison(25, 10, 620))
    assert verdict.decision == "fail"
    assert "≥ margin 3.00 and lower bound 0.88 > 0" in verdict.because


def test_a_drop_at_the_margin_fails_even_where_chance_could_explain_it() -> None:
    verdict = judge_one(comparison(13, 10, 100))
    assert noninferiority.bounds(13, 10, 100, 0.05).lower < 0
    assert verdict.decision == "fail"
    assert "and so is the drop itself" in verdict.because


def test_too_few_items_are_inconclusive_and_the_number_that_would_do_is_named() -> None:
    verdict = judge_one(comparison(6, 5, 100))
    assert verdict.decision == "inconclusive"
    # d ((z_.95 + z_.80) / M)² for d = .11
    assert verdict.n_to_decide == 756
    assert "about 756 items would decide" in verdict.because


def test_a_small_drop_among_enough_items_is_inconclusive_without_promising_a_number() -> None:
    verdict = judge_one(comparison(27, 18, 620))
    assert verdict.decision == "inconclusive"
    assert verdict.n_to_decide == 499
    assert "would decide" not in verdict.because


def test_not_significantly_different_is_not_a_pass() -> None:
    # McNemar p = 1, but 20 items say nothing.
    assert judge_one(comparison(1, 1, 20)).decision == "inconclusive"


def test_the_bound_that_decides_is_at_the_rules_own_alpha() -> None:
    strict = Rule(suite="accuracy", alpha=0.001)
    assert judge_one(comparison(12, 6, 620)).decision == "pass"
    assert judge_one(comparison(12, 6, 620), strict).decision == "inconclusive"


def test_the_margin_is_the_rules_own() -> None:
    assert judge_one(comparison(12, 9, 620), Rule(suite="accuracy", margin=0.01)).decision == "inconclusive"


def test_a_bound_just_below_the_margin_is_printed_with_digits_that_show_it() -> None:
    upper = noninferiority.bounds(12, 9, 620, 0.05).upper
    verdict = judge_one(comparison(12, 9, 620), Rule(suite="accuracy", margin=upper + 1e-6))
    bound, margin = verdict.because.split("upper bound ")[1].split(" < margin ")
    assert float(bound) < float(margin)


def test_items_without_a_partner_are_inconclusive() -> None:
    verdict = judge_one(comparison(0, 0, 620, n_unpaired_before=3))
    assert verdict.decision == "inconclusive"
    assert verdict.because == "without a partner: 3 of the original and 0 of the variant, beside 620 pairs"


def test_a_number_that_could_not_be_had_is_inconclusive_with_its_reason() -> None:
    verdict = judge_one(comparison(0, 0, 620, difference=NotMeasured("no pairs at all")))
    assert (verdict.decision, verdict.because) == ("inconclusive", "no pairs at all")
    assert verdict.p_value == verdict.n_to_decide == NotMeasured("no pairs at all")


@pytest.mark.parametrize("before_lower", [0.2, 0.25])
def test_an_original_that_guesses_is_no_yardstick(before_lower: float) -> None:
    verdict = judge_one(comparison(0, 0, 620, before_lower=before_lower))
    assert verdict.decision == "inconclusive"
    assert verdict.because.startswith("the probe measures nothing on this model")


def test_in_free_generation_one_right_answer_is_above_chance() -> None:
    free = {"chance": NotMeasured("free generation")}
    assert judge_one(comparison(0, 0, 620, before_lower=0.001, **free)).decision == "pass"
    assert judge_one(comparison(0, 0, 620, before_lower=0.0, **free)).decision == "inconclusive"


def test_where_lower_is_better_an_original_at_zero_is_read() -> None:
    harmless = comparison(0, 0, 620, before_lower=0.0, chance=NotMeasured("lower is better"))
    assert judge_one(harmless, higher_is_better=False).decision == "pass"


@pytest.mark.parametrize(
    ("rule", "because"),
    [
        (Rule(suite="bias"), "this audit has no suite 'bias'"),
        (Rule(suite="accuracy", metric="f1"), "suite 'accuracy' has no metric 'f1'"),
        (Rule(suite="accuracy", metric="second"), "suite 'accuracy' was not measured on 'int4'"),
    ],
)
def test_a_rule_without_its_comparison_is_inconclusive_never_left_out(rule: Rule, because: str) -> None:
    verdict = judge_one(comparison(0, 0, 620), rule)
    assert (verdict.decision, verdict.because) == ("inconclusive", because)


def test_a_rule_that_names_no_metric_is_about_the_first() -> None:
    assert judge_one(comparison(0, 0, 620)).metric == "first"


def test_a_rule_may_name_another_metric() -> None:
    verdict = judge_one(comparison(0, 0, 620, metric="second"), Rule(suite="accuracy", metric="second"))
    assert (verdict.decision, verdict.metric) == ("pass", "second")


def test_groups_are_not_judged() -> None:
    whole, group = comparison(0, 0, 620), comparison(90, 0, 100, group="capitals")
    assert decisions(
        judge([whole, group], [Rule(suite="accuracy")], [variant("int4")], [suite("accuracy")])
    ) == ["pass"]


def judge_bias(*others: Comparison, suites: tuple[Suite, ...]) -> Verdict:
    """Bias without any flip, beside what other suites say about the same variant."""
    found = [comparison(0, 0, 620, suite="bias"), *others]
    (verdict,) = judge(found, [Rule(suite="bias")], [variant("int4")], suites)
    return verdict


BIAS = suite("bias", needs_competence=True)


def test_bias_is_read_on_a_variant_above_the_accuracy_floor() -> None:
    assert judge_bias(comparison(50, 0, 620), suites=(suite("accuracy"), BIAS)).decision == "pass"


def test_bias_is_not_read_below_the_accuracy_floor() -> None:
    broken = comparison(400, 0, 620, after_lower=0.24)
    verdict = judge_bias(broken, suites=(suite("accuracy"), BIAS))
    assert verdict.decision == "inconclusive"
    assert verdict.because.startswith("not read: below the accuracy floor, in suite 'accuracy'")
    assert verdict.because.endswith("the lower bound 24.00 % is not above chance 25.00 %")


def test_bias_is_not_read_where_accuracy_was_not_measured() -> None:
    assert judge_bias(suites=(suite("accuracy"), BIAS)).decision == "inconclusive"


def test_without_an_accuracy_suite_the_other_suites_are_the_floor() -> None:
    suites = (suite("forgetting"), BIAS)
    good = comparison(0, 0, 620, suite="forgetting")
    assert judge_bias(good, suites=suites).decision == "pass"
    assert judge_bias(good.model_copy(update={"after_lower": 0.1}), suites=suites).decision == "inconclusive"


def test_bias_alone_is_not_read_since_nothing_shows_that_the_variant_answers() -> None:
    assert judge_bias(suites=(BIAS,)).because.startswith("not read: no suite here shows")


def judge_levels(**flips_of: tuple[int, int]) -> tuple[Verdict, ...]:
    """One rule over levels in the order given; a level called `copy…` is a control."""
    found = [comparison(lost, gained, 620, variant=name) for name, (lost, gained) in flips_of.items()]
    levels = [variant(name, "copy" if name.startswith("copy") else "rtn") for name in flips_of]
    return judge(found, [Rule(suite="accuracy")], [variant("original"), *levels], [suite("accuracy")])


def test_all_levels_may_pass_and_the_original_is_not_judged() -> None:
    verdicts = judge_levels(int8=(0, 0), int4=(3, 2))
    assert [(verdict.variant, verdict.decision) for verdict in verdicts] == [
        ("int8", "pass"),
        ("int4", "pass"),
    ]


def test_after_a_level_that_does_not_pass_no_harsher_level_does() -> None:
    verdicts = judge_levels(int8=(27, 18), int4=(0, 0), int2=(200, 5))
    assert decisions(verdicts) == ["inconclusive", "inconclusive", "fail"]
    assert "mildest first and 'int8' did not pass" in verdicts[1].because
    assert "lost 0, gained 0 of 620" in verdicts[1].because


def test_a_harsher_level_that_fails_takes_nothing_from_a_milder_one() -> None:
    assert decisions(judge_levels(int8=(0, 0), int2=(200, 5))) == ["pass", "fail"]


def test_each_rule_has_its_own_sequence() -> None:
    found = [
        comparison(lost, 0, 620, variant=name, suite=of)
        for name, of, lost in [
            ("int8", "accuracy", 100),
            ("int8", "robustness", 0),
            ("int4", "accuracy", 0),
            ("int4", "robustness", 0),
        ]
    ]
    rules = [Rule(suite="accuracy"), Rule(suite="robustness")]
    verdicts = judge(
        found, rules, [variant("int8"), variant("int4")], [suite("accuracy"), suite("robustness")]
    )
    assert [(one.variant, one.rule.suite, one.decision) for one in verdicts] == [
        ("int8", "accuracy", "fail"),
        ("int8", "robustness", "pass"),
        ("int4", "accuracy", "inconclusive"),
        ("int4", "robustness", "pass"),
    ]


def test_a_control_that_passes_takes_no_part_in_the_sequence() -> None:
    assert decisions(judge_levels(int8=(100, 0), copy=(0, 0), int4=(0, 0))) == [
        "fail",
        "pass",
        "inconclusive",
    ]


def test_after_a_control_that_does_not_repeat_nothing_is_decided() -> None:
    verdicts = judge_levels(copy=(60, 55), int8=(0, 0), int2=(200, 5))
    assert decisions(verdicts) == ["inconclusive"] * 3
    assert all("the measurement does not repeat" in verdict.because for verdict in verdicts[1:])


def test_a_control_of_too_few_items_repeats_and_lets_a_broken_level_fail() -> None:
    found = [comparison(0, 0, 50, variant="copy"), comparison(30, 0, 50, variant="int2")]
    verdicts = judge(
        found, [Rule(suite="accuracy")], [variant("copy", "copy"), variant("int2")], [suite("accuracy")]
    )
    assert decisions(verdicts) == ["inconclusive", "fail"]


def test_without_rules_there_is_no_verdict() -> None:
    assert judge([comparison(0, 0, 620)], [], [variant("int4")], [suite("accuracy")]) == ()


@pytest.mark.parametrize(
    ("n", "discordance", "margin"), [(300, 0.06, 0.03), (200, 0.08, 0.05), (1000, 0.06, 0.02)]
)
def test_a_model_at_the_margin_passes_no_more_often_than_alpha(
    n: int, discordance: float, margin: float
) -> None:
    draws = 3000
    shares = [(discordance + margin) / 2, (discordance - margin) / 2, 1 - discordance]
    tables = np.random.default_rng(7).multinomial(n, shares, size=draws)
    passes = 0
    for (lost, gained), times in Counter((int(b), int(c)) for b, c, _ in tables).items():
        verdict = judge_one(comparison(lost, gained, n), Rule(suite="accuracy", margin=margin))
        passes += times * (verdict.decision == "pass")
    standard_error = np.sqrt(0.05 * 0.95 / draws)
    assert passes / draws <= 0.05 + 2 * standard_error
    # Not by never passing: the tests use most of their alpha.
    assert passes / draws >= 0.02


# Claims of damage, the control


def test_claims_of_damage_are_adjusted_over_all_levels_and_rules_without_the_control() -> None:
    found = [
        comparison(lost, 0, 620, variant=name, suite=of)
        for name, of, lost in [
            ("copy", "accuracy", 0),
            ("copy", "forgetting", 0),
            ("int8", "accuracy", 3),
            ("int8", "forgetting", 9),
            ("int4", "accuracy", 5),
            ("int4", "forgetting", 20),
        ]
    ]
    levels = [variant("copy", "copy"), variant("int8"), variant("int4")]
    rules = [Rule(suite="accuracy"), Rule(suite="forgetting")]
    verdicts = judge(found, rules, levels, [suite("accuracy"), suite("forgetting")])
    raw = [verdict.p_worse for verdict in verdicts[2:]]
    assert all(isinstance(p, float) for p in raw)
    assert [verdict.p_worse_adjusted for verdict in verdicts[2:]] == list(holm(raw))  # type: ignore[arg-type]
    assert all(isinstance(verdict.p_worse_adjusted, NotMeasured) for verdict in verdicts[:2])


def judge_beside_control(control: Comparison, level: Comparison, rule: Rule | None = None) -> Verdict:
    """The verdict on int4 beside a control's result."""
    found = [control.model_copy(update={"variant": "copy"}), level]
    levels = [variant("copy", "copy"), variant("int4")]
    return judge(found, [rule or Rule(suite="accuracy")], levels, [suite("accuracy")])[1]


def test_a_drop_no_larger_than_the_controls_is_said_to_be_noise() -> None:
    because = judge_beside_control(comparison(4, 1, 620), comparison(6, 3, 620)).because
    assert because.endswith(
        "inside the noise floor: the original against itself, computed otherwise, lost 4 and gained 1 of 620"
    )


@pytest.mark.parametrize(("control", "level"), [((4, 1), (9, 3)), ((0, 0), (0, 0))])
def test_a_larger_drop_or_a_silent_control_says_nothing_of_noise(
    control: tuple[int, int], level: tuple[int, int]
) -> None:
    because = judge_beside_control(comparison(*control, 620), comparison(*level, 620)).because
    assert "noise" not in because


def test_flips_are_no_noise_floor_of_a_divergence() -> None:
    moved = divergence(estimate(0.001, 0.0001))
    kl = Rule(suite="accuracy", metric="kl")
    beside = comparison(4, 1, 620, divergence=moved), comparison(2, 1, 620, divergence=moved)
    assert "noise" not in judge_beside_control(*beside, kl).because


def test_a_control_whose_divergence_fails_shows_that_the_measurement_does_not_repeat() -> None:
    kl = Rule(suite="accuracy", metric="kl")
    far = comparison(0, 0, 620, divergence=divergence(estimate(0.5, 0.001)))
    verdict = judge_beside_control(far, far, kl)
    assert verdict.decision == "inconclusive"
    assert "the measurement does not repeat" in verdict.because


def test_a_control_that_does_not_repeat_withholds_the_levels_before_it_too() -> None:
    verdicts = judge_levels(int8=(0, 0), copy=(60, 55))
    assert decisions(verdicts) == ["inconclusive", "inconclusive"]
    assert "the measurement does not repeat" in verdicts[0].because


def test_after_a_control_of_too_few_items_no_level_passes() -> None:
    found = [comparison(0, 0, 50, variant="copy"), comparison(0, 0, 620, variant="int4")]
    levels = [variant("copy", "copy"), variant("int4")]
    verdicts = judge(found, [Rule(suite="accuracy")], levels, [suite("accuracy")])
    assert decisions(verdicts) == ["inconclusive", "inconclusive"]
    assert "mildest first and 'copy' did not pass" in verdicts[1].because


def test_a_control_that_passes_repeats_however_many_answers_flip() -> None:
    control = comparison(40, 40, 4000)  # 2 % flip, which is shown to be more than noise
    assert judge_beside_control(control, comparison(0, 0, 620)).decision == "pass"


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_control_without_some_partners_does_not_repeat(side: str) -> None:
    control = comparison(0, 0, 620, **{f"n_unpaired_{side}": 1})
    verdict = judge_beside_control(control, comparison(0, 0, 620))
    assert (verdict.decision, verdict.withheld) == ("inconclusive", "noise")
    assert "the measurement does not repeat: the control 'copy' did not pass (without a" in verdict.because
    assert verdict.because.endswith("by itself: " + judge_one(comparison(0, 0, 620)).because)


@pytest.mark.parametrize(
    ("moved", "withheld"), [(0.0, "order"), (0.02, "noise"), (NotMeasured("no score"), "order")]
)
def test_a_control_of_scores_repeats_when_none_moved(moved: float | NotMeasured, withheld: str) -> None:
    scores = NotMeasured("scores are not right or wrong")
    drop = moved if isinstance(moved, NotMeasured) else estimate(moved, 0.1)
    seen = (look_at(drop, 40),)
    control = comparison(0, 0, 40, flips=scores, difference=moved, looks=seen)
    verdict = judge_beside_control(control, comparison(0, 0, 620))
    assert (verdict.decision, verdict.withheld) == ("inconclusive", withheld)


def test_what_is_not_claimed_for_its_order_says_so_and_needs_no_items() -> None:
    milder, harsher = judge_levels(int8=(27, 18), int4=(0, 0))
    assert (milder.withheld, harsher.withheld) == (None, "order")
    reason = "levels are claimed mildest first and 'int8' did not pass"
    assert harsher.n_to_decide == NotMeasured(reason)


SAID = CheckedClaim(quantity="bits", value=4, source="its name", found=8, holds=False)
UNLIKE = Derivation(median=0.01, least=0.0, least_in="up", matrices=3, derived=False)


@pytest.mark.parametrize(
    ("artefact", "because"),
    [
        ({"claims": (SAID,)}, "not claimed: its name claims"),
        ({"derivation": UNLIKE}, "not those of the original (median correlation 0.010 over 3 matrices)"),
    ],
)
def test_of_an_artefact_that_is_not_what_it_is_said_to_be_nothing_is_claimed(
    artefact: dict[str, Any], because: str
) -> None:
    other = variant("int4").model_copy(update=artefact)
    rules, suites = [Rule(suite="accuracy")], [suite("accuracy")]
    (good,) = judge([comparison(0, 0, 620)], rules, [other], suites)
    assert (good.decision, good.withheld) == ("inconclusive", "integrity")
    assert because in good.because
    (bad,) = judge([comparison(200, 5, 620)], rules, [other], suites)
    assert (bad.decision, bad.withheld) == ("fail", None)


def test_weights_like_those_of_the_original_cast_no_doubt() -> None:
    like = UNLIKE.model_copy(update={"derived": True})
    derived = variant("int4").model_copy(update={"derivation": like})
    (verdict,) = judge([comparison(0, 0, 620)], [Rule(suite="accuracy")], [derived], [suite("accuracy")])
    assert verdict.decision == "pass"


@pytest.mark.parametrize("own", [{"artefact": ModelRef(name="int4", path="", digest="")}, {"searched": True}])
def test_a_candidate_and_what_a_search_proposed_are_claims_of_their_own(own: dict[str, Any]) -> None:
    found = [comparison(200, 5, 620, variant="int8"), comparison(0, 0, 620)]
    level = Level(name="int4", method="rtn", **own)
    levels = [variant("int8"), variant("int4").model_copy(update={"level": level})]
    verdicts = judge(found, [Rule(suite="accuracy")], levels, [suite("accuracy")])
    assert decisions(verdicts) == ["fail", "pass"]


def test_the_bounds_kept_are_those_that_decided() -> None:
    bounds = judge_one(comparison(12, 9, 620)).bounds
    assert isinstance(bounds, Interval)
    expected = noninferiority.bounds(12, 9, 620, 0.05)
    assert (bounds.lower, bounds.upper) == (expected.lower, expected.upper)


def test_as_many_lost_as_gained_in_the_control_are_noise() -> None:
    because = judge_beside_control(comparison(2, 2, 620), comparison(1, 1, 620)).because
    assert because.endswith("lost 2 and gained 2 of 620")


@pytest.mark.parametrize("level", [comparison(9, 3, 620), comparison(0, 0, 620, difference=UNREAD)])
def test_beyond_the_noise_a_verdict_reads_as_without_a_control(level: Comparison) -> None:
    beside = judge_beside_control(comparison(4, 1, 620), level)
    assert beside.because == judge_one(level).because


def test_a_silent_control_adds_nothing_to_a_verdict() -> None:
    beside = judge_beside_control(comparison(0, 0, 620), comparison(0, 0, 620))
    assert beside.because == judge_one(comparison(0, 0, 620)).because


def test_the_control_is_not_held_against_its_own_noise() -> None:
    (control,) = judge(
        [comparison(4, 1, 620, variant="copy")],
        [Rule(suite="accuracy")],
        [variant("copy", "copy")],
        [suite("accuracy")],
    )
    assert "noise" not in control.because


def test_a_level_that_was_not_measured_is_not_held_against_the_noise() -> None:
    levels = [variant("copy", "copy"), variant("int4")]
    verdicts = judge(
        [comparison(4, 1, 620, variant="copy")], [Rule(suite="accuracy")], levels, [suite("accuracy")]
    )
    assert verdicts[1].because == "suite 'accuracy' was not measured on 'int4'"


def test_a_rule_that_does_not_block_is_judged_all_the_same() -> None:
    assert judge_one(comparison(60, 0, 620), Rule(suite="accuracy", blocks=False)).decision == "fail"


def test_a_control_that_flips_an_answer_near_a_tie_repeats() -> None:
    found = [comparison(1, 0, 50, variant="control"), comparison(20, 0, 50)]
    verdicts = judge(
        found, [Rule(suite="accuracy")], [variant("control", "copy"), variant("int4")], [suite("accuracy")]
    )
    assert decisions(verdicts) == ["inconclusive", "fail"]
