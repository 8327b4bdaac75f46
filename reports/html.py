"""The report as one HTML file that asks nobody for anything."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

from markupsafe import Markup

from audit import registry
from audit.records import AuditLog
from reports import reading
from reports.badge import badge
from reports.plugged import foreign, own
from reports.section import Section
from reports.sections import glossary
from reports.templating import draw, source

FILE = "report.html"
FIRST = (
    "verdict",
    "search",
    "compressed",
    "tradeoff",
    "rivals",
    "confirmation",
    "drops",
    "forgetting",
    "probe",
    "changed",
    "efficiency",
    "trend",
    "method",
    "power",
    "limits",
    "clauses",
)
"""The sections in the order of the page, by the names that they are registered by; then come those of other
packages, by name."""
LAST = ("provenance",)
"""Behind them; the glossary, which needs to see the others, ends the page."""


def render(log: AuditLog) -> bytes:
    """The page, UTF-8; the same log gives the same bytes."""
    sections = drawn(log)
    plotly = _plotly() if any(section.plots for section in sections) else ""
    script = source("page.js")
    page = draw(
        "page.html.j2",
        log=log,
        title=reading.model_title(log),
        badge=badge,
        sections=sections,
        policy=content_policy([script, plotly] if plotly else [script]),
        style=Markup(source("page.css")),
        plotly=Markup(plotly),
        scripts=[Markup(script)],
    )
    return page.encode("utf-8")


def drawn(log: AuditLog) -> list[Section]:
    """All sections that have something to say, in order; one that fails says so in its place."""
    first, last = ([own(name, log) for name in names] for names in (FIRST, LAST))
    taken = {"main", "glossary", *(section.id for section in (*first, *last))}
    others = []
    for name in registry.names("audit.report_sections"):
        if name not in (*FIRST, *LAST):
            others.append(foreign(name, log, taken))
            taken.add(others[-1].id)
    sections = [section for section in (*first, *others, *last) if section.html]
    return [*sections, glossary.section(sections)]


def _plotly() -> str:
    """plotly.js, 4.8 MB: only where there is something to plot, and run by page.js when it comes in sight."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def content_policy(scripts: list[str]) -> str:
    """Content-Security-Policy: nothing is loaded, and only these scripts run.

    Styles stay open, since plotly sets inline styles; images may be data, since plotly draws with them.
    """
    hashes = " ".join(
        f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
