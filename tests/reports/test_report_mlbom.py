"""The bill of materials: valid by CycloneDX's own schema, and each weight file in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import logs
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hostile import HOSTILE

from audit.records import AuditLog, Calibration, NotMeasured, Variant
from reports.mlbom import render
from reports.reading import log_sha256

Change = Callable[[AuditLog], AuditLog]


def _bom(log: AuditLog) -> dict[str, Any]:
    found = json.loads(render(log))
    assert isinstance(found, dict)
    return found


def _component(log: AuditLog, ref: str) -> dict[str, Any]:
    (found,) = [one for one in _bom(log)["components"] if one["bom-ref"] == ref]
    assert isinstance(found, dict)
    return found


def _with(log: AuditLog, place: int, **changed: object) -> AuditLog:
    """The log with one variant changed."""
    variants = list(log.variants)
    variants[place] = Variant.model_validate(variants[place].model_dump() | changed)
    return log.model_copy(update={"variants": tuple(variants)})


@pytest.mark.parametrize(
    "change",
    [
        lambda log: log,
        logs.stopped,
        logs.unjudged,
        logs.ruleless,
        logs.unmeasured,
        *(lambda log, text=text: logs.hostile(log, text) for text in HOSTILE),
    ],
)
@pytest.mark.parametrize("name", ["log", "gate"])
def test_it_is_valid_by_the_official_schema(
    request: pytest.FixtureRequest, name: str, change: Change
) -> None:
    bom = render(change(request.getfixturevalue(name))).decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bom) is None


def test_serial_number_and_time_come_from_the_log(log: AuditLog) -> None:
    bom = _bom(log)
    assert bom["metadata"]["timestamp"] == "2026-11-24T08:09:41Z"
    assert UUID(bom["serialNumber"].removeprefix("urn:uuid:")).version == 5
    assert _bom(logs.passing(log))["serialNumber"] != bom["serialNumber"]


def test_no_reference_is_used_twice_and_none_leads_nowhere(log: AuditLog) -> None:
    components = _bom(_with(log, 2, files={"a": "ab" * 32, "b": "cd" * 32}))["components"]
    refs = [one["bom-ref"] for one in components]
    refs += [part["bom-ref"] for one in components for part in one.get("components", [])]
    assert len(refs) == len(set(refs))
    used = [
        data["ref"]
        for one in components
        if "modelCard" in one
        for data in one["modelCard"]["modelParameters"]["datasets"]
    ]
    assert used
    assert set(used) <= set(refs)


def test_every_weight_file_is_a_part_with_its_sha256(log: AuditLog) -> None:
    (file,) = _component(_with(log, 2, files={"model.safetensors": "ef" * 32}), "model/int8")["components"]
    assert (file["type"], file["name"]) == ("file", "model.safetensors")
    assert file["hashes"] == [{"alg": "SHA-256", "content": "ef" * 32}]


def test_a_level_names_what_it_was_made_from(log: AuditLog) -> None:
    pedigree = _component(log, "model/int4")["pedigree"]
    assert [one["name"] for one in pedigree["ancestors"]] == ["SmolLM2-135M-Instruct"]
    chained = _with(log, 3, parent="2a" * 32)
    assert [one["name"] for one in _component(chained, "model/int4")["pedigree"]["ancestors"]] == [
        "SmolLM2-135M-Instruct int8"
    ]
    assert "pedigree" not in _component(log, "original")


def test_a_parent_that_is_not_known_says_why(log: AuditLog) -> None:
    pedigree = _component(_with(log, 3, parent=NotMeasured("no file was seen").model_dump()), "model/int4")
    assert pedigree["pedigree"] == {"notes": "not measured: no file was seen"}


def test_the_interval_stands_with_the_drop_that_it_is_about(log: AuditLog) -> None:
    metrics = _component(log, "model/int4")["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    own, drop = metrics[:2]
    assert (own["type"], own["slice"]) == ("accuracy", "accuracy")
    assert float(own["value"]) == pytest.approx(0.784375 - 39 / 640)
    assert "confidenceInterval" not in own
    assert drop["type"] == "accuracy: drop from the original"
    bounds = drop["confidenceInterval"]
    assert float(bounds["lowerBound"]) < float(drop["value"]) < float(bounds["upperBound"])


def test_groups_are_slices(log: AuditLog) -> None:
    metrics = _component(log, "model/int4")["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    assert "bias: gender" in {metric["slice"] for metric in metrics}


def test_a_number_that_could_not_be_had_says_why(log: AuditLog) -> None:
    component = _component(logs.unmeasured(log), "model/int4")
    metrics = component["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    assert {metric["value"] for metric in metrics} == {"not measured: nobody looked"}
    facts = {one["name"]: one["value"] for one in component["properties"]}
    assert facts["shrinkproof:size-bytes"] == "not measured: nobody looked"
    limits = component["modelCard"]["considerations"]["technicalLimitations"]
    assert "not measured: nobody looked" in limits


def test_limits_and_the_verdict_stand_in_the_card(log: AuditLog) -> None:
    considerations = _component(log, "model/int4")["modelCard"]["considerations"]
    assert any(line.startswith("Bias: Bias: 640 short") for line in considerations["technicalLimitations"])
    assert considerations["performanceTradeoffs"][0].startswith("No. ")


def test_the_calibration_text_is_a_component_and_its_reader_points_at_it(log: AuditLog) -> None:
    text = Calibration(source="wiki.txt", sha256="cd" * 32, samples=8, sequence_length=128, seed=1)
    calibrated = _with(log, 3, calibration=text.model_dump())
    ref = f"data/calibration/{'cd' * 32}"
    assert _component(calibrated, ref)["name"] == "wiki.txt"
    parameters = _component(calibrated, "model/int4")["modelCard"]["modelParameters"]
    assert {"ref": ref} in parameters["datasets"]


def test_what_tasks_read_is_pinned_by_digest_or_commit(log: AuditLog) -> None:
    first = log.runs[0]
    cell = first.cells[0].model_copy(update={"data": {"test": "ab" * 32, "org/set": "cd" * 20}})
    run = first.model_copy(update={"cells": (cell,)})
    pinned = log.model_copy(update={"runs": (run, *log.runs[1:])})
    name = f"data/task/accuracy/{cell.task}"
    assert _component(pinned, f"{name}: test")["hashes"] == [{"alg": "SHA-256", "content": "ab" * 32}]
    assert _component(pinned, f"{name}: org/set")["version"] == "cd" * 20


def test_a_package_has_its_url(log: AuditLog) -> None:
    packages = {"lm_eval": "0.4.13", "torch": "2.13.0+cpu"}
    provenance = log.provenance.model_copy(update={"packages": packages})
    log = log.model_copy(update={"provenance": provenance})
    assert _component(log, "library/lm_eval")["purl"] == "pkg:pypi/lm-eval@0.4.13"
    assert _component(log, "library/torch")["purl"] == "pkg:pypi/torch@2.13.0%2Bcpu"


def test_an_original_of_the_hub_has_its_url(log: AuditLog) -> None:
    assert "purl" not in _component(log, "original")
    model = log.config.model.model_copy(update={"name": "Org/Small@main", "revision": "c" * 40})
    log = log.model_copy(update={"config": log.config.model_copy(update={"model": model})})
    assert _component(log, "original")["purl"] == f"pkg:huggingface/Org/Small@{'c' * 40}"


def test_the_tool_and_the_log_are_named(log: AuditLog) -> None:
    bom = _bom(log)
    (tool,) = bom["metadata"]["tools"]["components"]
    assert (tool["name"], tool["version"]) == ("Shrinkproof", "0.1.0")
    assert bom["externalReferences"][0]["hashes"] == [{"alg": "SHA-256", "content": log_sha256(log)}]
