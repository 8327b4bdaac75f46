"""A diff as one HTML file, in the dress of the report."""

from __future__ import annotations

from markupsafe import Markup

from audit.changes import Diff
from reports import reading
from reports.badge import badge
from reports.diff.parts import HEADLINES, headline, parts
from reports.disclaimer import DISCLAIMER
from reports.html import content_policy
from reports.templating import draw, source


def render(diff: Diff) -> bytes:
    """The page, UTF-8; it runs no script and loads nothing."""
    page = draw(
        "diff.html.j2",
        diff=diff,
        badge=badge(diff.decision),
        heading=HEADLINES[diff.decision],
        headline=headline(diff),
        sections=parts(diff),
        digests=[reading.log_sha256(side.log) for side in (diff.before, diff.after)],
        disclaimer=DISCLAIMER,
        policy=content_policy([]),
        style=Markup(source("page.css")),
        scripts=[],
    )
    return page.encode("utf-8")
