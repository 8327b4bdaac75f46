"""What a search found, in one word and one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from audit.records import Budget, Decision, NotMeasured, Trial


class Outcome(NamedTuple):
    """The fields are those of a `Search` of the same names."""

    winner: str | None
    beyond: str | None
    decision: Decision
    because: str


def outcome(trials: Sequence[Trial], goal: Budget) -> Outcome:
    """The smallest level within the goal that passes on both halves of the items; or why there is none.

    Fail is said where every audited level within the goal fails and none is left open; anything else that is
    no pass is inconclusive.
    """
    within = [one for one in trials if _within(one, goal)]
    known = sorted((one for one in trials if one.decision == "pass"), key=_size)
    winner = next((one for one in known if one in within and one.held_out == "pass"), None)
    if winner is not None:
        return Outcome(
            winner.name, None, "pass",
            f"of {len(trials)} levels {winner.name} is the smallest within the goal that was shown to pass "
            f"every rule, on the items that chose it and on those held out",
        )  # fmt: skip
    beyond = next((one.name for one in known if one not in within), None)
    also = f"; {beyond} is the smallest that passes, beyond the goal and not confirmed" if beyond else ""
    if not within:
        return Outcome(None, beyond, "fail", f"none of {len(trials)} levels is within the goal{also}")
    tried = [one for one in within if one.decision == "pass" and not isinstance(one.held_out, NotMeasured)]
    if tried:
        names = " and ".join(f"{one.name} ({one.held_out})" for one in tried)
        because = f"{names} passed on the items that chose and not on those held out{also}"
        return Outcome(None, beyond, "inconclusive", because)
    audited = [one for one in within if not isinstance(one.decision, NotMeasured)]
    open_ones = [one.name for one in audited if one.decision == "inconclusive"]
    if open_ones or not audited:
        what = f"{len(open_ones)} of {len(audited)} audited levels within the goal are open"
        return Outcome(None, beyond, "inconclusive", f"{what}, and none passes{also}")
    return Outcome(
        None, beyond, "fail",
        f"each of {len(audited)} audited levels within the goal fails a rule, and the others there diverge "
        f"more from the original{also}",
    )  # fmt: skip


def _within(trial: Trial, goal: Budget) -> bool:
    return not isinstance(trial.quantity, NotMeasured) and trial.quantity <= (goal.at_most or 0.0)


def _size(trial: Trial) -> tuple[float, int]:
    quantity = float("inf") if isinstance(trial.quantity, NotMeasured) else trial.quantity
    return quantity, trial.number
