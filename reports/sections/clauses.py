"""Clause by clause: what here is evidence, what is missing, and what must not be claimed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from markupsafe import Markup

from audit.frameworks import installed
from audit.records import AuditLog, Clause, EvidenceKey, Framework, LegalStatus, NotMeasured
from reports.evidence import Evidence, Found, evidence
from reports.section import Section
from reports.tables import Cell, Column, Table
from reports.templating import draw
from reports.wording import count, plural, visible

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
    standing: Markup
    """Version, status and dates in words."""
    read: str
    found: list[tuple[str, Found]]
    gaps: list[tuple[str, NotMeasured]]

    @property
    def share(self) -> str:
        """How many kinds of the evidence that a report can hold are here; never that the clause is met."""
        return f"{len(self.found)} of {plural(len(self.found) + len(self.gaps), 'kind')} of evidence"


@dataclass(frozen=True)
class Block:
    """One framework."""

    framework: Framework
    standing: Markup
    items: list[Item]


def section(log: AuditLog) -> Section:
    """Ours and the plugins' frameworks, then those of the config."""
    known = evidence(log)
    blocks = [_block(one, known) for one in (*installed(), *log.config.frameworks)]
    bare = [(block, item) for block in blocks for item in block.items if not item.found]
    html = draw("clauses.html.j2", blocks=blocks, overview=_overview(blocks), bare=bare, gaps=_gaps(blocks))
    return Section("clauses", "Evidence by clause", html)


def _block(framework: Framework, known: Mapping[EvidenceKey, Evidence]) -> Block:
    return Block(
        framework,
        _standing(framework.version, framework.status, framework.as_of, None),
        [_item(framework, clause, known) for clause in framework.clauses],
    )


def _item(framework: Framework, clause: Clause, known: Mapping[EvidenceKey, Evidence]) -> Item:
    held = [(TITLES[key], known[key]) for key in clause.evidenced_by]
    return Item(
        clause,
        _standing(
            clause.version or framework.version,
            clause.status or framework.status,
            clause.as_of or framework.as_of,
            clause.applies_from,
        ),
        READ[clause.read],
        found=[(title, one) for title, one in held if isinstance(one, Found)],
        gaps=[(title, one) for title, one in held if isinstance(one, NotMeasured)],
    )


def _standing(version: str, status: LegalStatus, as_of: date, applies_from: date | None) -> Markup:
    start = Markup(", applies from {}").format(_day(applies_from)) if applies_from else ""
    return Markup("{}; {}{}; as of {}").format(visible(version), STATUS[status], start, _day(as_of))


def _day(day: date) -> Markup:
    """A date that no line break tears."""
    return Markup("<time>{}</time>").format(day.isoformat())


def _overview(blocks: list[Block]) -> Table:
    """One row a framework: how much of its evidence is here."""
    columns = (
        Column("Framework"),
        Column("Status"),
        Column("Binding?"),
        Column("Clauses", numeric=True),
        Column("With each kind of evidence listed", numeric=True),
        Column("With some", numeric=True),
        Column("With no kind", numeric=True),
    )
    rows: list[list[Cell]] = [
        [
            block.framework.title,
            Markup("{}, as of {}").format(STATUS[block.framework.status], _day(block.framework.as_of)),
            "voluntary here" if block.framework.voluntary else "where it applies",
            count(len(block.items)),
            count(sum(not item.gaps for item in block.items)),
            count(sum(bool(item.found and item.gaps) for item in block.items)),
            count(sum(not item.found for item in block.items)),
        ]
        for block in blocks
    ]
    return Table("Evidence that this audit holds, by framework", columns, rows)


def _gaps(blocks: list[Block]) -> list[tuple[str, str, list[str]]]:
    """Each kind of evidence that is named and not here: its title, why, and the clauses that name it."""
    named: dict[tuple[str, str], list[str]] = {}
    for block in blocks:
        for item in block.items:
            for title, gap in item.gaps:
                place = f"{block.framework.title} {item.clause.id}"
                named.setdefault((title, gap.reason), []).append(place)
    return [(title, reason, places) for (title, reason), places in named.items()]
