"""What the gate knows: looks, policy, budgets, registration, claims of damage, other methods."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from audit.records import (
    AuditLog,
    Budget,
    BudgetVerdict,
    Comparison,
    Decision,
    Level,
    NotMeasured,
    Rule,
    Verdict,
)
from reports import looks, reading
from reports.html import render
from reports.sections import drops, limits, method, power, provenance, verdict

Text = Callable[[str], str]
Rows = Callable[[str], list[list[str]]]

ERROR_RATES = Path(__file__).parents[2] / "docs" / "error-rates.md"


# Looks


def test_the_pairs_spared_are_counted_over_the_levels_without_the_control(
    gate: AuditLog, text_of: Text
) -> None:
    compared = [one for one in gate.comparisons if one.variant != "control"]
    left = sum((one.n_planned or 0) - one.n_pairs for one in compared)
    planned = 3 * (2400 + 2400 + 800 + 240)
    share = f"({100 * left / planned:.0f}\xa0%) at 3 levels"
    words = f"Early stopping left out {left} of {planned:,} planned pairs {share}"
    assert 0 < left < planned
    assert " ".join(words.split()) in text_of(str(verdict.section(gate).html))


def test_items_without_a_partner_are_not_called_spared(gate: AuditLog) -> None:
    one = _whole(gate, "int4", "bias")
    assert reading.spared(one.model_copy(update={"n_pairs": 2390, "n_unpaired_before": 10})) == 0
    assert reading.spared(one.model_copy(update={"n_pairs": 2290, "n_unpaired_before": 10})) == 100


def test_a_stopped_audit_claims_to_have_spared_nothing(gate: AuditLog, text_of: Text) -> None:
    stopped = gate.model_copy(update={"status": "stopped"})
    assert "Early stopping" not in text_of(str(verdict.section(stopped).html))


def test_each_look_stands_with_its_nominal_error(gate: AuditLog, rows_of: Rows) -> None:
    """Bounds of gsDesign: z 3.74955, 2.53994, 2.01607, 1.72018 at a quarter, a half, ... of the items."""
    rows = {(row[0], row[1]): row for row in _looks(gate, rows_of)}
    assert rows["int8", "Bias"][2:] == [
        "1200 of 2400",
        "600, 1200",
        "0.000089, 0.0055",
        "stopped for pass",
    ]
    assert rows["int4", "Bias"][3:] == [
        "600, 1200, 1800, 2400",
        "0.000089, 0.0055, 0.022, 0.043",
        "all asked",
    ]
    assert rows["int4", "Fluency"][5] == "stopped for fail"


def test_looks_with_too_few_pairs_for_a_rule_are_none(gate: AuditLog, rows_of: Rows) -> None:
    rules = tuple(rule.model_copy(update={"min_pairs": 1000}) for rule in gate.config.rules)
    stricter = _with_rules(gate, rules)
    rows = {(row[0], row[1]): row for row in _looks(stricter, rows_of)}
    assert rows["int8", "Bias"][3] == "1200"
    assert rows["int8", "Fluency"][3] == "not measured: fewer than 1000 pairs"


@pytest.mark.parametrize(
    ("update", "word"),
    [
        ({"decision": "pass"}, "stopped for pass"),
        ({"decision": "fail"}, "stopped for fail"),
        ({"decision": "inconclusive", "p_value": 0.4}, "stopped for futility: too little chance to pass"),
        (
            {"decision": "inconclusive", "withheld": "order"},
            "stopped: decided, but not claimed",
        ),
        ({"decision": "inconclusive", "p_value": NotMeasured("floor")}, "stopped: not to be read"),
    ],
)
def test_why_no_more_was_asked_is_told(
    gate: AuditLog, rows_of: Rows, update: dict[str, object], word: str
) -> None:
    changed = _judged(gate, "int8", "Bias", **update)
    rows = {(row[0], row[1]): row for row in _looks(changed, rows_of)}
    assert rows["int8", "Bias"][5] == word


def test_what_a_stopped_audit_left_out_was_not_stopped_by_a_rule(gate: AuditLog, rows_of: Rows) -> None:
    stopped = gate.model_copy(update={"status": "stopped"})
    rows = {(row[0], row[1]): row for row in _looks(stopped, rows_of)}
    assert rows["int8", "Bias"][5] == "the audit stopped"


def test_an_audit_of_one_look_has_no_table_of_looks(gate: AuditLog) -> None:
    config = gate.config.model_copy(update={"looks": 1})
    once = gate.model_copy(update={"config": config})
    assert "Looks at the data" not in power.section(once).html
    assert "Looking before the end" not in method.section(once).html
    assert "O'Brien-Fleming type by alpha spending (Lan &amp; DeMets 1983)" in method.section(gate).html


def test_an_interval_of_a_suite_that_stopped_early_is_said_not_to_be_adjusted(
    gate: AuditLog, log: AuditLog
) -> None:
    """Only where the log does not hold the bounds that decided."""
    older = tuple(one.model_copy(update={"bounds": NotMeasured("an older log")}) for one in gate.verdicts)
    for section in (verdict.section, drops.section):
        assert looks.NOT_ADJUSTED in section(gate.model_copy(update={"verdicts": older})).html
        assert looks.NOT_ADJUSTED not in section(gate).html
        assert looks.NOT_ADJUSTED not in section(log).html


def test_the_pairs_asked_stand_beside_those_planned(gate: AuditLog, rows_of: Rows) -> None:
    rows = [row for row in rows_of(_article(gate, "Bias")) if len(row) == 14]
    pairs = {row[0]: row[12] for row in rows}
    assert (pairs["int8"], pairs["int4"]) == ("1200 of 2400 stopped early", "2400")


# Policy


def test_the_rules_stand_with_all_their_terms(gate: AuditLog, rows_of: Rows) -> None:
    html = str(method.section(gate).html)
    assert "The rules, fixed before the run (policy: standard)" in html
    rows = rows_of(html)
    kl, bias = ["Accuracy", "KL divergence"], ["Bias", "pair accuracy"]
    assert [*kl, "0.0500 nats", "0.05", "none", "1", "none", REPORTED, "to see drift early"] in rows
    assert [*bias, "2.00 points", "0.05", "50.00 % bad at most", "1", "template", "yes", TWINS] in rows


REPORTED, TWINS = "reported, does not block", "two points of twins"


def test_a_rule_that_does_not_block_turns_no_decision(gate: AuditLog, text_of: Text) -> None:
    failed = _judged(gate, "int8", "Accuracy (KL divergence)", decision="fail")
    assert reading.decision_on(failed, _level(gate, "int8")) == "pass"
    answer = _answer(failed, "int8", text_of)
    assert "Yes: shown to lose less than each margin" in answer
    assert "Fail Accuracy (KL divergence) (reported, does not block): a divergence of" in answer


def test_a_rule_that_does_not_block_and_was_not_judged_keeps_nothing_back(gate: AuditLog) -> None:
    without = tuple(one for one in gate.verdicts if one.rule.blocks)
    log = gate.model_copy(update={"verdicts": without})
    assert reading.decision_on(log, _level(log, "int8")) == "pass"


def test_rules_that_do_not_block_come_after_those_that_do(gate: AuditLog, text_of: Text) -> None:
    answer = _answer(gate, "int4", text_of)
    order = [answer.index(title) for title in ("Fail Bias", "Fail Fluency", "Inconclusive Accuracy (KL")]
    assert order == sorted(order)


def test_without_a_rule_that_blocks_nothing_is_released(gate: AuditLog, text_of: Text) -> None:
    rules = tuple(rule.model_copy(update={"blocks": False}) for rule in gate.config.rules)
    free = _with_rules(gate, rules).model_copy(update={"budgets": ()})
    free = free.model_copy(update={"config": free.config.model_copy(update={"budgets": ()})})
    assert reading.decision_on(free, _level(free, "int8")) == "inconclusive"
    assert "No rule that blocks was set for this audit." in _answer(free, "int8", text_of)


@pytest.mark.parametrize("blocks", [True, False])
@pytest.mark.parametrize("decision", ["pass", "fail", "inconclusive"])
@pytest.mark.parametrize("status", ["finished", "stopped"])
def test_the_levels_decide_as_the_audit_does(
    gate: AuditLog, blocks: bool, decision: Decision, status: str
) -> None:
    """All pass but one rule and one budget, which block or don't."""
    odd = Rule(suite="bias", metric="pair accuracy", blocks=blocks)
    one = next(one for one in gate.verdicts if (one.variant, one.rule.suite) == ("int4", "bias"))
    verdicts = tuple(one.model_copy(update={"decision": "pass"}) for one in gate.verdicts)
    budgets = tuple(one.model_copy(update={"decision": "pass"}) for one in gate.budgets)
    for changed in (
        {"verdicts": (*verdicts, one.model_copy(update={"rule": odd, "decision": decision}))},
        {"budgets": (*budgets, _over("int4", decision, blocks))},
    ):
        log = gate.model_copy(update={"verdicts": verdicts, "budgets": budgets, "status": status, **changed})
        of_levels = {reading.decision_on(log, level) for level in log.config.levels}
        together = "fail" if "fail" in of_levels else "pass" if of_levels == {"pass"} else "inconclusive"
        assert together == log.decision


