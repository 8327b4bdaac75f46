"""The drops: one plot per suite and unit, and the same numbers in a table below it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from audit.records import AuditLog, Comparison, Interval, NotMeasured, Suite, Verdict
from audit.statistics.drop import value as drop_of
from reports import controls, divergence, links, looks, opinions, reading
from reports.badge import WORDS, badge
from reports.forest import Kind, Mark, forest
from reports.held import deciding, early_look, held
from reports.marks import aside, reported
from reports.panels import Panel, panels
from reports.room import MANY
from reports.section import Section
from reports.tables import Cell, Column, Table
from reports.templating import draw
from reports.wording import anchor, count, listed, lost_gained, points, probability, rate

FINDINGS: dict[Kind, str] = {
    "pass": "Inside the margin",
    "fail": "Failed",
    "inconclusive": "Undecided",
    "not judged": "Judged by no rule",
}
"""What a decision says about the bar in the plot."""


@dataclass(frozen=True)
class Plot:
    """The metrics of one unit: their plot, their table, and both in words."""

    id: str
    figure: dict[str, Any]
    spoken: str
    """The plot for those who can't see it."""
    reading: str
    """What to look for in the plot."""
    table: Table


@dataclass(frozen=True)
class Drop:
    """One suite."""

    suite: Suite
    id: str
    told: str
    """How many levels came out how, and the largest drop, in a line."""
    plots: list[Plot]
    moved: Table | NotMeasured
    """How far the distributions moved, flips or none."""
    links: list[Table]
    """What each link of a chain cost."""
    opinions: list[Table]
    """Other methods, and what the errors of estimates rest on."""
    controls: list[str]


def section(log: AuditLog) -> Section:
    """All suites in the order of the config."""
    drops = [_drop(log, suite) for suite in log.config.suites if _rows(log, suite)]
    missing = [suite.title for suite in log.config.suites if not _rows(log, suite)]
    html = draw("drops.html.j2", drops=drops, missing=missing, fold=len(drops) >= MANY)
    return Section("drops", "What was lost", html, plots=bool(drops))


def _rows(log: AuditLog, suite: Suite) -> list[Comparison]:
    """The comparisons over a whole suite, mildest level first, without controls."""
    return [c for level in reading.products(log) for c in reading.wholes(log, suite, level)]


def _drop(log: AuditLog, suite: Suite) -> Drop:
    rows, shown, among = _rows(log, suite), panels(log, suite), len(log.config.suites)
    return Drop(
        suite=suite,
        id=f"drop-{anchor(suite.name)}",
        told=_told(log, rows),
        plots=[_plot(log, panel, mine) for panel in shown if (mine := panel.of(rows))],
        moved=divergence.table(log, suite, among),
        links=[table for panel in shown if (table := links.table(log, suite, panel))],
        opinions=[table for panel in shown for table in opinions.tables(panel, panel.of(rows), among)],
        controls=[
            controls.of_suite(log, level, comparison)
            for level in reading.controls(log)
            for comparison in reading.wholes(log, suite, level)
        ],
    )


def _told(log: AuditLog, rows: list[Comparison]) -> str:
    """The verdicts on a suite, and the worst of them."""
    verdicts = [found for one in rows if (found := reading.verdict_on(log, one))]
    if not verdicts:
        return "judged by no rule"
    counts = Counter(verdict.decision for verdict in verdicts)
    told = ", ".join(f"{counts[kind]} {kind}" for kind in WORDS if counts[kind])
    worst = max((held(log, verdict) for verdict in verdicts), key=lambda one: one.size)
    drop = worst.drop if isinstance(worst.drop, NotMeasured) else worst.unit.phrase(worst.drop)
    return f"{told}; worst: {worst.verdict.variant}, {drop}, margin {worst.margin}"


