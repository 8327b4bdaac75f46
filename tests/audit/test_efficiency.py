"""Memory and speed: only of what is computed as it is stored, only when asked for, and only once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from by_hand import variant
from safetensors.numpy import save_file

from audit import AuditLog, gate, load_config, run_audit
from audit.efficiency import ROUNDS, measure, simulated
from audit.energy import Meter
from audit.footprint import Footprint, Request
from audit.records import (
    AuditConfig,
    Efficiency,
    Energy,
    Interval,
    Level,
    ModelRef,
    NotMeasured,
    Speed,
    Variant,
)
from audit.speed import Pass
from audit.store import Store

BUDGETS = [
    {"quantity": "prefill_latency_ratio", "at_most": 1000},
    {"quantity": "peak_memory_bytes", "at_most": 2**50},
]


# On the tiny model


@pytest.fixture(scope="module")
def log(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> AuditLog:
    """An audit with budgets on what has to be measured."""
    return run_audit(load_config(settings(tiny, tmp_path_factory.mktemp("efficiency"))))


def settings(tiny: Path, home: Path) -> dict[str, Any]:
    return {
        "model": str(tiny), "levels": ["control", "magnitude-50", "bf16", "int4"], "suites": ["accuracy"],
        "budgets": BUDGETS, "limit": 8, "looks": 1, "threads": 1, "out": str(home / "run"),
        "cache": str(home / "cache"),
    }  # fmt: skip


def of(log: AuditLog, name: str) -> Efficiency:
    return next(one for one in log.efficiency if one.variant == name)


def test_every_variant_has_its_record_in_the_log_and_conditions_that_the_model_takes(log: AuditLog) -> None:
    assert [one.variant for one in log.efficiency] == [one.name for one in log.variants]
    (conditions,) = {one.conditions for one in log.efficiency}
    assert (conditions.threads, conditions.dtype, conditions.rounds) == (1, "float32", ROUNDS)
    assert conditions.prompt_tokens + conditions.decode_tokens <= 256  # of the tiny model's config


@pytest.mark.parametrize("phase", ["prefill", "decode"])
@pytest.mark.parametrize("level", ["control", "magnitude-50"])
def test_a_level_that_is_computed_as_it_is_stored_has_speeds_beside_the_original(
    log: AuditLog, level: str, phase: str
) -> None:
    speed = getattr(of(log, level), phase)
    assert isinstance(speed, Speed)
    assert 0 < speed.interval.lower <= speed.latency_ratio <= speed.interval.upper
    assert speed.tokens_per_second > 0
    assert speed.original_tokens_per_second > 0


@pytest.mark.parametrize("level", ["original", "control", "magnitude-50"])
def test_the_memory_of_a_fresh_process_holds_the_model(log: AuditLog, level: str) -> None:
    one = of(log, level)
    size = next(variant.size_bytes for variant in log.variants if variant.name == level)
    assert isinstance(one.peak_memory_bytes, int)
    assert isinstance(one.runtime_bytes, int)
    assert one.peak_memory_bytes >= one.runtime_bytes + size
    assert isinstance(one.load_seconds, float)


def test_the_original_is_measured_beside_others_and_not_beside_itself(log: AuditLog) -> None:
    assert isinstance(of(log, "original").prefill, NotMeasured)


@pytest.mark.parametrize(
    ("level", "reason"), [("int4", "dequantised to float32"), ("bf16", "stored in bfloat16")]
)
def test_a_simulated_level_has_no_memory_and_no_speed(log: AuditLog, level: str, reason: str) -> None:
    one = of(log, level)
    for value in (
        one.load_seconds,
        one.peak_memory_bytes,
        one.runtime_bytes,
        one.prefill,
        one.decode,
        one.energy,
    ):
        assert isinstance(value, NotMeasured)
        assert reason in value.reason


def test_a_simulated_level_does_not_pass_a_budget_on_speed(log: AuditLog) -> None:
    decisions = {(one.variant, one.budget.quantity): one.decision for one in log.budgets}
    assert decisions == {
        ("magnitude-50", "prefill_latency_ratio"): "pass",
        ("magnitude-50", "peak_memory_bytes"): "pass",
        ("bf16", "prefill_latency_ratio"): "inconclusive",
        ("bf16", "peak_memory_bytes"): "inconclusive",
        ("int4", "prefill_latency_ratio"): "inconclusive",
        ("int4", "peak_memory_bytes"): "inconclusive",
    }


def test_judging_again_weighs_what_was_measured(log: AuditLog) -> None:
    assert gate(Path(log.config.out)) == log


def test_what_was_measured_lies_in_the_run_folder_and_is_not_measured_again(
    log: AuditLog, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def twice(*_: object) -> None:
        raise AssertionError("measured twice")

    monkeypatch.setattr("audit.efficiency.footprint", twice)
    monkeypatch.setattr("audit.efficiency.one_pass", twice)
    again = run_audit(load_config(settings(tiny, Path(log.config.out).parent)))
    assert again.efficiency == log.efficiency
    kept = {path.stem for path in (Path(log.config.out) / "efficiency").glob("*.json")}
    assert kept == {"original", "control", "magnitude-50"}


# Without a model


SPEED = Speed(
    tokens_per_second=1, original_tokens_per_second=1, latency_ratio=1,
    interval=Interval(lower=1, upper=1, confidence=0.9, method="by hand"),
)  # fmt: skip


class Counted:
    """Stands in for what measures; counts how often it was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answer: Footprint | NotMeasured) -> None:
        self.asked: list[str] = []
        self.answer = answer
        monkeypatch.setattr("audit.efficiency.footprint", self)
        monkeypatch.setattr("audit.efficiency.load_model", lambda *_, **__: None)
        monkeypatch.setattr("audit.efficiency.one_pass", lambda *_: Pass(1.0, 1.0))

    def __call__(self, request: Request) -> Footprint | NotMeasured:
        self.asked.append(Path(request.folder).name)
        return self.answer