# Budgets


def test_a_budget_stands_with_value_limit_verdict_and_reason(gate: AuditLog, rows_of: Rows) -> None:
    rows = rows_of(str(verdict.section(gate).html).split("Budgets: is it small enough?")[-1])
    assert [
        "int4",
        "Size on disk",
        "161.4 MiB",
        "230.0 MiB",
        "Pass",
        "169,213,952 ≤ 241,172,480 size_bytes",
        "the app may hold 230 MiB of weights",
    ] in rows
    assert ["int8", "Bits per weight", "13.22 bits", "9.00 bits"] in [row[:4] for row in rows]
    assert "Fail reported, does not block" in next(row for row in rows if row[2:3] == ["13.22 bits"])[4]


def test_small_enough_and_not_worse_is_one_verdict(gate: AuditLog, text_of: Text) -> None:
    words = (
        "Yes: shown to lose less than each margin and small enough (212.0 MiB where the budget is 230.0 MiB)."
        " All 4 rules and 1 budget pass; the closest call is"
    )
    assert words in _answer(gate, "int8", text_of)


def test_a_budget_that_is_exceeded_keeps_a_level_back(gate: AuditLog, text_of: Text) -> None:
    heavy = tuple(
        one.model_copy(update={"decision": "fail", "value": 300.0 * 2**20})
        if (one.variant, one.budget.quantity) == ("int8", "size_bytes")
        else one
        for one in gate.budgets
    )
    log = gate.model_copy(update={"budgets": heavy})
    assert reading.decision_on(log, _level(log, "int8")) == "fail"
    words = "No. Too large: size on disk 300.0 MiB where the budget is 230.0 MiB."
    assert words in _answer(log, "int8", text_of)


