"""Plots are drawn when they come in sight, all of them on paper; folds open for links."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from opening import OPEN_ALL
from pypdf import PdfReader

from audit.records import AuditLog
from fixtures.big_log import Size, big_log

DRAWN = "[...document.querySelectorAll('.plot')].filter((one) => one.querySelector('.main-svg')).length"
FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
AT_PRINT = f"addEventListener('beforeprint', () => {{ window.atPrint = {DRAWN}; }})"

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def large() -> AuditLog:
    """Suites enough to be folded."""
    return big_log(Size(candidates=4, tasks=20, items=200, changes=2))


def test_plotly_is_not_started_before_a_plot_comes_in_sight(opened: Open, log: AuditLog) -> None:
    page = opened(log, height=300).page
    page.evaluate(FRAMES)
    assert page.evaluate("typeof Plotly") == "undefined"
    page.evaluate("document.getElementById('drops').scrollIntoView()")
    page.wait_for_function(f"{DRAWN} > 0")
    assert page.evaluate("typeof Plotly") == "object"


def test_scrolling_through_the_page_draws_every_plot(opened: Open, log: AuditLog) -> None:
    one = opened(log)
    total = one.page.locator(".plot").count()
    assert 0 <= one.page.evaluate(DRAWN) < total
    for place in range(total):
        one.page.evaluate("n => document.querySelectorAll('.plot')[n].scrollIntoView()", place)
        one.page.wait_for_function(
            "n => document.querySelectorAll('.plot')[n].querySelector('.main-svg')", arg=place
        )
    assert one.page.evaluate(DRAWN) == total
    assert one.errors == []
    assert one.page.evaluate("window.violations") == []


def test_a_plot_takes_the_room_before_that_it_takes_after(opened: Open, log: AuditLog) -> None:
    page = opened(log, height=300).page
    height = "document.querySelector('#drops .plot').getBoundingClientRect().height"
    before = page.evaluate(height)
    page.evaluate("document.querySelector('#drops .plot').scrollIntoView()")
    page.wait_for_function("document.querySelector('#drops .plot .main-svg')")
    assert page.evaluate(height) == pytest.approx(before, abs=1)


def test_a_plot_in_a_fold_is_drawn_when_the_fold_opens(opened: Open, large: AuditLog) -> None:
    page = opened(large).page
    page.evaluate("document.getElementById('drops').scrollIntoView()")
    page.evaluate(FRAMES)
    inside = "document.querySelector('details.drop .main-svg') !== null"
    assert not page.evaluate(inside)
    page.click("details.drop summary")
    page.wait_for_function(inside)


def test_paper_holds_all_plots_and_the_screen_only_those_seen(opened: Open, large: AuditLog) -> None:
    page = opened(large).page
    before = page.evaluate(DRAWN)
    page.evaluate(AT_PRINT)
    printed = "".join(one.extract_text() for one in PdfReader(BytesIO(page.pdf(format="A4"))).pages)
    total = page.locator(".plot").count()
    assert total > 20
    assert page.evaluate("window.atPrint") == total
    assert printed.count("no change") >= len(large.config.suites)
    assert page.evaluate(DRAWN) == before
    page.click("details.drop summary")
    page.wait_for_function("document.querySelector('details.drop .main-svg')")


def test_a_link_opens_the_fold_that_it_leads_into(opened: Open, large: AuditLog) -> None:
    page = opened(large).page
    files = "document.querySelector('details.files').open"
    assert not page.evaluate(files)
    page.evaluate("document.querySelector('details.changes').open = true")
    page.click("details.changes a[href^='#files-']")
    page.wait_for_function(files)
    assert page.evaluate("document.querySelector(location.hash).checkVisibility()")


def test_the_search_of_gathered_items_hides_the_parts_without_a_hit(opened: Open, large: AuditLog) -> None:
    page = opened(large).page
    page.fill("#changed-search", "benchmark_bias_06")
    seen = "[...document.querySelectorAll('details.changes tbody')].filter((one) => one.checkVisibility())"
    parts = page.evaluate(f"{seen}.map((one) => one.querySelector('.part bdi').textContent)")
    assert set(parts) == {"Bias, task 6"}
    page.fill("#changed-search", "")
    page.evaluate("document.querySelectorAll('details.changes').forEach((one) => { one.open = true; })")
    assert page.evaluate(f"{seen}.length") > len(parts)


def test_a_large_page_stays_in_the_window_of_a_phone(opened: Open, large: AuditLog) -> None:
    page = opened(large, width=400).page
    page.evaluate(OPEN_ALL)
    page.wait_for_timeout(300)
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 400


def test_the_contents_lead_to_a_section_that_was_not_laid_out_yet(opened: Open, large: AuditLog) -> None:
    page = opened(large).page
    page.click("nav a[href='#glossary']")
    page.wait_for_timeout(300)
    top = page.evaluate("document.getElementById('glossary-title').getBoundingClientRect().top")
    assert 0 < top < 900
