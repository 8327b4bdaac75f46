"""Clause by clause: what here is evidence, what is missing, and what must not be claimed.

Nothing is counted per framework: the kinds of evidence that this tool knows are no measure of what a clause
asks, and "14 of 17" would be read as one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from markupsafe import Markup

from audit.frameworks import installed
from audit.records import AuditLog, Clause, EvidenceKey, Framework, LegalStatus, NotMeasured
from reports import reading
from reports.evidence import Evidence, Found, evidence
from reports.section import Section
from reports.tables import Cell, Column, Table
from reports.templating import draw
from reports.wording import listed, plural, visible

STATUS: dict[LegalStatus, str] = {
    "in_force": "in force",
    "future": "not yet in force",
    "superseded": "superseded",
    "draft": "a draft",
}
READ = {
    "text": "read in the text itself",
    "secondary": "known from a page about it: check the text before you cite it",
    "memory": "from memory: check the text before you cite it",
}
TITLES: dict[EvidenceKey, str] = {
    "policy": "Rules fixed before the run",
    "verdicts": "Verdicts",
    "rationale": "Why these margins",
    "accuracy": "Accuracy",
    "bias": "Bias and fairness",
    "robustness": "Robustness",
    "safety": "Safety",
    "forgetting": "Forgetting",
    "groups": "Results by group",
    "intervals": "Uncertainty of each drop",
    "power": "What could be decided",
    "error-rates": "Error rates of the decision rule",
    "repeatability": "Repeatability",
    "second-opinion": "Other statistical methods",
    "samples": "Every answer",
    "digests": "The exact artefacts",
    "change": "Before and after, paired",
    "settings": "Tasks and settings",
    "provenance": "Provenance",
    "limits": "Stated limits",
    "efficiency": "Memory and speed",
    "impact-ratio": "Impact ratios",
}


@dataclass(frozen=True)
class Item:
    """One clause."""

    clause: Clause
    status: LegalStatus
    standing: Markup
    """Version, status and dates in words."""
    read: str
    found: list[tuple[str, Found]]
    gaps: list[str]
    """Titles of the kinds of evidence that it names and the log does not hold."""


@dataclass(frozen=True)
class Block:
    """One framework."""

    framework: Framework
    version: Markup
    """With the day of the reading; how its clauses stand is theirs to say."""
    items: list[Item]


def section(log: AuditLog) -> Section:
    """Ours and the plugins' frameworks, then those of the config."""
    known = evidence(log)
    blocks = [_block(one, known) for one in (*installed(), *log.config.frameworks)]
    html = draw(
        "clauses.html.j2",
        blocks=blocks,
        overview=_overview(blocks),
        kinds=_kinds(blocks, known),
        age=_age(log, blocks),
    )
    return Section("clauses", "Evidence by clause", html)


def _block(framework: Framework, known: Mapping[EvidenceKey, Evidence]) -> Block:
    return Block(
        framework,
        Markup("{}; as of {}").format(visible(framework.version), _day(framework.as_of)),
        [_item(framework, clause, known) for clause in framework.clauses],
    )


def _item(framework: Framework, clause: Clause, known: Mapping[EvidenceKey, Evidence]) -> Item:
    held = [(TITLES[key], known[key]) for key in clause.evidenced_by]
    status = clause.status or framework.status
    return Item(
        clause,
        status,
        _standing(
            clause.version or framework.version,
            status,
            clause.as_of or framework.as_of,
            clause.applies_from,
        ),
        READ[clause.read],
        found=[(title, one) for title, one in held if isinstance(one, Found)],
        gaps=[title for title, one in held if isinstance(one, NotMeasured)],
    )


def _standing(version: str, status: LegalStatus, as_of: date, applies_from: date | None) -> Markup:
    start = Markup(", applies from {}").format(_day(applies_from)) if applies_from else ""
    return Markup("{}; {}{}; as of {}").format(visible(version), STATUS[status], start, _day(as_of))


def _day(day: date) -> Markup:
    """A date that no line break tears."""
    return Markup("<time>{}</time>").format(day.isoformat())


def _overview(blocks: list[Block]) -> Table:
    """One row a framework: how its clauses stand, and which lack evidence."""
    columns = (
        Column("Framework"),
        Column("Binding?"),
        Column("Its clauses here"),
        Column("Evidence that a run could give and this one did not", wide=True),
        Column("Clauses without any record here", wide=True),
        Column("Texts that we read"),
    )
    rows: list[list[Cell]] = [
        [
            block.framework.title,
            "voluntary here" if block.framework.voluntary else "where it applies",
            _statuses(block.items),
            _named([item for item in block.items if item.found and item.gaps]),
            _named([item for item in block.items if not item.found]),
            _read(block.items),
        ]
        for block in blocks
    ]
    return Table("Clauses, how they stand, and which lack evidence", columns, rows)


def _read(items: list[Item]) -> str:
    """Of how many clauses the text itself was read, and not a page about it."""
    read = sum(item.clause.read == "text" for item in items)
    return "all" if read == len(items) else f"{read or 'none'} of {len(items)}"


def _statuses(items: list[Item]) -> Markup:
    """How many clauses are in force, and from when the others will be."""
    found = Counter((item.status, _start(item)) for item in items)
    told = (
        Markup("{} {}{}").format(number, STATUS[status], start) for (status, start), number in found.items()
    )
    return Markup("; ").join(told)


def _start(item: Item) -> Markup:
    start = item.clause.applies_from
    return Markup(" (from {})").format(_day(start)) if item.status == "future" and start else Markup("")


def _named(items: list[Item]) -> str:
    """Clauses by their ids, with the kinds of evidence that they lack."""
    return "; ".join(f"{item.clause.id} ({listed(item.gaps)})" for item in items) or "none"


def _kinds(blocks: list[Block], known: Mapping[EvidenceKey, Evidence]) -> Table:
    """One row a kind of evidence that a clause names, gaps first."""
    named = {key for block in blocks for item in block.items for key in item.clause.evidenced_by}
    rows: list[list[Cell]] = [
        [title, _told(known[key])]
        for key, title in sorted(TITLES.items(), key=lambda kind: isinstance(known[kind[0]], Found))
        if key in named
    ]
    columns = (Column("Kind of evidence"), Column("Here", wide=True))
    return Table("What this audit holds, and what it does not", columns, rows)


def _told(one: Evidence) -> Cell:
    if isinstance(one, NotMeasured):
        return Markup("<strong>Gap:</strong> {}").format(visible(one.reason))
    return Markup('<a href="#{}">{}</a>').format(one.section, visible(one.says))


def _age(log: AuditLog, blocks: list[Block]) -> str:
    """How old the oldest reading of the law is, in a sentence."""
    oldest = min(item.clause.as_of or block.framework.as_of for block in blocks for item in block.items)
    start, ended = f"Law is told as it stood on {oldest.isoformat()} or later", reading.day(log)
    if isinstance(ended, NotMeasured):
        return f"{start}."
    days = (ended - oldest).days
    distance = f"{plural(days, 'day')} before" if days >= 0 else f"{plural(-days, 'day')} after"
    return f"{start}, {distance} this audit ended."
