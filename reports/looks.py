"""How many items it took: looks before the end, their bounds, and what was spared."""

from __future__ import annotations

import math

from audit.records import DIVERGENCE, AuditLog, Comparison, Level, NotMeasured, Verdict
from audit.statistics.sequential import boundaries
from reports import reading
from reports.marks import aside
from reports.tables import Cell, Column, Table
from reports.wording import count, plural, rate, signed

NOT_ADJUSTED = (
    "Where a suite stopped early, the 90\N{NO-BREAK SPACE}% interval is not adjusted for looking early; "
    "the verdict rests on wider bounds."
)
"""Said wherever that interval of a suite that stopped early is shown."""


def stopped_early(log: AuditLog) -> bool:
    """Whether any suite was asked less than planned on any level."""
    return any(reading.spared(one) for one in _whole(log))


def unadjusted(log: AuditLog) -> str:
    """A warning where what stands beside a verdict are not its own bounds; empty where they are."""
    return NOT_ADJUSTED if any(map(lacks_bounds, log.verdicts)) and stopped_early(log) else ""


def lacks_bounds(verdict: Verdict) -> bool:
    """Whether a verdict that was read does not say by which bounds: older logs don't."""
    return isinstance(verdict.bounds, NotMeasured) and not isinstance(verdict.p_value, NotMeasured)


def spared(log: AuditLog) -> str:
    """How many pairs of the levels were not asked, in one sentence; empty where all were."""
    levels = reading.products(log)
    firsts = [
        found[0]
        for level in levels
        for suite in log.config.suites
        if (found := reading.wholes(log, suite, level))
    ]
    left, planned = sum(map(reading.spared, firsts)), sum(one.n_planned or 0 for one in firsts)
    if log.status == "stopped" or not left:
        return ""
    return (
        f"Early stopping left out {count(left)} of {count(planned)} planned pairs "
        f"({rate(left / planned, 0)}) at {plural(len(levels), 'level')}: a suite stops once each of its "
        "rules is decided, given up or not to be read."
    )


def pairs(comparison: Comparison) -> Cell:
    """The pairs asked and, where fewer than planned, of how many."""
    if not reading.spared(comparison):
        return count(comparison.n_pairs)
    return aside("stopped early").join([_of_planned(comparison), ""])


def table(log: AuditLog) -> Table | None:
    """One row per level and rule; None where nobody looked before the end."""
    rows = [
        row
        for level in log.config.levels
        for verdict in reading.verdicts_of(log, level)
        if verdict.metric != DIVERGENCE and (row := _row(log, level, verdict))
    ]
    if not rows or log.config.looks == 1:
        return None
    columns = (
        Column("Level"),
        Column("Rule"),
        Column("Pairs asked", numeric=True),
        Column("Looks after, pairs", wide=True),
        Column("Nominal error of each look", wide=True),
        Column("How the asking ended", wide=True),
    )
    return Table("Looks at the data, rule by rule", columns, rows)


def _row(log: AuditLog, level: Level, verdict: Verdict) -> list[Cell] | None:
    comparison = reading.comparison_of(log, verdict)
    if comparison is None or not comparison.looks or comparison.n_planned is None:
        return None
    after = [look.n_pairs for look in comparison.looks if look.n_pairs >= verdict.rule.min_pairs]
    errors = _nominal(after, comparison.n_planned, verdict.rule.alpha)
    return [
        level.name,
        reading.rule_title(log, verdict.rule),
        _of_planned(comparison),
        ", ".join(map(count, after)) or NotMeasured(f"fewer than {verdict.rule.min_pairs} pairs"),
        ", ".join(errors) or NotMeasured("no look counts"),
        _ended(log, verdict, comparison),
    ]


def _nominal(after: list[int], planned: int, alpha: float) -> list[str]:
    """What the p-value of each look is compared with, two significant figures."""
    nominal = boundaries([n / planned for n in after], alpha).nominal if after else ()
    return [signed(error, 1 - math.floor(math.log10(error))) if error else "0" for error in nominal]


def _of_planned(comparison: Comparison) -> str:
    asked, planned = comparison.n_pairs, comparison.n_planned
    return count(asked) if planned is None else f"{count(asked)} of {count(planned)}"


def _ended(log: AuditLog, verdict: Verdict, comparison: Comparison) -> str:
    """Why no more was asked. A suite stops when all of its rules are decided, or its floor is lost."""
    if not reading.spared(comparison):
        return "all asked"
    if log.status == "stopped":
        return "the audit stopped"
    if verdict.decision in ("pass", "fail"):
        return f"stopped for {verdict.decision}"
    if isinstance(verdict.p_value, NotMeasured):
        return "stopped: not to be read"
    if verdict.withheld:
        return "stopped: decided, but not claimed"
    return "stopped for futility: too little chance to pass"


def _whole(log: AuditLog) -> list[Comparison]:
    return [one for one in log.comparisons if one.group is None]
