"""The report in Markdown: short, its verdict first, and closed to the markup of others."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

import logs
import pytest
from hostile import HOSTILE
from markdown_it import MarkdownIt

from audit.records import AuditLog, CheckedClaim, Level, NotMeasured
from reports.disclaimer import DISCLAIMER
from reports.markdown import render
from reports.markdown_text import code, inline
from reports.reading import log_sha256

MARKUP = (
    "<img src=x onerror=alert(1)> <!-- a --> &lt;b&gt;",
    "[a link](http://evil.example) ![](http://evil.example/x.png) <http://evil.example>",
    "a | b \\| c `d` ``e`` *f* __g__ ~~h~~ $i$",
    "# a heading",
    "- an item\n- another\n\n    code\n\n1. one",
    "1. one",
    "/close\n/assign @somebody",
    "> quoted\n---\n===",
    "\\",
)


def _html(markdown: str) -> str:
    """As a reader of the CommonMark specification with GitHub's tables shows it."""
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(markdown)


def _text(html: str) -> str:
    return unescape(re.sub(r"<[^>]*>", "", html)).replace("\u200b", "").strip()


@pytest.mark.parametrize("text", MARKUP)
def test_a_foreign_text_is_shown_as_it_was_written(text: str) -> None:
    html = _html(inline(text))
    assert re.findall(r"<[^>]*>", html) == ["<p>", "</p>"]
    assert _text(html) == " ".join(text.split())


@pytest.mark.parametrize("text", [*MARKUP, "`", "``a", "b`"])
def test_a_name_in_code_is_shown_as_it_was_written(text: str) -> None:
    # Where no table holds it a backslash stays before a pipe; in tables GitHub takes it away.
    html = _html(f"| a |\n| --- |\n| {code(text)} |")
    (cell,) = re.findall(r"<td>(.*?)</td>", html)
    assert re.findall(r"<[^>]*>", cell) == ["<code>", "</code>"]
    if "\\|" not in text:
        assert _text(cell) == " ".join(text.split())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ask @somebody", "ask @&#8203;somebody"),
        ("see #12", "see #&#8203;12"),
        ("see GH-12", "see GH-&#8203;12"),
        ("http://evil.example", "http:&#8203;//evil.example"),
        ("WWW.evil.example", "WWW&#8203;.evil.example"),
    ],
)
def test_nobody_is_called_and_nothing_linked(text: str, shown: str) -> None:
    assert inline(text) == shown


@pytest.mark.parametrize(
    ("change", "word"),
    [(logs.passing, "Pass"), (lambda log: log, "Fail"), (logs.stopped, "Inconclusive")],
)
def test_the_first_line_is_the_verdict(
    log: AuditLog, change: Callable[[AuditLog], AuditLog], word: str
) -> None:
    first = render(change(log)).decode().splitlines()[0]
    assert first == f"## {word}: what compression cost SmolLM2-135M-Instruct"


def test_a_level_has_a_row_with_its_worst_drop_against_the_margin(gate: AuditLog) -> None:
    html = _html(render(gate).decode())
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", html, re.S)]
    (int4,) = [[_text(cell) for cell in row] for row in rows if row and "int4" in row[0]]
    assert int4 == ["int4", "Fail", "10.06", "161.4\xa0MiB", "Fluency: 4.70 % (4.12 to 5.30), margin 3.00"]


def test_a_level_that_fails_says_why_and_one_that_passes_does_not(gate: AuditLog) -> None:
    text = render(gate).decode()
    assert "### `int4`" in text
    assert "### `int8`" not in text
    assert "lost 71, gained 32 of 2400" in text


def test_what_has_no_say_is_named_apart(gate: AuditLog) -> None:
    assert "Without a say: KL divergence, margin 0.0500 nats (inconclusive)" in render(gate).decode()


def test_an_artefact_that_is_not_what_it_is_said_to_be_is_named(log: AuditLog) -> None:
    claim = CheckedClaim(quantity="bits", value=4.0, source="its name", found=8.0, holds=False)
    lying = log.variants[3].model_copy(update={"claims": (claim,)})
    log = log.model_copy(update={"variants": (*log.variants[:3], lying, *log.variants[4:])})
    assert "- int4 is not what it is said to be: 4" in render(log).decode()


def test_the_commonest_reasons_of_missing_numbers_stand_there(log: AuditLog) -> None:
    text = render(logs.unmeasured(log)).decode()
    assert re.search(r"^- [0-9,]+ numbers: nobody looked$", text, re.M)
    assert "reasons more: see report.html" not in text
    many = tuple(
        one.model_copy(update={"seconds": NotMeasured(f"reason {place}")})
        for place, one in enumerate([*log.variants, *log.variants])
    )
    assert "reasons more: see report.html" in render(log.model_copy(update={"variants": many})).decode()


def test_the_log_is_pinned_and_the_last_line_is_the_disclaimer(log: AuditLog) -> None:
    lines = render(log).decode().splitlines()
    assert any(f"`audit.json` sha256 `{log_sha256(log)}`" in line for line in lines)
    assert lines[-1] == f"_{DISCLAIMER}_"


def test_a_huge_log_is_cut_and_says_what_is_missing(log: AuditLog) -> None:
    levels = tuple(Level(name=f"level {place} {'@|<' * 200}", method="rtn") for place in range(2_000))
    huge = log.model_copy(update={"config": log.config.model_copy(update={"levels": levels})})
    text = render(huge).decode()
    assert 25_000 < len(text) < 32_000
    (note,) = [line for line in text.splitlines() if line.startswith("**Cut here, ")]
    assert "levels of the table, reasons of " in note
    assert text.splitlines()[-1] == f"_{DISCLAIMER}_"


@pytest.mark.parametrize("text", [*HOSTILE, *MARKUP])
def test_hostile_names_make_no_markup(log: AuditLog, text: str) -> None:
    html = _html(render(logs.hostile(log, text)).decode())
    ours = {"h2", "h3", "p", "strong", "em", "code", "ul", "li", "table", "thead", "tbody", "tr", "th", "td"}
    assert set(re.findall(r"</?([a-z0-9]+)", html)) <= ours
    heights = {len(re.findall("<td", row)) for row in re.findall(r"<tr>(.*?)</tr>", html, re.S)}
    assert heights == {0, 5}


def test_no_line_is_a_command_to_the_forge(log: AuditLog) -> None:
    text = re.sub(r"`[^`]*`", "`code`", render(logs.hostile(log, "/close @all\n/merge")).decode())
    lines = text.splitlines()
    assert not [line for line in lines if line.lstrip().startswith("/")]  # GitLab's quick actions
    assert "@all" not in text
