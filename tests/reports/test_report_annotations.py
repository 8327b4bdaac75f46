"""Workflow commands: one a miss, in the order that GitHub cuts, and no text of anybody's becomes one."""

from __future__ import annotations

import re

import logs
import pytest
from hostile import HOSTILE

from audit.records import AuditLog
from reports.annotations import render

COMMAND = re.compile(r"::(error|warning|notice) file=([^,:]*),title=([^,:]*)::(.*)")


def _parsed(log: AuditLog) -> list[tuple[str, ...]]:
    lines = render(log).decode().split("\n")
    assert lines.pop() == ""
    found = [COMMAND.fullmatch(line) for line in lines]
    assert None not in found
    return [one.groups() for one in found if one]


def test_each_miss_is_a_line_and_what_blocks_comes_first(log: AuditLog) -> None:
    found = _parsed(log)
    missed = [verdict for verdict in log.verdicts if verdict.decision != "pass"]
    assert len(found) == len(missed)
    levels = [level for level, *_ in found]
    assert levels == sorted(levels, key=["error", "warning", "notice"].index)
    assert levels.count("error") == sum(one.decision == "fail" for one in missed)
    assert {place for _, place, *_ in found} == {"fixtures/demo.yaml"}


def test_what_passes_is_not_named(log: AuditLog) -> None:
    assert render(logs.passing(log)) == b""


def test_an_audit_that_stopped_is_an_error(log: AuditLog) -> None:
    level, _, _, said = next(one for one in _parsed(logs.stopped(log)) if "stopped" in one[3])
    assert (level, "the audit stopped before its end" in said) == ("error", True)


def test_what_has_no_say_is_a_notice(log: AuditLog) -> None:
    assert {level for level, *_ in _parsed(logs.muted(log))} <= {"notice", "error"}
    assert "notice" in {level for level, *_ in _parsed(logs.muted(log))}


@pytest.mark.parametrize(
    "text", [*HOSTILE, "a\n::error::forged", "a\r\n::set-output name=x::y", "50%, of: it"]
)
def test_no_foreign_text_is_a_command_of_its_own(log: AuditLog, text: str) -> None:
    whole = _parsed(log)
    assert [one[0] for one in _parsed(logs.hostile(log, text))] == [one[0] for one in whole]
