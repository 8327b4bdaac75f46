"""What a reader's browser makes of the page."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from contrast import COLOURS, faint
from opening import OPEN_ALL
from pypdf import PdfReader

from audit.records import AuditLog

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
HIDDEN_ROWS = """Object.fromEntries(
  [...document.querySelectorAll("table")]
    .map((table) => [
      table.closest("[id]").id,
      [...table.rows].filter((row) => getComputedStyle(row).display === "none").length,
    ])
    .filter(([, hidden]) => hidden),
)"""
"""How many rows of a table are not shown, by the id of the block that it stands in."""
CUT = """[...document.querySelectorAll(".scroll")]
  .filter((box) => box.scrollWidth > box.clientWidth + 1)
  .map((box) => [box.ariaLabel, box.scrollWidth - box.clientWidth])"""
"""Tables that reach beyond their place, and by how many pixels."""
A4, LETTER = 703, 725
"""Pixels between the margins that the style sheet sets."""
HOSTILE = (
    "</script><script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)><!-- ]]> "
    "\u202e\x00 {{ 7 * 7 }}" + "long " * 200_000
)
"""A megabyte that a model could write."""


@pytest.fixture(params=["log", "gate"])
def any_log(request: pytest.FixtureRequest) -> AuditLog:
    found: AuditLog = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def small(log: AuditLog) -> AuditLog:
    """Two levels of the log: axe takes a minute for all of it, and finds nothing else there."""
    kept = {"control", "int4"}
    levels = tuple(one for one in log.config.levels if one.name in kept)
    return log.model_copy(
        update={
            "config": log.config.model_copy(update={"levels": levels}),
            "variants": tuple(one for one in log.variants if one.name in kept | {"original"}),
            "comparisons": tuple(one for one in log.comparisons if one.variant in kept),
            "verdicts": tuple(one for one in log.verdicts if one.variant in kept),
        }
    )


def test_no_error_and_no_request_but_for_the_file_itself(opened: Any, any_log: AuditLog) -> None:
    one = opened(any_log)
    one.page.evaluate(OPEN_ALL)
    one.page.wait_for_timeout(300)
    assert one.errors == []
    assert one.requests == [one.url]
    assert one.page.evaluate("window.violations") == []


@pytest.mark.parametrize(("width", "scheme"), [(400, "dark"), (1280, "light")])
def test_axe_finds_no_violation_of_wcag(opened: Any, small: AuditLog, width: int, scheme: str) -> None:
    one = opened(small, width, color_scheme=scheme, bypass_csp=True)
    one.page.evaluate(OPEN_ALL)
    found = Axe().run(one.page, options={"runOnly": WCAG})
    told = [(rule["id"], rule["nodes"][0]["html"][:200]) for rule in found.response["violations"]]
    assert told == []


@pytest.mark.parametrize("width", [400, 1280, 2000])
def test_nothing_reaches_beyond_the_window(opened: Any, any_log: AuditLog, width: int) -> None:
    one = opened(any_log, width)
    one.page.evaluate(OPEN_ALL)
    assert one.page.evaluate("document.scrollingElement.scrollWidth") <= width


def test_the_search_finds_counts_and_clears(opened: Any, log: AuditLog) -> None:
    page = opened(log).page
    rows = "[...document.querySelectorAll('details.changes tbody tr')].filter((row) => !row.hidden).length"
    everything = page.evaluate(rows)
    page.fill("#changed-search", "no such text anywhere")
    assert page.inner_text("#changed-found") == "0 found"
    assert page.evaluate(rows) == 0
    page.fill("#changed-search", "lost")
    assert 0 < page.evaluate(rows) < everything
    assert page.inner_text("#changed-found") == f"{page.evaluate(rows)} found"
    page.fill("#changed-search", "")
    assert page.evaluate(rows) == everything


def test_the_keyboard_skips_to_the_verdict(opened: Any, log: AuditLog) -> None:
    page = opened(log).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.url.endswith("#main")


@pytest.mark.parametrize("schemes", [("dark", "light"), ("light", "dark")])
def test_plots_are_readable_in_either_scheme_and_when_it_is_changed(
    opened: Any, any_log: AuditLog, schemes: tuple[str, str]
) -> None:
    page = opened(any_log, color_scheme=schemes[0]).page
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        for plot in page.locator(".plot").all():
            plot.scroll_into_view_if_needed()
            plot.locator("svg.main-svg").first.wait_for()
            seen = plot.evaluate(COLOURS)
            assert seen["text"]
            assert seen["graphics"]
            assert faint(seen, "text", 4.5) == []
            assert faint(seen, "graphics", 3) == []


def test_paper_holds_what_is_folded_on_the_screen(opened: Any, log: AuditLog) -> None:
    page = opened(log, color_scheme="dark").page
    folded = "Must not be claimed"
    assert not page.get_by_text(folded).first.is_visible()
    printed = "".join(one.extract_text() for one in PdfReader(BytesIO(page.pdf(format="A4"))).pages)
    assert folded in printed


def test_paper_holds_all_rows_but_of_long_lists_and_says_how_many_it_leaves_out(
    opened: Any, log: AuditLog
) -> None:
    page = opened(log).page
    page.evaluate(OPEN_ALL)
    assert page.evaluate(HIDDEN_ROWS) == {}
    assert not page.locator(".on-paper").first.is_visible()
    page.emulate_media(media="print")
    hidden = page.evaluate(HIDDEN_ROWS)
    assert hidden == {
        f"changed-{one.variant}-{one.suite}-accuracy": len(one.changed) - 5
        for one in log.comparisons
        if len(one.changed) > 5
    }
    told = page.locator("#changed-int2-accuracy-accuracy .on-paper").inner_text()
    assert told == "Printed: the first 5 of 20. The page on the screen shows the others."


@pytest.mark.parametrize("width", [A4, LETTER])
def test_no_table_is_cut_on_paper_and_none_becomes_cards(opened: Any, any_log: AuditLog, width: int) -> None:
    page = opened(any_log, width).page
    page.emulate_media(media="print")
    page.evaluate(OPEN_ALL)
    assert page.evaluate("document.scrollingElement.scrollWidth") <= width
    assert page.evaluate(CUT) == []
    assert page.locator("table").first.evaluate("one => getComputedStyle(one).display") == "table"


def test_without_scripts_every_number_is_still_there(opened: Any, log: AuditLog) -> None:
    page = opened(log, java_script_enabled=False).page
    drops = page.locator("#drops table").first
    assert drops.is_visible()
    assert page.locator("#verdict .badge").first.is_visible()


def test_what_a_model_wrote_is_text_and_no_more(opened: Any, log: AuditLog) -> None:
    first = next(i for i, one in enumerate(log.comparisons) if one.changed)
    change = log.comparisons[first].changed[0].model_copy(update={"after": HOSTILE, "question": HOSTILE})
    comparisons = list(log.comparisons)
    comparisons[first] = comparisons[first].model_copy(update={"changed": (change,)})
    one = opened(log.model_copy(update={"comparisons": tuple(comparisons)}))
    one.page.evaluate(OPEN_ALL)
    assert one.page.evaluate("window.alerts") == []
    assert one.page.locator("section").count() == opened(log).page.locator("section").count()
    assert one.page.locator("img").count() == 0
    assert one.requests == [one.url]
    assert len(one.page.content()) < 2 * len(opened(log).page.content())
