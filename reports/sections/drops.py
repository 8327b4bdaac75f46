"""The drops: one plot per suite, and the same numbers in a table below it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from audit.records import AuditLog, Comparison, Divergence, Interval, NotMeasured, Suite
from reports import reading
from reports.badge import badge
from reports.forest import Kind, Mark, forest
from reports.section import Section
from reports.tables import Cell, Column, Table
from reports.templating import draw
from reports.wording import anchor, count, interval_points, listed, plural, points, probability, rate, signed

FINDINGS: dict[Kind, str] = {
    "pass": "Inside the margin",
    "fail": "Lost too much",
    "inconclusive": "Undecided",
    "not judged": "Judged by no rule",
}
"""What a decision says about the bar in the plot."""


@dataclass(frozen=True)
class Drop:
    """One suite: its plot, its table, and both in words."""

    suite: Suite
    id: str
    figure: dict[str, Any]
    spoken: str
    """The plot for those who can't see it."""
    reading: str
    """What to look for in the plot."""
    table: Table
    moved: Table
    """How far the distributions moved, flips or none."""
    controls: list[str]


def section(log: AuditLog) -> Section:
    """All suites in the order of the config."""
    drops = [_drop(log, suite) for suite in log.config.suites if _rows(log, suite)]
    missing = [suite.title for suite in log.config.suites if not _rows(log, suite)]
    html = draw("drops.html.j2", drops=drops, missing=missing)
    return Section("drops", "What was lost", html, plots=bool(drops))


def _rows(log: AuditLog, suite: Suite) -> list[Comparison]:
    """The comparisons over a whole suite, mildest level first, without controls."""
    return [c for level in reading.products(log) for c in reading.wholes(log, suite, level)]


def _drop(log: AuditLog, suite: Suite) -> Drop:
    rows = _rows(log, suite)
    marks = [_mark(log, suite, comparison) for comparison in rows]
    margins = sorted({rule.margin for rule in log.config.rules if rule.suite == suite.name})
    return Drop(
        suite=suite,
        id=f"plot-drop-{anchor(suite.name)}",
        figure=forest(marks, margins),
        spoken=_spoken(suite, marks, margins),
        reading=_what_to_see(marks, rows, margins) + _other_alpha(log, suite, rows),
        table=_table(log, suite, rows),
        moved=_moved(log, suite),
        controls=_controls(log, suite),
    )


def _label(suite: Suite, comparison: Comparison) -> str:
    """The level, and the metric where a suite has several."""
    return comparison.variant if len(suite.metrics) < 2 else f"{comparison.variant}, {comparison.metric}"


def _mark(log: AuditLog, suite: Suite, comparison: Comparison) -> Mark:
    verdict = reading.verdict_on(log, comparison)
    return Mark(
        label=_label(suite, comparison),
        drop=comparison.difference,
        interval=comparison.interval,
        kind="not judged" if verdict is None else verdict.decision,
    )


def _spoken(suite: Suite, marks: list[Mark], margins: list[float]) -> str:
    limits = f", margin {listed([points(margin) for margin in margins])}" if margins else ""
    parts = [f"{m.label}: {points(m.drop)}, interval {interval_points(m.interval)}, {m.kind}" for m in marks]
    return f"Drop in {suite.title} by level, in percentage points{limits}. {'; '.join(parts)}. Table below."


def _what_to_see(marks: list[Mark], rows: list[Comparison], margins: list[float]) -> str:
    """How to read the plot, and what is in it."""
    kinds = {mark.kind: [m.label for m in marks if m.kind == mark.kind] for mark in marks}
    found = [f"{word}: {listed(kinds[kind])}" for kind, word in FINDINGS.items() if kind in kinds]
    rule = "A level passes when its whole bar ends left of the dashed margin." if margins else ""
    bars = f"Each mark is one level's drop, the bar its {_interval_kinds(rows)}."
    return f"{bars} {rule} {'. '.join(found)}."


