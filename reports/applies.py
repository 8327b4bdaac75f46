"""Which numbers a record is meant to have: what another stands for, or its kind has not, is no gap."""

from __future__ import annotations

from audit.records import (
    DIVERGENCE,
    Comparison,
    Estimate,
    Flips,
    ForgettingRate,
    NotMeasured,
    Provenance,
    Record,
    Variant,
    Verdict,
)

_OF_FLIPS = ("flips", "tango", "p_value", "chance", "before_lower", "after_lower")
"""What only right and wrong have."""


def applies(record: Record, field: str) -> bool:
    """Whether a reader could miss the number in that field."""
    match record:
        case Comparison():
            return field not in _spared_by(record)
        case Estimate():
            return field != "design_effect"  # of no use to items that are independent
        case Verdict():
            return field not in _settled_by(record)
        case Variant():
            return field not in _unmade(record)
        case ForgettingRate():
            return field in _of_facts(record)
        case Provenance():
            return field != "git_changed" or not isinstance(record.git_commit, NotMeasured)
    return True


def _of_facts(one: ForgettingRate) -> tuple[str, ...]:
    """A share that is not there has no interval, and all facts have no others to be held against."""
    if isinstance(one.rate, NotMeasured):
        return ("rate",)
    return ("interval",) if one.by == "all" else ("interval", "p_value", "p_adjusted")


def _spared_by(one: Comparison) -> tuple[str, ...]:
    """Errors come from flips or from an estimate; groups are adjusted, and only wholes read in depth."""
    here = ("p_adjusted",) if one.group is None else ("divergence",)
    if isinstance(one.flips, Flips):
        return (*here, "estimate")
    return (*here, *_OF_FLIPS) if isinstance(one.estimate, Estimate) else here


def _settled_by(one: Verdict) -> tuple[str, ...]:
    """What is decided needs no more pairs; what was not read has no test, and its first number says why."""
    if isinstance(one.p_value, NotMeasured):
        return ("p_worse", "p_worse_adjusted", "n_to_decide", "bounds")
    decided = () if one.decision == "inconclusive" else ("n_to_decide",)
    if one.metric == DIVERGENCE:  # it can't gain, so no test asks whether it lost
        return (*decided, "p_worse", "p_worse_adjusted")
    return (*decided, "p_worse_adjusted") if isinstance(one.p_worse, NotMeasured) else decided


def _unmade(one: Variant) -> tuple[str, ...]:
    """The original was not made here, and what was is known to come from it."""
    made = () if one.is_candidate else ("derivation",)
    packed = ("compressed_bits_per_weight",) if one.compressed_parameters == 0 else ()
    return (*made, *packed, *(("seconds",) if one.level is None else ()))
