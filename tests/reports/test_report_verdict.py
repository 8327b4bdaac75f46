"""The first thing on the page: may each level ship?"""

from __future__ import annotations

import re
from collections.abc import Callable
from statistics import NormalDist

import pytest

from audit.records import AuditLog, Comparison, Flips, Interval, Look, NotMeasured
from reports import markdown
from reports.sections import drops, verdict

Text = Callable[[str], str]


def test_a_level_that_passes_says_yes_and_how_close_it_was(log: AuditLog, text_of: Text) -> None:
    text = _answer(log, "int8", text_of)
    assert "Pass" in text
    assert "All 5 rules pass; the closest call is Forgetting, with 1.68 points to spare." in text


def test_a_level_that_fails_says_which_rules_and_by_how_much(log: AuditLog, text_of: Text) -> None:
    text = _answer(log, "int4", text_of)
    assert "No. 2 of 5 rules fail; worst in Accuracy" in text
    assert "Accuracy: a drop of 6.09 points (3.79 to 8.40), 3.09 over the margin of 3.00." in text
    assert "Forgetting: a drop of 5.16 points (3.02 to 7.30), 2.16 over the margin of 3.00." in text
    assert "Passed: Bias, Robustness, Safety" in text


def test_a_failure_by_the_drop_alone_does_not_claim_a_loss(log: AuditLog, text_of: Text) -> None:
    shown = _judged(log, "int4", "accuracy", p_worse_adjusted=0.3)
    text = _answer(_judged(shown, "int4", "forgetting", p_worse_adjusted=0.01), "int4", text_of)
    assert (
        "No. 2 of 5 rules fail (over all levels and rules a loss is shown in 1 of them); worst in Accuracy"
        in text
    )
    accuracy, forgetting = (
        text.split(f"Fail {title}: ")[1].split(" Why: ")[0] for title in ("Accuracy", "Forgetting")
    )
    assert (
        "a loss is shown by this rule alone, and not over all levels and rules (Holm-adjusted p 0.3000)"
        in accuracy
    )
    assert "is not shown" not in forgetting


def test_the_closest_call_is_by_the_bounds_that_decide(log: AuditLog, text_of: Text) -> None:
    """Safety's 90 % interval has more room than Forgetting's, but an early look decided it by less."""
    early = Interval(lower=-0.02, upper=0.027, confidence=0.9998, method="made up")
    text = _answer(_judged(log, "int8", "safety", bounds=early), "int8", text_of)
    assert "the closest call is Safety, with 0.30 points to spare" in text


def test_an_open_level_says_what_would_decide(log: AuditLog, text_of: Text) -> None:
    text = _answer(log, "magnitude-50", text_of)
    assert "Not shown. 4 of 5 rules are undecided" in text
    assert (
        "Accuracy: a drop of 1.72 points (−0.35 to 3.79), which may lie 0.79 over the margin of 3.00" in text
    )
    assert "about 1840 items would decide" in text


@pytest.mark.parametrize(
    ("adjusted", "claim"),
    [
        (0.0123, "detectably worse (Holm-adjusted p 0.0123)"),
        (0.05, "above zero by this rule alone, and not over all levels and rules (Holm-adjusted p 0.0500)"),
        (NotMeasured("untested"), "above zero by this rule alone"),
    ],
)
def test_a_failure_inside_the_margin_claims_damage_by_the_adjusted_p_only(
    log: AuditLog, text_of: Text, adjusted: float | NotMeasured, claim: str
) -> None:
    interval = Interval(lower=0.0042, upper=0.0396, confidence=0.9, method="Tango")
    shown = _with(log, "int4", "accuracy", difference=0.02, interval=interval)
    words = f"a drop of 2.00 points (0.42 to 3.96): {claim}, and up to 0.96 over the margin of 3.00"
    answer = _answer(_judged(shown, "int4", "accuracy", p_worse_adjusted=adjusted), "int4", text_of)
    assert words in answer
    assert ("Detectably worse than the original (confirmatory; p Holm-adjusted" in answer) == (
        adjusted == 0.0123
    )


def test_a_suite_below_the_accuracy_floor_gives_the_reason_of_the_log(log: AuditLog, text_of: Text) -> None:
    assert "a broken model looks unbiased" in _answer(log, "int2", text_of)


def test_a_suite_that_is_not_read_shows_no_drop_as_if_it_were(log: AuditLog, text_of: Text) -> None:
    answer = _answer(log, "int2", text_of)
    assert "Bias: its numbers decide nothing here." in answer
    assert "not read" in text_of(_html(log))


def test_a_level_is_not_passed_by_rules_that_were_never_judged(log: AuditLog, text_of: Text) -> None:
    kept = tuple(v for v in log.verdicts if v.variant != "int8" or v.rule.suite == "accuracy")
    text = _answer(log.model_copy(update={"verdicts": kept}), "int8", text_of)
    assert "Not shown. 4 of 5 rules were not judged." in text
    assert "int8 Inconclusive" in text


