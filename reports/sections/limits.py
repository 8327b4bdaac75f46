"""What this page can't show, and all that was not measured."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from audit.records import AuditLog, NotMeasured, Record
from reports import reading
from reports.section import Section
from reports.tables import Cell, Column, Table
from reports.templating import draw
from reports.wording import visible


def section(log: AuditLog) -> Section:
    """The disclaimer, the suites' own limits, and every reason for a missing number."""
    html = draw(
        "limits.html.j2",
        log=log,
        suites=[suite for suite in log.config.suites if suite.limits],
        missing=_missing(log),
        absent=_absent(log),
    )
    return Section("limits", "Limits and gaps", html)


def _missing(log: AuditLog) -> Table | None:
    """Every number that could not be had, gathered by its reason."""
    places: dict[str, list[str]] = {}
    for place, gap in unmeasured(log):
        places.setdefault(gap.reason, []).append(place)
    if not places:
        return None
    columns = (Column("Reason", wide=True), Column("Numbers", numeric=True), Column("Where", wide=True))
    rows: list[list[Cell]] = [[reason, str(len(where)), _where(where)] for reason, where in places.items()]
    return Table("Numbers that could not be had", columns, rows)


def _where(places: list[str]) -> Cell:
    """A few places as they are, many behind a fold."""
    text = "; ".join(places)
    if len(places) <= 3:
        return text
    return Markup("<details><summary>{}, …</summary>{}</details>").format(visible(places[0]), visible(text))


def unmeasured(log: AuditLog) -> Iterator[tuple[str, NotMeasured]]:
    """Every `NotMeasured` in a log, with the place where it stands."""
    yield from _within(log.provenance, "provenance")
    for variant in log.variants:
        yield from _within(variant, variant.name)
    for comparison in log.comparisons:
        group = "" if comparison.group is None else f", group {comparison.group}"
        place = f"{comparison.variant}, {comparison.suite}, {comparison.metric}{group}"
        yield from _within(comparison, place)
    for verdict in log.verdicts:
        yield from _within(verdict, f"{verdict.variant}, {verdict.rule.suite}, {verdict.metric}, verdict")


def _within(record: Record, place: str) -> Iterator[tuple[str, NotMeasured]]:
    """The gaps of one record and of the records in it."""
    for name in type(record).model_fields:
        value = getattr(record, name)
        where = f"{place}: {name.replace('_', ' ')}"
        if isinstance(value, NotMeasured):
            yield where, value
        elif isinstance(value, Record):
            yield from _within(value, where)


def _absent(log: AuditLog) -> list[str]:
    """What the config asked for and the log does not hold."""
    lines = [] if reading.original(log) else ["the original: not prepared"]
    for level in log.config.levels:
        if reading.variant_of(log, level) is None:
            lines.append(f"{level.name}: not made")
        lines += [
            f"{level.name}, {suite.title}: not compared"
            for suite in log.config.suites
            if not reading.wholes(log, suite, level)
        ]
    return lines
