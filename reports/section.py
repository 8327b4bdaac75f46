"""What one part of the page is: the value that every section file returns."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup


@dataclass(frozen=True)
class Section:
    """One part of the report, ready to be placed on the page."""

    id: str
    """Anchor, unique on the page."""
    title: str
    """Heading, and the entry in the table of contents."""
    html: Markup
    """Body, escaped; what is text and no Markup is escaped by the page. Empty: nothing is to be
    said, and the page has no such part."""
    plots: bool = False
    """Whether the body holds plots, so that the page needs plotly.js."""
