"""Is the probe worth reading? The original against chance, and the groups, worst first."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from audit.evidence import most_to_lose, sunk
from audit.records import AuditLog, Comparison, Level, NotMeasured, Suite
from reports import looks, reading
from reports.held import CONFIDENCE
from reports.marks import aside
from reports.panels import Panel, panels
from reports.room import only
from reports.section import Section
from reports.tables import Cell, Column, Table
from reports.templating import draw
from reports.wording import count, listed, lost_gained, points, probability, rate

HEADLINE_PAIRS = 20
"""Pairs that a group needs to stand in a headline: the worst of many tiny groups is noise."""

_ABLE = "yes"


@dataclass(frozen=True)
class Groups:
    """The groups of one suite over all levels."""

    title: str
    worst: str
    table: Table


def section(log: AuditLog) -> Section:
    """Chance, the floor and the groups."""
    shown = [(suite, panel) for suite in log.config.suites for panel in panels(log, suite)]
    html = draw(
        "probe.html.j2",
        original=_original(log),
        levels=_levels(log),
        unguessed=listed(_unguessed(log)),
        groups=[found for suite, panel in shown if (found := _groups(log, suite, panel, len(shown)))],
        headline=HEADLINE_PAIRS,
        together=rate(CONFIDENCE, 0),
        not_adjusted=looks.stopped_early(log),
    )
    return Section("probe", "Is the probe worth reading?", html)


def _unguessed(log: AuditLog) -> list[str]:
    """The suites with a metric that nobody can guess at: scores and perplexities."""
    return [s.title for s in log.config.suites if any(metric.kind != "binary" for metric in s.metrics)]


def _guessed(log: AuditLog, suite: Suite, level: Level) -> list[Comparison]:
    """The comparisons that have a rate of guessing."""
    return [
        one
        for one in reading.wholes(log, suite, level)
        if reading.kind_of(log, suite.name, one.metric) == "binary"
    ]


def _original(log: AuditLog) -> Table:
    """One row per suite and metric: could the original do it at all?"""
    columns = (
        Column("Suite"),
        Column("What it asks", wide=True),
        Column("Original, %", numeric=True),
        Column("Lower bound, %", numeric=True),
        Column("Chance, %", numeric=True),
        Column("Worth reading?"),
    )
    rows: list[list[Cell]] = []
    for suite in log.config.suites:
        seen: set[str] = set()
        for level in log.config.levels:
            for comparison in _guessed(log, suite, level):
                if comparison.metric not in seen:
                    seen.add(comparison.metric)
                    rows.append(_original_row(suite, comparison))
    return Table("The original against guessing", columns, rows)


def _original_row(suite: Suite, comparison: Comparison) -> list[Cell]:
    return [
        suite.title if len(suite.metrics) < 2 else f"{suite.title}, {comparison.metric}",
        suite.question,
        points(comparison.before),
        points(comparison.before_lower),
        points(comparison.chance),
        _word(
            reading.above_chance(comparison.before_lower, comparison.chance), "no: the original only guesses"
        ),
    ]


def _levels(log: AuditLog) -> Table:
    """Does each level still beat chance, so that its bias and safety can be read?"""
    columns = (
        Column("Level"),
        Column("Suite"),
        Column("Level, %", numeric=True),
        Column("Lower bound, %", numeric=True),
        Column("Chance, %", numeric=True),
        Column("Lost at most, points", numeric=True),
        Column("Half of the original above chance, points", numeric=True),
        Column("Still knows most?"),
    )
    rows = [
        _level_row(level, suite, comparison)
        for level in reading.products(log)
        for suite in log.config.suites
        for comparison in _guessed(log, suite, level)
        if reading.higher_is_better(log, suite.name, comparison.metric)
    ]
    table = Table("Each level against guessing", columns, rows)
    return only(table, which="least able", first=lambda row: row[-1] == _ABLE)


def _level_row(level: Level, suite: Suite, comparison: Comparison) -> list[Cell]:
    at_most = comparison.interval
    return [
        level.name,
        suite.title if len(suite.metrics) < 2 else f"{suite.title}, {comparison.metric}",
        points(comparison.after),
        points(comparison.after_lower),
        points(comparison.chance),
        at_most if isinstance(at_most, NotMeasured) else points(at_most.upper),
        points(most_to_lose(comparison)),
        _able(comparison),
    ]


def _able(comparison: Comparison) -> Cell:
    reason = sunk(comparison)
    return f"no: {reason}" if isinstance(reason, str) else reason or _ABLE


def _word(answer: bool | NotMeasured, no: str) -> Cell:
    if isinstance(answer, NotMeasured):
        return answer
    return "yes" if answer else no


def _groups(log: AuditLog, suite: Suite, panel: Panel, among: int) -> Groups | None:
    """The groups of a suite in one unit, worst first; None when it has none."""
    found = panel.of([c for level in reading.products(log) for c in reading.groups(log, suite, level)])
    if not found:
        return None
    found.sort(key=lambda one: _worst_first(one, two_sided=panel.unit.two_sided))
    columns = (
        Column("Group"),
        Column("Level"),
        Column("Pairs", numeric=True),
        Column(panel.unit.level_title("Before"), numeric=True),
        Column(panel.unit.level_title("After"), numeric=True),
        Column(panel.unit.drop_title, numeric=True),
        Column("Interval", numeric=True),
        *(_TESTED if panel.unit.kind == "binary" else ()),
    )
    rows = [_group_row(panel, comparison) for comparison in found]
    table = Table(f"{panel.title}: groups", columns, rows)
    return Groups(panel.title, _worst(panel, found[0]), only(table, among, which="worst"))


_TESTED = (
    Column("Flips, lost / gained", numeric=True),
    Column("McNemar p", numeric=True),
    Column("p adjusted (Benjamini-Hochberg)", numeric=True),
)


def _group_row(panel: Panel, comparison: Comparison) -> list[Cell]:
    group, unit = str(comparison.group), panel.unit
    return [
        group if len(panel.metrics) < 2 else f"{group}, {comparison.metric}",
        comparison.variant,
        count(comparison.n_pairs) + (aside(f"fewer than {HEADLINE_PAIRS}") if _few(comparison) else ""),
        unit.level(comparison.before),
        unit.level(comparison.after),
        unit.drop(comparison.difference),
        unit.interval(comparison.interval),
        *(_tested(comparison) if unit.kind == "binary" else ()),
    ]


def _tested(comparison: Comparison) -> list[Cell]:
    """The flips of a group, and whether as many were lost as gained."""
    return [
        lost_gained(comparison.flips),
        probability(comparison.p_value),
        probability(comparison.p_adjusted),
    ]


def _few(comparison: Comparison) -> bool:
    return comparison.n_pairs < HEADLINE_PAIRS


def _worst_first(comparison: Comparison, *, two_sided: bool) -> tuple[bool, float, str, str, str]:
    """Sorting key: the largest drop, or change where either way is damage; what was not measured is last.

    Groups of few pairs follow the others, so that the first row is the one of the title.
    """
    drop = comparison.difference
    rank = inf if isinstance(drop, NotMeasured) else -abs(drop) if two_sided else -drop
    return _few(comparison), rank, comparison.variant, str(comparison.group), comparison.metric


def _worst(panel: Panel, comparison: Comparison) -> str:
    """What the worst group lost; of groups with few pairs nothing is said."""
    if _few(comparison):
        return f"no group has {HEADLINE_PAIRS} pairs"
    if isinstance(comparison.difference, NotMeasured):
        return "no drop could be had"
    unit, drop = panel.unit, comparison.difference
    if drop <= 0 and not unit.two_sided:
        return f"no group of {HEADLINE_PAIRS} pairs or more got worse"
    change = "change" if unit.two_sided else "drop"
    return (
        f"largest {change} {unit.drop(drop)}{unit.name}: {comparison.group} at {comparison.variant}, of "
        f"groups with {HEADLINE_PAIRS} pairs or more"
    )
