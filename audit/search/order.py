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
    """Of its audit and, where it was tried on them, of the items held out; None: it was not audited."""
    bar: float | None = None
    """Where it does not pass, the divergence from which on no other one is expected to; None: its own."""


def next_audit(found: Sequence[Candidate], at_most: float, *, beyond: bool = True) -> Candidate | None:
    """The level to audit next; None where no other one can be better than what is known.

    Open are those that are smaller than the smallest that passes, and closer to the original than the closest
    that does not. Of them those within the goal come first (`beyond`: and then the others), and of the front
    of these the one in the middle: whichever way it ends, it closes about half of them.
    """
    open_ones = [one for one in found if not why_closed(one, found)]
    within = [one for one in open_ones if one.quantity <= at_most]
    front = _front(within or (open_ones if beyond else ()))
    return front[len(front) // 2] if front else None


def bars(found: Sequence[Candidate]) -> tuple[Candidate | None, Candidate | None]:
    """The smallest level that passes, and the closest to the original that does not; None where none is."""
    passing = (one for one in found if one.decision == "pass")
    others = (one for one in found if one.decision not in (None, "pass"))
    return (
        min(passing, key=lambda one: one.quantity, default=None),
        min(others, key=_bar, default=None),
    )


def why_closed(one: Candidate, found: Sequence[Candidate]) -> str:
    """Why a level need not be audited any more; empty where it is open."""
    smallest, closest = bars(found)
    if one.decision is not None:
        return "it was audited"
    if smallest is not None and smallest.quantity <= one.quantity:
        return f"{smallest.name} passes and is no larger"
    if closest is not None and _bar(closest) <= one.divergence:
        times = "" if closest.bar is None else " nearly"
        return f"{closest.name} is{times} as close to the original or closer, and does not pass"
    return ""


def _bar(one: Candidate) -> float:
    return one.divergence if one.bar is None else one.bar


def _front(found: Sequence[Candidate]) -> list[Candidate]:
    """Those that no other one beats in both, smallest first."""
    kept: list[Candidate] = []
    for one in sorted(found, key=lambda one: (one.quantity, one.divergence)):
        if not kept or one.divergence < kept[-1].divergence:
            kept.append(one)
    return kept