def _plot(log: AuditLog, panel: Panel, rows: list[Comparison]) -> Plot:
    marks = [_mark(log, panel, comparison) for comparison in rows]
    margins = sorted({rule.margin for rule in panel.rules})
    return Plot(
        id=f"plot-drop-{panel.id}",
        figure=forest(marks, margins, panel.unit),
        spoken=_spoken(panel, marks, margins),
        reading=_what_to_see(panel, marks, rows, margins) + _not_what_decides(log, panel, rows),
        table=_table(log, panel, rows),
    )


def _mark(log: AuditLog, panel: Panel, comparison: Comparison) -> Mark:
    verdict = reading.verdict_on(log, comparison)
    return Mark(
        label=panel.label(comparison),
        drop=comparison.difference,
        interval=comparison.interval,
        bounds=_bounds(log, comparison),
        kind="not judged" if verdict is None else verdict.decision,
    )


def _spoken(panel: Panel, marks: list[Mark], margins: list[float]) -> str:
    unit = panel.unit
    limits = f", margin {listed([unit.margin(margin) for margin in margins])}" if margins else ""
    parts = [
        f"{mark.label}: {unit.drop(mark.drop)}, interval {unit.interval(mark.interval)}, {mark.kind}"
        for mark in marks
    ]
    return f"Drop in {panel.title} by level, {unit.spoken}{limits}. {'; '.join(parts)}. Table below."


def _what_to_see(panel: Panel, marks: list[Mark], rows: list[Comparison], margins: list[float]) -> str:
    """What is in the plot, and how to read it."""
    kinds = {mark.kind: [m.label for m in marks if m.kind == mark.kind] for mark in marks}
    found = [f"{word}: {listed(kinds[kind])}." for kind, word in FINDINGS.items() if kind in kinds]
    thin = any(mark.bounds != mark.interval for mark in marks)
    bars = f"Each mark is one level's drop, the {'thick ' if thin else ''}bar its {_intervals(marks)}"
    behind = ", the thin one the bounds that decide, wider the earlier the asking stopped" if thin else ""
    which = "thin" if thin else "whole"
    rule = [f"A level passes when its {which} bar ends left of the dashed margin."] if margins else []
    return " ".join([*_most(panel, rows), *found, f"{bars}{behind}.", *rule])


def _most(panel: Panel, rows: list[Comparison]) -> list[str]:
    """The largest drop, in a sentence; nothing where none was measured."""
    unit = panel.unit
    drops = [(one.difference, one) for one in rows if not isinstance(one.difference, NotMeasured)]
    if not drops:
        return []
    drop, worst = max(drops, key=lambda pair: abs(pair[0]) if unit.two_sided else pair[0])
    if drop <= 0 and not unit.two_sided:
        return ["No level lost anything on balance."]
    return [f"Most at {panel.label(worst)}: {unit.phrase(drop)}."]


def _intervals(marks: list[Mark]) -> str:
    """Confidence and method of the intervals."""
    kinds = {
        f"{rate(mark.interval.confidence, 0)} interval ({mark.interval.method})"
        for mark in marks
        if isinstance(mark.interval, Interval)
    }
    return listed(sorted(kinds)) if kinds else "interval, which could not be had"


def _not_what_decides(log: AuditLog, panel: Panel, rows: list[Comparison]) -> str:
    """A warning where the log does not hold the bounds that decided, and other ones are drawn."""
    verdicts = [verdict for one in rows if (verdict := reading.verdict_on(log, one))]
    if not any(map(looks.lacks_bounds, verdicts)):
        return ""
    warning = f" {looks.NOT_ADJUSTED}" if any(map(reading.spared, rows)) else ""
    drawn = {round((1 - c.interval.confidence) / 2, 6) for c in rows if isinstance(c.interval, Interval)}
    others = {rule.alpha for rule in panel.rules} - drawn
    if not drawn or not others:
        return warning
    alphas = listed([f"{alpha:g}" for alpha in sorted(others)])
    return f"{warning} A rule here has alpha {alphas}: it decides on its own bound, which its verdict gives."


