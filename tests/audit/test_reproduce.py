"""A run, run again from its log: what comes out the same, and what is found that does not."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import rfc8785
from typer.testing import CliRunner

from audit import load_config, run_audit
from audit.cli import app
from audit.disk import write_record
from audit.errors import ConfigError, StoreError
from audit.reproduce import Reproduction, reproduce
from suites import accuracy


@pytest.fixture(scope="module")
def run(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small audit of a copy of the tiny model."""
    folder = tmp_path_factory.mktemp("reproduce")
    model = shutil.copytree(tiny, folder / "model")
    settings = {
        "model": str(model), "levels": ["int4"], "suites": ["accuracy", "forgetting"], "limit": 20,
        "threads": 1, "out": str(folder / "run"), "cache": str(folder / "cache"),
    }  # fmt: skip
    run_audit(load_config(settings))
    reproduce(folder / "run")
    return folder / "run"


@pytest.fixture
def again(run: Path, tmp_path: Path) -> Callable[[Callable[[dict[str, Any]], None]], Reproduction]:
    """The repetition, held against the run after somebody changed its log."""

    def compare(change: Callable[[dict[str, Any]], None]) -> Reproduction:
        then = Path(shutil.copytree(run, tmp_path / "run"))
        log = json.loads((then / "audit.json").read_bytes())
        change(log)
        (then / "audit.json").write_bytes(rfc8785.dumps(log))
        (then / "audit.json.sha256").unlink(missing_ok=True)
        # the repetition is done already: it goes on from its finished cells
        return reproduce(then, run.with_name("run-again"))

    return compare


def counted(found: Reproduction) -> dict[str, tuple[bool, int, int]]:
    return {one.area: (one.exactly > 0, one.within, len(one.differing)) for one in found.agreements}


def differing(found: Reproduction) -> list[str]:
    return [f"{one.what}: {one.then} → {one.now}" for area in found.agreements for one in area.differing]


def test_on_the_same_machine_every_number_comes_out_exactly(run: Path) -> None:
    found = reproduce(run)
    assert found.agrees
    assert counted(found) == dict.fromkeys(
        ("artefacts", "answers", "comparisons", "forgetting", "verdicts"), (True, 0, 0)
    )
    assert not found.surroundings
    log = json.loads((run / "audit.json").read_bytes())
    answers = sum(cell["n_items"] for one in log["runs"] for cell in one["cells"])
    (of_answers,) = (one for one in found.agreements if one.area == "answers")
    assert of_answers.exactly >= answers  # an item has a row for each metric


