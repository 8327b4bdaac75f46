"""How far a drop lies from its margin, in words."""

from __future__ import annotations

from audit.records import Interval, NotMeasured
from reports.held import Held
from reports.wording import count, probability


def gap(held: Held) -> str:
    """The drop against the margin."""
    unit, margin = held.unit, held.margin
    if held.unread:
        return "its numbers decide nothing here"
    if isinstance(held.drop, NotMeasured):
        return f"no drop could be had to hold against the margin of {margin}{unit.name}"
    drop = unit.phrase(held.drop)
    if isinstance(held.reach, NotMeasured) or isinstance(held.excess, NotMeasured):
        return f"{drop} without an interval, against a margin of {margin}"
    drop += f" ({_name(held)}{unit.interval(held.interval)}{_asked_on(held)})"
    if held.excess >= 0:
        return f"{drop}, {unit.shown(held.excess)} over the margin of {margin}{_unproven(held)}"
    if held.verdict.decision == "fail":
        return f"{drop}: {_worse(held)}, and up to {unit.shown(held.reach)} over the margin of {margin}"
    if held.reach >= 0:
        return f"{drop}, which may lie {unit.shown(held.reach)} over the margin of {margin}"
    return f"{drop}, inside the margin of {margin}{_not_enough(held)}"


def _name(held: Held) -> str:
    """What the interval is, where the bounds that decide are others."""
    return "" if held.interval == held.bounds else "90\N{NO-BREAK SPACE}% interval "


def _asked_on(held: Held) -> str:
    """Of which items they are, where the rule was decided by fewer."""
    return f", over all pairs asked; decided over the first {count(held.early.n_pairs)}" if held.early else ""


def spare(held: Held) -> str:
    """What is left between the upper bound and the margin."""
    if isinstance(held.reach, NotMeasured):
        return "without a bound to measure by"
    return f"with {held.unit.shown(-held.reach)}{held.unit.name} to spare"


def _worse(held: Held) -> str:
    """What a failed rule may claim of a drop inside its margin."""
    p_value = probability(held.verdict.p_worse_adjusted)
    if held.detectably_worse:
        return f"detectably worse (Holm-adjusted p {p_value})"
    if isinstance(p_value, NotMeasured):
        return "above zero by this rule alone"
    return f"above zero by this rule alone, and not over all levels and rules (Holm-adjusted p {p_value})"


def _unproven(held: Held) -> str:
    """Where a rule fails by the drop seen alone: that it is more than chance is not claimed."""
    p_value = probability(held.verdict.p_worse_adjusted)
    if held.verdict.decision != "fail" or held.detectably_worse or isinstance(p_value, NotMeasured):
        return ""
    if held.worse_alone:
        over = "over all levels and rules"
        return f"; a loss is shown by this rule alone, and not {over} (Holm-adjusted p {p_value})"
    return f"; that anything is lost at all is not shown (Holm-adjusted p {p_value})"


def _not_enough(held: Held) -> str:
    """Why an interval inside the margin is no pass."""
    if held.verdict.decision == "pass" or held.verdict.withheld:
        return ""
    return "" if isinstance(held.verdict.bounds, Interval) else " by an interval that is not what decides"