def test_a_withheld_claim_inside_the_margin_is_not_called_over_it(log: AuditLog, text_of: Text) -> None:
    withheld = tuple(
        v.model_copy(
            update={
                "decision": "inconclusive",
                "withheld": "order",
                "because": "not claimed: int4 did not pass",
            }
        )
        if (v.variant, v.rule.suite) == ("magnitude-50", "safety")
        else v
        for v in log.verdicts
    )
    text = _answer(log.model_copy(update={"verdicts": withheld}), "magnitude-50", text_of)
    assert "Safety: a drop of 0.94 points (−0.91 to 2.79), inside the margin of 3.00" in text
    assert "Why: not claimed: int4 did not pass" in text


def test_decisions_are_told_by_word_and_icon(log: AuditLog) -> None:
    badges = re.findall(
        r'<span class="badge (\w+)"><svg[^>]*aria-hidden="true"[^>]*>.+?</svg>(\w+)</span>', _html(log)
    )
    assert {(name, word) for name, word in badges} == {
        ("pass", "Pass"),
        ("fail", "Fail"),
        ("inconclusive", "Inconclusive"),
    }


def test_the_overall_sentence_names_what_may_ship(log: AuditLog, text_of: Text) -> None:
    assert "1 of 4 levels may ship under the rules below: int8. The others may not." in text_of(_html(log))


def test_the_control_is_a_proof_of_measurement_and_no_product(log: AuditLog, text_of: Text) -> None:
    html = _html(log)
    assert (
        "computed with half the pack size, rows and threads: 0 flips in 3200 scored units; "
        "the order of arithmetic changes nothing" in text_of(html)
    )
    assert "control" not in re.findall(r"<h4><bdi>([^<]+)", html)


def test_a_control_that_flips_and_passes_shows_the_noise_floor(log: AuditLog, text_of: Text) -> None:
    flips = Flips(lost=2, gained=1, rate=3 / 640)
    words = "3 flips in 3200 scored units; so much the order of arithmetic alone changes (the noise floor)"
    assert words in text_of(_html(_with(log, "control", "bias", flips=flips)))


def test_a_control_that_took_claims_back_says_that_the_measurement_does_not_repeat(
    log: AuditLog, text_of: Text
) -> None:
    changed = _with(log, "control", "bias", flips=Flips(lost=90, gained=1, rate=91 / 640))
    changed = _judged(changed, "int8", "bias", decision="inconclusive", withheld="noise")
    assert "91 flips in 3200 scored units; the measurement does not repeat itself" in text_of(_html(changed))


def test_a_control_that_is_open_takes_nothing_back_by_itself(log: AuditLog, text_of: Text) -> None:
    changed = _with(log, "control", "bias", flips=Flips(lost=1, gained=1, rate=2 / 640))
    changed = _judged(changed, "control", "bias", decision="inconclusive")
    assert "2 flips in 3200 scored units; so much the order of arithmetic" in text_of(_html(changed))


def test_a_control_in_another_precision_is_noise_that_blocks_nothing(log: AuditLog, text_of: Text) -> None:
    noise = log.config.levels[0].model_copy(update={"options": {"dtype": "bfloat16"}})
    config = log.config.model_copy(update={"levels": (noise, *log.config.levels[1:])})
    changed = _with(log.model_copy(update={"config": config}), "control", "bias", difference=0.001)
    text = text_of(_html(changed))
    assert "rows and threads, and in bfloat16: 0 flips in 3200 scored units" in text
    assert "so much is what the precision and the order of arithmetic change; it blocks no level" in text


def test_a_drop_that_could_not_be_had_is_no_number(log: AuditLog, text_of: Text) -> None:
    gap = NotMeasured("no pairs")
    text = _answer(_with(log, "int4", "accuracy", difference=gap, interval=gap), "int4", text_of)
    assert "Accuracy: no drop could be had to hold against the margin of 3.00 points" in text


def test_a_stopped_audit_says_so_with_its_error_before_anything_else(log: AuditLog, text_of: Text) -> None:
    stopped = log.model_copy(
        update={"status": "stopped", "error": "disk full <b>while</b> int2", "verdicts": ()}
    )
    text = text_of(_html(stopped))
    assert text.startswith("This audit stopped before its end.")
    assert "disk full <b>while</b> int2" in text
    assert "supports no release" in text


def test_a_stopped_audit_releases_no_level(log: AuditLog, text_of: Text) -> None:
    text = _answer(log.model_copy(update={"status": "stopped"}), "int8", text_of)
    assert "int8 Inconclusive" in text
    assert "All 5 rules pass, but the audit stopped before its end." in text


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("trust_remote_code", "Code shipped with the model was run"),
        ("allow_pickle", "pickle files were accepted"),
    ],
)
def test_a_risk_that_was_taken_is_said_on_top(log: AuditLog, text_of: Text, flag: str, words: str) -> None:
    model = log.config.model.model_copy(update={flag: True})
    risky = log.model_copy(update={"config": log.config.model_copy(update={"model": model})})
    assert words not in text_of(_html(log))
    assert words in text_of(_html(risky))


def _html(log: AuditLog) -> str:
    return str(verdict.section(log).html)


