"""Small enough, fast enough, and of a format that runs there: what can't be known never passes."""

from __future__ import annotations

from typing import Any

import pytest
from by_hand import variant

from audit.budgets import weigh
from audit.records import (
    AuditConfig,
    Budget,
    BudgetVerdict,
    CacheShape,
    Conditions,
    DeviceProfile,
    Efficiency,
    Interval,
    ModelRef,
    NotMeasured,
    Speed,
    Variant,
)

GAP = NotMeasured("nobody looked")
PHONE = DeviceProfile(
    title="Phone", ram_bytes=1000, storage_bytes=600, context=10, formats=("gguf", "onnx"), because="assumed"
)


def config(*budgets: Budget, device: DeviceProfile | None = None) -> AuditConfig:
    model = ModelRef(name="m", path="m", digest="d")
    promised = (*budgets, *(device.budgets if device else ()))
    return AuditConfig(model=model, levels=(), suites=(), rules=(), budgets=promised, device_profile=device)


def level(**fields: Any) -> Variant:
    """A level of 500 bytes whose layers keep 5 tokens or all, 4 numbers of each."""
    shape = CacheShape(full_layers=2, windowed_layers=1, window=5, values_per_token=4)
    return variant("int4").model_copy(
        update={"size_bytes": 500, "format": "gguf", "kv_cache": shape, **fields}
    )


def speed(lower: float, upper: float) -> Speed:
    interval = Interval(lower=lower, upper=upper, confidence=0.9, method="by hand")
    return Speed(
        tokens_per_second=9, original_tokens_per_second=10, latency_ratio=(lower + upper) / 2,
        interval=interval,
    )  # fmt: skip


def efficiency(**fields: Any) -> Efficiency:
    conditions = Conditions(
        device="cpu", processor="x", threads=1, dtype="float32", batch=1, prompt_tokens=8, decode_tokens=4,
        rounds=8,
    )  # fmt: skip
    names = ("load_seconds", "peak_memory_bytes", "runtime_bytes", "prefill", "decode")
    return Efficiency.model_validate(
        {"variant": "int4", "digest": "d", "conditions": conditions, **dict.fromkeys(names, GAP), **fields}
    )


def weigh_one(budget: Budget, one: Variant, *measured: Efficiency) -> BudgetVerdict:
    (verdict,) = weigh([variant("original"), variant("copy", "copy"), one], config(budget), measured)
    return verdict  # neither the original nor its copy is a product


def test_a_byte_too_many_is_over_the_budget_and_reads_so() -> None:
    budget = Budget(quantity="size_bytes", at_most=1_000_000_000)
    verdict = weigh_one(budget, level(size_bytes=1_000_000_001))
    assert (verdict.decision, verdict.value) == ("fail", 1_000_000_001)
    assert verdict.because == "1,000,000,001 > 1,000,000,000 size_bytes"


def test_a_budget_may_be_used_up() -> None:
    verdict = weigh_one(Budget(quantity="size_bytes", at_most=500), level())
    assert (verdict.decision, verdict.because) == ("pass", "500 ≤ 500 size_bytes")


def test_the_least_memory_is_the_weights_and_the_cache_of_the_context_in_16_bit() -> None:
    # 2 layers × 10 tokens and 1 layer × 5 tokens, 4 numbers of 2 bytes each: 200 bytes
    budget = Budget(quantity="least_memory_bytes", at_most=699, context=10)
    verdict = weigh_one(budget, level())
    assert (verdict.value, verdict.decision) == (700, "fail")
    assert "counted and not measured: 500 of stored weights and 200 of keys and values" in verdict.because
    assert "without activations and the runtime" in verdict.because


def test_a_window_longer_than_the_context_is_not_filled() -> None:
    budget = Budget(quantity="least_memory_bytes", at_most=1, context=3)
    assert weigh_one(budget, level()).value == 500 + 2 * 4 * (2 * 3 + 1 * 3)


def test_memory_that_cannot_be_counted_decides_nothing() -> None:
    budget = Budget(quantity="least_memory_bytes", at_most=10**12, context=10)
    verdict = weigh_one(budget, level(kv_cache=GAP))
    assert (verdict.decision, verdict.value) == ("inconclusive", GAP)
    assert "nobody looked" in verdict.because


