"""Small remarks beside a number or a badge."""

from __future__ import annotations

from markupsafe import Markup

REPORTED = "reported, does not block"
"""Of a rule or a budget that keeps no level back."""


def aside(text: str) -> Markup:
    """A remark in a table's cell."""
    return Markup(' <span class="aside">{}</span>').format(text)


def reported(blocks: bool) -> Markup:
    """The remark on what doesn't block; nothing on what does."""
    return Markup("") if blocks else aside(REPORTED)
