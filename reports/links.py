"""What each link of a chain cost: it alone, against the link before it."""

from __future__ import annotations

from audit.records import AuditLog, Comparison, NotMeasured, Suite
from reports.panels import Panel
from reports.tables import Cell, Column, Table
from reports.wording import count, probability


def table(log: AuditLog, suite: Suite, panel: Panel) -> Table | None:
    """One row a link that goes on from another; None without chains."""
    rows = panel.of([one for one in log.links if one.suite == suite.name and one.group is None])
    if not rows:
        return None
    flips = panel.unit.kind == "binary"
    columns = [
        Column("Link"),
        Column("Made from"),
        Column(panel.unit.level_title("There"), numeric=True),
        Column(panel.unit.level_title("After"), numeric=True),
        Column(panel.unit.drop_title, numeric=True),
        Column("90\N{NO-BREAK SPACE}% interval", numeric=True),
        *([Column("Lost / gained", numeric=True), Column("McNemar p", numeric=True)] if flips else []),
        Column("Pairs", numeric=True),
    ]
    return Table(
        f"{panel.title}: what each link of a chain cost, against the one before it (exploratory)",
        columns,
        [_row(log, panel, one, flips) for one in rows],
    )


def _row(log: AuditLog, panel: Panel, one: Comparison, flips: bool) -> list[Cell]:
    unit = panel.unit
    return [
        panel.label(one),
        log.config.links[one.variant],
        unit.level(one.before),
        unit.level(one.after),
        unit.drop(one.difference),
        unit.interval(one.interval),
        *([_flips(one), probability(one.p_value)] if flips else []),
        count(one.n_pairs),
    ]


def _flips(one: Comparison) -> Cell:
    if isinstance(one.flips, NotMeasured):
        return one.flips
    return f"{one.flips.lost} / {one.flips.gained}"