MEASURED = [
    Budget(quantity="peak_memory_bytes", at_most=10**15),
    Budget(quantity="prefill_latency_ratio", at_most=1000),
    Budget(quantity="decode_latency_ratio", at_most=1000),
]


@pytest.mark.parametrize("budget", MEASURED)
def test_what_was_not_measured_is_inconclusive_with_the_reason_and_never_passes(budget: Budget) -> None:
    verdict = weigh_one(budget, level(), efficiency())
    assert (verdict.decision, verdict.value) == ("inconclusive", GAP)
    assert verdict.because == f"{budget.quantity} not measured: nobody looked"


@pytest.mark.parametrize("budget", MEASURED)
def test_what_was_not_asked_for_is_inconclusive_and_says_how_to_ask(budget: Budget) -> None:
    verdict = weigh_one(budget, level())
    assert verdict.decision == "inconclusive"
    assert "efficiency: true" in verdict.because


def test_a_measured_peak_is_weighed() -> None:
    budget = Budget(quantity="peak_memory_bytes", at_most=2000)
    assert weigh_one(budget, level(), efficiency(peak_memory_bytes=2000)).decision == "pass"
    assert weigh_one(budget, level(), efficiency(peak_memory_bytes=2001)).decision == "fail"


@pytest.mark.parametrize(
    ("lower", "upper", "decision"),
    [(1.0, 1.1, "pass"), (1.05, 1.11, "inconclusive"), (1.1, 1.2, "inconclusive"), (1.11, 1.2, "fail")],
)
@pytest.mark.parametrize("phase", ["prefill", "decode"])
def test_a_latency_passes_by_the_unfavourable_end_and_fails_by_the_other(
    phase: str, lower: float, upper: float, decision: str
) -> None:
    budget = Budget.model_validate({"quantity": f"{phase}_latency_ratio", "at_most": 1.1})
    other = "decode" if phase == "prefill" else "prefill"
    measured = efficiency(**{phase: speed(lower, upper), other: speed(5, 5)})
    verdict = weigh_one(budget, level(), measured)
    assert (verdict.decision, verdict.value) == (decision, upper)
    assert f"{lower:.3f} to {upper:.3f}" in verdict.because


def test_each_level_is_weighed_by_its_own_measurement() -> None:
    others = efficiency(variant="int8", peak_memory_bytes=1)
    budget = Budget(quantity="peak_memory_bytes", at_most=10)
    assert weigh_one(budget, level(), others, efficiency(peak_memory_bytes=11)).decision == "fail"


@pytest.mark.parametrize(
    ("format", "decision"), [("gguf", "pass"), ("safetensors", "fail"), (GAP, "inconclusive")]
)
def test_the_runtime_has_to_take_the_format(format: str | NotMeasured, decision: str) -> None:
    verdict = weigh_one(Budget(quantity="format", one_of=("gguf", "onnx")), level(format=format))
    assert (verdict.decision, verdict.value) == (decision, format)


def test_a_format_that_is_not_taken_is_named_with_those_that_are() -> None:
    verdict = weigh_one(Budget(quantity="format", one_of=("gguf", "onnx")), level(format="gptq"))
    assert verdict.because == "format gptq is none of gguf, onnx"


def on_the_phone(one: Variant, *measured: Efficiency) -> dict[str, str]:
    verdicts = weigh([one], config(device=PHONE), measured)
    return {verdict.budget.quantity: verdict.decision for verdict in verdicts}


def test_a_device_asks_for_storage_memory_and_format() -> None:
    assert on_the_phone(level()) == {"size_bytes": "pass", "least_memory_bytes": "pass", "format": "pass"}
    too_large = on_the_phone(level(size_bytes=801, format="safetensors"))
    assert too_large == {"size_bytes": "fail", "least_memory_bytes": "fail", "format": "fail"}


def test_a_peak_that_was_measured_has_to_fit_the_device_too() -> None:
    assert on_the_phone(level(), efficiency(peak_memory_bytes=1001))["peak_memory_bytes"] == "fail"
    assert "peak_memory_bytes" not in on_the_phone(level(), efficiency())
