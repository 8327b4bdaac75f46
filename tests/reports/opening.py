"""The page in a real browser: Debian's Chromium or whatever other one is installed, through Playwright."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from audit.errors import ConfigError
from audit.records import AuditLog
from reports.html import render
from reports.pdf import find_browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WATCH = """
window.alerts = [];
window.alert = (text) => window.alerts.push(String(text));
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.violations.push(`${event.violatedDirective}: ${event.blockedURI || event.sourceFile}`);
});
"""
"""Runs before the page's own scripts."""

OPEN_ALL = """
document.querySelectorAll('details').forEach((one) => { one.open = true; });
document.querySelectorAll('section').forEach((one) => { one.style.contentVisibility = 'visible'; });
"""
"""Sections out of sight as well, which a browser lays out when they come near and clips until then."""


@dataclass
class Opened:
    """A page in the browser, and what it did that a report shouldn't do."""

    page: Page
    url: str
    errors: list[str] = field(default_factory=list)
    """Of the console and of scripts."""
    requests: list[str] = field(default_factory=list)


Open = Callable[..., Opened]
"""`(log, width=1280, height=900, **options of the context)`."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """An installed Chromium; of a module, since its event loop must not run beside other folders' tests."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    try:
        program = find_browser()
    except ConfigError:
        pytest.skip("no Chromium, Chrome or Edge is installed here")
    # root has no sandbox in Chromium
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=program, args=arguments)
        yield found
        found.close()


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Callable[[AuditLog], Path]:
    """The page of a log, as a file; of the same log the same file."""
    folder, files = tmp_path_factory.mktemp("pages"), {}

    def write(log: AuditLog) -> Path:
        if id(log) not in files:
            file = folder / f"{len(files)}.html"
            file.write_bytes(render(log))
            files[id(log)] = (log, file)  # the log as well, so that no other one gets its id
        return files[id(log)][1]

    return write


@pytest.fixture
def opened(browser: Browser, rendered: Callable[[AuditLog], Path]) -> Iterator[Open]:
    """Opens the page of a log in a window of its own and watches it."""
    contexts = []

    def open_page(log: AuditLog, width: int = 1280, height: int = 900, **options: Any) -> Opened:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        context.add_init_script(WATCH)
        one = Opened(context.new_page(), rendered(log).as_uri())
        one.page.on("console", lambda said: one.errors.append(said.text) if said.type == "error" else None)
        one.page.on("pageerror", lambda error: one.errors.append(str(error)))
        one.page.on("request", lambda request: one.requests.append(request.url))
        one.page.goto(one.url)
        return one

    yield open_page
    for context in contexts:
        context.close()
