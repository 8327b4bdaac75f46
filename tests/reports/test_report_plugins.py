"""Sections that other packages bring: placed, named as theirs, and no danger to the rest of the page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from installing import install, install_example
from typer.testing import CliRunner

from audit import registry
from audit.cli import app
from audit.records import AuditLog
from reports import html
from reports.plugged import SectionLost

START = "from markupsafe import Markup\nfrom reports.section import Section\n"
FAILURES = {
    "raises": (
        "def section(log): raise KeyError('<b>no such suite</b>')",
        "KeyError: '<b>no such suite</b>'",
    ),
    "can't be imported": ("import acme_numbers", "ModuleNotFoundError: No module named 'acme_numbers'"),
    "is not there": ("", "AttributeError: module 'acme_report' has no attribute 'section'"),
    "gives bytes": ("def section(log): return b'<p>'", "TypeError: it gives a bytes"),
    "gives no title": ("def section(log): return Section('a', None, '')", "id, title or html is a NoneType"),
    "can't be written": (
        "def section(log): return Section('a', 'A', Markup('\\ud800'))",
        "UnicodeEncodeError: 'utf-8' codec can't encode character '\\ud800'",
    ),
    "takes our id": ("def section(log): return Section('verdict', 'A', '')", "its id 'verdict' is taken"),
    "takes the page's id": ("def section(log): return Section('main', 'A', '')", "its id 'main' is taken"),
}


def _points(**sections: str) -> dict[str, object]:
    return {"name": "acme-report", "version": "1.2", "entry-points": {"audit.report_sections": sections}}


def _acme(monkeypatch: pytest.MonkeyPatch, site: Path, source: str) -> None:
    install(monkeypatch, site, START + source, _points(acme="acme_report:section"))


def _section(page: str, id_: str) -> str:
    found = re.search(rf'<section id="{id_}".*?</section>', page, re.DOTALL)
    assert found, f"no section {id_}"
    return found[0]


def test_ours_are_registered_by_their_own_ids(log: AuditLog) -> None:
    names = (*html.FIRST, *html.LAST)
    assert registry.names("audit.report_sections") == tuple(sorted(names))
    said = tuple(
        name for name in names if name not in ("search", "efficiency", "trend", "rivals", "confirmation")
    )  # not in this log
    assert tuple(section.id for section in html.drawn(log)) == (*said, "glossary")


def test_another_package_s_section_stands_before_the_provenance_and_names_its_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, gate: AuditLog
) -> None:
    install_example(monkeypatch, tmp_path)
    page = html.render(gate).decode()
    assert re.findall(r'<section id="([^"]+)"', page)[-4:] == [
        "clauses",
        "acme-flips",
        "provenance",
        "glossary",
    ]
    mine = _section(page, "acme-flips")
    assert "drawn by acme-report 1.2, not by Shrinkproof" in mine
    assert "<li>int4, bias: 71 lost, 32 gained</li>" in mine
    assert '<li><a href="#acme-flips">Flips at a glance</a></li>' in page


def test_several_stand_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, log: AuditLog) -> None:
    source = (
        START + "def of(id):\n  return lambda log: Section(id, id, '')\nx, y = of('from-b'), of('from-a')\n"
    )
    install(monkeypatch, tmp_path, source, _points(b="acme_report:x", a="acme_report:y"))
    ids = [section.id for section in html.drawn(log)]
    assert ids[-4:-2] == ["from-a", "from-b"]


@pytest.mark.parametrize(("source", "reason"), FAILURES.values(), ids=FAILURES)
def test_one_that_fails_says_so_in_its_place_and_costs_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, log: AuditLog, source: str, reason: str
) -> None:
    before = html.render(log).decode()
    _acme(monkeypatch, tmp_path, source)
    with pytest.warns(SectionLost, match=re.escape("Section 'acme' of acme-report 1.2 is missing")) as said:
        page = html.render(log).decode()
    assert reason in str(said[0].message)
    lost = _section(page, "failed-acme")
    assert "could not be drawn" in lost
    assert "<b>" not in lost
    ours = page.replace(lost + "\n", "").replace('<li><a href="#failed-acme">acme</a></li>\n', "")
    assert ours == before


def test_text_that_is_no_markup_is_escaped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, log: AuditLog
) -> None:
    _acme(monkeypatch, tmp_path, "def section(log): return Section('a', '<i>A', '<script>alert(1)</script>')")
    page = html.render(log).decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in _section(page, "a")
    assert "<i>A" not in page


def test_a_name_of_ours_is_not_replaced_in_silence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, log: AuditLog
) -> None:
    source = START + "def section(log): return Section('verdict', 'Verdict', 'All is well')"
    install(monkeypatch, tmp_path, source, _points(verdict="acme_report:section"))
    with pytest.warns(SectionLost, match="Several packages register a report section named 'verdict'"):
        page = html.render(log).decode()
    lost = _section(page, "verdict")
    assert "All is well" not in page
    assert re.search(r"acme-report 1\.2, shrinkproof \S+\. Uninstall all but one", lost)


def test_no_script_of_another_package_runs_and_nothing_is_loaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, log: AuditLog, opened: Any
) -> None:
    markup = "<script>alert(1)</script><p onclick='alert(2)'>x</p><img src='http://evil.example/x'>"
    _acme(monkeypatch, tmp_path, f'def section(log): return Section("a", "A", Markup("{markup}"))')
    page = opened(log.model_copy()).page
    page.click("#a p[onclick]")
    assert page.evaluate("window.alerts") == []
    assert page.evaluate("window.violations") == [
        "script-src-elem: inline",
        "img-src: http://evil.example/x",
        "script-src-attr: inline",
    ]


def test_the_command_says_on_stderr_what_the_report_lacks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, log: AuditLog
) -> None:
    (tmp_path / "audit.json").write_bytes(log.to_json())
    _acme(monkeypatch, tmp_path / "site", "def section(log): raise KeyError('x')")
    done = CliRunner().invoke(app, ["report", str(tmp_path)])
    assert done.exit_code == 0
    assert done.stderr == (
        "shrinkproof: Section 'acme' of acme-report 1.2 is missing from the report: KeyError: 'x'\n"
    )
    assert done.stdout.strip() == str(tmp_path / "report.html")