def test_a_budget_that_was_not_weighed_keeps_a_level_back(gate: AuditLog, text_of: Text) -> None:
    log = gate.model_copy(update={"budgets": ()})
    assert reading.decision_on(log, _level(log, "int8")) == "inconclusive"
    assert "Not shown. 1 of 4 rules and 1 budget was not judged." in _answer(log, "int8", text_of)


# Registration


def test_rules_that_were_changed_afterwards_make_the_verdict_post_hoc(gate: AuditLog, text_of: Text) -> None:
    words = "Post hoc: the rules were changed after the items were scored. This verdict is exploratory."
    softer = tuple(rule.model_copy(update={"margin": 0.2}) for rule in gate.config.rules)
    changed = _with_rules(gate, softer)
    for section in (verdict.section, method.section):
        assert text_of(str(section(changed).html)).startswith(words)
        assert "Post hoc" not in text_of(str(section(gate).html))
    assert "changed after the items were scored" in str(provenance.section(changed).html)
    assert limits.POST_HOC in str(limits.section(changed).html)
    assert "The rules, changed after the items were scored (policy: standard)" in method.section(changed).html


@pytest.mark.parametrize("part", ["budgets", "looks", "seed"])
def test_whatever_else_decides_is_registered_too(gate: AuditLog, part: str) -> None:
    other = {"budgets": (), "looks": 2, "seed": 7}[part]
    config = gate.config.model_copy(update={part: other})
    assert reading.post_hoc(gate.model_copy(update={"config": config}))
    assert not reading.post_hoc(gate)


