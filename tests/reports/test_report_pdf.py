"""The report as PDF: printed by a browser, or refused with the way out."""

from __future__ import annotations

import os
import stat
import sys
import time
from io import BytesIO
from pathlib import Path

import pytest
from pypdf import PdfReader

from audit.errors import ConfigError, ShrinkproofError
from audit.records import AuditLog
from reports import pdf


def _has_browser() -> bool:
    try:
        pdf.find_browser()
    except ConfigError:
        return False
    return True


def _program(folder: Path, script: str) -> str:
    """A browser of ours."""
    path = folder / "browser"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


needs_shell = pytest.mark.skipif(sys.platform == "win32", reason="a made-up browser is a shell script")


@pytest.mark.skipif(not _has_browser(), reason="no Chromium, Chrome or Edge is installed here")
def test_the_page_is_printed_with_its_verdict(gate: AuditLog) -> None:
    printed = pdf.render(gate)
    assert printed.startswith(b"%PDF-")
    pages = PdfReader(BytesIO(printed)).pages
    text = " ".join(" ".join(page.extract_text() for page in pages).split())
    assert len(pages) > 1
    assert "1 of 3 levels may ship under the rules below: int8." in text
    assert f"1/{len(pages)}" not in text  # what a browser adds to the page


def test_without_a_browser_it_says_what_to_do(log: AuditLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHROME_PATH", raising=False)
    monkeypatch.setattr(pdf, "APPLICATIONS", ())
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigError, match=r"Install Chromium.* open report\.html in a browser and print it"):
        pdf.render(log)


def test_a_named_browser_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROME_PATH", "/no/such/browser")
    with pytest.raises(ConfigError, match="CHROME_PATH=/no/such/browser: no such program"):
        pdf.find_browser()


@needs_shell
def test_the_named_browser_is_taken_before_all_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mine = _program(tmp_path, "exit 0")
    monkeypatch.setenv("CHROME_PATH", mine)
    assert pdf.find_browser() == mine


@needs_shell
def test_a_browser_that_fails_is_quoted(
    log: AuditLog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CHROME_PATH", _program(tmp_path, "echo no display >&2; exit 7"))
    with pytest.raises(ShrinkproofError, match=r"ended with 7 and printed no report: no display\."):
        pdf.render(log)


@needs_shell
def test_a_browser_that_prints_nothing_is_no_success(
    log: AuditLog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CHROME_PATH", _program(tmp_path, "exit 0"))
    with pytest.raises(ShrinkproofError, match="printed no PDF: it said nothing"):
        pdf.render(log)


@needs_shell
def test_a_browser_that_hangs_is_ended_with_its_children(
    log: AuditLog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    child = tmp_path / "child"
    script = f"sleep 600 &\necho $! > {child}.new; mv {child}.new {child}; wait"
    monkeypatch.setenv("CHROME_PATH", _program(tmp_path, script))
    monkeypatch.setattr(pdf, "SECONDS", 2)
    with pytest.raises(ShrinkproofError, match="did not print the report within 2 s and was ended"):
        pdf.render(log)
    process, patience = int(child.read_text()), time.monotonic() + 60
    while _runs(process) and time.monotonic() < patience:  # the system ends it when it gets to it
        time.sleep(0.05)
    assert not _runs(process)


@needs_shell
@pytest.mark.parametrize(("user", "flag"), [(0, True), (1000, False)])
def test_the_sandbox_is_given_up_for_root_alone(
    log: AuditLog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, user: int, flag: bool
) -> None:
    monkeypatch.setenv("CHROME_PATH", _program(tmp_path, f'echo "$@" > {tmp_path}/flags'))
    monkeypatch.setattr(os, "geteuid", lambda: user)
    with pytest.raises(ShrinkproofError):
        pdf.render(log)
    assert ("--no-sandbox" in (tmp_path / "flags").read_text().split()) == flag


def _runs(process: int) -> bool:
    """Whether it still does anything; one that ended may wait for whoever inherited it."""
    status = Path(f"/proc/{process}/status")
    if sys.platform == "linux":
        return status.is_file() and "State:\tZ" not in status.read_text()
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
