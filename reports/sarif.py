"""What does not pass, as SARIF 2.1.0 for code scanning: a result a rule and level.

Fail is an error and inconclusive a warning; what has no say is a note. What passes is no result, though SARIF
has `kind: pass` for it: GitHub's list of the properties that it reads has no `kind`, so a promise that is
kept again would leave its alert open. The rules say what was promised. OASIS, Static Analysis Results
Interchange Format 2.1.0, sections 3.27 (results) and 3.49 (rules).

A stopped audit has `executionSuccessful: false`; GitHub then refuses the upload and keeps the alerts that it
has (github/codeql-action, pull request 1393).
"""

from __future__ import annotations

import json
import shlex
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from audit.records import AuditLog, CheckedRecovery, Rule
from reports import card, reading
from reports.cases import HELD_OUT, Case, cases, promise_title, trouble
from reports.disclaimer import DISCLAIMER
from reports.wording import anchor, visible

FILE = "report.sarif"
SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
AUDIT = "audit"
"""Id of the rule that the audit itself comes to an end with a verdict."""
CLAIM = "card"
"""Id of the rule that what a vendor's card says of scores is not refuted."""

Json = dict[str, Any]


def render(log: AuditLog) -> bytes:
    """The file, UTF-8."""
    found = [case for level in log.config.levels for case in cases(log, level)]
    wrong = trouble(log, found)
    ids = _ids(log, found)
    missed = [one for one in found if one.decision != "pass"]
    run = {
        "tool": {"driver": _driver(log, found, ids)},
        "automationDetails": {"id": f"shrinkproof/{anchor(reading.model_title(log))}/"},
        "invocations": [_invocation(log, wrong)],
        "results": [
            *([_whole(log, wrong)] if wrong else []),
            *(_result(log, one, ids) for one in missed),
            *(_refuted(log, one) for one in log.recoveries if one.outcome == "refuted"),
        ],
        "columnKind": "unicodeCodePoints",
        "properties": {
            "auditSha256": reading.log_sha256(log),
            "policySha256": log.config.policy_sha256,
            "modelSha256": log.config.model.digest,
            "disclaimer": DISCLAIMER,
        },
    }
    sarif = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return (json.dumps(sarif, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode()


def _ids(log: AuditLog, found: list[Case]) -> dict[str, str]:
    """The id of each promise, suite and metric: the same in every audit, whatever the margin."""
    ids: dict[str, str] = {}
    for one in found:
        key = _key(one)
        if key in ids:
            continue
        promise = one.promise
        measure = reading.metric_name(log, promise) if isinstance(promise, Rule) else promise.quantity
        name = f"{quote(one.suite, safe='')}/{quote(measure, safe='')}{'/held-out' if one.held_out else ''}"
        twins = sum(other.split("#")[0] == name for other in ids.values())
        ids[key] = f"{name}#{twins + 1}" if twins else name
    return ids


def _key(one: Case) -> str:
    return f"{one.suite}:{one.held_out}:{one.promise.model_dump_json()}"


def _driver(log: AuditLog, found: list[Case], ids: dict[str, str]) -> Json:
    """The tool, and what it holds artefacts against."""
    firsts = {_key(one): one for one in reversed(found)}
    rules = [_rule(log, firsts[key], ids[key]) for key in ids]
    whole = {
        "id": AUDIT,
        "shortDescription": {"text": "The audit comes to an end, and something that blocks is judged."},
        "defaultConfiguration": {"level": "error"},
    }
    claims = {
        "id": CLAIM,
        "shortDescription": {"text": "What a vendor's card says of scores is not refuted by the answers."},
        "defaultConfiguration": {"level": "note"},
    }
    version = visible(log.provenance.shrinkproof_version)
    told = [whole, *([claims] if log.recoveries else []), *rules]
    return {"name": "Shrinkproof", "version": version, "rules": told}


def _rule(log: AuditLog, one: Case, id_: str) -> Json:
    title = f"{visible(reading.suite_title(log, one.suite))}: {visible(promise_title(log, one.promise))}"
    title += f", {HELD_OUT}" if one.held_out else ""
    return {
        "id": id_,
        "shortDescription": {"text": title},
        "fullDescription": {"text": f"{title}. Why so much: {visible(one.promise.because)}"},
        "defaultConfiguration": {"level": "error" if one.promise.blocks else "note"},
        "properties": {"tags": ["model-compression"], "blocks": one.promise.blocks},
    }


def _invocation(log: AuditLog, wrong: str) -> Json:
    finished = log.status == "finished"
    found: Json = {"executionSuccessful": finished}
    if wrong and not finished:
        found["toolExecutionNotifications"] = [{"level": "error", "message": _message(wrong)}]
    return found


def _whole(log: AuditLog, wrong: str) -> Json:
    return {
        "ruleId": AUDIT,
        "level": "error",
        "message": _message(wrong),
        "locations": [{"physicalLocation": _config_file(log)}],
        "partialFingerprints": _fingerprints(AUDIT),
    }


def _refuted(log: AuditLog, one: CheckedRecovery) -> Json:
    """A claim of a card: a note, since it has no say."""
    return {
        "ruleId": CLAIM,
        "level": "note",
        "message": _message(f"{visible(one.variant)}: {card.sentence(log, one)}"),
        "locations": [_location(log, visible(one.variant))],
        "partialFingerprints": _fingerprints(CLAIM, one.variant, one.suite, one.task or "", one.metric),
    }


def _location(log: AuditLog, name: str) -> Json:
    """The config, and the level in it."""
    return {
        "physicalLocation": _config_file(log),
        "logicalLocations": [
            {
                "name": name,
                "fullyQualifiedName": f"{visible(reading.model_title(log))}/{name}",
                "kind": "resource",
            }
        ],
    }


def _result(log: AuditLog, one: Case, ids: dict[str, str]) -> Json:
    id_ = ids[_key(one)]
    name = visible(one.level.name)
    variant = reading.variant_of(log, one.level)
    digest = str(variant.digest) if variant else "the level was not made"
    return {
        "ruleId": id_,
        "level": _level(one),
        "message": _message(f"{name}, {one.title}: {one.decision}. {one.evidence}. Why: {one.because}"),
        "locations": [_location(log, name)],
        "partialFingerprints": _fingerprints(id_, one.level.name),
        "properties": {"decision": one.decision, "artefactSha256": visible(digest)},
    }


def _level(one: Case) -> str:
    if one.mute:
        return "note"
    return "error" if one.decision == "fail" else "warning"


def _fingerprints(*parts: str) -> dict[str, str]:
    """What stays the same from audit to audit, so that a result is followed; GitHub reads one name only."""
    digest = sha256("\0".join(parts).encode()).hexdigest()
    return {"promiseAndLevel/v1": digest, "primaryLocationLineHash": f"{digest[:16]}:1"}


def _config_file(log: AuditLog) -> Json:
    """The file that the levels and rules stand in: a place in code is what scanners ask for."""
    return {
        "artifactLocation": {"uri": quote(config_name(log.provenance.command))},
        "region": {"startLine": 1},
    }


def config_name(command: str) -> str:
    """The config in the command as it was given, or its name alone where the path would leave the folder."""
    try:
        words = shlex.split(command)
    except ValueError:
        words = command.split()
    named = [PurePosixPath(word) for word in words if word.endswith((".yaml", ".yml"))]
    if not named:
        return "audit.json"
    first = named[0]
    return first.name if first.is_absolute() or ".." in first.parts else str(first)


def _message(text: str) -> Json:
    """Plain text; section 3.11: brackets would be links, braces places to fill in."""
    shown = visible(text).replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
    return {"text": shown.replace("{", "{{").replace("}", "}}")}
