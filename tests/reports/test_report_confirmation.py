"""The chosen one on fresh items: what the page, the gate's formats and the sentences say of it."""

from __future__ import annotations

import json
from typing import Literal

import pytest
from logs import passing

from audit.records import AuditLog, Confirmation, Level, NotMeasured
from reports import attestation, html, junit, markdown, reading, sarif
from reports.cases import cases
from reports.sections.confirmation import section
from reports.sections.verdict import overall, sentence

LEVEL = "int8"
Decision = Literal["pass", "fail", "inconclusive"]


def chosen(log: AuditLog, decision: Decision) -> AuditLog:
    """Every level passes, and one was asked the items held out, where each rule ends so."""
    calm = passing(log)
    again = tuple(
        one.model_copy(update={"decision": decision}) for one in calm.verdicts if one.variant == LEVEL
    )
    found = Confirmation(
        variant=LEVEL,
        chosen="the smallest of the 2 that pass every rule and budget",
        runs=(),
        comparisons=tuple(one for one in calm.comparisons if one.variant == LEVEL),
        verdicts=again,
    )
    config = calm.config.model_copy(update={"holdout": 0.2})
    return calm.model_copy(update={"config": config, "confirmation": found})


KINDS = ("passedTests", "warnedTests", "failedTests")


def level_of(log: AuditLog) -> Level:
    return next(one for one in log.config.levels if one.name == LEVEL)


def attested(log: AuditLog) -> dict[str, list[str]]:
    """The lists of an attestation, over a weight file that the log was told of."""
    variants = tuple(one.model_copy(update={"files": {"w.safetensors": "a" * 64}}) for one in log.variants)
    statement = json.loads(attestation.render(log.model_copy(update={"variants": variants})))
    found: dict[str, list[str]] = statement["predicate"]
    return found


def test_without_items_held_out_nothing_is_said(log: AuditLog) -> None:
    assert section(log).html == ""
    assert reading.held_out(log) is None


def test_the_choice_and_every_rule_stand_on_the_page(log: AuditLog) -> None:
    found = chosen(log, "pass")
    page = html.render(found).decode()
    assert "The chosen one on fresh items" in page
    assert "the smallest of the 2 that pass every rule and budget" in page
    assert section(found).html.count('<tr role="row"') == 1 + len(log.config.rules)
    assert "20" in section(found).html


@pytest.mark.parametrize("decision", ["pass", "fail", "inconclusive"])
def test_all_formats_agree_on_what_was_not_confirmed(log: AuditLog, decision: Decision) -> None:
    found = chosen(log, decision)
    level = level_of(found)
    assert found.decision == reading.decision_on(found, level) == decision
    for other in (one for one in found.config.levels if one != level):
        assert reading.decision_on(found, other) == "pass"
    held_out = [one for one in cases(found, level) if one.title.endswith(", on items held out")]
    assert {one.decision for one in held_out} == {decision}
    assert len(held_out) == len(found.config.rules)
    xml, told = junit.render(found).decode(), markdown.render(found).decode()
    assert (", on items held out" in told) is (decision != "pass")
    assert xml.count("on items held out") == len(found.config.rules)
    rules = json.loads(sarif.render(found))["runs"][0]["tool"]["driver"]["rules"]
    assert sum(one["id"].endswith("/held-out") for one in rules) == len(found.config.rules)
    listed = [one for kind in KINDS for one in attested(found)[kind]]
    assert sum(name.endswith("on items held out") for name in listed) == len(found.config.rules)


def test_the_sentence_does_not_release_what_was_not_confirmed(log: AuditLog) -> None:
    level = level_of(log)
    blocking = sum(rule.blocks for rule in log.config.rules)
    assert sentence(chosen(log, "pass"), level).startswith("Yes")
    assert sentence(chosen(log, "pass"), level).endswith("Confirmed on the items held out.")
    assert "Confirmed" not in sentence(passing(log), level)
    assert sentence(chosen(log, "fail"), level).startswith("No. It passes on the items that it was chosen by")
    told = sentence(chosen(log, "inconclusive"), level)
    assert told.startswith("Not shown. It passes on the items that it was chosen by")
    assert f"0 pass there, 0 fail and {blocking} are undecided" in told
    assert LEVEL not in overall(chosen(log, "fail"))


def test_where_nobody_passed_the_reason_stands(log: AuditLog) -> None:
    found = chosen(log, "pass").model_copy(update={"confirmation": NotMeasured("nobody was good enough")})
    assert "nobody was good enough" in section(found).html
