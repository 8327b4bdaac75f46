"""What the words of this page mean: those that stand on it, and no others."""

from __future__ import annotations

import re
from collections.abc import Sequence

from markupsafe import Markup

from reports.section import Section
from reports.templating import draw
from reports.terms import TERMS, Term

_UNSEEN = re.compile(r"<script.*?</script>|<bdi class=\"output\">.*?</bdi>", re.DOTALL)
"""What is no text of ours: data of plots, and what models were asked and said."""


def section(others: Sequence[Section]) -> Section:
    """The glossary of the other sections of a page."""
    text = " ".join(_text(one) for one in others)
    terms = [term for term in TERMS if re.search(term.pattern, text, re.IGNORECASE)]
    html = draw("glossary.html.j2", terms=[(_id(term), term) for term in terms])
    return Section("glossary", "Glossary", html)


def _text(one: Section) -> str:
    """The visible text of a section's own words, with single spaces."""
    spaced = _UNSEEN.sub(" ", f"{one.title} {one.html}").replace("<", " <")
    return Markup(spaced).striptags()


def _id(term: Term) -> str:
    """The anchor that other sections link to."""
    return "term-" + re.sub(r"[^a-z]+", "-", term.name.lower())
