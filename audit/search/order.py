"""Which level is audited next, so that few are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from audit.records import Decision


class Candidate(NamedTuple):
    """A level as far as it is known."""

    name: str
    quantity: float
    divergence: float
    decision: Decision | None = None
    """Of its audit; None: it was not audited."""


def next_audit(found: Sequence[Candidate], at_most: float) -> Candidate | None:
    """The level to audit next; None where no other one can be better than what is known.

    Open are those that are smaller than the smallest that passes, and closer to the original than the closest
    that does not. Of them those within the goal come first, and of the front of these the one in the middle:
    whichever way it ends, it closes about half of them.
    """
    open_ones = [one for one in found if not why_closed(one, found)]
    within = [one for one in open_ones if one.quantity <= at_most]
    front = _front(within or open_ones)
    return front[len(front) // 2] if front else None


def why_closed(one: Candidate, found: Sequence[Candidate]) -> str:
    """Why a level need not be audited any more; empty where it is open."""
    if one.decision is not None:
        return "it was audited"
    smallest = min((other for other in found if other.decision == "pass"), key=_size, default=None)
    if smallest is not None and smallest.quantity <= one.quantity:
        return f"{smallest.name} passes and is as small"
    closest = min(
        (other for other in found if other.decision not in (None, "pass")), key=_distance, default=None
    )
    if closest is not None and closest.divergence <= one.divergence:
        return f"{closest.name}, which is as close to the original, does not pass"
    return ""


def _front(found: Sequence[Candidate]) -> list[Candidate]:
    """Those that no other one beats in both, smallest first."""
    kept: list[Candidate] = []
    for one in sorted(found, key=lambda one: (one.quantity, one.divergence)):
        if not kept or one.divergence < kept[-1].divergence:
            kept.append(one)
    return kept


def _size(one: Candidate) -> float:
    return one.quantity


def _distance(one: Candidate) -> float:
    return one.divergence
