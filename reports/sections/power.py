"""What could not be decided, why, and what these items could have shown at all."""

from __future__ import annotations

import math
from collections.abc import Sequence

from audit.records import AuditLog, Comparison, Interval, NotMeasured, Rule, Verdict
from reports import budgets, looks, reading
from reports.held import Held, held
from reports.marks import aside, reported
from reports.room import only
from reports.section import Section
from reports.tables import Cell, Column, Table
from reports.templating import draw
from reports.wording import count, listed

FUTILE = "A rule that was given up as futile is undecided. It was not shown that the level is worse."


def section(log: AuditLog) -> Section:
    """The open rules and budgets, and the reach of each rule."""
    open_rules = _open(log)
    html = draw(
        "power.html.j2",
        rows=len(open_rules.rows),
        open=open_rules,
        budgets=[
            f"{one.variant}, {budgets.title(one.budget)}: {one.because}"
            for one in log.budgets
            if one.decision == "inconclusive"
        ],
        unjudged=[
            f"{level.name}: {listed([reading.rule_title(log, rule) for rule in rules])}"
            for level in reading.products(log)
            if (rules := reading.unjudged(log, level))
        ],
        futile=FUTILE if looks.stopped_early(log) else "",
        reach=_reach(log),
        looks=None if (seen := looks.table(log)) is None else only(seen),
    )
    return Section("power", "What could not be decided", html)


def _open(log: AuditLog) -> Table:
    """One row a level and rule that ended inconclusive."""
    columns = (
        Column("Level"),
        Column("Rule"),
        Column("Why it is open", wide=True),
        Column("Pairs asked", numeric=True),
        Column("Pairs that would decide, without a drop", numeric=True),
        Column("Half of the interval", numeric=True),
        Column("Margin", numeric=True),
    )
    rows = [
        _open_row(log, verdict)
        for level in reading.products(log)
        for verdict in reading.verdicts_of(log, level)
        if verdict.decision == "inconclusive"
    ]
    return only(Table("Rules that ended inconclusive", columns, rows))


def _open_row(log: AuditLog, verdict: Verdict) -> list[Cell]:
    seen, comparison = held(log, verdict), reading.comparison_of(log, verdict)
    half = _half(seen)
    return [
        verdict.variant,
        reading.rule_title(log, verdict.rule) + reported(verdict.rule.blocks),
        verdict.because,
        NotMeasured("it was not compared") if comparison is None else looks.pairs(comparison),
        _needed(verdict, comparison),
        half if isinstance(half, NotMeasured) else f"{seen.unit.drop(half)}{seen.unit.name}",
        f"{seen.margin}{seen.unit.name}",
    ]


def _needed(verdict: Verdict, comparison: Comparison | None) -> Cell:
    """How many pairs it takes; where there were as many, they are not what is missing."""
    needed = verdict.n_to_decide
    if isinstance(needed, NotMeasured):
        return "no number: see why"
    enough = comparison is not None and needed <= comparison.n_pairs
    return f"about {count(needed)}" + (aside("the drop stands in the way") if enough else "")


def _half(seen: Held) -> float | NotMeasured:
    """Half the width of the drop's interval, on the scale of the drop."""
    interval = seen.interval
    return (interval.upper - interval.lower) / 2 if isinstance(interval, Interval) else interval


def _reach(log: AuditLog) -> Table:
    """One row a rule: could its items have shown a level without a drop to be inside the margin?"""
    columns = (
        Column("Rule"),
        Column("Pairs asked", numeric=True),
        Column("Planned", numeric=True),
        Column("Looks used", numeric=True),
        Column("Half of the interval", numeric=True),
        Column("Margin", numeric=True),
        Column("Could a level without a drop have passed?", wide=True),
    )
    rows = [row for rule in log.config.rules if (row := _reach_row(log, rule))]
    return Table("What the items of each rule could show, least to most over the levels", columns, rows)


def _reach_row(log: AuditLog, rule: Rule) -> list[Cell] | None:
    """None where no level was judged by the rule."""
    verdicts = [
        verdict
        for level in reading.products(log)
        for verdict in reading.verdicts_of(log, level)
        if verdict.rule == rule
    ]
    compared = [one for verdict in verdicts if (one := reading.comparison_of(log, verdict)) is not None]
    if not compared:
        return None
    seen = [held(log, verdict) for verdict in verdicts]
    unit = seen[0].unit
    return [
        reading.rule_title(log, rule) + reported(rule.blocks),
        _span([one.n_pairs for one in compared]),
        _planned(compared),
        _looks(log, compared),
        _halves(seen),
        f"{unit.margin(rule.margin)}{unit.name}",
        _could_pass(log, seen),
    ]


def _span(numbers: Sequence[int]) -> str:
    """The least and the most, or the one that all are."""
    low, high = min(numbers), max(numbers)
    return count(low) if low == high else f"{count(low)} to {count(high)}"


def _planned(compared: list[Comparison]) -> Cell:
    planned = [one.n_planned for one in compared if one.n_planned is not None]
    return _span(planned) if planned else NotMeasured("the log holds no plan of pairs")


def _looks(log: AuditLog, compared: list[Comparison]) -> Cell:
    used = [len(one.looks) for one in compared if one.looks]
    return f"{_span(used)} of {log.config.looks}" if used else NotMeasured("the log holds no look")


def _halves(seen: list[Held]) -> Cell:
    """The narrowest and the widest."""
    unit = seen[0].unit
    found = [half for one in seen if not isinstance(half := _half(one), NotMeasured)]
    if not found:
        return next(one.interval for one in seen if isinstance(one.interval, NotMeasured))
    low, high = unit.drop(min(found)), unit.drop(max(found))
    span = low if low == high else f"{low} to {high}"
    missing = len(seen) - len(found)
    return f"{span}{unit.name}" + (aside(f"{missing} without an interval") if missing else "")


def _could_pass(log: AuditLog, seen: list[Held]) -> str:
    """Whether the interval that all planned pairs would give, around no drop, would lie inside the margin."""
    able = {one.verdict.variant: _inside(log, one) for one in seen}
    unable = [name for name, inside in able.items() if inside is False]
    unknown = [name for name, inside in able.items() if inside is None]
    words = [f"no for {listed(unable)}: too few items for so many changes"] if unable else []
    gained = [
        one.verdict.variant
        for one in seen
        if one.verdict.variant in unable and one.verdict.decision == "pass" and one.size < 0
    ]
    words += [f"{listed(gained)} passed all the same, since more was gained than lost"] if gained else []
    words += [f"unknown for {listed(unknown)}"] if unknown else []
    if len(unable) + len(unknown) < len(able):
        words.append("yes for the others" if words else "yes")
    return "; ".join(words)


def _inside(log: AuditLog, one: Held) -> bool | None:
    """None where there is no interval. An early stop leaves it wider, by the root of the pairs spared."""
    half, comparison = _half(one), reading.comparison_of(log, one.verdict)
    if isinstance(half, NotMeasured) or comparison is None:
        return None
    asked = comparison.n_pairs
    narrower = math.sqrt(asked / (asked + reading.spared(comparison)))
    return half * narrower < one.unit.limit(one.verdict.rule.margin)
