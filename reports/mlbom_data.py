"""The texts and the tasks of an audit as components of a bill of materials, and how facts stand there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audit.records import AuditLog, Calibration, Suite, Variant
from reports.sections.provenance import SHA256_DIGITS
from reports.wording import visible

Component = dict[str, Any]


def data(log: AuditLog) -> list[Component]:
    """What the methods looked at and what the tasks read, each once."""
    texts = [_calibration(one.calibration) for one in log.variants if one.calibration]
    tasks = [part for suite in log.config.suites for part in _tasks(log, suite)]
    return list({component["bom-ref"]: component for component in [*texts, *tasks]}.values())


def calibration_ref(text: Calibration) -> str:
    """The reference of a text that a method looked at."""
    return f"data/calibration/{text.sha256}"


def data_refs(log: AuditLog, variant: Variant) -> list[dict[str, str]]:
    """What a model looked at while it was made, and what it was asked."""
    texts = [calibration_ref(variant.calibration)] if variant.calibration else []
    asked = {run.suite for run in log.runs if run.variant == variant.name}
    suites = [suite for suite in log.config.suites if suite.name in asked]
    tasks = [part["bom-ref"] for suite in suites for part in _tasks(log, suite)]
    return [{"ref": ref} for ref in dict.fromkeys([*texts, *tasks])]


def properties(facts: Mapping[str, object]) -> list[dict[str, str]]:
    """Facts under our own prefix; a gap says why it is one."""
    return [{"name": f"shrinkproof:{name}", "value": visible(str(value))} for name, value in facts.items()]


def _calibration(text: Calibration) -> Component:
    facts = {
        "use": "calibration",
        "token-ids-sha256": text.sha256,
        "samples": text.samples,
        "tokens-of-each": text.sequence_length,
        "seed": text.seed,
    }
    return _component(calibration_ref(text), text.source) | {"properties": properties(facts)}


def _tasks(log: AuditLog, suite: Suite) -> list[Component]:
    """A component a file or data set that a task read, or a task where the log pins none."""
    found: list[Component] = []
    for task in suite.tasks:
        cells = [c for run in log.runs if run.suite == suite.name for c in run.cells if c.task == task.name]
        pins = {part: pin for cell in cells for part, pin in cell.data.items()}
        versions = sorted({cell.task_version for cell in cells})
        facts = {"use": "evaluation", "task-version": ", ".join(versions) or "not asked"}
        for part, pin in sorted(pins.items()) or [("", suite.items_sha256 or "")]:
            name = f"{task.name}: {part}" if part else task.name
            ref = f"data/task/{visible(suite.name)}/{visible(name)}"
            found.append(_component(ref, name) | _pin(pin) | {"properties": properties(facts)})
    return found


def _component(ref: str, name: str) -> Component:
    return {
        "type": "data",
        "bom-ref": ref,
        "name": visible(name),
        "data": [{"type": "dataset", "name": visible(name)}],
    }


def _pin(pin: str) -> Component:
    """The sha256 of a file, or the commit of a data set on a hub; nothing where the log has neither."""
    if len(pin) == SHA256_DIGITS:
        return {"hashes": [{"alg": "SHA-256", "content": pin}]}
    return {"version": visible(pin)} if pin else {}
