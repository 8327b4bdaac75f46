"""Variants × budgets → verdicts: is the artefact small enough, fast enough, and of a format that runs there?

What could not be had decides nothing: its budget is inconclusive, with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence

from audit.records import (
    AuditConfig,
    Budget,
    BudgetVerdict,
    Decision,
    Efficiency,
    NotMeasured,
    Speed,
    Variant,
)

NOT_ASKED = NotMeasured("memory and speed were not measured in this run (efficiency: true asks for it)")


def weigh(
    variants: Sequence[Variant], config: AuditConfig, efficiency: Sequence[Efficiency] = ()
) -> tuple[BudgetVerdict, ...]:
    """One verdict per compressed variant and budget of the config.

    Where a device is named and a variant's peak memory was measured, that has to fit as well.
    """
    measured = {one.variant: one for one in efficiency}
    return tuple(
        _weigh_one(budget, variant, measured.get(variant.name))
        for variant in variants
        if variant.level is not None and not variant.is_control
        for budget in (*config.budgets, *_peak(config, measured.get(variant.name)))
    )


def _peak(config: AuditConfig, measured: Efficiency | None) -> tuple[Budget, ...]:
    """The device's budget on measured memory, where there is a measurement."""
    if config.device_profile is None or measured is None:
        return ()
    return () if isinstance(measured.peak_memory_bytes, NotMeasured) else (config.device_profile.peak,)


def _weigh_one(budget: Budget, variant: Variant, measured: Efficiency | None) -> BudgetVerdict:
    if budget.quantity == "format":
        return _of_format(budget, variant)
    if budget.quantity in ("prefill_latency_ratio", "decode_latency_ratio"):
        return _of_latency(budget, variant, measured)
    value = _amount_of(budget, variant, measured)
    if isinstance(value, NotMeasured):
        return _unknown(budget, variant, value)
    return _within(budget, variant, value)


def _amount_of(budget: Budget, variant: Variant, measured: Efficiency | None) -> float | NotMeasured:
    """What a variant has of a quantity that is one number."""
    if budget.quantity == "least_memory_bytes":
        return _least_memory(variant, budget.context or 0)
    if budget.quantity == "peak_memory_bytes":
        return NOT_ASKED if measured is None else measured.peak_memory_bytes
    value: float | NotMeasured = getattr(variant, budget.quantity)
    return value if isinstance(value, NotMeasured) else float(value)


def _least_memory(variant: Variant, context: int) -> float | NotMeasured:
    """Bytes of the stored weights, and of the keys and values of one sequence in 16 bit."""
    if isinstance(variant.kv_cache, NotMeasured):
        return variant.kv_cache
    if isinstance(variant.size_bytes, NotMeasured):
        return variant.size_bytes
    return float(variant.size_bytes + variant.kv_cache.bytes_at(context))


def _within(budget: Budget, variant: Variant, value: float) -> BudgetVerdict:
    """The verdict on one number."""
    at_most = _limit(budget)
    kept = value <= at_most
    because = f"{_amount(value)} {'≤' if kept else '>'} {_amount(at_most)} {budget.quantity}"
    if budget.quantity == "least_memory_bytes" and not isinstance(variant.size_bytes, NotMeasured):
        because += (
            f", counted and not measured: {_amount(float(variant.size_bytes))} of stored weights and "
            f"{_amount(value - variant.size_bytes)} of keys and values of {budget.context} tokens in 16 bit, "
            "without activations and the runtime"
        )
    if budget.quantity == "peak_memory_bytes":
        because += ", of a PyTorch process on the machine of the audit"
    return _verdict(budget, variant, value, "pass" if kept else "fail", because)


def _of_format(budget: Budget, variant: Variant) -> BudgetVerdict:
    """Whether the runtime can read the artefact."""
    if isinstance(variant.format, NotMeasured):
        return _unknown(budget, variant, variant.format)
    kept = variant.format in budget.one_of
    because = f"format {variant.format} is {'one' if kept else 'none'} of {', '.join(budget.one_of)}"
    return _verdict(budget, variant, variant.format, "pass" if kept else "fail", because)


def _of_latency(budget: Budget, variant: Variant, measured: Efficiency | None) -> BudgetVerdict:
    """Passes when the whole interval of the ratio is within, fails when none of it is."""
    phase = budget.quantity.removesuffix("_latency_ratio")
    speed: Speed | NotMeasured = NOT_ASKED if measured is None else getattr(measured, phase)
    if isinstance(speed, NotMeasured):
        return _unknown(budget, variant, speed)
    at_most, interval = _limit(budget), speed.interval
    decision: Decision = (
        "pass" if interval.upper <= at_most else "fail" if interval.lower > at_most else "inconclusive"
    )
    sign = {"pass": "≤", "fail": ">", "inconclusive": "is not told from"}[decision]
    because = (
        f"{interval.lower:.3f} to {interval.upper:.3f} (median {speed.latency_ratio:.3f}) {sign} "
        f"{at_most:g} {budget.quantity}"
    )
    return _verdict(budget, variant, interval.upper, decision, because)


def _unknown(budget: Budget, variant: Variant, gap: NotMeasured) -> BudgetVerdict:
    """No decision, for want of a number."""
    return _verdict(budget, variant, gap, "inconclusive", f"{budget.quantity} {gap}")


def _verdict(
    budget: Budget, variant: Variant, value: float | str | NotMeasured, decision: Decision, because: str
) -> BudgetVerdict:
    return BudgetVerdict(variant=variant.name, budget=budget, value=value, decision=decision, because=because)


def _limit(budget: Budget) -> float:
    assert budget.at_most is not None, "a budget on anything but a format has a limit"
    return budget.at_most


def _amount(value: float) -> str:
    """All digits, so that what is just too much reads so."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,}"
