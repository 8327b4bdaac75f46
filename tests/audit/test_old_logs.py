"""Logs of every published schema: they open, mean the same, and are written again as they were signed."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit import AuditLog, registry
from audit.errors import StoreError
from audit.pipeline import gate
from audit.records import NotMeasured
from audit.records.base import canonical
from audit.records.schemas import SCHEMA, STEPS
from audit.signing import verify
from audit.store import read_log, read_samples
from fixtures.schema import schema

LOGS = Path(__file__).resolve().parents[2] / "fixtures" / "logs"
FROZEN = sorted(LOGS.iterdir(), key=lambda one: int(one.name))

frozen = pytest.mark.parametrize("folder", FROZEN, ids=lambda one: f"schema {one.name}")


def test_every_earlier_schema_is_frozen_and_has_a_step() -> None:
    earlier = list(range(1, SCHEMA))
    assert [int(one.name) for one in FROZEN] == earlier == list(STEPS)


@frozen
def test_it_is_what_its_own_schema_says_and_opens_as_what_todays_says(folder: Path) -> None:
    was = json.loads((folder / "run/audit.json").read_bytes())
    jsonschema.validate(was, json.loads((folder / "audit.schema.json").read_bytes()))
    log = read_log(folder / "run")
    assert was["schema_version"] == log.written_in == int(folder.name)
    now = log.model_dump(mode="json")
    assert now["schema_version"] == SCHEMA
    jsonschema.validate(now, json.loads(schema()))


@frozen
def test_it_is_written_again_byte_for_byte_and_its_signature_holds(folder: Path) -> None:
    run = folder / "run"
    assert read_log(run).to_json() == (run / "audit.json").read_bytes()
    found = verify(run, folder / "public.pem")
    assert {one.what for one in found if one.finding == "lies"} == set()
    assert "signature" in {one.what for one in found if one.finding == "holds"}
    without = {one.what for one in found if one.finding == "not checked"}
    assert without == {"control/model.safetensors", "int4/model.safetensors"}


@frozen
def test_a_changed_number_of_it_is_still_found(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "run", tmp_path / "run")
    place = tmp_path / "run" / "audit.json"
    place.write_bytes(place.read_bytes().replace(b'"threads":1', b'"threads":2'))
    found = verify(tmp_path / "run", folder / "public.pem")
    assert "audit.json" in {one.what for one in found if one.finding == "lies"}


@frozen
def test_it_is_judged_read_and_shown(folder: Path) -> None:
    log = gate(folder / "run")
    assert log.decision == "pass"
    assert not isinstance(log.confirmation, NotMeasured)
    assert log.confirmation.variant == "int4"
    answers = [read_samples(cell, root=folder / "run") for run in log.all_runs for cell in run.cells]
    assert sum(map(len, answers)) > 100
    for name in registry.names("audit.report_formats"):
        if name not in ("pdf", "annotations"):  # a browser's, and nothing where nothing fails
            assert registry.report_format(name).render(log)


@pytest.mark.parametrize("version", [0, SCHEMA + 1, 99])
def test_one_of_a_newer_schema_is_refused_with_the_way_out(tmp_path: Path, version: int) -> None:
    said = json.dumps({**json.loads((FROZEN[0] / "run/audit.json").read_bytes()), "schema_version": version})
    (tmp_path / "audit.json").write_text(said)
    with pytest.raises(StoreError, match=rf"audit\.json: schema_version {version} .*pip install --upgrade"):
        read_log(tmp_path)


@pytest.mark.parametrize("said", ['{"schema_version": 1', '{"schema_version": 1}', '[{"schema_version": 1}]'])
def test_what_says_an_old_schema_and_is_no_log_is_named(tmp_path: Path, said: str) -> None:
    (tmp_path / "audit.json").write_text(said)
    with pytest.raises(StoreError, match="is no audit log"):
        read_log(tmp_path)


# Round trips

READ = [json.loads((one / "run/audit.json").read_bytes()) for one in FROZEN]
READ.append(read_log(FROZEN[-1] / "run").model_dump(mode="json"))  # of today
MAY_LACK = {
    "error", "links", "duels", "contests", "recoveries", "forgetting", "efficiency", "budgets", "taken",
    "history", "search", "git_changed", "executor",
}  # fmt: skip
"""Fields with a default wherever they stand: a log from before them lacks them."""


@st.composite
def logs(draw: st.DrawFn) -> dict[str, Any]:
    """A log as others may have it: other texts, lists cut, and without fields that came later."""
    log: dict[str, Any] = copy.deepcopy(draw(st.sampled_from(READ)))
    for holder, key in draw(st.lists(st.sampled_from(list(_places(log))), max_size=30)):
        value = holder[key] if isinstance(holder, list) or key in holder else None
        if key in MAY_LACK:
            holder.pop(key, None)
        elif key in ("reason", "because", "command", "platform", "question", "title", "answer"):
            holder[key] = draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
        elif isinstance(value, list) and key in ("changed", "looks", "comparisons", "verdicts", "cells"):
            holder[key] = value[: draw(st.integers(0, len(value)))]
        elif isinstance(value, float) and key in ("seconds", "p_value", "estimate"):
            holder[key] = draw(st.floats(0, 1))
    return log


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in pairs:
        yield value, key
        yield from _places(one)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(logs())
def test_what_was_read_is_written_again_as_it_was(log: dict[str, Any]) -> None:
    written = canonical(log)
    read = AuditLog.from_json(written)
    assert read.to_json() == written
    assert AuditLog.from_json(read.to_json()) == read
