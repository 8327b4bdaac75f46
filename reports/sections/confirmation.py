"""Does the one that was chosen pass on items that it was not chosen by?"""

from __future__ import annotations

from markupsafe import Markup

from audit.records import AuditLog, Confirmation, NotMeasured, Verdict
from reports import reading
from reports.badge import badge
from reports.held import held
from reports.marks import reported
from reports.room import only
from reports.section import Section
from reports.tables import Cell, Column, Table
from reports.templating import draw
from reports.units import Unit
from reports.wording import count, listed, rate


def section(log: AuditLog) -> Section:
    """The chosen variant on both sets of items; nothing where none were held out."""
    html = draw("confirmation.html.j2", **_found(log)) if log.config.holdout else Markup("")
    return Section("confirmation", "The chosen one on fresh items", html)


def _found(log: AuditLog) -> dict[str, object]:
    found, alone = log.confirmation, reading.held_out(log)
    share = rate(log.config.holdout, 0)
    if alone is None or not isinstance(found, Confirmation):
        return {"share": share, "unconfirmed": found}
    (level,) = alone.config.levels
    return {
        "share": share,
        "unconfirmed": "",
        "decision": badge(reading.decision_on(alone, level)),
        "name": found.variant,
        "chosen": found.chosen,
        "shared_by": found.shared_by,
        "table": only(_table(log, alone)),
        "dependent": listed([one.title for one in log.config.suites if one.cluster_by]),
    }


def _table(log: AuditLog, alone: AuditLog) -> Table:
    (level,) = alone.config.levels
    same = dict(zip(log.config.rules, alone.config.rules, strict=True))  # but for their shares of the error
    before = {(same[one.rule], one.metric): one for one in reading.verdicts_of(log, level)}
    columns = (
        Column("Rule"),
        Column("On fresh items"),
        Column("Drop where it was chosen", numeric=True),
        Column("Drop on fresh items", numeric=True),
        Column("Bounds that decide", numeric=True),
        Column("Margin", numeric=True),
        Column("Fresh pairs", numeric=True),
    )
    rows = [_row(log, alone, before.get((one.rule, one.metric)), one) for one in alone.verdicts]
    return Table(f"{level.name} on the items held out, rule by rule", columns, rows)


def _row(log: AuditLog, alone: AuditLog, chosen_by: Verdict | None, verdict: Verdict) -> list[Cell]:
    fresh, comparison = held(alone, verdict), reading.comparison_of(alone, verdict)
    unit = fresh.unit
    return [
        reading.rule_title(log, verdict.rule),
        badge(verdict.decision) + reported(verdict.rule.blocks),
        NotMeasured("it was not judged there")
        if chosen_by is None
        else _with_unit(unit, unit.drop(held(log, chosen_by).drop)),
        _with_unit(unit, unit.drop(fresh.drop)),
        unit.interval(fresh.bounds),
        f"{fresh.margin}{unit.name}",
        "0" if comparison is None else count(comparison.n_pairs),
    ]


def _with_unit(unit: Unit, drop: str | NotMeasured) -> Cell:
    return drop if isinstance(drop, NotMeasured) else f"{drop}{unit.name}"
