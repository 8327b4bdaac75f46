"""Clauses as data, and what the page says of each."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from audit.config import load_config
from audit.errors import ConfigError
from audit.frameworks import installed, load_framework
from audit.records import AuditLog, EvidenceKey, NotMeasured
from reports.evidence import LOOKS, Found, evidence
from reports.frameworks import FOLDER
from reports.html import render
from reports.sections.clauses import TITLES, section

REPORTS = FOLDER.parent
CLAIMS = re.compile(r"\b(compliant|conforms?|certified|safe(?!=))\b", re.IGNORECASE)
"""What no report may say of anything."""
OWN = """
id: acme-release
title: Acme's release policy
version: "3"
url: https://acme.example/policy
as_of: 2026-11-01
status: in_force
clauses:
  - id: R1
    title: No loss of support answers
    asks: Measure the loss of support answers before a release.
    read: text
    evidenced_by: [accuracy, impact-ratio]
    missing: [a test in the product]
    must_not_claim: That customers were asked.
"""


def test_every_framework_that_the_issue_of_laws_names_is_there() -> None:
    assert {one.id for one in installed()} >= {
        "eu-ai-act", "gpai-code", "nist-ai-rmf", "nist-ai-600-1", "iso-42001", "iso-25059", "iso-tr-24027",
        "nyc-ll144", "colorado", "sr-26-2", "fda-pccp",
    }  # fmt: skip


def test_every_kind_of_evidence_is_looked_for_and_has_a_title() -> None:
    assert set(LOOKS) == set(TITLES) == set(get_args(EvidenceKey))


@pytest.mark.parametrize("path", [*REPORTS.rglob("*.j2"), *REPORTS.rglob("*.py"), *FOLDER.glob("*.yaml")])
def test_none_of_our_files_for_reports_claims_what_only_a_body_can_say(path: Path) -> None:
    assert CLAIMS.findall(path.read_text()) == []


def test_a_page_claims_nothing_that_only_a_body_can_say(gate: AuditLog, text_of: Callable[..., str]) -> None:
    assert CLAIMS.findall(text_of(render(gate).decode())) == []


def test_of_how_many_clauses_the_text_was_read_stands_in_the_table(
    log: AuditLog, rows_of: Callable[..., list[list[str]]]
) -> None:
    rows = {row[0]: row[-1] for row in rows_of(str(section(log).html)) if len(row) == 6}
    read = {one.title: [clause.read == "text" for clause in one.clauses] for one in installed()}
    for title, found in read.items():
        counted = "all" if all(found) else f"{sum(found) or 'none'} of {len(found)}"
        assert rows[title] == counted, title
    assert {all(found) for found in read.values()} == {True, False}  # both kinds are there to be told apart


def test_evidence_that_was_not_measured_is_a_gap_with_its_reason(
    log: AuditLog, text_of: Callable[..., str]
) -> None:
    without = log.model_copy(
        update={
            "config": log.config.model_copy(
                update={"suites": tuple(one for one in log.config.suites if one.name != "safety")}
            )
        }
    )
    assert isinstance(evidence(log)["safety"], Found)
    assert isinstance(evidence(without)["safety"], NotMeasured)
    assert "no suite of safety was in this audit" in text_of(section(without).html)


def test_no_share_of_evidence_looks_like_a_score(log: AuditLog, text_of: Callable[..., str]) -> None:
    """The kinds of evidence that a tool knows are no measure of what a law asks."""
    assert re.findall(r"\b\d{1,3} of \d{1,3}\b(?! drops)", text_of(section(log).html)) == []


def test_clauses_with_gaps_and_without_evidence_stand_by_name_in_one_table(
    gate: AuditLog, rows_of: Callable[[str], list[list[str]]]
) -> None:
    (act,) = [row for row in rows_of(str(section(gate).html)) if row[0] == "EU AI Act"]
    assert "Art. 15(4) (Robustness)" in act[3]
    assert "Art. 9(6)" not in act[3]
    assert act[4] == "Art. 15(5) (Robustness and The exact artefacts)"


def test_the_standing_of_a_framework_is_that_of_its_clauses(
    log: AuditLog, rows_of: Callable[[str], list[list[str]]]
) -> None:
    (act,) = [row for row in rows_of(str(section(log).html)) if row[0] == "EU AI Act"]
    assert act[2] == "13 not yet in force (from 2027-12-02); 4 in force"


def test_how_old_the_reading_of_the_law_is_stands_beside_it(
    log: AuditLog, text_of: Callable[..., str]
) -> None:
    """From 21 September to 24 November it is 9 + 31 + 24 days."""
    assert "as it stood on 2026-09-21 or later, 64 days before this audit ended" in text_of(section(log).html)


def test_a_log_without_a_date_has_no_age(log: AuditLog, text_of: Callable[..., str]) -> None:
    undated = log.model_copy(update={"provenance": log.provenance.model_copy(update={"finished": ""})})
    assert "as it stood on 2026-09-21 or later. " in text_of(section(undated).html) + " "


def test_the_control_is_no_level_of_the_evidence(log: AuditLog) -> None:
    """Four levels of five suites; the original measured again is a fifth only where repeats are counted."""
    known = evidence(log)
    assert known["accuracy"].says.endswith("at 4 levels")  # type: ignore[union-attr]
    assert known["intervals"].says == "20 of 20 drops with an interval"  # type: ignore[union-attr]
    assert known["repeatability"].says == "the original measured again: 0 answers changed"  # type: ignore[union-attr]


def test_rules_changed_after_the_scoring_are_no_evidence_of_rules_fixed_before(gate: AuditLog) -> None:
    looser = tuple(rule.model_copy(update={"margin": 0.2}) for rule in gate.config.rules)
    changed = gate.model_copy(update={"config": gate.config.model_copy(update={"rules": looser})})
    assert isinstance(evidence(changed)["policy"], NotMeasured)


def test_every_clause_says_what_is_missing_and_what_must_not_be_claimed(
    log: AuditLog, text_of: Callable[..., str]
) -> None:
    text = " ".join(text_of(section(log).html).split())
    for framework in installed():
        for clause in framework.clauses:
            assert " ".join(clause.must_not_claim.split()) in text
            assert all(" ".join(one.split()) in text for one in clause.missing)


def test_a_company_adds_its_own_policy_by_a_file(
    tmp_path: Path, log: AuditLog, text_of: Callable[..., str]
) -> None:
    (tmp_path / "acme.yaml").write_text(OWN)
    own = load_framework(tmp_path / "acme.yaml")
    with_own = log.model_copy(update={"config": log.config.model_copy(update={"frameworks": (own,)})})
    text = text_of(section(with_own).html)
    assert "No loss of support answers" in text
    assert "Gap: no impact ratio was computed" in text


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (OWN.replace("impact-ratio", "impact"), r"acme\.yaml: clauses\.0\.evidenced_by\.1: .*'impact'"),
        (OWN.replace("asks:", "ask:"), r"acme\.yaml: clauses\.0\.ask: .*Did you mean 'asks'"),
        (OWN.replace("    missing: [a test in the product]\n", ""), r"acme\.yaml: clauses\.0\.missing"),
        ("- a list", r"acme\.yaml: a framework is a mapping"),
    ],
)
def test_a_file_that_is_no_framework_is_named_with_the_key(tmp_path: Path, wrong: str, said: str) -> None:
    (tmp_path / "acme.yaml").write_text(wrong)
    with pytest.raises(ConfigError, match=said):
        load_framework(tmp_path / "acme.yaml")


def test_a_config_names_it_beside_itself(tmp_path: Path) -> None:
    (tmp_path / "audit.yaml").write_text("model: nowhere\nframeworks: [acme.yaml]\n")
    with pytest.raises(ConfigError, match=r"audit\.yaml, line 2: framework .*acme\.yaml can't be read"):
        load_config(tmp_path / "audit.yaml")
