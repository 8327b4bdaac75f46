"""Many audits as one HTML file, in the dress of the report: a table for each original."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from audit.results import CatalogueRow
from reports.badge import badge
from reports.disclaimer import DISCLAIMER
from reports.html import content_policy
from reports.marks import aside
from reports.tables import Cell, Column, Table
from reports.templating import draw, source
from reports.units import Unit
from reports.wording import anchor, mebibytes, plural, short

Promise = tuple[str, str]
"""A suite and its metric."""


class Part(NamedTuple):
    """One original."""

    id: str
    title: str
    table: Table


def render(rows: Sequence[CatalogueRow]) -> bytes:
    """The page, UTF-8; it runs no script and loads nothing."""
    by_model: dict[str, list[CatalogueRow]] = {}
    for row in sorted(rows, key=lambda row: (row.finished, row.run)):
        by_model.setdefault(row.title.partition("@")[0], []).append(row)
    page = draw(
        "history.html.j2",
        audits=plural(len({row.run for row in rows}), "audit"),
        sections=[
            Part(anchor(title), title, _table(title, found)) for title, found in sorted(by_model.items())
        ],
        disclaimer=DISCLAIMER,
        policy=content_policy([]),
        style=Markup(source("page.css")),
        scripts=[],
    )
    return page.encode("utf-8")


def _table(title: str, rows: Sequence[CatalogueRow]) -> Table:
    """A row an audit and level, in the order of time."""
    promises = list(dict.fromkeys((row.suite, row.metric) for row in rows if row.suite))
    suites = [suite for suite, _ in promises]
    columns = [
        Column("Level"),
        Column("Release"),
        Column("Finished", numeric=True),
        Column("Run"),
        Column("Audit"),
        Column("Size", numeric=True),
        *(Column(suite if suites.count(suite) < 2 else f"{suite}, {metric}") for suite, metric in promises),
    ]
    lines: dict[tuple[str, str], dict[Promise, CatalogueRow]] = {}
    for row in rows:
        lines.setdefault((row.run, row.level), {})[row.suite, row.metric] = row
    cells = [_line(found, promises) for found in lines.values()]
    return Table(f"{title}: drops against the original, with intervals", columns, cells)


def _line(found: dict[Promise, CatalogueRow], promises: Sequence[Promise]) -> list[Cell]:
    first = next(iter(found.values()))
    return [
        first.level or "none was judged",
        short(first.release),
        first.finished[:10],
        first.run,
        badge(first.audit_decision),
        "" if first.size_bytes is None else mebibytes(first.size_bytes),
        *(_cell(found.get(promise)) for promise in promises),
    ]


def _cell(row: CatalogueRow | None) -> Cell:
    if row is None or row.decision is None:
        return "not judged"
    if row.drop is None or row.kind is None:
        return badge(row.decision) + aside(f"not measured: {row.not_measured}")
    unit = Unit(row.kind, row.margin)
    ends = ""
    if row.lower is not None and row.upper is not None:
        ends = f" ({unit.drop(row.lower)} to {unit.drop(row.upper)})"
    return badge(row.decision) + aside(f"{unit.drop(row.drop)}{ends}{unit.name}")
