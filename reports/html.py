"""The report as one HTML file that asks nobody for anything."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256

from markupsafe import Markup

from audit.records import AuditLog
from reports import reading
from reports.badge import badge
from reports.section import Section
from reports.sections import (
    changed,
    clauses,
    compressed,
    drops,
    efficiency,
    forgetting,
    glossary,
    limits,
    method,
    power,
    probe,
    provenance,
    tradeoff,
    verdict,
)
from reports.templating import draw, source

FILE = "report.html"
SECTIONS: tuple[Callable[[AuditLog], Section], ...] = (
    verdict.section,
    compressed.section,
    tradeoff.section,
    drops.section,
    forgetting.section,
    probe.section,
    changed.section,
    efficiency.section,
    method.section,
    power.section,
    limits.section,
    clauses.section,
    provenance.section,
)
"""In the order of the page; the glossary, which needs to see the others, ends it."""


def render(log: AuditLog) -> bytes:
    """The page, UTF-8; the same log gives the same bytes."""
    sections = drawn(log)
    scripts = _scripts(plots=any(section.plots for section in sections))
    page = draw(
        "page.html.j2",
        log=log,
        title=reading.model_title(log),
        badge=badge,
        sections=sections,
        policy=content_policy(scripts),
        style=Markup(source("page.css")),
        scripts=[Markup(script) for script in scripts],
    )
    return page.encode("utf-8")


def drawn(log: AuditLog) -> list[Section]:
    """All sections of the page that have something to say, in order."""
    sections = [one for section in SECTIONS if (one := section(log)).html]
    return [*sections, glossary.section(sections)]


def _scripts(*, plots: bool) -> list[str]:
    """The scripts of the page; plotly.js only where there is something to plot: it is 4.8 MB."""
    own = source("page.js")
    if not plots:
        return [own]
    from plotly.offline import get_plotlyjs

    return [get_plotlyjs(), own]


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
