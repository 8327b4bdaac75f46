"""Run folders and suites of strangers: they lead nowhere, run nothing, and write on no terminal."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import shutil
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from from_reports import gate_log, hostile
from rich.console import Console
from signed_run import make_run
from typer.testing import CliRunner

from audit import load_config
from audit.catalogue import Catalogue
from audit.cli import app, main
from audit.console import TerminalProgress, print_variants, print_verdicts
from audit.errors import ConfigError, StoreError
from audit.history import Found, audits
from audit.records import AuditLog
from audit.reproduce import reproduce
from audit.signing import verify
from audit.store import Store, read_log, read_samples
from audit.suite_entry import SUITE_FILE, suites_of


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("strangers") / "run")


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


def forged(run: Path, change: Any) -> Path:
    """The run with a log that somebody wrote otherwise."""
    log = json.loads((run / "audit.json").read_bytes())
    change(log)
    (run / "audit.json").write_bytes(rfc8785.dumps(log))
    (run / "audit.json.sha256").unlink(missing_ok=True)  # as who edits a log would
    return run


def of_cell(key: str) -> Any:
    return lambda log, value: log["runs"][0]["cells"][0].update({key: value})


def of_variant(key: str) -> Any:
    return lambda log, value: log["variants"][1].update({key: value})


@pytest.mark.parametrize("place", ["../../outside", "/etc/passwd", "cells/../../outside", "a\x00b"])
@pytest.mark.parametrize(
    "change",
    [
        of_cell("path"), of_cell("measured_path"), of_cell("key"), of_variant("name"),
        lambda log, value: log["variants"][1].update(files={value: "ab" * 32}),
        lambda log, value: log["config"]["levels"][0].update(name=value),
        lambda log, value: log["efficiency"][0].update(variant=value),
    ],
)  # fmt: skip
def test_a_log_that_leads_out_of_its_folder_is_refused(run: Path, change: Any, place: str) -> None:
    forged(run, lambda log: change(log, place))
    with pytest.raises(StoreError, match="a path that leads out of its folder"):
        read_log(run)
    with pytest.raises(StoreError, match="a path that leads out of its folder"):
        verify(run)


def test_answers_that_lead_elsewhere_are_read_only_if_they_are_those_of_the_log(
    run: Path, tmp_path: Path
) -> None:
    cell = read_log(run).runs[0].cells[0]
    (run / cell.path).unlink()
    (tmp_path / "secret").write_text("of this machine")
    (run / cell.path).symlink_to(tmp_path / "secret")
    with pytest.raises(StoreError, match="is not what its log says"):
        read_samples(cell, root=run)
    (run / cell.path).unlink()
    os.mkfifo(run / cell.path)
    with pytest.raises(StoreError, match="is not there"):
        read_samples(cell, root=run)
    assert {one.finding for one in verify(run) if one.what == cell.path} == {"lies"}


def test_a_report_goes_into_the_folder_and_not_where_a_link_leads(run: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    (run / "report.md").unlink(missing_ok=True)
    (run / "report.md").symlink_to(tmp_path / "mine")
    CliRunner().invoke(app, ["report", str(run), "--format", "md"], catch_exceptions=False)
    assert (tmp_path / "mine").read_text() == "mine"
    assert not (run / "report.md").is_symlink()


def test_a_pipe_in_the_place_of_a_log_stops_no_catalogue(run: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    os.mkfifo(tmp_path / "other" / "audit.json")
    found = {one.place.name: one.audit for one in audits(tmp_path)}
    assert "no audit.json" in str(found["other"])
    assert not isinstance(found["run"], str)
    assert all(isinstance(one, Found) for one in audits(tmp_path))


def test_a_pipe_in_the_place_of_a_logs_digest_is_not_opened(run: Path, tmp_path: Path) -> None:
    digest = run / "audit.json.sha256"
    digest.unlink(missing_ok=True)
    os.mkfifo(digest)
    with pytest.raises(StoreError, match="is not what was written"):
        read_log(run)
    (found,) = (one.audit for one in audits(tmp_path) if one.place.name == "run")
    assert "is not what was written" in str(found)


def test_of_a_file_elsewhere_that_a_log_names_nothing_is_told(run: Path, tmp_path: Path) -> None:
    secret = tmp_path / "elsewhere" / "id_ed25519"
    secret.parent.mkdir()
    secret.write_text("of this machine")

    def name_it(log: Any) -> None:
        log["variants"][1].update(path=str(secret.parent), files={secret.name: "ab" * 32})

    found = next(one for one in verify(forged(run, name_it)) if one.what.endswith(f"/{secret.name}"))
    assert found.finding == "lies"
    assert hashlib.sha256(secret.read_bytes()).hexdigest() not in found.because


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda config: config["model"].update(trust_remote_code=True), "code of"),
        (lambda config: config["model"].update(allow_pickle=True), "pickles of"),
        (lambda config: config["suites"][0].update(include_path="theirs/tasks"), "tasks in theirs/tasks"),
        (lambda config: config["suites"][0].update(data_dir="theirs/data"), "tasks in theirs/data"),
        (
            lambda config: config["levels"][0].update(endpoint={"url": "https://them/v1", "model": "x"}),
            "a server at https://them/v1",
        ),
    ],
)
def test_a_log_does_not_decide_what_is_run_or_who_is_sent_a_key(run: Path, change: Any, said: str) -> None:
    forged(run, lambda log: change(log["config"]))
    with pytest.raises(ConfigError, match=f"(?s){said}.*--trust"):
        reproduce(run)
    with pytest.raises(ConfigError, match="not there any more"):
        reproduce(run, trust=True)


def test_suites_of_installed_packages_need_no_trust() -> None:
    from audit.reproduce import _installed
    from suites import accuracy

    assert accuracy.SUITE.include_path in {one.include_path for one in _installed()}


def test_a_suites_folder_brings_questions_and_no_code(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "task.yaml").write_text("task: theirs\ncustom_dataset: !function code.load\n")
    (theirs / SUITE_FILE).write_text("{name: theirs, tasks: [theirs], include_path: .}")
    with pytest.raises(ConfigError, match="which is code"):
        suites_of("theirs", tmp_path, None, None)


@pytest.mark.parametrize(
    "named", ["{outside}", "../x.csv", "link.csv", "linked/x.csv", "pipe.jsonl", "ring.csv", "~/x.csv",
              "them/data:x.csv", ".", "gone.csv", "a\\0b.csv", "a" * 5000],
)  # fmt: skip
def test_a_suites_folder_names_no_file_outside(
    named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    theirs, outside = tmp_path / "theirs", tmp_path / "x.csv"
    theirs.mkdir()
    outside.write_text("question,choices,answer\nWhich?,a|b,a\n")
    (theirs / "link.csv").symlink_to(outside)
    (theirs / "linked").symlink_to(tmp_path)
    (theirs / "ring.csv").symlink_to("ring.csv")
    os.mkfifo(theirs / "pipe.jsonl")
    (theirs / SUITE_FILE).write_text(f'{{name: theirs, items: "{named.format(outside=outside)}"}}')
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *_, **__: outside)
    with pytest.raises(ConfigError, match=r"suite\.yaml: `items: .*is no ordinary file of that folder"):
        suites_of("theirs", tmp_path, None, None)


def test_a_suites_folder_that_is_a_link_brings_its_own_questions(tmp_path: Path) -> None:
    (tmp_path / "theirs" / "in").mkdir(parents=True)
    (tmp_path / "theirs" / "in" / "x.csv").write_text("question,choices,answer\nWhich?,a|b,a\n")
    (tmp_path / "theirs" / SUITE_FILE).write_text("{name: theirs, items: in/../in/x.csv}")
    (tmp_path / "link").symlink_to("theirs")
    (suite,) = suites_of("link", tmp_path, None, None)
    assert suite.items == str((tmp_path / "theirs" / "in" / "x.csv").resolve())


def test_data_sets_bring_no_scripts(tmp_path: Path) -> None:
    import datasets

    (tmp_path / "theirs").mkdir()
    script = tmp_path / "theirs" / "theirs.py"
    script.write_text(f"from pathlib import Path\nPath({str(tmp_path / 'trace')!r}).touch()\n")
    for name in (script, script.parent):
        with pytest.raises((RuntimeError, ValueError, OSError)):
            datasets.load_dataset(str(name))
    assert not (tmp_path / "trace").exists()


NASTY = "\x1b[2K\x1b[1A[green]✔ pass[/] \x9b31m\r\n\u202eAudit: pass\x07"
OURS = re.compile(r"\x1b\[[\d;]*m")
"""Colours, as rich writes them."""


def shown(print_it: Any) -> str:
    file = StringIO()
    console = Console(file=file, force_terminal=True, width=400, _environ={})
    print_it(console)
    return OURS.sub("", file.getvalue())


def nasty(log: AuditLog) -> AuditLog:
    """A log whose every word is nasty."""
    return hostile(log, NASTY)


@pytest.fixture(scope="module")
def gate() -> AuditLog:
    return nasty(gate_log())


@pytest.mark.parametrize(
    "print_it",
    [
        lambda console, log: print_verdicts(console, log),
        lambda console, log: print_variants(console, log.variants),
        lambda console, log: TerminalProgress(console).stage(log.variants[1].name),
    ],
)
def test_a_terminal_shows_names_and_does_not_obey_them(gate: AuditLog, print_it: Any) -> None:
    text = shown(lambda console: print_it(console, gate))
    assert not set(text) & set("\x1b\x9b\r\u202e\x07")
    assert "\nAudit: pass" not in text


def test_an_error_shows_names_and_does_not_obey_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["shrinkproof", "gate", "run\x1b[2Jx\u202e"])
    with pytest.raises(SystemExit):
        main()
    assert "run⟦U+001B⟧[2Jx⟦U+202E⟧ holds no audit.json" in capsys.readouterr().err


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_spreadsheet_computes_no_name(run: Path, tmp_path: Path, formula: str) -> None:
    def change(log: dict[str, Any]) -> None:
        log["config"]["model"]["name"] = formula

    forged(run, change)
    with Catalogue.of(tmp_path) as catalogue:
        chosen = catalogue.chosen(model=None, levels=(), suites=())
        catalogue.write(chosen, tmp_path / "all.csv")
        catalogue.write(chosen, tmp_path / "all.json")
    with (tmp_path / "all.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["model"] for row in rows} == {f"'{formula}"}
    assert {row["model"] for row in json.loads((tmp_path / "all.json").read_text())} == {formula}
    cells = [cell for row in rows for name, cell in row.items() if name not in ("drop", "lower", "upper")]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_a_folder_of_another_config_is_not_gone_on_with(run: Path, tiny: Path) -> None:
    asked = load_config({"model": str(tiny), "out": str(run)})
    with pytest.raises(StoreError, match="run of another config"), Store.open(asked):
        pass