def test_what_was_registered_stands_with_its_time(gate: AuditLog, text_of: Text) -> None:
    text = text_of(str(provenance.section(gate).html))
    assert "2026-11-24T08:00:02Z" in text
    assert f"{gate.config.policy_sha256}: of the rules, budgets, looks and seed." in text
    assert "The rules of this log have the same." in text
    assert "1d" * 32 in text


def test_an_audit_without_registration_says_why(gate: AuditLog, text_of: Text) -> None:
    blank = gate.model_copy(update={"registered": NotMeasured("it stopped before its tasks were loaded")})
    assert not reading.post_hoc(blank)
    for section in (provenance.section, limits.section):
        assert "it stopped before its tasks were loaded" in text_of(str(section(blank).html))


# Claims of damage


def test_a_level_is_called_worse_by_the_adjusted_p_alone(gate: AuditLog, text_of: Text) -> None:
    start = "Detectably worse than the original (confirmatory; p Holm-adjusted over all levels and rules)"
    log = _judged(gate, "int8", "Fluency", p_worse=0.001, p_worse_adjusted=0.06)
    assert "Detectably worse" not in _answer(log, "int8", text_of).split("Passed:")[0]
    log = _judged(log, "int8", "Summaries", p_worse_adjusted=0.0312)
    assert f"{start}: Summaries (p 0.0312)." in _answer(log, "int8", text_of)


def test_the_adjusted_p_of_damage_stands_in_the_table(gate: AuditLog, rows_of: Rows) -> None:
    rows = rows_of(_article(gate, "Bias"))
    place = rows[0].index("p, drop > 0 (Holm)")
    adjusted = next(one for one in gate.verdicts if (one.variant, one.rule.suite) == ("int4", "bias"))
    assert isinstance(adjusted.p_worse_adjusted, float)
    seen = {row[0]: row[place] for row in rows if len(row) == len(rows[0])}
    assert (seen["int4"], seen["int2"]) == (f"{adjusted.p_worse_adjusted:.4f}", "not tested")


def test_confirmatory_and_exploratory_are_told_apart(gate: AuditLog, text_of: Text) -> None:
    text = text_of(str(method.section(gate).html))
    assert "adjusted over all levels and rules (Holm 1979): confirmatory" in text
    assert "adjusted within a suite and level (Benjamini & Hochberg 1995): exploratory" in text


def test_the_reason_of_a_pass_can_be_read(gate: AuditLog, text_of: Text) -> None:
    passed = _answer(gate, "int8", text_of).split("Passed:")[1]
    one = next(one for one in gate.verdicts if (one.variant, one.rule.suite) == ("int8", "bias"))
    assert one.because in passed
    assert "inside the noise floor" in passed


# Second opinions and divergence


def test_what_the_errors_of_clusters_rest_on_is_told(gate: AuditLog, rows_of: Rows) -> None:
    rows = rows_of(_article(gate, "Bias"))
    head = ["Level", "Standard error, points", "Degrees of freedom", "Clusters", "Design effect", "Method"]
    row = rows[rows.index(head) + 2]
    found = _whole(gate, "int4", "bias").estimate
    assert not isinstance(found, NotMeasured)
    assert not isinstance(found.design_effect, NotMeasured)
    assert row[:5] == [
        "int4",
        f"{100 * found.standard_error:.2f}",
        "39.0",
        "40",
        f"{found.design_effect:.2f}",
    ]


def test_the_divergence_stands_with_its_interval_and_where_a_rule_is_about_it_with_its_decision(
    gate: AuditLog, rows_of: Rows
) -> None:
    """0.048 ± 1.6455 · 0.0016: t with 2399 degrees of freedom."""
    rows = rows_of(_article(gate, "Accuracy"))
    row = next(row for row in rows if row[0] == "int4" and "Inconclusive" in row[1])
    assert row[1:] == [
        "Inconclusive reported, does not block",
        "0.0480",
        "0.0454 to 0.0506",
        "± 0.0001",
        "0.0432",
        "0.1920",
        "96.00",
        str(2 * _whole(gate, "int4", "accuracy").n_pairs),
    ]
    assert "Decision, margin" not in _article(gate, "Bias")


