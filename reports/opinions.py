"""Do other methods agree? And what do the errors of estimates rest on?"""

from __future__ import annotations

from collections.abc import Sequence

from audit.records import Comparison, Estimate, Interval, NotMeasured
from reports.panels import Panel
from reports.room import only
from reports.tables import Cell, Column, Table
from reports.wording import count, plain

_YES = "yes"


def tables(panel: Panel, rows: list[Comparison], among: int) -> list[Table]:
    """The intervals by other methods, and the estimates, where there are any; `among` so many panels."""
    found = []
    if any(comparison.sensitivity for comparison in rows):
        found.append(_sensitivity(panel, rows, among))
    if any(isinstance(comparison.estimate, Estimate) for comparison in rows):
        found.append(_estimates(panel, rows))
    return found


def _sensitivity(panel: Panel, rows: list[Comparison], among: int) -> Table:
    """The interval beside others, all at the same confidence."""
    methods = list(dict.fromkeys(one.method for comparison in rows for one in comparison.sensitivity))
    columns = [
        Column("Level"),
        Column("90\N{NO-BREAK SPACE}% interval", numeric=True),
        Column("Tango score", numeric=True),
        *(Column(method, numeric=True) for method in methods),
        Column("Do they agree on the margin?", wide=True),
    ]
    cells = [_opinions(panel, comparison, methods) for comparison in rows]
    table = Table(f"{panel.title}: the drop's interval by other methods", columns, cells)
    return only(table, among, "least agreed", first=_agreed)


def _agreed(row: Sequence[Cell]) -> bool:
    return str(row[-1]).startswith(_YES)


def _opinions(panel: Panel, comparison: Comparison, methods: list[str]) -> list[Cell]:
    by_method = {one.method: one for one in comparison.sensitivity}
    others = [by_method.get(method, NotMeasured("the log holds none")) for method in methods]
    return [
        panel.label(comparison),
        panel.unit.interval(comparison.interval),
        panel.unit.interval(comparison.tango),
        *(panel.unit.interval(one) for one in others),
        _same_side(panel, comparison, [comparison.tango, *others]),
    ]


def _same_side(panel: Panel, comparison: Comparison, others: list[Interval | NotMeasured]) -> Cell:
    """Whether all intervals lie alike to the strictest margin: inside, over, or across it."""
    if not panel.rules:
        return NotMeasured("no rule judges this metric")
    if isinstance(comparison.interval, NotMeasured):
        return comparison.interval
    margin = panel.unit.limit(min(rule.margin for rule in panel.rules))
    places = [_place(one, margin) for one in (comparison.interval, *others) if isinstance(one, Interval)]
    if len(set(places)) == 1:
        return f"{_YES}: {places[0]}"
    return f"no: it is close ({', '.join(sorted(set(places)))})"


def _place(interval: Interval, margin: float) -> str:
    """Where an interval lies: a pass takes `inside`, and `across` shows nothing of the margin either way."""
    if interval.upper < margin:
        return "inside"
    return "over" if interval.lower > margin else "across"


def _estimates(panel: Panel, rows: list[Comparison]) -> Table:
    columns = [
        Column("Level"),
        Column(", ".join(filter(None, ["Standard error", panel.unit.name.strip()])), numeric=True),
        Column("Degrees of freedom", numeric=True),
        Column("Clusters", numeric=True),
        Column("Design effect", numeric=True),
        Column("Method", wide=True),
    ]
    cells = [[panel.label(comparison), *_estimate(panel, comparison.estimate)] for comparison in rows]
    return Table(f"{panel.title}: what the errors rest on", columns, cells)


def _estimate(panel: Panel, found: Estimate | NotMeasured) -> list[Cell]:
    if isinstance(found, NotMeasured):
        return [found, "", "", "", ""]
    effect = found.design_effect
    return [
        panel.unit.drop(found.standard_error),
        plain(found.degrees_of_freedom, 3),
        "none" if found.n_clusters is None else count(found.n_clusters),
        effect if isinstance(effect, NotMeasured) else f"{effect:.2f}",
        found.method,
    ]
