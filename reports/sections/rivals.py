"""Candidates against each other: who is better than whom, and whose place is luck."""

from __future__ import annotations

from dataclasses import dataclass

from audit.records import AuditLog, Comparison, Contest, Duel, NotMeasured, Omnibus, Suite
from reports import contested, looks, reading
from reports.marks import aside
from reports.panels import Panel, panels
from reports.room import only
from reports.section import Section
from reports.sections.probe import HEADLINE_PAIRS
from reports.tables import Cell, Column, Table
from reports.templating import draw
from reports.wording import count, lost_gained, probability, rate

TIE = "not told apart"
TOLD_APART = 0.05
"""Holm-adjusted p-value below which one candidate is called better than another."""


@dataclass(frozen=True)
class Measured:
    """One metric of one suite."""

    suite: Suite
    panel: Panel
    metric: str
    duels: list[Duel]
    contest: Contest | None
    """None in a log from before they were held."""

    @property
    def title(self) -> str:
        """The suite's, and the metric where it has several."""
        return self.suite.title if len(self.suite.metrics) < 2 else f"{self.suite.title}, {self.metric}"


def section(log: AuditLog) -> Section:
    """Places, pairs and worst groups; nothing with fewer than two candidates."""
    measured = [
        Measured(suite, panel, metric, found, _contest(log, suite, metric))
        for suite in log.config.suites
        for panel in panels(log, suite)
        if not panel.unit.two_sided  # a change either way is damage there, and who changed less is no rank
        for metric in panel.metrics
        if (found := [one for one in log.duels if (one.suite, one.metric) == (suite.name, metric)])
    ]
    html = draw(
        "rivals.html.j2",
        omnibus=_omnibus(log, measured) if any(one.contest for one in measured) else None,
        places=_places(log, measured) if measured else None,
        pairs=[
            only(_pairs(one), len(measured), "first told apart", lambda row: row[-1] == TIE)
            for one in measured
        ],
        contested=contested.blocks([(one.title, one.contest) for one in measured if one.contest]),
        text_limit=contested.TEXT_LIMIT,
        groups=_worst_groups(log, measured) if measured else None,
        at_least=HEADLINE_PAIRS,
        told_apart=f"{TOLD_APART:g}",
        not_adjusted=looks.NOT_ADJUSTED if looks.stopped_early(log) else "",
    )
    return Section("rivals", "Candidates against each other", html.strip() and html)


def winner(duel: Duel) -> str | None:
    """Which of the two is better; None: the data don't tell them apart."""
    drop, interval = duel.difference, duel.interval
    if isinstance(drop, NotMeasured) or isinstance(interval, NotMeasured):
        return None
    apart = (
        interval.lower > 0 or interval.upper < 0
        if isinstance(duel.p_adjusted, NotMeasured)
        else duel.p_adjusted < TOLD_APART
    )
    return (duel.against if drop > 0 else duel.variant) if apart and drop else None


def place(name: str, found: list[Duel], candidates: int) -> tuple[int, int]:
    """The best and the worst rank that the data leave to a candidate; the same twice only where all pairs
    with it are told apart."""
    own = [winner(one) for one in found if name in (one.against, one.variant)]
    beaten_by = sum(one not in (None, name) for one in own)
    return 1 + beaten_by, candidates - own.count(name)


def _contest(log: AuditLog, suite: Suite, metric: str) -> Contest | None:
    found = (one for one in log.contests if (one.suite, one.metric) == (suite.name, metric))
    return next(found, None)


def _omnibus(log: AuditLog, measured: list[Measured]) -> Table:
    columns = (
        Column("Suite"),
        Column("Is there any difference?"),
        Column("Could it be chance, over all rows? (p, Holm)", numeric=True),
        Column("By this row alone (p)", numeric=True),
        Column("How that was tested", wide=True),
        Column("Items that all answered", numeric=True),
        Column("Of these, answered right by some and wrong by others", numeric=True),
    )
    rows = [_all_at_once(one.title, one.contest) for one in measured if one.contest]
    return only(Table("All candidates at once, before any pair", columns, rows))