def test_a_run_of_another_machine_finds_the_tasks_of_installed_suites(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    log = tmp_path / "run" / "audit.json"
    suites = str(Path(accuracy.SUITE.include_path or "").parents[1])
    assert suites.encode() in log.read_bytes()
    write_record(log, log.read_bytes().replace(suites.encode(), b"/opt/python3.99/suites"))
    found = reproduce(tmp_path / "run", tmp_path / "again")
    assert found.agrees
    assert {one.area for one in found.agreements if one.exactly} >= {"answers", "comparisons", "verdicts"}


def test_nothing_is_taken_from_the_run_or_its_cache(run: Path) -> None:
    started = [
        min(json.loads(file.read_bytes())["started"] for file in (folder / "cells").glob("*/cell.json"))
        for folder in (run, run.with_name("run-again"))
    ]
    assert started[0] < started[1]
    assert json.loads((run.with_name("run-again") / "audit.json").read_bytes())["config"]["cache"] != str(
        run.parent / "cache"
    )


@pytest.mark.parametrize(
    ("off", "within", "names"),
    [(0.0005, 1, []), (0.01, 0, ["comparisons of int4, accuracy, accuracy: before"])],
)
def test_a_number_is_exact_near_or_named(
    again: Callable[..., Reproduction], off: float, within: int, names: list[str]
) -> None:
    def change(log: dict[str, Any]) -> None:
        first = next(one for one in log["comparisons"] if one["group"] is None)
        first["before"] += off

    found = again(change)
    assert counted(found)["comparisons"][1:] == (within, len(names))
    assert [one.partition(": ")[0] + ": before" for one in differing(found)] == names


def test_a_verdict_that_was_changed_is_named(again: Callable[..., Reproduction]) -> None:
    def change(log: dict[str, Any]) -> None:
        log["verdicts"][0]["decision"] = "pass" if log["verdicts"][0]["decision"] != "pass" else "fail"

    (named,) = differing(again(change))
    assert named.startswith("verdicts of int4, accuracy")
    assert ": decision: " in named


def _edited_rows(run: Path, then: Path, edit: Callable[[pd.DataFrame], pd.DataFrame]) -> str:
    """A copy of the run with other rows in its first table, and a log that vouches for them; the task."""
    shutil.copytree(run, then)
    log = json.loads((then / "audit.json").read_bytes())
    cell = log["runs"][0]["cells"][0]
    edit(pd.read_parquet(then / cell["path"])).to_parquet(then / cell["path"], index=False)
    cell["sha256"] = hashlib.sha256((then / cell["path"]).read_bytes()).hexdigest()
    write_record(then / "audit.json", rfc8785.dumps(log))
    return str(cell["task"])


def test_an_answer_that_was_changed_is_named(run: Path, tmp_path: Path) -> None:
    seen: list[pd.DataFrame] = []

    def forge(rows: pd.DataFrame) -> pd.DataFrame:
        rows.loc[0, "answer"] = "forged"
        seen.append(rows)
        return rows

    task = _edited_rows(run, tmp_path / "run", forge)
    (named,) = differing(reproduce(tmp_path / "run", run.with_name("run-again")))
    assert named.startswith(f"original, accuracy, {task}, part 1, item {seen[0].loc[0, 'doc_id']}, ")
    assert "forged" in named


@pytest.mark.parametrize(("off", "within", "named"), [(5e-4, 1, []), (0.25, 0, ["→"])])
def test_a_log_likelihood_is_exact_near_or_named(
    run: Path, tmp_path: Path, off: float, within: int, named: list[str]
) -> None:
    seen: list[str] = []

    def moved(rows: pd.DataFrame) -> pd.DataFrame:
        scores = [list(one) for one in rows["scores"]]
        seen.append(str(scores[2][0]))
        scores[2][0] += off
        seen.append(str(scores[2][0]))
        return rows.assign(scores=scores)

    _edited_rows(run, tmp_path / "run", moved)
    found = reproduce(tmp_path / "run", run.with_name("run-again"))
    assert counted(found)["answers"][1:] == (within, len(named))
    assert [one.split(": ", 1)[1] for one in differing(found)] == [f"{seen[1]} → {seen[0]}" for _ in named]


@pytest.mark.parametrize("more", [True, False])
def test_an_item_that_was_asked_once_only_is_named(run: Path, tmp_path: Path, more: bool) -> None:
    def edit(rows: pd.DataFrame) -> pd.DataFrame:
        if not more:
            return rows.iloc[1:]
        return pd.concat([rows, rows.iloc[:1].assign(doc_hash="0" * 64)])

    task = _edited_rows(run, tmp_path / "run", edit)
    (named,) = differing(reproduce(tmp_path / "run", run.with_name("run-again")))
    assert named.startswith(f"original, accuracy, {task}, part 1, item ")
    assert named.endswith(": asked → None" if more else ": None → asked")


def test_a_table_that_was_asked_once_only_is_named(
    again: Callable[[Callable[[dict[str, Any]], None]], Reproduction],
) -> None:
    def change(log: dict[str, Any]) -> None:
        log["runs"][0]["cells"].pop(0)

    (of_answers,) = (one for one in again(change).agreements if one.area == "answers")
    (named,) = of_answers.differing
    assert named.what.startswith("original, accuracy, ")
    assert (named.then, named.now) == (None, "asked")


def test_the_command_tells_what_differs_by_its_exit_code(run: Path, tmp_path: Path) -> None:
    then, repetition = Path(shutil.copytree(run, tmp_path / "run")), str(run.with_name("run-again"))
    result = CliRunner().invoke(app, ["reproduce", str(then), "--out", repetition])
    assert result.exit_code == 0, result.output
    shutil.rmtree(then / "cells")
    assert CliRunner().invoke(app, ["reproduce", str(then), "--out", repetition]).exit_code == 3


def test_a_model_that_is_another_now_is_refused(run: Path, tmp_path: Path) -> None:
    log = json.loads((run / "audit.json").read_bytes())
    model = Path(shutil.copytree(log["config"]["model"]["path"], tmp_path / "model"))
    log["config"]["model"]["path"] = str(model)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "audit.json").write_bytes(rfc8785.dumps(log))
    weights = model / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(ConfigError, match="holds other weights than those of the log"):
        reproduce(tmp_path / "run")
    shutil.rmtree(model)
    with pytest.raises(ConfigError, match="is not there any more"):
        reproduce(tmp_path / "run")


def test_a_run_that_stopped_is_finished_first(run: Path, tmp_path: Path) -> None:
    log = json.loads((run / "audit.json").read_bytes())
    log["status"], log["error"] = "stopped", "KeyboardInterrupt"
    (tmp_path / "audit.json").write_bytes(rfc8785.dumps(log))
    with pytest.raises(StoreError, match="stopped before its end: KeyboardInterrupt"):
        reproduce(tmp_path)
