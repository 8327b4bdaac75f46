"""What a reader's browser makes of the page."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from opening import OPEN_ALL
from pypdf import PdfReader

from audit.records import AuditLog

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
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


def test_paper_holds_what_is_folded_on_the_screen(opened: Any, log: AuditLog) -> None:
    page = opened(log, color_scheme="dark").page
    folded = "Must not be claimed"
    assert not page.get_by_text(folded).first.is_visible()
    printed = "".join(one.extract_text() for one in PdfReader(BytesIO(page.pdf(format="A4"))).pages)
    assert folded in printed


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
