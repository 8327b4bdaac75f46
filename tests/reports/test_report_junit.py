"""JUnit XML: red exactly when the audit does not pass, whatever a CI makes of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.etree.ElementTree import Element, fromstring

import logs
import pytest
from hostile import HOSTILE

from audit.records import AuditLog, Rule
from reports.junit import render
from reports.reading import log_sha256

Change = Callable[[AuditLog], AuditLog]

OUTCOMES: tuple[Change, ...] = (
    lambda log: log,
    logs.passing,
    logs.undecided,
    logs.stopped,
    logs.unjudged,
    logs.ruleless,
    logs.muted,
    logs.in_half,
    logs.with_budget,
    logs.unmeasured,
)

RESULT = ({"message", "type"}, set[str]())
GRAMMAR = {
    "testsuites": ({"name", "time", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors", "skipped", "timestamp", "hostname", "id", "package", "group"},
        {"properties", "testcase", "system-out", "system-err"},
    ),
    "properties": (set[str](), {"property"}),
    "property": ({"name", "value"}, set[str]()),
    "testcase": (
        {"name", "classname", "time", "group"},
        {"skipped", "error", "failure", "system-out", "system-err"},
    ),
    "skipped": RESULT,
    "error": RESULT,
    "failure": RESULT,
}
"""Attributes and children that Jenkins' xunit plugin (junit-10.xsd) and Surefire's report both know."""
REQUIRED = {
    "testsuite": {"name", "tests", "failures", "errors"},
    "testcase": {"name"},
    "property": {"name", "value"},
}


def _xml(log: AuditLog) -> Element:
    return fromstring(render(log))


def _is_red(xml: Element) -> bool:
    return xml.find(".//failure") is not None or xml.find(".//error") is not None


@pytest.mark.parametrize("change", OUTCOMES)
@pytest.mark.parametrize("name", ["log", "gate"])
def test_it_is_red_exactly_when_the_audit_does_not_pass(
    request: pytest.FixtureRequest, name: str, change: Change
) -> None:
    log = change(request.getfixturevalue(name))
    assert _is_red(_xml(log)) == (log.decision != "pass")


def test_the_logs_of_that_test_go_every_way(log: AuditLog) -> None:
    assert {change(log).decision for change in OUTCOMES} == {"pass", "fail", "inconclusive"}


@pytest.mark.parametrize("change", OUTCOMES)
def test_jenkins_knows_every_element_and_attribute(gate: AuditLog, change: Change) -> None:
    for element in _xml(change(gate)).iter():
        attributes, children = GRAMMAR[element.tag]
        assert set(element.attrib) <= attributes, element.tag
        assert set(element.attrib) >= REQUIRED.get(element.tag, set())
        assert {child.tag for child in element} <= children


@pytest.mark.parametrize("change", OUTCOMES)
def test_the_counts_are_those_of_the_cases(gate: AuditLog, change: Change) -> None:
    xml = _xml(change(gate))
    for counted in (xml, *xml.iter("testsuite")):
        for tag, count in (("testcase", "tests"), ("failure", "failures"), ("error", "errors")):
            assert int(counted.attrib[count]) == len(list(counted.iter(tag)))


def test_a_level_is_a_suite_and_a_rule_a_case(log: AuditLog) -> None:
    suites = {suite.attrib["name"]: suite for suite in _xml(log).iter("testsuite")}
    assert list(suites) == ["audit", "control", "int8", "int4", "int2", "magnitude-50"]
    cases = [(case.attrib["classname"], case.attrib["name"]) for case in suites["int8"].iter("testcase")]
    assert cases[0] == ("accuracy", "accuracy, margin 3.00 points")
    assert [suite for suite, _ in cases] == [rule.suite for rule in log.config.rules]


def test_a_failed_rule_is_a_failure_with_its_reason(log: AuditLog) -> None:
    (failure,) = _xml(log).findall("./testsuite[@name='int4']/testcase[@classname='accuracy']/failure")
    assert failure.attrib["message"] == "the drop of 6.09 points is shown"
    assert "6.09 points" in (failure.text or "")


def test_an_open_rule_is_an_error_and_never_skipped(log: AuditLog) -> None:
    xml = _xml(logs.undecided(log))
    assert [error.attrib["message"] for error in xml.iter("error")] == ["too few items"]
    assert xml.find(".//skipped") is None


def test_a_failed_rule_that_does_not_block_is_skipped_and_says_so(log: AuditLog) -> None:
    xml = _xml(logs.muted(log))
    messages = [one.attrib["message"] for one in xml.iter("skipped")]
    assert messages
    assert all(message.startswith("fail (reported, does not block): ") for message in messages)


def test_a_rule_without_a_verdict_is_an_error(log: AuditLog) -> None:
    xml = _xml(logs.with_rule(logs.passing(log), Rule(suite="accuracy", margin=0.07)))
    (error,) = xml.findall("./testsuite[@name='int8']/testcase/error")
    assert error.attrib["message"] == "not judged"


def test_a_stopped_audit_is_an_error_of_its_own(log: AuditLog) -> None:
    (error,) = _xml(logs.stopped(log)).findall("./testsuite[@name='audit']/testcase/error")
    assert error.attrib["message"] == "the audit stopped before its end: the disk is full | <b>now</b>"


def test_a_level_that_was_not_made_is_red_and_says_so(log: AuditLog) -> None:
    errors = _xml(logs.stopped(log)).findall("./testsuite[@name='int4']/testcase/error")
    assert {error.attrib["message"] for error in errors} == {"not judged: the level was not made"}
    assert len(errors) == len(log.config.rules)


def test_the_artefact_the_policy_and_the_log_are_pinned(log: AuditLog) -> None:
    weights = log.variants[2].model_copy(update={"files": {"model.safetensors": "ef" * 32}})
    log = log.model_copy(update={"variants": (*log.variants[:2], weights, *log.variants[3:])})
    found = {
        one.attrib["name"]: one.attrib["value"]
        for one in _xml(log).findall("./testsuite[@name='int8']/properties/property")
    }
    assert found["artefact sha256"] == "2a" * 32
    assert found["sha256 of model.safetensors"] == "ef" * 32
    assert found["policy sha256"] == log.config.policy_sha256
    assert found["audit.json sha256"] == log_sha256(log)
    assert found["model sha256"] == "9f" * 32


@pytest.mark.parametrize("text", [*HOSTILE, "\ufffe \x00 \r\n ]]>"])
def test_no_text_breaks_the_xml(log: AuditLog, text: str) -> None:
    names = [suite.attrib["name"] for suite in _xml(logs.hostile(log, text)).iter("testsuite")]
    assert names[2] not in ("", "int8")
    assert not re.search(r"[\x00-\x08\x0b-\x1f\ufffe\uffff]", names[2])
