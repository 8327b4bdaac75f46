"""Many audits as one table: what DuckDB reads of a log is what the log says, whatever lies beside it."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from signed_run import make_run
from test_store import config
from typer.testing import CliRunner

from audit.catalogue import Catalogue
from audit.cli import app
from audit.errors import ConfigError, StoreError
from audit.history import MOST_AUDITS, MOST_NAMED, audits, past_audits
from audit.records import (
    AuditLog,
    Budget,
    Confirmation,
    History,
    Level,
    NotMeasured,
    PastAudit,
    Search,
    SearchPlan,
    Spent,
)
from audit.results import asked_sha256, results_of
from audit.store import log_sha256
from fixtures.big_log import Size, big_log

SIZE = Size(candidates=3, tasks=4, items=300, changes=6)


@pytest.fixture(scope="module")
def log() -> AuditLog:
    """Three candidates, four suites, changed items and groups."""
    return big_log(SIZE)


def put(place: Path, log: AuditLog, **changes: Any) -> Path:
    """A run folder with that log alone."""
    place.mkdir(parents=True)
    (place / "audit.json").write_bytes(log.model_copy(update=changes).to_json())
    return place


def finished(log: AuditLog, at: str) -> AuditLog:
    return log.model_copy(update={"provenance": log.provenance.model_copy(update={"finished": at})})


def model(log: AuditLog, **changes: Any) -> AuditLog:
    asked = log.config.model_copy(update={"model": log.config.model.model_copy(update=changes)})
    return log.model_copy(update={"config": asked})


def history(folder: Path, log: AuditLog, out: Path) -> History:
    asked = log.config.model_copy(update={"history": str(folder), "out": str(out)})
    found = past_audits(asked)
    assert found is not None
    return found


def read(folder: Path) -> dict[str, PastAudit | str]:
    return {str(one.place.relative_to(folder)): one.audit for one in audits(folder)}


def test_what_is_read_of_a_log_is_what_the_whole_log_says(log: AuditLog, tmp_path: Path) -> None:
    run = put(tmp_path / "a", log)
    found = read(tmp_path)["a"]
    assert isinstance(found, PastAudit)
    assert found.results == results_of(log)
    assert (found.decision, found.model, found.release) == (
        log.decision, log.config.model.name, log.config.model.revision or log.config.model.digest,
    )  # fmt: skip
    assert found.log_sha256 == log_sha256(run)
    whole = [one for one in log.comparisons if one.group is None and one.metric == "accuracy"]
    assert [(one.drop, one.interval) for one in found.results if one.metric == "accuracy"] == [
        (one.difference, one.interval)
        for verdict in log.verdicts
        for one in whole
        if (one.variant, one.suite, one.metric) == (verdict.variant, verdict.rule.suite, verdict.metric)
    ]


def test_an_audit_of_a_search_is_decided_by_what_it_found(log: AuditLog, tmp_path: Path) -> None:
    goal = Budget(quantity="size_bytes", at_most=10**9)
    config = log.config.model_copy(update={"search": SearchPlan(goal=goal, methods=("rtn",))})
    found = Search(
        text="prompts", n_tokens=1, sampler="TPE", n_combinations=1, trials=(), preparation=Spent(),
        original=Spent(), held_out=Spent(), winner=None, beyond=None, decision="fail", because="none passes",
    )  # fmt: skip
    put(tmp_path / "a", log.model_copy(update={"config": config, "search": found}))
    one = read(tmp_path)["a"]
    assert isinstance(one, PastAudit)
    assert one.decision == "fail"


def test_a_run_of_the_program_is_in_its_own_catalogue(tmp_path: Path) -> None:
    make_run(tmp_path / "run")
    (found,) = read(tmp_path).values()
    assert isinstance(found, PastAudit)
    (result,) = found.results
    assert (result.level, result.suite, result.n_pairs, result.drop) == ("int8", "s", 40, 0.05)


def test_folders_are_searched_however_deep_and_whatever_they_are_called(
    log: AuditLog, tmp_path: Path
) -> None:
    names = ["a/b/c", "[x]", "x", "it's ?", "a*", "ab"]
    for day, name in enumerate(names):
        put(tmp_path / name, finished(log, f"2026-01-0{day + 1}"))
    found = read(tmp_path)
    assert set(found) == set(names)
    assert all(isinstance(one, PastAudit) for one in found.values())


def test_what_can_t_be_read_is_named_with_the_reason_and_the_others_are_read(
    log: AuditLog, tmp_path: Path
) -> None:
    put(tmp_path / "good", log)
    cut = put(tmp_path / "cut", finished(log, "2026-01-01")) / "audit.json"
    cut.write_bytes(cut.read_bytes()[:-200])
    newer = put(tmp_path / "newer", finished(log, "2026-01-02")) / "audit.json"
    newer.write_text(json.dumps({**json.loads(newer.read_bytes()), "schema_version": 99}))
    later = put(tmp_path / "later", finished(log, "2026-01-03")) / "audit.json"
    told = json.loads(later.read_bytes())
    told["config"]["unheard_of"] = 1
    later.write_text(json.dumps(told))
    (tmp_path / "killed").mkdir()
    (tmp_path / "killed" / "config.json").write_text("{}")
    (tmp_path / "killed" / "lock").write_text("")
    put(tmp_path / "twice", log)
    (tmp_path / "list").mkdir()
    (tmp_path / "list" / "audit.json").write_text("[1, 2]")
    found = read(tmp_path)
    assert {name for name, one in found.items() if isinstance(one, PastAudit)} == {"good"}
    assert "can't be read" in str(found["cut"])
    assert "schema_version" in str(found["newer"])
    assert "config.unheard_of" in str(found["later"])
    assert "killed" in str(found["killed"])
    assert "same log" in str(found["twice"])
    assert isinstance(found["list"], str)


def test_an_old_log_without_later_fields_is_read(log: AuditLog, tmp_path: Path) -> None:
    told = json.loads(log.to_json())
    for key in ("links", "duels", "budgets", "history", "taken", "efficiency"):
        told.pop(key, None)
    for one in told["comparisons"]:
        one.pop("sensitivity", None)
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "audit.json").write_text(json.dumps(told))
    assert isinstance(read(tmp_path)["old"], PastAudit)


def test_an_audit_whose_best_fails_on_items_held_out_fails_in_the_table_too(
    log: AuditLog, tmp_path: Path
) -> None:
    keeping = log.config.model_copy(update={"holdout": 0.2})
    passed = tuple(one.model_copy(update={"decision": "pass"}) for one in log.verdicts)
    failed = passed[0].model_copy(update={"decision": "fail"})
    held = Confirmation(
        variant=passed[0].variant, chosen="the only one", runs=log.runs[:1], comparisons=log.comparisons[:1],
        verdicts=(failed,),
    )  # fmt: skip
    whole = log.model_copy(update={"config": keeping, "verdicts": passed, "budgets": ()})
    put(tmp_path / "open", finished(whole, "2026-01-01"))
    put(tmp_path / "fails", whole, confirmation=held)
    found = {name: one.decision for name, one in read(tmp_path).items() if isinstance(one, PastAudit)}
    assert found == {"open": "inconclusive", "fails": "fail"}


def test_what_a_suite_asked_is_told_from_what_it_asks_elsewhere(log: AuditLog) -> None:
    suite = log.config.suites[0].name
    before = asked_sha256(log, suite)
    fewer = log.model_copy(update={"config": log.config.model_copy(update={"limit": 7})})
    assert asked_sha256(fewer, suite) != before
    runs = tuple(
        run.model_copy(
            update={"cells": tuple(cell.model_copy(update={"task_version": "9"}) for cell in run.cells)}
        )
        for run in log.runs
    )
    assert asked_sha256(log.model_copy(update={"runs": runs}), suite) != before
    levels = (*log.config.levels, Level(name="more", method="rtn"))
    more = log.model_copy(update={"config": log.config.model_copy(update={"levels": levels})})
    assert asked_sha256(more, suite) == before


# In the next log


def test_the_next_audit_of_a_model_keeps_what_earlier_ones_found_in_the_order_of_time(
    log: AuditLog, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    put(runs / "b", finished(log, "2026-02-01"))
    put(runs / "a", finished(log, "2026-03-01"))
    put(runs / "other", model(finished(log, "2026-02-02"), name="somebody/else", digest="0" * 64))
    renamed = model(finished(log, "2026-02-03"), name="elsewhere/copy")
    put(runs / "renamed", renamed)
    put(runs / "itself", finished(log, "2026-04-01"))
    (runs / "cut").mkdir()
    (runs / "cut" / "audit.json").write_text('{"status": "fin')
    found = history(runs, log, out=runs / "itself")
    assert [one.finished for one in found.audits] == ["2026-02-01", "2026-02-03", "2026-03-01"]
    assert (found.n_found, found.n_skipped) == (3, 1)
    assert "cut" in found.skipped[0]


@pytest.mark.parametrize(
    ("before", "now", "same"),
    [
        ("org/name@1", "org/name@2", True), ("org/name@1", "org/other@1", False),
        ("/a/models/small", "./models/small", True), ("/a/models/small", "/a/models/large", False),
        ("org/small@1", "/a/small", False),
    ],
)  # fmt: skip
def test_releases_belong_together_by_the_models_name(
    log: AuditLog, tmp_path: Path, before: str, now: str, same: bool
) -> None:
    put(tmp_path / "runs" / "a", model(log, name=before, digest="1" * 64))
    found = history(tmp_path / "runs", model(log, name=now, digest="2" * 64), tmp_path / "out")
    assert found.n_found == int(same)


def test_the_log_keeps_the_latest_and_says_how_many_there_were(log: AuditLog, tmp_path: Path) -> None:
    for number in range(MOST_AUDITS + 3):
        put(tmp_path / f"run-{number}", finished(log, f"2026-01-{number + 1:02}"))
    for number in range(MOST_NAMED + 2):
        (tmp_path / f"bad-{number}").mkdir()
        (tmp_path / f"bad-{number}" / "audit.json").write_text("{")
    found = history(tmp_path, log, tmp_path / "out")
    assert (found.n_found, len(found.audits)) == (MOST_AUDITS + 3, MOST_AUDITS)
    assert found.audits[-1].finished == f"2026-01-{MOST_AUDITS + 3:02}"
    assert (found.n_skipped, len(found.skipped)) == (MOST_NAMED + 2, MOST_NAMED)


def test_the_results_that_a_log_keeps_are_bounded(
    log: AuditLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.history.MOST_RESULTS", 2 * len(log.verdicts))
    for number in range(4):
        put(tmp_path / f"run-{number}", finished(log, f"2026-01-0{number + 1}"))
    found = history(tmp_path, log, tmp_path / "out")
    assert [one.finished for one in found.audits] == ["2026-01-03", "2026-01-04"]


def test_without_a_folder_there_is_no_history_and_a_wrong_one_is_an_error(tmp_path: Path) -> None:
    assert past_audits(config(tmp_path / "run")) is None
    with pytest.raises(StoreError, match="no folder"):
        past_audits(config(tmp_path / "run", history=str(tmp_path / "gone")))


# The table


@pytest.fixture
def folder(log: AuditLog, tmp_path: Path) -> Path:
    """Two releases of a model, one of another, and a run that stopped."""
    runs = tmp_path / "runs"
    put(runs / "one", model(finished(log, "2026-01-01"), name="org/small@a", revision="a" * 40))
    put(runs / "two", model(finished(log, "2026-02-01"), name="org/small@b", revision="b" * 40))
    put(runs / "large", model(finished(log, "2026-01-15"), name="org/large@c", revision="c" * 40))
    stopped = finished(log, "2026-03-01").model_copy(
        update={"status": "stopped", "error": "killed", "verdicts": (), "comparisons": ()}
    )
    put(runs / "stopped", model(stopped, name="org/small@d", revision="d" * 40))
    return runs


def test_the_table_has_a_row_for_each_rule_and_level_of_each_audit(log: AuditLog, folder: Path) -> None:
    with Catalogue.of(folder) as catalogue:
        rows = catalogue.rows(catalogue.chosen(model=None, levels=(), suites=()))
    assert len(rows) == 3 * len(log.verdicts) + 1
    assert [row.run for row in rows if row.decision is None] == ["stopped"]
    assert list(dict.fromkeys(row.run for row in rows)) == ["large", "one", "two", "stopped"]
    first = results_of(log)[0]
    assert (rows[0].level, rows[0].drop, rows[0].n_pairs) == (first.level, first.drop, first.n_pairs)


def test_it_is_narrowed_down_by_model_level_and_suite(log: AuditLog, folder: Path) -> None:
    level, suite = log.verdicts[-1].variant, log.config.suites[1].name
    with Catalogue.of(folder) as catalogue:
        chosen = catalogue.chosen(model="SMALL", levels=[level], suites=[suite])
        rows = catalogue.rows(chosen)
        assert {(row.model, row.level, row.suite) for row in rows} == {
            ("org/small@a", level, suite), ("org/small@b", level, suite),
        }  # fmt: skip
        with pytest.raises(ConfigError, match="int5"):
            catalogue.chosen(model=None, levels=["int5"], suites=())


@pytest.mark.parametrize("ending", ["csv", "parquet", "json"])
def test_it_is_written_by_the_ending_of_the_file(folder: Path, tmp_path: Path, ending: str) -> None:
    (tmp_path / "it's").mkdir()
    out = tmp_path / "it's" / f"table.{ending}"
    said = CliRunner().invoke(app, ["history", str(folder), "--model", "large", "--out", str(out)])
    assert said.exit_code == 0, said.output
    with Catalogue.of(folder) as catalogue:
        rows = catalogue.rows(catalogue.chosen(model="large", levels=(), suites=()))
    if ending == "csv":
        with out.open(newline="") as stream:
            found = list(csv.DictReader(stream))
    elif ending == "json":
        found = json.loads(out.read_text())
    else:
        found = pyarrow.parquet.read_table(out).to_pylist()
    assert [row["level"] for row in found] == [row.level for row in rows]
    assert [float(row["drop"]) for row in found] == pytest.approx([row.drop for row in rows])
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_it_is_written_as_a_page_that_loads_nothing(log: AuditLog, folder: Path, tmp_path: Path) -> None:
    put(folder / "hostile", model(finished(log, "2026-04-01"), name="org/<b>@e", revision="e" * 40))
    out = tmp_path / "table.html"
    said = CliRunner().invoke(app, ["history", str(folder), "--out", str(out)])
    assert said.exit_code == 0, said.output
    page = out.read_text()
    assert page.count("<table") == 3  # one an original, whatever its releases
    assert "5 audits" in page
    assert "<b>" not in page
    assert "http" not in page.partition("</style>")[2]
    assert "<script" not in page
    first = results_of(log)[0]
    assert isinstance(first.drop, float)
    assert f"{100 * first.drop:.2f} (".replace("-", "\N{MINUS SIGN}") in page
    assert page.index("2026-01-01") < page.index("2026-02-01")
    assert "none was judged" in page


def test_another_ending_is_refused_and_names_those_there_are(folder: Path, tmp_path: Path) -> None:
    said = CliRunner().invoke(app, ["history", str(folder), "--out", str(tmp_path / "x.xlsx")])
    assert isinstance(said.exception, ConfigError)
    assert "parquet" in str(said.exception)
    assert "html" in str(said.exception)
    assert not (tmp_path / "x.xlsx").exists()


def test_the_terminal_shows_models_releases_and_drops_by_suite(log: AuditLog, folder: Path) -> None:
    (folder / "cut").mkdir()
    (folder / "cut" / "audit.json").write_text("{")
    said = CliRunner().invoke(app, ["history", str(folder)])
    assert said.exit_code == 0, said.output
    lines = said.stdout.splitlines()
    assert all(suite.name in lines[1] for suite in log.config.suites)
    assert sum("small" in line for line in lines) == 3
    assert "bbbbbbbb" in said.stdout
    assert "left out" in said.stderr
    assert "cut" in said.stderr


def test_a_folder_without_a_log_that_can_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "audit.json").write_text("{")
    with pytest.raises(StoreError, match="no audit that can be read"), Catalogue.of(tmp_path):
        pass


def test_what_was_not_measured_is_empty_and_says_why(log: AuditLog, tmp_path: Path) -> None:
    gap = NotMeasured("too few pairs")
    comparisons = tuple(
        one.model_copy(update={"difference": gap, "interval": gap}) for one in log.comparisons
    )
    put(tmp_path / "a", log, comparisons=comparisons)
    with Catalogue.of(tmp_path) as catalogue:
        row = catalogue.rows(catalogue.chosen(model=None, levels=(), suites=()))[0]
    assert (row.drop, row.lower, row.not_measured) == (None, None, "too few pairs")


def test_memory_is_that_of_the_largest_log_and_not_of_how_many_there_are(
    log: AuditLog, tmp_path: Path
) -> None:
    heavy = tuple(
        one.model_copy(update={"changed": one.changed * 300} if one.group is None else {})
        for one in log.comparisons
    )
    for count in (1, 12):
        for number in range(count):
            at = finished(log, f"2026-01-{number + 1:02}")
            put(tmp_path / str(count) / f"run-{number}", at, comparisons=heavy)
    size = (tmp_path / "1" / "run-0" / "audit.json").stat().st_size
    script = (
        "import resource, sys; from pathlib import Path; from audit.history import audits; "
        "list(audits(Path(sys.argv[1]))); print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)"
    )
    one, many = (
        int(subprocess.run([sys.executable, "-c", script, str(tmp_path / count)], capture_output=True,
                           text=True, check=True).stdout)
        for count in ("1", "12")
    )  # fmt: skip
    assert size > 5_000_000
    assert many - one < 3 * size  # eleven more of them
