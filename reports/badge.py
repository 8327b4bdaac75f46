"""A decision as a badge: icon, word and colour, so that none of them is needed alone."""

from __future__ import annotations

from markupsafe import Markup

from audit.records import Decision

WORDS: dict[Decision, str] = {"pass": "Pass", "fail": "Fail", "inconclusive": "Inconclusive"}

ICONS: dict[Decision, Markup] = {
    "pass": Markup('<path d="M3.5 8.5l3 3 6-7"/>'),
    "fail": Markup('<path d="M4 4l8 8M12 4l-8 8"/>'),
    "inconclusive": Markup('<path d="M8 2.5L13.5 8L8 13.5L2.5 8Z"/>'),
}
"""Strokes in a box of 16 by 16."""


def badge(decision: Decision) -> Markup:
    """The badge of a decision."""
    return Markup(
        '<span class="badge {}">'
        '<svg viewBox="0 0 16 16" aria-hidden="true" focusable="false">{}</svg>{}'
        "</span>"
    ).format(decision, ICONS[decision], WORDS[decision])
