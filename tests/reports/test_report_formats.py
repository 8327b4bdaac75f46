"""All formats alike: registered, the same for the same log, and fit to show whatever an audit came to."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import logs
import pytest
from hostile import HOSTILE
from typer.testing import CliRunner

from audit import registry
from audit.cli import app
from audit.records import AuditLog
from reports import html, junit, markdown, mlbom, model_card, pdf, sarif
from reports.reading import log_sha256

Change = Callable[[AuditLog], AuditLog]

FORMATS = {
    "html": html,
    "junit": junit,
    "md": markdown,
    "sarif": sarif,
    "model-card": model_card,
    "mlbom": mlbom,
    "pdf": pdf,
}
TEXTS = {name: format for name, format in FORMATS.items() if name not in ("html", "pdf")}
"""Those that are quick and the same to the byte; the page and its print have tests of their own."""

CHANGES: dict[str, Change] = {
    "finished": lambda log: log,
    "stopped": logs.stopped,
    "without verdicts": logs.unjudged,
    "without rules": logs.ruleless,
    "nothing measured": logs.unmeasured,
    "names in no order": logs.unordered,
    "numbers at the ends of a double": logs.extreme,
} | {f"hostile {place}": lambda log, text=text: logs.hostile(log, text) for place, text in enumerate(HOSTILE)}


@pytest.fixture(params=CHANGES.values(), ids=CHANGES)
def any_log(request: pytest.FixtureRequest, gate: AuditLog) -> AuditLog:
    changed: AuditLog = request.param(gate)
    return changed


@pytest.fixture(params=TEXTS.values(), ids=TEXTS)
def render(request: pytest.FixtureRequest) -> Callable[[AuditLog], bytes]:
    made: Callable[[AuditLog], bytes] = request.param.render
    return made


def test_every_format_is_registered_under_its_name() -> None:
    modules = {point.name: point.value for point in entry_points(group="audit.report_formats")}
    assert {name: modules.get(name) for name in FORMATS} == {
        name: format.__name__ for name, format in FORMATS.items()
    }


def test_no_two_formats_write_the_same_file() -> None:
    names = [registry.report_format(name).FILE for name in FORMATS]
    assert len(names) == len(set(names))


def test_the_same_log_gives_the_same_bytes(any_log: AuditLog, render: Callable[[AuditLog], bytes]) -> None:
    again = AuditLog.model_validate_json(any_log.to_json())
    assert render(again) == render(any_log)


def test_our_own_words_claim_nothing_that_evidence_cannot_give(
    any_log: AuditLog, render: Callable[[AuditLog], bytes]
) -> None:
    text = render(any_log).decode()
    assert not re.findall(r"\b(compliant|compliance|conforms|certified|safe)\b", text, re.IGNORECASE)


def test_nothing_is_shown_as_none_or_nan(any_log: AuditLog, render: Callable[[AuditLog], bytes]) -> None:
    text = render(any_log).decode().replace('"level": "none"', "")
    assert not re.findall(r"\b(None|nan|NaN|inf|Infinity|null)\b", text)


@pytest.mark.parametrize("name", ["sarif", "mlbom"])
def test_json_is_strict(gate: AuditLog, name: str) -> None:
    json.loads(FORMATS[name].render(logs.extreme(gate)), parse_constant=pytest.fail)


def test_no_hidden_character_gets_through(any_log: AuditLog, render: Callable[[AuditLog], bytes]) -> None:
    assert not re.findall(r"[\x00-\x08\x0b-\x1f\u202a-\u202e]", render(any_log).decode())


def test_a_reader_of_any_format_finds_the_decision_and_the_log(
    gate: AuditLog, render: Callable[[AuditLog], bytes]
) -> None:
    text = render(gate).decode().lower()
    assert "fail" in text
    assert log_sha256(gate) in text


def test_rendering_loads_no_model_library(log: AuditLog) -> None:
    code = (
        "import sys; from audit.records import AuditLog; from audit import registry\n"
        "log = AuditLog.model_validate_json(sys.stdin.read())\n"
        f"for name in {list(TEXTS)}: registry.report_format(name).render(log)\n"
        "print(sorted({'torch', 'transformers', 'lm_eval', 'suites'} & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], input=log.model_dump_json(), capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"


def test_the_command_writes_several_formats_from_a_run_folder(gate: AuditLog, tmp_path: Path) -> None:
    (tmp_path / "audit.json").write_bytes(gate.to_json())
    done = CliRunner().invoke(app, ["report", str(tmp_path), "--format", ",".join(TEXTS)])
    assert done.exit_code == 0, done.output
    files = {format.FILE for format in TEXTS.values()}
    assert files <= {path.name for path in tmp_path.iterdir()}
    assert json.loads((tmp_path / mlbom.FILE).read_text())["bomFormat"] == "CycloneDX"
