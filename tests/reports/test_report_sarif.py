"""SARIF: valid by its official schema, an alert a miss, and the same alert in the next audit."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import logs
import pytest
from hostile import HOSTILE
from pydantic_sarif.model import StaticAnalysisResultsFormatSarifVersion210JsonSchema as Sarif

from audit.records import AuditLog, Rule
from reports.cases import cases
from reports.reading import log_sha256
from reports.sarif import render

Change = Callable[[AuditLog], AuditLog]

CHANGES: tuple[Change, ...] = (
    lambda log: log,
    logs.passing,
    logs.stopped,
    logs.unjudged,
    logs.ruleless,
    logs.muted,
    logs.in_half,
    logs.unmeasured,
    *(lambda log, text=text: logs.hostile(log, text) for text in HOSTILE),
)


def _run(log: AuditLog) -> dict[str, Any]:
    (run,) = json.loads(render(log))["runs"]
    assert isinstance(run, dict)
    return run


def _result(log: AuditLog, level: str, rule: str) -> dict[str, Any]:
    (found,) = [
        one
        for one in _run(log)["results"]
        if one["ruleId"] == rule and one["locations"][0]["logicalLocations"][0]["name"] == level
    ]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", ["log", "gate"])
def test_it_is_valid_by_the_official_schema(
    request: pytest.FixtureRequest, name: str, change: Change
) -> None:
    Sarif.model_validate_json(render(change(request.getfixturevalue(name))))


@pytest.mark.parametrize("change", CHANGES)
def test_what_passes_is_no_result_and_what_does_not_is_one(gate: AuditLog, change: Change) -> None:
    log = change(gate)
    asked = [one for level in log.config.levels for one in cases(log, level)]
    missed = [one.decision for one in asked if one.decision != "pass"]
    results = [one for one in _run(log)["results"] if one["ruleId"] != "audit"]
    assert [one["properties"]["decision"] for one in results] == missed


@pytest.mark.parametrize("change", CHANGES)
def test_there_is_an_error_or_a_warning_exactly_when_the_audit_does_not_pass(
    gate: AuditLog, change: Change
) -> None:
    log = change(gate)
    levels = {result["level"] for result in _run(log)["results"]}
    assert bool(levels & {"error", "warning"}) == (log.decision != "pass")


def test_a_fail_is_an_error_and_an_open_rule_a_warning(gate: AuditLog) -> None:
    assert _result(gate, "int2", "accuracy/accuracy")["level"] == "error"
    assert _result(gate, "int2", "bias/pair%20accuracy")["level"] == "warning"


def test_what_has_no_say_is_a_note(gate: AuditLog) -> None:
    assert _result(gate, "int8", "budgets/bits_per_weight")["level"] == "note"


def test_the_message_holds_the_reason(gate: AuditLog) -> None:
    text = _result(gate, "int4", "bias/pair%20accuracy")["message"]["text"]
    assert text.startswith("int4, pair accuracy, margin 2.00 points")
    assert "lost 71, gained 32 of 2400" in text


def test_every_rule_of_a_result_is_described_once(gate: AuditLog) -> None:
    log = logs.with_rule(gate, Rule(suite="accuracy", metric="accuracy", margin=0.07))
    run = _run(log)
    ids = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(ids) == len(set(ids)) == 1 + len(log.config.rules) + len(log.config.budgets)
    assert {result["ruleId"] for result in run["results"]} <= set(ids)
    assert "accuracy/accuracy#2" in ids


def test_a_result_is_known_again_in_the_next_audit(gate: AuditLog) -> None:
    later = gate.provenance.model_copy(update={"finished": "2027-01-01T00:00:00Z"})
    worse = tuple(
        one if one.decision == "pass" else one.model_copy(update={"decision": "fail", "because": "worse"})
        for one in gate.verdicts
    )
    again = gate.model_copy(update={"provenance": later, "verdicts": worse})
    before, after = ([one["partialFingerprints"] for one in _run(log)["results"]] for log in (gate, again))
    assert before == after
    assert len({mark["primaryLocationLineHash"] for mark in before}) == len(before)


def test_a_stopped_audit_is_an_error_of_its_own(log: AuditLog) -> None:
    run = _run(logs.stopped(log))
    first = run["results"][0]
    assert (first["ruleId"], first["level"]) == ("audit", "error")
    assert first["message"]["text"] == "the audit stopped before its end: the disk is full | <b>now</b>"
    assert run["invocations"][0]["executionSuccessful"] is False


@pytest.mark.parametrize(
    ("command", "uri"),
    [
        ("shrinkproof run configs/gate.yaml --seed 1", "configs/gate.yaml"),
        ("shrinkproof run '/home/me/my gate.yml'", "my%20gate.yml"),
        ("shrinkproof run ../gate.yaml", "gate.yaml"),
        ("shrinkproof run --model x --level int4", "audit.json"),
        ("shrinkproof run 'unclosed gate.yaml", "gate.yaml"),
    ],
)
def test_the_place_is_the_config_file(log: AuditLog, command: str, uri: str) -> None:
    provenance = log.provenance.model_copy(update={"command": command})
    place = _run(log.model_copy(update={"provenance": provenance}))["results"][0]["locations"][0]
    assert place["physicalLocation"] == {"artifactLocation": {"uri": uri}, "region": {"startLine": 1}}


def test_brackets_and_braces_of_others_are_no_links_and_no_placeholders(log: AuditLog) -> None:
    text = _run(logs.hostile(log, "[a](b) {0} \\"))["results"][0]["message"]["text"]
    assert text.endswith("\\[a\\](b) {{0}} \\\\")


def test_the_log_and_the_tool_are_pinned(log: AuditLog) -> None:
    run = _run(log)
    assert run["properties"]["auditSha256"] == log_sha256(log)
    assert run["tool"]["driver"]["version"] == "0.1.0"
