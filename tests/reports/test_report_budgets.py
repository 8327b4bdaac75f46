"""Devices, budgets and what was measured: each with its unit, by how much, and what is only counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from audit.budgets import weigh
from audit.records import (
    AuditLog,
    Budget,
    CacheShape,
    Conditions,
    DeviceProfile,
    Efficiency,
    Energy,
    Interval,
    NotMeasured,
    Speed,
)
from reports import reading
from reports.html import drawn
from reports.sections import compressed, efficiency, limits, verdict

Rows = Callable[[str], list[list[str]]]
Text = Callable[[str], str]

PHONE = DeviceProfile(
    title="<b>Phone</b>", ram_bytes=400 * 2**20, storage_bytes=200 * 2**20, context=4096,
    formats=("gguf", "safetensors"), because="An old phone. These are assumptions.",
)  # fmt: skip
SHAPE = CacheShape(full_layers=30, values_per_token=384)
SLOW = Budget(quantity="decode_latency_ratio", at_most=1.1, because="nobody waits longer")
SIMULATED = NotMeasured("it was computed dequantised to float32")


def speed(lower: float, middle: float, upper: float) -> Speed:
    return Speed(
        tokens_per_second=40.0 / middle, original_tokens_per_second=40.0, latency_ratio=middle,
        interval=Interval(lower=lower, upper=upper, confidence=0.93, method="order statistics"),
    )  # fmt: skip


ENERGY = Energy(
    joules_per_token=0.42, original_joules_per_token=0.4, ratio=1.05, source="the GPU",
    interval=Interval(lower=1.01, upper=1.1, confidence=0.93, method="order statistics"),
)  # fmt: skip


def cost(name: str, **fields: Any) -> Efficiency:
    conditions = Conditions(
        device="cpu", processor="a slow one", threads=2, dtype="float32", batch=1, prompt_tokens=256,
        decode_tokens=32, rounds=8,
    )  # fmt: skip
    gaps = dict.fromkeys(
        ("load_seconds", "peak_memory_bytes", "runtime_bytes", "prefill", "decode", "energy"), SIMULATED
    )
    return Efficiency.model_validate(
        {"variant": name, "digest": "d", "conditions": conditions, **gaps, **fields}
    )


@pytest.fixture(scope="module")
def phone(gate: AuditLog) -> AuditLog:
    """The made-up audit for a phone: int8 was measured, int4 and int2 are simulated."""
    variants = tuple(
        one.model_copy(update={"kv_cache": SHAPE, "format": "safetensors" if one.name == "int8" else "gptq"})
        for one in gate.variants
    )
    measured = (
        cost(
            "int8", load_seconds=1.5, peak_memory_bytes=500 * 2**20, runtime_bytes=300 * 2**20,
            prefill=speed(0.98, 1.0, 1.02), decode=speed(1.2, 1.25, 1.3), energy=ENERGY,
        ),
        cost("int4"),
        cost("int2"),
    )  # fmt: skip
    config = gate.config.model_copy(update={"device_profile": PHONE, "budgets": (*PHONE.budgets, SLOW)})
    return gate.model_copy(
        update={
            "variants": variants, "efficiency": measured, "config": config,
            "budgets": weigh(variants, config, measured),
        }
    )  # fmt: skip


@pytest.fixture
def rows(phone: AuditLog, rows_of: Rows) -> dict[tuple[str, str], list[str]]:
    """The budgets by level and title."""
    found = rows_of(str(verdict.section(phone).html).split("Budgets: is it small enough?")[-1])
    return {(row[0], row[1]): row[2:] for row in found if len(row) == 7}


def test_what_is_too_large_says_by_how_much(rows: dict[tuple[str, str], list[str]]) -> None:
    value, at_most, decision, _, why = rows["int8", "Size on disk"]
    assert (value, at_most) == ("212.0 MiB", "200.0 MiB")
    assert decision == "Fail 12.0 MiB over (6.0 %)"
    assert why == "an assumption of the device profile: <b>Phone</b>"


def test_what_fits_is_over_by_nothing(rows: dict[tuple[str, str], list[str]]) -> None:
    assert rows["int4", "Size on disk"][2] == "Pass"


def test_counted_memory_is_said_to_be_counted(rows: dict[tuple[str, str], list[str]]) -> None:
    value, at_most, decision, numbers, _ = rows["int8", "Least memory (counted, not measured)"]
    # 90 MiB of keys and values: 30 layers × 384 numbers × 2 bytes × 4096 tokens
    assert (value, at_most, decision) == ("302.0 MiB", "400.0 MiB", "Pass")
    assert "94,371,840 of keys and values of 4096 tokens in 16 bit, without activations" in numbers


def test_measured_memory_stands_where_it_was_measured(rows: dict[tuple[str, str], list[str]]) -> None:
    assert rows["int8", "Peak memory (measured)"][:3] == [
        "500.0 MiB",
        "400.0 MiB",
        "Fail 100.0 MiB over (25.0 %)",
    ]
    assert ("int4", "Peak memory (measured)") not in rows


def test_a_latency_is_a_multiple_of_the_originals(rows: dict[tuple[str, str], list[str]]) -> None:
    value, at_most, decision, *_ = rows["int8", "Decode time"]
    assert (value, at_most) == ("1.300× the original’s", "1.100× the original’s")
    assert decision == "Fail 18.2 % over"


def test_a_format_stands_beside_those_that_are_taken(rows: dict[tuple[str, str], list[str]]) -> None:
    assert rows["int4", "File format"][:3] == ["gptq", "gguf, safetensors", "Fail"]


def test_what_was_not_measured_gives_its_reason(rows: dict[tuple[str, str], list[str]]) -> None:
    value, _, decision, *_ = rows["int4", "Decode time"]
    assert value == "not measured: it was computed dequantised to float32"
    assert decision == "Inconclusive"


def test_the_verdict_says_what_is_wrong_with_the_artefact(phone: AuditLog, text_of: Text) -> None:
    text = text_of(str(verdict.section(phone).html))
    assert "Too large: size on disk 212.0 MiB where the budget is 200.0 MiB." in text
    assert "Too slow: decode time 1.300× the original’s where the budget is 1.100× the original’s." in text
    assert "Of the wrong format: file format gptq where the runtime takes gguf, safetensors." in text


def test_a_budget_that_is_undecided_releases_nothing(gate: AuditLog, text_of: Text) -> None:
    config = gate.config.model_copy(update={"budgets": (SLOW,)})
    log = gate.model_copy(update={"config": config, "budgets": weigh(gate.variants, config)})
    level = next(one for one in log.config.levels if one.name == "int8")
    assert reading.decision_on(log, level) == "inconclusive"
    text = text_of(str(verdict.section(log).html))
    assert "Not shown. 1 budget undecided: Decode time; an undecided budget releases nothing." in text
    assert "Yes:" not in text


def test_a_measured_level_has_a_row_and_its_conditions(phone: AuditLog, rows_of: Rows, text_of: Text) -> None:
    html = str(efficiency.section(phone).html)
    rows = rows_of(html.split("Load time, memory, speed and energy, measured")[-1])
    assert [
        "int8", "1.5 s", "500.0 MiB", "300.0 MiB", "40.0 tokens/s (original 40.0)", "1.000 (0.980 to 1.020)",
        "32.0 tokens/s (original 40.0)", "1.250 (1.200 to 1.300)",
        "0.42 J/token (original 0.4); the GPU", "1.050 (1.010 to 1.100)",
    ] in rows  # fmt: skip
    text = text_of(html)
    assert "cpu (a slow one), CPU threads: 2, in float32." in text
    assert "256 tokens in one forward (prefill) and 32 more one by one (decode), in 8 rounds" in text


def test_a_simulated_level_is_named_with_its_reason_and_has_no_row(
    phone: AuditLog, rows_of: Rows, text_of: Text
) -> None:
    html = str(efficiency.section(phone).html)
    rows = rows_of(html.split("Load time, memory, speed and energy, measured")[-1])
    assert [row[0] for row in rows if len(row) == 10] == ["Level", "int8"]
    assert "Memory and speed of int4: not measured: it was computed dequantised to float32." in text_of(html)


def test_the_device_stands_with_its_assumptions_escaped(phone: AuditLog, text_of: Text) -> None:
    html = str(compressed.section(phone).html)
    assert "<b>Phone</b>" not in html
    text = text_of(html)
    assert "Meant for: <b>Phone</b>." in text
    assert "These are assumptions." in text
    assert "Least memory is counted and not measured" in text


def test_without_a_measurement_the_page_has_no_part_for_it_and_says_how_to_get_one(
    gate: AuditLog, phone: AuditLog
) -> None:
    assert "efficiency" not in [one.id for one in drawn(gate)]
    assert "efficiency" in [one.id for one in drawn(phone)]
    assert "<code>efficiency: true</code>" in limits.section(gate).html


def test_a_measurement_that_was_asked_for_and_never_made_is_a_warning(gate: AuditLog) -> None:
    asked = gate.model_copy(update={"config": gate.config.model_copy(update={"efficiency": True})})
    html = str(efficiency.section(asked).html)
    assert "The audit stopped before memory and speed were measured." in html


def test_no_device_is_named_that_nobody_named(gate: AuditLog) -> None:
    assert "Meant for" not in compressed.section(gate).html


def test_speed_is_said_to_be_missing_only_where_it_is(gate: AuditLog, phone: AuditLog) -> None:
    assert "Speed, memory and energy" in limits.section(gate).html
    few = phone.model_copy(update={"config": phone.config.model_copy(update={"limit": 5})})
    html = limits.section(few).html
    assert "Items past the first 5" in html
    assert "Speed, memory and energy" not in html


def test_every_gap_stands_among_the_limits(phone: AuditLog) -> None:
    places = [place for place, _ in limits.unmeasured(phone)]
    assert "int4: prefill" in places
    assert "int4, budget on decode_latency_ratio: value" in places