def _all_at_once(title: str, one: Contest) -> list[Cell]:
    differ = isinstance(one.p_adjusted, float) and one.p_adjusted < TOLD_APART
    return [
        title,
        "yes" if differ else "not tested" if isinstance(one.omnibus, NotMeasured) else "none is shown",
        probability(one.p_adjusted),
        probability(one.p_value),
        "none" if isinstance(one.omnibus, NotMeasured) else _test(one.omnibus),
        count(one.n_items),
        count(one.n_contested),
    ]


def _test(one: Omnibus) -> str:
    degrees = f"{one.degrees_of_freedom}" + (f" and {one.denominator}" if one.denominator else "")
    return f"{one.method}: {one.statistic:.2f} with {degrees} degrees of freedom"


def _candidates(log: AuditLog) -> list[str]:
    return [level.name for level in log.config.levels if level.is_candidate]


def _places(log: AuditLog, measured: list[Measured]) -> Table:
    names = _candidates(log)
    rows: list[list[Cell]] = []
    for one in measured:
        ranks = [place(name, one.duels, len(names)) for name in names]
        rows.append(
            [one.title, *(f"{best}" if best == worst else f"{best} to {worst}" for best, worst in ranks)]
        )
    columns = [Column("Suite"), *(Column(name, numeric=True) for name in names)]
    return Table("Places that the data leave to each candidate; a range is a tie", columns, rows)


def _pairs(measured: Measured) -> Table:
    unit, flips = measured.panel.unit, measured.panel.unit.kind == "binary"
    columns = [
        Column("Candidate A"),
        Column("Candidate B"),
        Column(unit.level_title("A’s score"), numeric=True),
        Column(unit.level_title("B’s score"), numeric=True),
        Column(f"How much worse B is ({unit.drop_title[0].lower()}{unit.drop_title[1:]})", numeric=True),
        Column("Where the true value lies, as far as the items tell (interval)", numeric=True),
        *([Column("Items that only A / only B gets right", numeric=True)] if flips else []),
        *([Column("Could it be chance? (p, Holm)", numeric=True)] if flips else []),
        Column("Items that both answered (pairs)", numeric=True),
        Column("Better"),
    ]
    rows = [_pair(measured.panel, one, flips) for one in measured.duels]
    return Table(f"{measured.title}: every pair of candidates{_confidence(measured.duels)}", columns, rows)


def _confidence(found: list[Duel]) -> str:
    known = [one.interval.confidence for one in found if not isinstance(one.interval, NotMeasured)]
    if not known:
        return ""
    return f"; intervals of {rate(known[0], 1)} each, so that all of them hold at 90\N{NO-BREAK SPACE}%"


def _pair(panel: Panel, one: Duel, flips: bool) -> list[Cell]:
    unit = panel.unit
    return [
        one.against,
        one.variant,
        unit.level(one.before),
        unit.level(one.after),
        unit.drop(one.difference),
        unit.interval(one.interval),
        *([lost_gained(one.flips), probability(one.p_adjusted)] if flips else []),
        count(one.n_pairs),
        winner(one) or TIE,
    ]


def _worst_groups(log: AuditLog, measured: list[Measured]) -> Table:
    """Each candidate's worst group in each suite, against the original."""
    columns = (
        Column("Candidate"),
        Column("Suite"),
        Column("Group that lost most"),
        Column("Its drop against the original", numeric=True),
        Column("Items (pairs)", numeric=True),
    )
    rows: list[list[Cell]] = []
    for level in log.config.levels:
        for one in measured if level.is_candidate else []:
            found = [
                group
                for group in reading.groups(log, one.suite, level)
                if group.metric == one.metric and group.n_pairs >= HEADLINE_PAIRS and _known(group)
            ]
            if found:
                rows.append(_group(level.name, one, max(found, key=_drop)))
    return only(Table("Each candidate's worst group", columns, rows))


def _known(group: Comparison) -> bool:
    return not isinstance(group.difference, NotMeasured)


def _drop(group: Comparison) -> float:
    return float("-inf") if isinstance(group.difference, NotMeasured) else group.difference


def _group(name: str, one: Measured, group: Comparison) -> list[Cell]:
    unit = one.panel.unit
    interval = unit.interval(group.interval)
    drop = unit.drop(group.difference)
    shown = drop if isinstance(drop, NotMeasured) else f"{drop}{unit.name}" + aside(str(interval))
    return [name, one.title, str(group.group), shown, count(group.n_pairs)]
