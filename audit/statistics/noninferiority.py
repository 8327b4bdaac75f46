"""The test that decides: is the drop below the margin? Exact for few pairs, Tango's score for many."""

from __future__ import annotations

from dataclasses import dataclass

from audit.statistics import exact, tango

EXACT_BELOW = 500
"""Pairs from which the score test holds its size; at 200 it reaches .0593 where .05 is meant."""


@dataclass(frozen=True)
class Bounds:
    """Two one-sided bounds of the drop, each with the same error."""

    lower: float
    upper: float
    method: str


def bounds(lost: int, gained: int, n: int, alpha: float) -> Bounds:
    """One-sided bounds of the drop, each with error `alpha`, by the method that holds its size at n."""
    if n >= EXACT_BELOW:
        return score_bounds(lost, gained, n, alpha)
    return Bounds(
        exact.lower_bound(lost, gained, n, alpha),
        exact.upper_bound(lost, gained, n, alpha),
        "exact unconditional",
    )


def score_bounds(lost: int, gained: int, n: int, alpha: float) -> Bounds:
    """Tango's one-sided bounds of the drop, each with error `alpha`, whatever n is."""
    return Bounds(
        tango.lower_bound(lost, gained, n, alpha),
        tango.upper_bound(lost, gained, n, alpha),
        "Tango score",
    )


def p_value(lost: int, gained: int, n: int, margin: float) -> float:
    """One-sided p-value of H0: drop ≥ margin, by the method of `bounds`: below alpha just when they are."""
    if n >= EXACT_BELOW:
        return tango.noninferiority_p(lost, gained, n, margin)
    return exact.noninferiority_p(lost, gained, n, margin)