# Limits


def test_what_follows_from_the_way_of_deciding_is_told_only_where_it_applies(
    gate: AuditLog, log: AuditLog
) -> None:
    lines = (limits.FEWER_ITEMS, limits.FEW_LARGE_LOSSES, limits.CLUSTERS)
    told = limits.section(gate).html.unescape()
    assert all(line in told for line in lines)
    assert "Reported, without a say in any release: Accuracy (KL divergence)." in told
    plain = limits.section(log).html.unescape()
    assert not any(line in plain for line in lines)


def test_items_that_are_taken_as_independent_are_told_by_rule(log: AuditLog) -> None:
    words = "items are taken as independent"
    assert f"No cluster is named for Accuracy, Bias, Robustness, Forgetting and Safety: {words}" in (
        limits.section(log).html.unescape()
    )
    suites = tuple(suite.model_copy(update={"cluster_by": "template"}) for suite in log.config.suites)
    clustered = log.model_copy(update={"config": log.config.model_copy(update={"suites": suites})})
    assert words not in limits.section(clustered).html
    assert "What follows from how it was decided" not in limits.section(clustered).html


def test_the_error_of_the_t_test_is_that_of_the_simulation() -> None:
    lines = ERROR_RATES.read_text(encoding="utf-8").splitlines()
    rows = [line.split("|") for line in lines if line.startswith("| few very large losses")]
    shown = {int(row[2]): float(row[3].split("±")[0]) for row in rows}
    assert (round(shown[50], 2), round(shown[200], 2)) == (0.08, 0.07)
    assert "near 0.08 at 50 items and 0.07 at 200" in limits.FEW_LARGE_LOSSES


def test_a_level_of_noise_is_no_product(gate: AuditLog) -> None:
    noise = Level(name="noise", method="copy", options={"dtype": "bfloat16"})
    config = gate.config.model_copy(update={"levels": (noise, *gate.config.levels)})
    html = render(gate.model_copy(update={"config": config})).decode()
    assert "<h4><bdi>noise" not in html


def _looks(log: AuditLog, rows_of: Rows) -> list[list[str]]:
    """The rows of the table of looks."""
    return rows_of(str(power.section(log).html).split("Looks at the data")[-1].split("</table>")[0])[1:]


def _article(log: AuditLog, title: str) -> str:
    """The part of one suite."""
    parts = str(drops.section(log).html).split('<article class="drop"')[1:]
    return next(part for part in parts if f">{title}</h3>" in part)


def _answer(log: AuditLog, level: str, text_of: Text) -> str:
    """The text of one level's card."""
    cards = str(verdict.section(log).html).split('<li class="answer ')[1:]
    return text_of(next(card for card in cards if f"<h4><bdi>{level}</bdi>" in card))


def _whole(log: AuditLog, variant: str, suite: str) -> Comparison:
    return next(one for one in log.comparisons if (one.variant, one.suite) == (variant, suite))


def _level(log: AuditLog, name: str) -> Level:
    return next(level for level in log.config.levels if level.name == name)


def _judged(log: AuditLog, variant: str, title: str, **update: object) -> AuditLog:
    """The log with one verdict changed, named as the page names its rule."""

    def changed(one: Verdict) -> Verdict:
        here = (one.variant, reading.rule_title(log, one.rule)) == (variant, title)
        return one.model_copy(update=update) if here else one

    return log.model_copy(update={"verdicts": tuple(changed(one) for one in log.verdicts)})


def _with_rules(log: AuditLog, rules: tuple[Rule, ...]) -> AuditLog:
    """The log under other rules, each in the place of the one before."""
    new = dict(zip(log.config.rules, rules, strict=True))
    verdicts = tuple(one.model_copy(update={"rule": new[one.rule]}) for one in log.verdicts)
    config = log.config.model_copy(update={"rules": rules})
    return log.model_copy(update={"config": config, "verdicts": verdicts})


def _over(variant: str, decision: Decision, blocks: bool) -> BudgetVerdict:
    budget = Budget(quantity="bits_per_weight", at_most=5, blocks=blocks)
    return BudgetVerdict(variant=variant, budget=budget, value=4.25, decision=decision, because="made up")