def _answer(log: AuditLog, level: str, text_of: Text) -> str:
    """The text of one level's card."""
    cards = _html(log).split('<li class="answer ')[1:]
    return text_of(next(card for card in cards if f"<h4><bdi>{level}</bdi>" in card))


def _judged(log: AuditLog, variant: str, suite: str, **update: object) -> AuditLog:
    """The log with one verdict changed."""
    verdicts = tuple(
        one.model_copy(update=update) if (one.variant, one.rule.suite) == (variant, suite) else one
        for one in log.verdicts
    )
    return log.model_copy(update={"verdicts": verdicts})


def _with(log: AuditLog, variant: str, suite: str, **update: object) -> AuditLog:
    """The log with one whole-suite comparison changed."""

    def changed(one: Comparison) -> Comparison:
        here = (one.variant, one.suite, one.group) == (variant, suite, None)
        return one.model_copy(update=update) if here else one

    return log.model_copy(update={"comparisons": tuple(changed(one) for one in log.comparisons)})


def test_margins_that_nobody_justified_are_told_with_the_verdict(
    log: AuditLog, gate: AuditLog, text_of: Text
) -> None:
    first, *others = log.config.rules
    reasoned = first.model_copy(update={"because": "agreed with the users"})
    config = log.config.model_copy(update={"rules": (reasoned, *others[:1])})
    one_left = log.model_copy(update={"config": config})
    assert "Every margin here is a default, which nobody justified" in text_of(str(verdict.section(log).html))
    assert "which nobody justified for this use: Bias." in text_of(str(verdict.section(one_left).html))
    assert "nobody justified" not in text_of(str(verdict.section(gate).html))


def _decided_early(log: AuditLog) -> AuditLog:
    """int8's accuracy decided by the first of two looks: 310 of 620 pairs, of which 31 were lost."""
    first, last = (
        Look(
            n_pairs=n, lost=lost, gained=0, bad_after=NotMeasured("no ceiling"),
            estimate=NotMeasured("flips are counted"),
        )
        for n, lost in ((310, 31), (620, 32))
    )  # fmt: skip
    asked = _with(log, "int8", "accuracy", looks=(first, last), n_planned=620)
    # Half of the items: an error of 2 (1 − Φ(z_.975 / √.5)) = .005575 (Lan & DeMets 1983)
    bounds = Interval(lower=0.05, upper=0.16, confidence=1 - 2 * spent(0.5, 0.05), method="made up")
    return _judged(asked, "int8", "accuracy", bounds=bounds)


def spent(fraction: float, alpha: float) -> float:
    """O'Brien and Fleming's, by the standard library."""
    z = NormalDist()
    return 2 * (1 - z.cdf(z.inv_cdf(1 - alpha / 2) / fraction**0.5))


def test_the_matrix_has_drop_and_bounds_of_the_same_pairs(log: AuditLog) -> None:
    def cell(one: AuditLog) -> str:
        table = verdict._matrix(one)
        place = [column.title.startswith("Accuracy") for column in table.columns].index(True)
        return str(next(row for row in table.rows if row[0] == "int8")[place])

    early = cell(_decided_early(log))
    assert "10.00 (5.00 to 16.00) over the first 310 pairs" in early
    assert "first" not in cell(log)
    assert "of 10.00 at 310 pairs" in str(drops.section(_decided_early(log)).html)
    assert "over those alone" in verdict._matrix(_decided_early(log)).caption
    assert "over those alone" not in verdict._matrix(log).caption


def test_a_drop_over_all_pairs_says_so_beside_a_reason_that_is_about_fewer(
    log: AuditLog, text_of: Text
) -> None:
    text = _answer(_judged(_decided_early(log), "int8", "accuracy", decision="fail"), "int8", text_of)
    assert "over all pairs asked; decided over the first 310" in text


def test_bounds_that_were_not_of_an_early_look_name_no_pairs(log: AuditLog) -> None:
    other = Interval(lower=0.05, upper=0.16, confidence=0.9, method="made up")
    last = _judged(_decided_early(log), "int8", "accuracy", bounds=other)
    assert "over the first" not in _html(last)


def test_a_loss_by_one_rule_alone_is_set_against_holm_over_all(log: AuditLog, text_of: Text) -> None:
    shown = _judged(log, "int4", "accuracy", p_worse_adjusted=0.3)
    why = "Holm's p is about all levels and rules together"
    assert why in text_of(_html(shown))
    assert why not in text_of(_html(log))


def test_a_margin_wider_than_the_standard_policys_says_what_it_allows(log: AuditLog, text_of: Text) -> None:
    first, *others = log.config.rules
    wide = log.config.model_copy(update={"rules": (first.model_copy(update={"margin": 0.15}), *others)})
    changed = log.model_copy(update={"config": wide})
    told = (
        "Wide margins. Accuracy: a margin of 15.00 points lets a level pass that loses up to 15 of 100 items "
        "on balance; the standard policy allows 3."
    )
    assert told in text_of(_html(changed))
    assert "**Wide margins.** Accuracy: a margin of 15.00 points" in markdown.render(changed).decode()
    assert "Wide margins" not in _html(log)
