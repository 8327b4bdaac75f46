"""The verdicts in the terminal: each number in its own unit, and what has no say."""

from __future__ import annotations

from io import StringIO

import pytest
from from_reports import gate_log
from rich.console import Console

from audit.console import print_verdicts
from audit.records import AuditLog, CheckedRecovery, Confirmation, Interval, NotMeasured


@pytest.fixture(scope="module")
def gate() -> AuditLog:
    """The report's made-up audit, as the gate decides it."""
    return gate_log()


@pytest.mark.parametrize(
    ("suite", "cells"),
    [
        ("accuracy accuracy", "75.0 73.4 +1.6 +0.9 … +2.3 3.0 ✔ pass"),
        ("accuracy kl", "– – +0.048 – 0.05 nats ? inconclusive (reported)"),
        ("bias", "75.0 73.4 +1.6 +0.8 … +2.5 2.0 ✘ fail"),
    ],
)
def test_each_row_is_in_the_unit_of_its_metric(gate: AuditLog, suite: str, cells: str) -> None:
    assert f"{suite} {cells}" in _shown(gate).split("int4 ", 1)[1]


def test_a_perplexity_is_told_as_it_is_and_its_drop_in_per_cent(gate: AuditLog) -> None:
    one = next(one for one in gate.comparisons if (one.variant, one.suite) == ("int4", "fluency"))
    assert f"fluency {one.before:.4g} {one.after:.4g} +4." in _shown(gate)
    assert " 3.0 % ✘ fail" in _shown(gate)


def test_a_score_is_no_percentage(gate: AuditLog) -> None:
    one = next(one for one in gate.comparisons if (one.variant, one.suite) == ("int4", "summaries"))
    assert f"summaries {one.before:.4g} {one.after:.4g} {one.difference:+.3g}" in _shown(gate)
    assert " 0.01 ✔ pass" in _shown(gate)


def test_a_budget_that_is_not_kept_gives_its_reason(gate: AuditLog) -> None:
    assert "✘ fail (reported) int8 · budget: 13.22 > 9 bits_per_weight" in _shown(gate)


def test_rules_that_were_changed_afterwards_are_said_to_be_post_hoc(gate: AuditLog) -> None:
    config = gate.config.model_copy(update={"seed": 7})
    words = "Post hoc: the rules were changed after the items were scored."
    assert words in _shown(gate.model_copy(update={"config": config}))
    assert words not in _shown(gate)


def test_a_claim_about_scores_that_is_refuted_is_said(gate: AuditLog) -> None:
    one = CheckedRecovery(
        suite="accuracy", metric="acc", at_least=0.99, source="[b]acme", variant="int4", n_pairs=9,
        before=0.8, after=0.7, ratio=0.875,
        interval=Interval(lower=0.8, upper=0.95, confidence=0.9, method="x"),
        outcome="refuted",
    )  # fmt: skip
    said = "int4: [b]acme claims 99.0% of the original's acc in accuracy; at most 95.0% is left: refuted"
    assert said in _shown(gate.model_copy(update={"recoveries": (one,)}))
    held = one.model_copy(update={"outcome": "held up"})
    assert "acme" not in _shown(gate.model_copy(update={"recoveries": (held,)}))


def test_what_the_items_held_out_say_is_told(gate: AuditLog) -> None:
    (first, *_) = (one for one in gate.verdicts if one.variant == "int8")
    failed = first.model_copy(update={"decision": "fail", "because": "too much is lost"})
    found = Confirmation(
        variant="int8", chosen="the only one that passes", runs=(), comparisons=(), verdicts=(failed,)
    )
    shown = _shown(gate.model_copy(update={"confirmation": found}))
    assert "On items held out: int8, the only one that passes: 0 of 1 rules pass there." in shown
    assert "int8, held out · " in shown
    assert "too much is lost" in shown
    asked = gate.config.model_copy(update={"holdout": 0.2})
    none = gate.model_copy(update={"config": asked, "confirmation": NotMeasured("nobody passed")})
    assert "Nothing confirmed: nobody passed." in _shown(none)


def test_what_was_not_measured_is_a_dash(gate: AuditLog) -> None:
    gap = NotMeasured("lost in a fire")
    update = {"before": gap, "after": gap, "difference": gap, "interval": gap, "divergence": gap}
    burnt = tuple(one.model_copy(update=update) for one in gate.comparisons)
    shown = _shown(gate.model_copy(update={"comparisons": burnt}))
    assert "fluency – – – – 3.0 %" in shown
    assert "accuracy kl – – – – 0.05 nats" in shown


def _shown(log: AuditLog) -> str:
    """What is printed, with single spaces."""
    out = StringIO()
    print_verdicts(Console(file=out, width=300), log)
    return " ".join(out.getvalue().split())
