"""How far the probabilities moved, whether answers flipped or not."""

from __future__ import annotations

import math

from audit.records import DIVERGENCE, AuditLog, Comparison, NotMeasured, Suite, Verdict
from reports import reading
from reports.badge import badge
from reports.held import divergence_interval
from reports.index import index
from reports.marks import reported
from reports.room import few, only
from reports.tables import Cell, Column, Table
from reports.units import Unit
from reports.wording import count, points, signed


def table(log: AuditLog, suite: Suite, among: int) -> Table | NotMeasured:
    """One row a level, controls included, whatever its metrics; the decision where a rule is about it.

    Of many levels and `among` many suites those that moved most.

    Only the reason where no level has one.
    """
    firsts = [found[0] for level in log.config.levels if (found := reading.wholes(log, suite, level))]
    gaps = {one.divergence.reason for one in firsts if isinstance(one.divergence, NotMeasured)}
    if len(gaps) == 1 and all(isinstance(one.divergence, NotMeasured) for one in firsts):
        return NotMeasured(next(iter(gaps)))
    rules = [rule for rule in log.config.rules if (rule.suite, rule.metric) == (suite.name, DIVERGENCE)]
    unit = Unit("kl", min((rule.margin for rule in rules), default=None))
    margins = " and ".join(unit.margin(rule.margin) for rule in rules)
    columns = [
        Column("Level"),
        *([Column(f"Decision, margin {margins}")] if rules else []),
        Column("KL divergence, nats a position", numeric=True),
        Column("Its 90\N{NO-BREAK SPACE}% interval", numeric=True),
        Column("Error of the truncation", numeric=True),
        Column("At least", numeric=True),
        Column("95\N{NO-BREAK SPACE}% of positions below", numeric=True),
        Column("Same likeliest token, %", numeric=True),
        Column("Positions", numeric=True),
    ]
    if few(len(firsts), among) < len(firsts):
        firsts.sort(key=_moved)
    rows = [[one.variant, *([_decision(log, one)] if rules else []), *_distance(one, unit)] for one in firsts]
    moved = Table(f"{suite.title}: how far the next token's probabilities moved", columns, rows)
    return only(moved, among, "most moved")


def _moved(comparison: Comparison) -> float:
    """Sorting key: what moved most, or could not be had, comes first."""
    found = comparison.divergence
    return -math.inf if isinstance(found, NotMeasured) else -found.kl


def _distance(comparison: Comparison, unit: Unit) -> list[Cell]:
    found = comparison.divergence
    if isinstance(found, NotMeasured):
        return [found, "", "", "", "", "", ""]
    return [
        signed(found.kl, 4),
        unit.interval(divergence_interval(comparison)),
        f"± {found.kl_error:.4f}",
        f"{found.kl_lower:.4f}",
        f"{found.kl_p95:.4f}",
        points(found.same_top),
        count(found.n_positions),
    ]


def _decision(log: AuditLog, comparison: Comparison) -> Cell:
    verdict = _verdict(log, comparison)
    return "not judged" if verdict is None else badge(verdict.decision) + reported(verdict.rule.blocks)


def _verdict(log: AuditLog, comparison: Comparison) -> Verdict | None:
    return next(iter(index(log).on[comparison.variant, comparison.suite, DIVERGENCE]), None)
