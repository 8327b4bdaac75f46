"""Comparisons, looks and variants written out by hand, for whatever judges them."""

from __future__ import annotations

from typing import Any

from audit.records import (
    Comparison,
    Divergence,
    Estimate,
    Flips,
    Interval,
    Level,
    Look,
    Metric,
    NotMeasured,
    Suite,
    Task,
    Variant,
)

UNREAD = NotMeasured("not what is tested here")


def variant(name: str, method: str = "rtn") -> Variant:
    return Variant(
        name=name,
        level=None if name == "original" else Level(name=name, method=method),
        path="",
        digest="",
        parent=None,
        size_bytes=1,
        parameters=1,
        bits_per_weight=4,
        compressed_parameters=1,
        compressed_bits_per_weight=4.0,
        sparsity=0,
        stored_as="",
        evaluated_as="",
        made_by="",
        reload_error=0,
        seconds=UNREAD,
    )


def suite(name: str, *, needs_competence: bool = False, higher_is_better: bool = True) -> Suite:
    return Suite(
        name=name,
        title=name,
        question="?",
        tasks=(Task(name=name),),
        metrics=(
            Metric(name="first", source="x", higher_is_better=higher_is_better),
            Metric(name="second", source="x"),
        ),
        needs_competence=needs_competence,
    )


def look(lost: int, gained: int, n: int, bad_after: int = 0) -> Look:
    """What n items showed."""
    return Look(
        n_pairs=n, lost=lost, gained=gained, bad_after=bad_after, estimate=NotMeasured("flips are counted")
    )


def comparison(lost: int, gained: int, n: int, **fields: Any) -> Comparison:
    """A comparison with these flips, both sides well above chance unless said otherwise."""
    counted: dict[str, Any] = {
        "variant": "int4",
        "suite": "accuracy",
        "metric": "first",
        "group": None,
        "n_pairs": n,
        "n_unpaired_before": 0,
        "n_unpaired_after": 0,
        "flips": Flips(lost=lost, gained=gained, rate=(lost + gained) / n),
        "chance": 0.25,
        "before": 0.8,
        "before_lower": 0.7,
        "after_lower": 0.7,
        "method": "",
        "difference": (lost - gained) / n,
        "n_planned": n,
        "looks": (look(lost, gained, n),),
    }
    drop = (lost - gained) / n
    counted["interval"] = Interval(lower=drop - 0.02, upper=drop + 0.02, confidence=0.9, method="by hand")
    unread = ("after", "tango", "p_value", "p_adjusted")
    return Comparison.model_validate({**dict.fromkeys(unread, UNREAD), **counted, **fields})


def estimate(value: float, error: float, freedom: float = 999, **fields: Any) -> Estimate:
    """A drop with a standard error."""
    return Estimate(value=value, standard_error=error, degrees_of_freedom=freedom, method="by hand", **fields)


def look_at(drop: Estimate | NotMeasured, n: int, **flips: int) -> Look:
    """What n items showed whose drop has an error of its own; their flips where they are right or wrong."""
    unread = dict.fromkeys(("lost", "gained", "bad_after"), NotMeasured("outcomes are not right or wrong"))
    return Look.model_validate({**unread, **flips, "n_pairs": n, "estimate": drop})


def divergence(mean: Estimate | NotMeasured) -> Divergence:
    """A divergence that has this mean."""
    kl = mean.value if isinstance(mean, Estimate) else 0.0
    return Divergence(n_positions=1000, kl=kl, kl_error=0, kl_lower=0, kl_p95=0, same_top=1, estimate=mean)
