"""The statement that is signed, by the rules and budgets of made-up audits."""

from __future__ import annotations

import json
from typing import Any

import logs

from audit.records import AuditLog, Budget
from reports.attestation import render


def _predicate(log: AuditLog) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(render(_with_weights(log)))["predicate"]
    return found


def _with_weights(log: AuditLog) -> AuditLog:
    variants = tuple(one.model_copy(update={"files": {"w.safetensors": "0" * 64}}) for one in log.variants)
    return log.model_copy(update={"variants": variants})


def _names(log: AuditLog, part: str) -> set[str]:
    return set(_predicate(log)[part])


def test_a_rule_that_nobody_judged_is_a_warned_one(log: AuditLog) -> None:
    judged = log.verdicts[0]
    title = f"{judged.variant}: Accuracy"
    (part,) = (one for one in ("passedTests", "warnedTests", "failedTests") if title in _predicate(log)[one])
    less = log.model_copy(update={"verdicts": log.verdicts[1:]})
    assert title not in _predicate(less)[part]
    assert f"{title} (not judged)" in _predicate(less)["warnedTests"]


def test_a_stopped_audit_names_the_rules_of_levels_that_were_never_made(log: AuditLog) -> None:
    stopped = logs.stopped(log)
    last = log.config.levels[-1].name
    assert last not in {one.name for one in stopped.variants}
    assert {one for one in _names(stopped, "warnedTests") if one.startswith(f"{last}: ")} == {
        f"{last}: {suite.title} (not judged)" for suite in log.config.suites
    }
    assert _predicate(stopped)["result"] == "FAILED"


def test_a_budget_that_nobody_weighed_is_named_of_products_alone(log: AuditLog) -> None:
    budget = Budget(quantity="size_bytes", at_most=10, blocks=False)
    asked = log.model_copy(update={"config": log.config.model_copy(update={"budgets": (budget,)})})
    named = {one for one in _names(asked, "warnedTests") if "budget" in one}
    products = [one.name for one in log.config.levels if not one.is_control]
    assert named == {f"{name}: budget on size_bytes (reported, not judged)" for name in products}


def test_every_rule_is_in_one_list_by_its_verdict(log: AuditLog) -> None:
    told = _predicate(log)
    decisions = {"pass": "passedTests", "inconclusive": "warnedTests", "fail": "failedTests"}
    titles = {suite.name: suite.title for suite in log.config.suites}
    for decision, part in decisions.items():
        assert sorted(told[part]) == sorted(
            f"{one.variant}: {titles[one.rule.suite]}{'' if one.rule.blocks else ' (reported)'}"
            for one in log.verdicts
            if one.decision == decision
        )