def folder(path: Path, dtype: type[np.generic] = np.float32) -> Path:
    """What looks like a checkpoint of four weights."""
    path.mkdir()
    (path / "config.json").write_text(json.dumps({"model_type": "llama", "max_position_embeddings": 40}))
    save_file({"w": np.zeros(4, dtype)}, path / "model.safetensors")
    return path


def stored(path: Path, level: Level | None = None) -> Variant:
    name = level.name if level else "original"
    fields = {"path": str(path), "level": level, "evaluated_as": "float32", "format": "safetensors"}
    return variant(name).model_copy(update=fields)


@pytest.fixture
def variants(tmp_path: Path) -> list[Variant]:
    level = Level(name="pruned", method="magnitude")
    return [stored(folder(tmp_path / "original")), stored(folder(tmp_path / "pruned"), level)]


def config(tmp_path: Path, **fields: Any) -> AuditConfig:
    model = ModelRef(name="m", path="m", digest="d")
    settled = {"efficiency": True, "threads": 1, "device": "cpu", "out": str(tmp_path / "run"), **fields}
    return AuditConfig(model=model, levels=(), suites=(), rules=(), **settled)


TAKEN = Footprint(load_seconds=1.0, peak_memory_bytes=9, runtime_bytes=3)


def test_without_being_asked_nothing_is_measured(
    tmp_path: Path, variants: list[Variant], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counted(monkeypatch, TAKEN)
    settled = config(tmp_path, efficiency=False)
    with Store.open(settled) as store:
        assert measure(variants, settled, store) == ()
    assert counted.asked == []


def test_under_other_conditions_it_is_measured_again(
    tmp_path: Path, variants: list[Variant], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counted(monkeypatch, TAKEN)
    settled = config(tmp_path)
    with Store.open(settled) as store:
        measure(variants, settled, store)
        measure(variants, settled, store)
        assert counted.asked == ["original", "pruned"]
        measure(variants, settled.model_copy(update={"threads": 2}), store)
    assert counted.asked == ["original", "pruned"] * 2


def test_another_artefact_of_the_same_name_is_measured_again(
    tmp_path: Path, variants: list[Variant], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counted(monkeypatch, TAKEN)
    settled = config(tmp_path)
    with Store.open(settled) as store:
        measure(variants, settled, store)
        measure([variants[0], variants[1].model_copy(update={"digest": "other"})], settled, store)
    assert counted.asked == ["original", "pruned", "pruned"]


def test_a_measurement_that_went_wrong_says_why_and_is_tried_again(
    tmp_path: Path, variants: list[Variant], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counted(monkeypatch, NotMeasured("killed"))
    settled = config(tmp_path)
    with Store.open(settled) as store:
        _, pruned = measure(variants, settled, store)
        assert pruned.peak_memory_bytes == NotMeasured("killed")
        assert isinstance(pruned.prefill, Speed)
        counted.answer = TAKEN
        _, pruned = measure(variants, settled, store)
    assert pruned.peak_memory_bytes == 9


def test_the_energy_of_a_pass_is_read_where_there_is_a_counter(
    tmp_path: Path, variants: list[Variant], monkeypatch: pytest.MonkeyPatch
) -> None:
    Counted(monkeypatch, TAKEN)
    monkeypatch.setattr(
        "audit.efficiency.meter", lambda device: Meter("a made-up counter", lambda: None, lambda: 7.0)
    )
    settled = config(tmp_path)
    with Store.open(settled) as store:
        original, pruned = measure(variants, settled, store)
    assert isinstance(original.energy, NotMeasured)
    assert isinstance(pruned.energy, Energy)
    tokens = pruned.conditions.prompt_tokens + pruned.conditions.decode_tokens
    assert (pruned.energy.joules_per_token, pruned.energy.ratio) == (7 / tokens, 1)


def test_a_simulated_original_is_no_yardstick_for_speed(
    tmp_path: Path, variants: list[Variant], monkeypatch: pytest.MonkeyPatch
) -> None:
    Counted(monkeypatch, TAKEN)
    original = stored(folder(tmp_path / "half", np.float16))
    settled = config(tmp_path)
    with Store.open(settled) as store:
        _, pruned = measure([original, variants[1]], settled, store)
    assert isinstance(pruned.prefill, NotMeasured)
    assert "stored in float16 and was computed in float32" in pruned.prefill.reason
    assert pruned.peak_memory_bytes == 9


def test_a_prompt_is_as_long_as_the_model_takes(
    tmp_path: Path, variants: list[Variant], monkeypatch: pytest.MonkeyPatch
) -> None:
    Counted(monkeypatch, TAKEN)
    settled = config(tmp_path)
    with Store.open(settled) as store:
        one, _ = measure(variants, settled, store)
    assert one.conditions.prompt_tokens + one.conditions.decode_tokens == 40


def test_a_record_that_was_cut_is_measured_again(
    tmp_path: Path, variants: list[Variant], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counted(monkeypatch, TAKEN)
    settled = config(tmp_path)
    with Store.open(settled) as store:
        measure(variants, settled, store)
        (store.root / "efficiency" / "pruned.json").write_text('{"variant": "pru')
        measure(variants, settled, store)
    assert counted.asked == ["original", "pruned", "pruned"]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"evaluated_as": "dequantised to float32"}, "dequantised to float32"),
        ({"evaluated_as": "bfloat16"}, "stored in float32 and was computed in bfloat16"),
        ({"format": "pickle"}, "pickle"),
        ({}, ""),
    ],
)
def test_what_is_computed_otherwise_than_stored_is_simulated(
    variants: list[Variant], fields: dict[str, str], reason: str
) -> None:
    found = simulated(variants[0].model_copy(update=fields))
    assert reason in found
    assert bool(found) == bool(reason)
