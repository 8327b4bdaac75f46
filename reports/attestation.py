"""The in-toto statement that is signed: what was tested, by digest, and which rules it passed.

Statement v1 with the predicate test-result v0.1 (in-toto attestation framework). Inconclusive is FAILED
there, with the open rules as warned ones, also those that nobody judged: the predicate has no third word that
holds a release back.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import rfc8785

from audit.errors import StoreError
from audit.records import AuditLog, Decision, Rule
from reports import reading
from reports.cases import HELD_OUT, Case, cases

FILE = "attestation.json"
STATEMENT = "https://in-toto.io/Statement/v1"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"


def render(log: AuditLog) -> bytes:
    """The statement, unsigned, in canonical JSON (RFC 8785).

    Raises StoreError if no file of a compressed model was seen, since it would be about nothing.
    """
    subjects = list(_subjects(log))
    if not subjects:
        raise StoreError(
            "an attestation is about weight files by their digests, and none of a compressed model was seen."
        )
    statement: dict[str, Any] = {
        "_type": STATEMENT,
        "subject": subjects,
        "predicateType": TEST_RESULT,
        "predicate": _predicate(log),
    }
    return rfc8785.dumps(statement)


def _subjects(log: AuditLog) -> Iterator[dict[str, Any]]:
    """Every weight file of every compressed model."""
    for variant in log.variants:
        if variant.level is not None and not variant.is_control:
            for name, digest in variant.files.items():
                yield _descriptor(f"{variant.name}/{name}", digest)


def _predicate(log: AuditLog) -> dict[str, Any]:
    return {
        "result": "PASSED" if log.decision == "pass" else "FAILED",
        "configuration": [_descriptor("config.json", log.provenance.config_sha256)],
        "passedTests": _tests(log, "pass"),
        "warnedTests": _tests(log, "inconclusive"),
        "failedTests": _tests(log, "fail"),
        "shrinkproof_evidence": [
            _descriptor("audit.json", reading.log_sha256(log)),
            *(
                _descriptor(path, digest)
                for run in log.all_runs
                for cell in run.cells
                for path, digest in cell.files.items()
            ),
        ],
    }


def _tests(log: AuditLog, decision: Decision) -> list[str]:
    """The names of the rules and budgets that ended so, by level.

    Those without a say are marked, and those that nobody judged, which are among the inconclusive ones.
    """
    found = [one for level in log.config.levels for one in cases(log, level) if one.decision == decision]
    return [f"{one.level.name}: {_name(log, one)}{_marks(one)}" for one in found]


def _name(log: AuditLog, one: Case) -> str:
    if isinstance(one.promise, Rule):
        return reading.rule_title(log, one.promise) + (f", {HELD_OUT}" if one.held_out else "")
    return f"budget on {one.promise.quantity}"


def _marks(one: Case) -> str:
    marks = ["reported"] * (not one.promise.blocks) + ["not judged"] * (not one.judged)
    return f" ({', '.join(marks)})" if marks else ""


def _descriptor(name: str, digest: str) -> dict[str, Any]:
    """A ResourceDescriptor of a file."""
    return {"name": name, "digest": {"sha256": digest}}
