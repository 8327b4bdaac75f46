"""Bounds and p-values of a drop, by whatever a look at the data gave: flips, an estimate, or both."""

from __future__ import annotations

from audit.records import Estimate, Look, NotMeasured
from audit.statistics import estimates, noninferiority, sequential
from audit.statistics.noninferiority import Bounds


def bounds(look: Look, alpha: float) -> Bounds | NotMeasured:
    """One-sided bounds of the drop, each with error `alpha`."""
    counts, estimate = _counts(look), look.estimate
    if isinstance(estimate, NotMeasured):
        return estimate if counts is None else noninferiority.bounds(*counts, alpha)
    if counts is not None:
        return estimates.clustered_binary_bounds(*counts, estimate, alpha)
    lower, upper = estimates.lower_bound(estimate, alpha), estimates.upper_bound(estimate, alpha)
    if isinstance(lower, NotMeasured):
        return lower
    if isinstance(upper, NotMeasured):
        return upper
    return Bounds(lower, upper, estimate.method)


def noninferiority_p(look: Look, margin: float) -> float | NotMeasured:
    """One-sided p-value of H0: drop ≥ margin; below alpha just when the upper bound is below the margin."""
    counts, estimate = _counts(look), look.estimate
    if isinstance(estimate, NotMeasured):
        return estimate if counts is None else noninferiority.p_value(*counts, margin)
    if counts is not None:
        return estimates.clustered_binary_p(*counts, estimate, margin)
    return estimates.noninferiority_p(estimate, margin)


def worse_p(look: Look) -> float | NotMeasured:
    """One-sided p-value of H0: drop ≤ 0: below alpha just when the lower bound is above 0."""
    return noninferiority_p(_mirrored(look), 0.0)


def _mirrored(look: Look) -> Look:
    """The look with before and after exchanged."""
    seen = look.estimate
    turned = estimates.mirrored(seen) if isinstance(seen, Estimate) else seen
    return look.model_copy(update={"lost": look.gained, "gained": look.lost, "estimate": turned})


def _counts(look: Look) -> tuple[int, int, int] | None:
    """Lost, gained and all pairs; None where outcomes are not right or wrong."""
    if isinstance(look.lost, int) and isinstance(look.gained, int):
        return look.lost, look.gained, look.n_pairs
    return None


def value(look: Look) -> float | NotMeasured:
    """The drop itself."""
    counts = _counts(look)
    if counts is not None:
        lost, gained, n = counts
        return (lost - gained) / n
    return look.estimate.value if isinstance(look.estimate, Estimate) else look.estimate


def standard_error(look: Look) -> float | None:
    """Of the drop; None where it is not known."""
    if isinstance(look.estimate, Estimate):
        return look.estimate.standard_error
    counts = _counts(look)
    return None if counts is None else sequential.standard_error(*counts)
