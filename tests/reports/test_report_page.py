"""The page as a whole: one file, closed to the outside, the same for the same log."""

from __future__ import annotations

import re
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from html import unescape

import pytest

from audit.records import AuditLog
from reports.html import drawn, render

SCRIPT = r'<script(?: type="text/plain" id="plotly")?>(.*?)</script>'
"""What runs: page.js, and plotly.js by it."""


@pytest.fixture(scope="module", params=["made up", "as the gate decides"])
def page(request: pytest.FixtureRequest, log: AuditLog, gate: AuditLog) -> str:
    return render(log if request.param == "made up" else gate).decode("utf-8")


@pytest.fixture(scope="module")
def markup(page: str) -> str:
    """The page without its scripts: what was written by us."""
    return re.sub(SCRIPT, "", page, flags=re.DOTALL)


def test_the_same_log_gives_the_same_bytes(log: AuditLog) -> None:
    assert render(log) == render(log)


@pytest.mark.parametrize("name", ["log", "gate"])
def test_a_log_read_back_from_json_renders_the_same(request: pytest.FixtureRequest, name: str) -> None:
    log: AuditLog = request.getfixturevalue(name)
    assert render(AuditLog.model_validate_json(log.to_json())) == render(log)


def test_the_policy_forbids_everything_that_it_does_not_name(page: str) -> None:
    policy = _policy(page)
    assert policy.startswith("default-src 'none';")
    assert "unsafe-eval" not in policy
    assert "'unsafe-inline'" not in policy.split("script-src")[1].split(";")[0]


def test_the_policy_holds_the_hash_of_each_script_and_of_no_other(page: str) -> None:
    scripts = re.findall(SCRIPT, page, flags=re.DOTALL)
    hashes = {f"sha256-{b64encode(sha256(script.encode()).digest()).decode()}" for script in scripts}
    assert len(scripts) == 2
    assert hashes == set(re.findall(r"sha256-[A-Za-z0-9+/=]+", _policy(page)))


def test_nothing_on_the_page_asks_for_a_file(markup: str) -> None:
    tags = [tag for tag in re.findall(r"<[a-z][^>]*>", markup) if not tag.startswith('<a href="https://')]
    sources = [value for tag in tags for value in re.findall(r"\s(?:src|href|data|action)=\"([^\"]*)\"", tag)]
    assert sources
    assert all(source.startswith("#") or source == "data:," for source in sources)
    assert "@import" not in markup
    assert "url(" not in markup


def test_plotly_is_inlined_once(page: str) -> None:
    assert page.count("* plotly.js v") == 1


def test_a_page_without_plots_carries_no_plotly(log: AuditLog) -> None:
    empty = render(log.model_copy(update={"comparisons": (), "verdicts": (), "status": "stopped"}))
    assert len(empty) < 400_000


def test_the_sections_stand_in_the_order_of_the_contents(page: str, log: AuditLog) -> None:
    ids = [section.id for section in drawn(log)]
    assert ids[0] == "verdict"
    assert re.findall(r'<section id="([^"]+)"', page) == ids
    assert re.findall(r'<li><a href="#([^"]+)"', page) == ids


def test_no_id_is_used_twice(markup: str) -> None:
    ids = re.findall(r'\sid="([^"]+)"', markup)
    assert len(ids) == len(set(ids))


def test_no_word_claims_what_evidence_cannot_give(page: str, text_of: Callable[[str], str]) -> None:
    assert not re.findall(r"\b(compliant|compliance|conforms|certified|safe)\b", text_of(page), re.IGNORECASE)


def test_nothing_is_shown_as_none_or_nan(page: str, text_of: Callable[[str], str]) -> None:
    assert not re.findall(r"\b(None|nan|NaN|inf)\b", text_of(page))


def test_rendering_loads_no_model_library(log: AuditLog) -> None:
    code = (
        "import sys; from audit.records import AuditLog; from reports.html import render\n"
        "render(AuditLog.model_validate_json(sys.stdin.read()))\n"
        "print(sorted({'torch', 'transformers', 'lm_eval', 'suites'} & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], input=log.model_dump_json(), capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"


def _policy(page: str) -> str:
    found = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert found
    return unescape(found[1])


@pytest.mark.parametrize(
    ("name", "revision", "title"),
    [("~/.cache/models/Small-1B/", None, "Small-1B"), ("org/name@main", "c" * 40, "org/name@main")],
)
def test_the_headline_names_the_model_and_not_its_folder(
    log: AuditLog, name: str, revision: str | None, title: str
) -> None:
    model = log.config.model.model_copy(update={"name": name, "revision": revision})
    renamed = log.model_copy(update={"config": log.config.model_copy(update={"model": model})})
    assert f"<title>What compression cost {title}</title>" in render(renamed).decode()