def _table(log: AuditLog, panel: Panel, rows: list[Comparison]) -> Table:
    flips, looked = panel.unit.kind == "binary", _looked(log, rows)
    columns = [
        Column("Level"),
        Column("Decision"),
        Column(panel.unit.level_title("Before"), numeric=True),
        Column(panel.unit.level_title("After"), numeric=True),
        Column(panel.unit.drop_title, numeric=True),
        Column("90\N{NO-BREAK SPACE}% interval", numeric=True),
        *((Column("Bounds that decide", numeric=True),) if looked else ()),
        *(_FLIP_COLUMNS if flips else ()),
        Column("p, drop ≥ margin", numeric=True),
        Column("p, drop > 0 (Holm)", numeric=True),
        Column("Pairs", numeric=True),
        Column("Without partner", numeric=True),
    ]
    cells = [_row(log, panel, comparison, flips, looked) for comparison in rows]
    own = (
        "; before and after are over the pairs asked of each level" if any(map(reading.spared, rows)) else ""
    )
    return Table(f"{panel.title}: the numbers of the plot{own}", columns, cells)


_FLIP_COLUMNS = (
    Column("Lost / gained", numeric=True),
    Column("Flips, %", numeric=True),
    Column("McNemar p", numeric=True),
)


def _looked(log: AuditLog, rows: list[Comparison]) -> bool:
    """Whether a verdict rests on other bounds than the ends of the 90 % interval."""
    return any(_bounds(log, one) != one.interval for one in rows)


def _bounds(log: AuditLog, comparison: Comparison) -> Interval | NotMeasured:
    verdict = reading.verdict_on(log, comparison)
    return comparison.interval if verdict is None else deciding(verdict, comparison)


def _deciding(log: AuditLog, panel: Panel, comparison: Comparison) -> Cell:
    """The bounds, with the drop that they are about where the asking went on after them."""
    verdict, shown = reading.verdict_on(log, comparison), panel.unit.interval(_bounds(log, comparison))
    early = early_look(verdict, comparison) if verdict else None
    if early is None or isinstance(shown, NotMeasured):
        return shown
    then = panel.unit.drop(drop_of(early))
    return shown + aside(f"of {then} at {count(early.n_pairs)} pairs")


def _row(log: AuditLog, panel: Panel, comparison: Comparison, flips: bool, looked: bool) -> list[Cell]:
    verdict, unit = reading.verdict_on(log, comparison), panel.unit
    unjudged = NotMeasured("no rule judges this metric")
    return [
        panel.label(comparison),
        "not judged" if verdict is None else badge(verdict.decision) + reported(verdict.rule.blocks),
        unit.level(comparison.before),
        unit.level(comparison.after),
        unit.drop(comparison.difference),
        unit.interval(comparison.interval),
        *((_deciding(log, panel, comparison),) if looked else ()),
        *(_flips(comparison) if flips else ()),
        unjudged if verdict is None else _margin_p(verdict),
        unjudged if verdict is None else _damage_p(verdict),
        looks.pairs(comparison),
        f"{count(comparison.n_unpaired_before)} / {count(comparison.n_unpaired_after)}",
    ]


def _margin_p(verdict: Verdict) -> Cell:
    """The p-value of a drop of the margin or more; why a rule can't be read stands in the verdict."""
    unread = verdict.decision == "inconclusive" and isinstance(verdict.p_value, NotMeasured)
    return "not read" if unread else probability(verdict.p_value)


def _damage_p(verdict: Verdict) -> Cell:
    """The adjusted p-value of a drop above 0."""
    p_value = probability(verdict.p_worse_adjusted)
    return "not tested" if isinstance(p_value, NotMeasured) else p_value


def _flips(comparison: Comparison) -> list[Cell]:
    flips = comparison.flips
    if isinstance(flips, NotMeasured):
        return [flips, flips, probability(comparison.p_value)]
    return [lost_gained(flips), points(flips.rate), probability(comparison.p_value)]
