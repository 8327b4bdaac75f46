"""What vendors' cards say of scores, in every format: said where it is refuted, and no verdict changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from audit.records import AuditLog, CheckedRecovery, Interval, NotMeasured
from reports import card, junit, markdown, sarif
from reports.sections import compressed, verdict

Rows = Callable[[str], list[list[str]]]
Text = Callable[[str], str]

INTERVAL = Interval(lower=0.91, upper=0.975, confidence=0.95, method="made up")


def claimed(log: AuditLog, outcome: str, **fields: object) -> AuditLog:
    """The log with one claim about its last level, by a hostile card."""
    suite = log.config.suites[0]
    one = CheckedRecovery.model_validate(
        {
            "suite": suite.name, "metric": suite.metrics[0].name, "at_least": 0.99, "source": "<b>acme",
            "variant": log.config.levels[-1].name, "n_pairs": 620, "before": 0.8, "after": 0.75,
            "ratio": 0.9375, "interval": INTERVAL, "outcome": outcome, **fields,
        }
    )  # fmt: skip
    return log.model_copy(update={"recoveries": (one,)})


SAID = "<b>acme claims that at least 99.0 % of the original's acc"
CAME = "That is refuted: on 620 items 93.8 % is left (95.0 % interval 91.0 % to 97.5 %)."


def test_the_verdict_says_what_is_refuted_and_decides_as_before(log: AuditLog, text_of: Text) -> None:
    refuted = claimed(log, "refuted")
    text = text_of(str(verdict.section(refuted).html))
    assert SAID in text
    assert CAME in text
    assert refuted.decision == log.decision
    for outcome in ("held up", "undecided"):
        assert "acme" not in str(verdict.section(claimed(log, outcome)).html)


def test_every_claim_has_its_row(log: AuditLog, rows_of: Rows) -> None:
    html = str(compressed.section(claimed(log, "refuted")).html)
    row = next(row for row in rows_of(html) if row[-1] == "<b>acme")
    assert row[1] == "≥ 99.0 %"
    assert row[3:] == [
        "93.8 % 91.0 % to 97.5 %", "80.00 → 75.00", "620", "refuted", "<b>acme"
    ]  # fmt: skip
    gone = claimed(log, "undecided", interval=NotMeasured("no item right"), ratio=NotMeasured("0"))
    assert any(
        "no item right" in row[3] for row in rows_of(str(compressed.section(gone).html)) if len(row) == 8
    )
    assert card.table(log) is None


def test_markdown_lists_what_is_refuted_even_of_a_level_that_passes(log: AuditLog) -> None:
    text = markdown.render(claimed(log, "refuted")).decode()
    assert "### Refuted claims" in text
    assert "&lt;b&gt;acme claims" in text
    assert "Refuted claims" not in markdown.render(claimed(log, "undecided")).decode()


@pytest.mark.parametrize(("outcome", "skipped"), [("held up", False), ("refuted", True), ("undecided", True)])
def test_junit_skips_a_claim_that_did_not_hold_and_turns_nothing_red(
    log: AuditLog, outcome: str, skipped: bool
) -> None:
    before, after = (ElementTree.fromstring(junit.render(one)) for one in (log, claimed(log, outcome)))
    assert [before.get(name) for name in ("failures", "errors")] == [
        after.get(name) for name in ("failures", "errors")
    ]
    (case,) = [one for one in after.iter("testcase") if (one.get("name") or "").startswith("card: ")]
    found = case.find("skipped")
    assert (found is not None) is skipped
    if found is not None:
        assert (found.get("message") or "").startswith(outcome)


def test_sarif_notes_what_is_refuted_alone(log: AuditLog) -> None:
    def results(one: AuditLog) -> list[dict[str, object]]:
        return json.loads(sarif.render(one))["runs"][0]["results"]  # type: ignore[no-any-return]

    (one,) = [one for one in results(claimed(log, "refuted")) if one["ruleId"] == sarif.CLAIM]
    assert one["level"] == "note"
    assert len(results(claimed(log, "undecided"))) == len(results(log))
    rules = json.loads(sarif.render(claimed(log, "refuted")))["runs"][0]["tool"]["driver"]["rules"]
    assert sarif.CLAIM in [rule["id"] for rule in rules]