def _other_alpha(log: AuditLog, suite: Suite, rows: list[Comparison]) -> str:
    """A warning where the bar drawn is not the one that a rule decides on."""
    drawn = {round((1 - c.interval.confidence) / 2, 6) for c in rows if isinstance(c.interval, Interval)}
    others = {rule.alpha for rule in log.config.rules if rule.suite == suite.name} - drawn
    if not drawn or not others:
        return ""
    alphas = listed([f"{alpha:g}" for alpha in sorted(others)])
    return f" A rule here has alpha {alphas}: it decides on its own bound, which its verdict gives."


def _interval_kinds(rows: list[Comparison]) -> str:
    """The intervals in use: confidence and method."""
    kinds = {
        f"{rate(c.interval.confidence, 0)} interval ({c.interval.method})"
        for c in rows
        if isinstance(c.interval, Interval)
    }
    return listed(sorted(kinds)) if kinds else "interval, which could not be had"


def _table(log: AuditLog, suite: Suite, rows: list[Comparison]) -> Table:
    differs = any(comparison.tango != comparison.interval for comparison in rows)
    columns = [
        Column("Level"),
        Column("Decision"),
        Column("Before, %", numeric=True),
        Column("After, %", numeric=True),
        Column("Drop, points", numeric=True),
        Column("Deciding interval", numeric=True),
        *([Column("Tango interval", numeric=True)] if differs else []),
        Column("Lost / gained", numeric=True),
        Column("Flips, %", numeric=True),
        Column("McNemar p", numeric=True),
        Column("p, drop ≥ margin", numeric=True),
        Column("Pairs", numeric=True),
        Column("Without partner", numeric=True),
    ]
    cells = [_row(log, suite, comparison, differs) for comparison in rows]
    return Table(f"{suite.title}: the numbers of the plot", columns, cells)


def _row(log: AuditLog, suite: Suite, comparison: Comparison, differs: bool) -> list[Cell]:
    verdict, flips = reading.verdict_on(log, comparison), comparison.flips
    return [
        _label(suite, comparison),
        "not judged" if verdict is None else badge(verdict.decision),
        points(comparison.before),
        points(comparison.after),
        points(comparison.difference),
        interval_points(comparison.interval),
        *([interval_points(comparison.tango)] if differs else []),
        flips if isinstance(flips, NotMeasured) else f"{count(flips.lost)} / {count(flips.gained)}",
        flips if isinstance(flips, NotMeasured) else points(flips.rate),
        probability(comparison.p_value),
        NotMeasured("no rule judges this metric") if verdict is None else probability(verdict.p_value),
        count(comparison.n_pairs),
        f"{count(comparison.n_unpaired_before)} / {count(comparison.n_unpaired_after)}",
    ]


def _moved(log: AuditLog, suite: Suite) -> Table:
    """The divergence from the original, controls included: one row a level, whatever its metrics."""
    columns = [
        Column("Level"),
        Column("KL divergence, nats a position", numeric=True),
        Column("Error of the truncation", numeric=True),
        Column("At least", numeric=True),
        Column("Same likeliest token, %", numeric=True),
        Column("Positions", numeric=True),
    ]
    firsts = [found[0] for level in log.config.levels if (found := reading.wholes(log, suite, level))]
    rows = [[comparison.variant, *_distance(comparison.divergence)] for comparison in firsts]
    return Table(f"{suite.title}: how far the next token's probabilities moved", columns, rows)


def _distance(found: Divergence | NotMeasured) -> list[Cell]:
    if isinstance(found, NotMeasured):
        return [found, "", "", "", ""]
    return [
        signed(found.kl, 4),
        f"± {found.kl_error:.4f}",
        f"{found.kl_lower:.4f}",
        points(found.same_top),
        count(found.n_positions),
    ]


def _controls(log: AuditLog, suite: Suite) -> list[str]:
    """The original measured twice: what moves without any compression."""
    lines = []
    for level in reading.controls(log):
        for comparison in reading.wholes(log, suite, level):
            flips = comparison.flips
            if isinstance(flips, NotMeasured):
                lines.append(f"Control: the original measured twice: {flips}.")
            else:
                changed = plural(flips.lost + flips.gained, "flip")
                lines.append(
                    f"Control: the original measured twice: {changed} of {count(comparison.n_pairs)}."
                )
    return lines
