"""Bounds and p-values of a drop, by whatever a look at the data gave: flips, an estimate, or both."""

from __future__ import annotations

from collections.abc import Callable

from audit.records import Estimate, Look, NotMeasured
from audit.statistics import estimates, noninferiority, sequential
from audit.statistics.estimates import Bounded
from audit.statistics.least import told
from audit.statistics.noninferiority import Bounds


def bounds(look: Look, alpha: float) -> Bounds | NotMeasured:
    """One-sided bounds of the drop, each with error `alpha`."""
    counts, estimate = _counts(look), look.estimate
    if isinstance(estimate, NotMeasured):
        return estimate if counts is None else noninferiority.bounds(*counts, alpha)
    if counts is not None:
        return estimates.clustered_binary_bounds(*counts, estimate, alpha)
    bounded = _bounded(look)
    lower, upper = (side(estimate, alpha, bounded) for side in (estimates.lower_bound, estimates.upper_bound))
    if isinstance(lower, NotMeasured):
        return lower
    if isinstance(upper, NotMeasured):
        return upper
    return Bounds(lower, upper, estimate.method)


def noninferiority_p(look: Look, margin: float) -> float | NotMeasured:
    """One-sided p-value of H0: drop ≥ margin; below alpha just when the upper bound is below the margin."""
    counts, estimate = _counts(look), look.estimate
    if isinstance(estimate, NotMeasured):
        return estimate if counts is None else told(noninferiority.p_value(*counts, margin))
    if counts is not None:
        return told(estimates.clustered_binary_p(*counts, estimate, margin))
    found = estimates.noninferiority_p(estimate, margin, _bounded(look))
    return found if isinstance(found, NotMeasured) else told(found)


def worse_p(look: Look) -> float | NotMeasured:
    """One-sided p-value of H0: drop ≤ 0: below alpha just when the lower bound is above 0."""
    return noninferiority_p(_mirrored(look), 0.0)


def equivalence_p(look: Look, margin: float) -> float | NotMeasured:
    """p-value of H0: |drop| ≥ margin, the larger of two one-sided tests (Schuirmann 1987).

    Below alpha just when both of the bounds with that error lie within the margin.
    """
    return _of_two(noninferiority_p(look, margin), noninferiority_p(_mirrored(look), margin), max)


def changed_p(look: Look) -> float | NotMeasured:
    """Two-sided p-value of H0: the drop is 0, twice the smaller of the one-sided ones and 1 at most."""
    smaller = _of_two(worse_p(look), noninferiority_p(look, 0.0), min)
    return smaller if isinstance(smaller, NotMeasured) else min(1.0, 2 * smaller)


def _of_two(
    one: float | NotMeasured, other: float | NotMeasured, choose: Callable[[float, float], float]
) -> float | NotMeasured:
    """One of two numbers, if both were measured."""
    if isinstance(one, NotMeasured):
        return one
    return other if isinstance(other, NotMeasured) else choose(one, other)


def _bounded(look: Look) -> Bounded | None:
    """What limits the drop of an item; None: nothing that is known."""
    seen = look.estimate
    if isinstance(seen, NotMeasured) or seen.largest is None:
        return None
    return Bounded(look.n_pairs, seen.largest)


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
