"""The glossary: what the page says, and nothing that it doesn't."""

from __future__ import annotations

import re

import pytest
from markupsafe import Markup

from audit.records import AuditLog
from reports.html import drawn
from reports.section import Section
from reports.sections import glossary
from reports.terms import TERMS


def test_a_term_is_shown_when_it_stands_on_the_page() -> None:
    assert _terms("<p>The perplexity rose.</p>") == ["Perplexity"]


def test_a_title_counts_as_text() -> None:
    assert [*re.findall("<dt>(.*?)</dt>", _html("", title="Perplexity"))] == ["Perplexity"]


def test_a_word_is_found_across_tags() -> None:
    assert _terms("<p>KL</p><p>nats</p>") == ["KL divergence"]


@pytest.mark.parametrize(
    "html",
    [
        '<script type="application/json">{"name": "perplexity"}</script>',
        '<bdi class="output">perplexity</bdi>',
        '<p title="perplexity">text</p>',
    ],
)
def test_what_is_no_text_of_ours_brings_no_term(html: str) -> None:
    assert _terms(html) == []


@pytest.mark.parametrize(
    ("said", "term"),
    [
        ("int4, symmetric, groups of 64", "Group size"),
        ("rtn (bits 4, group_size 64)", "RTN"),
        ("symmetric, one scale", "Symmetric"),
        ("dequantised to float32", "Dequantised"),
        ("capitals, torso", "Head, torso, tail"),
        ("Nominal error of each look", "Nominal error"),
        ("Error of the truncation", "Truncation"),
    ],
)
def test_a_word_of_the_tables_is_explained(said: str, term: str) -> None:
    assert term in _terms(f"<p>{said}</p>")


def test_a_part_of_another_word_is_no_term() -> None:
    assert _terms("<p>The controller paired it with a frontier.</p>") == ["Paired"]


@pytest.mark.parametrize("name", ["log", "gate"])
def test_every_link_on_the_page_has_its_target(request: pytest.FixtureRequest, name: str) -> None:
    log: AuditLog = request.getfixturevalue(name)
    html = " ".join(f'<section id="{one.id}">{one.html}' for one in drawn(log))
    ids = set(re.findall(r'\sid="([^"]+)"', html))
    links = set(re.findall(r'href="#([^"]+)"', html))
    assert "term-drop" in links
    assert links <= ids


def test_terms_are_in_alphabetical_order() -> None:
    names = [term.name.lower() for term in TERMS]
    assert names == sorted(names)


def _html(html: str, title: str = "") -> str:
    return str(glossary.section([Section("other", title, Markup(html))]).html)


def _terms(html: str) -> list[str]:
    return re.findall("<dt>(.*?)</dt>", _html(html))
