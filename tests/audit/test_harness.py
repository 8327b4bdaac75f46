"""Our numbers are lm-eval's own: the same items, prompts and outcomes as its command gives."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from audit import load_config, run_audit
from audit.errors import ConfigError, EvaluationError
from audit.harness import LoadedTask, load_tasks
from audit.records import AuditLog, Divergence, Metric, Suite, Task
from fixtures.official_tasks import on_local_files

SHARED = Path(__file__).parents[3] / "shared" / "data"
OFFICIAL = ("arc_easy", "piqa", "lambada_openai")
LIMIT = 30
NO_TRAINING = {"training_split": None}


def official_tasks(folder: Path, data: Path) -> Path:
    """lm-eval YAML that points the official tasks at local files, as `overrides.json` says."""
    folder.mkdir()
    for task in OFFICIAL:
        (folder / f"{task}.yaml").write_text(yaml.safe_dump(on_local_files(task, data)))
    return folder


def own_task(folder: Path, **changes: Any) -> Path:
    """A multiple-choice task over a JSON file that the test writes."""
    folder.mkdir()
    rows = [{"q": f"{a} plus 1 is", "c": [str(a), str(a + 1)], "y": 1, "kind": "sum"} for a in range(8)]
    (folder / "items.jsonl").write_text("\n".join(map(json.dumps, rows)))
    spec = {
        "task": "sums", "dataset_path": "json", "test_split": "test", "output_type": "multiple_choice",
        "dataset_kwargs": {"data_files": {"test": str(folder / "items.jsonl")}}, "doc_to_text": "q",
        "doc_to_choice": "c", "doc_to_target": "y",
        "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}],
        "metadata": {"version": 3}, **changes,
    }  # fmt: skip
    (folder / "sums.yaml").write_text(yaml.safe_dump(spec))
    return folder


def suite_of(include: Path, *tasks: str, **changes: Any) -> Suite:
    metric = Metric(name="acc", source="lm-evaluation-harness")
    fields = {"name": "mine", "title": "mine", "question": "?", "metrics": (metric,), **changes}
    return Suite(tasks=tuple(Task(name=task) for task in tasks), include_path=str(include), **fields)


def original_samples(log: AuditLog) -> pd.DataFrame:
    cells = [cell for run in log.runs if run.variant == "original" for cell in run.cells]
    rows = pd.concat([pd.read_parquet(Path(log.config.out) / cell.path) for cell in cells])
    return rows.sort_values(["task", "doc_id"], ignore_index=True)


def theirs(output: Path) -> dict[str, dict[str, Any]]:
    lines = [line for file in output.rglob("samples_*.jsonl") for line in file.read_text().splitlines()]
    return {sample["doc_hash"]: sample for sample in map(json.loads, lines)}


def test_a_task_that_would_run_what_a_model_wrote_is_refused(tiny: Path, tmp_path: Path) -> None:
    folder = own_task(tmp_path / "a", unsafe_code=True)
    suite = {"name": "mine", "tasks": ["sums"], "include_path": str(folder)}
    asked = {"model": str(tiny), "levels": ["control"], "suites": [suite], "out": str(tmp_path / "run")}
    with pytest.raises(EvaluationError, match="marked as unsafe"):
        run_audit(load_config(asked))


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the benchmark items in ../shared/data")
def test_official_tasks_score_as_lm_evals_own_command_item_by_item(tiny: Path, tmp_path: Path) -> None:
    tasks = official_tasks(tmp_path / "tasks", SHARED)
    suite = {"name": "official", "tasks": list(OFFICIAL), "include_path": str(tasks)}
    log = run_audit(
        load_config(
            {
                "model": str(tiny), "levels": ["control"], "suites": [suite], "limit": LIMIT, "batch_size": 8,
                "threads": 1, "device": "cpu", "out": str(tmp_path / "run"),
            }
        )
    )  # fmt: skip
    command = [
        sys.executable, "-m", "lm_eval", "run", "--model", "hf",
        "--model_args", f"pretrained={tiny},dtype=float32", "--tasks", *OFFICIAL, "--include_path", tasks,
        "--limit", LIMIT, "--batch_size", 8, "--device", "cpu", "--log_samples",
        "--output_path", tmp_path / "lm",
    ]  # fmt: skip
    subprocess.run([str(part) for part in command], check=True, capture_output=True, timeout=600)
    by_lm_eval = theirs(tmp_path / "lm")
    ours = original_samples(log)
    assert len(ours) == len(by_lm_eval) == LIMIT * len(OFFICIAL)
    for row in ours.itertuples():
        assert by_lm_eval[row.doc_hash]["prompt_hash"] == row.prompt_hash
        assert by_lm_eval[row.doc_hash]["acc"] == row.outcome


def test_a_task_is_known_by_what_it_asks_and_not_by_its_name(tmp_path: Path) -> None:
    first = load_tasks(suite_of(own_task(tmp_path / "a"), "sums"), limit=None, seed=1)[0]
    same = load_tasks(suite_of(tmp_path / "a", "sums"), limit=None, seed=1)[0]
    other = load_tasks(
        suite_of(own_task(tmp_path / "b", doc_to_choice=["0", "1"]), "sums"), limit=None, seed=1
    )[0]
    assert first.digest == same.digest != other.digest
    assert (first.version, first.n_items, first.num_fewshot) == ("3", 8, 0)


def test_a_task_with_functions_of_its_own_is_the_same_in_the_next_process(tmp_path: Path) -> None:
    folder = own_task(tmp_path / "a")
    spec = (
        (folder / "sums.yaml").read_text().replace("doc_to_target: y", "doc_to_target: !function own.answer")
    )
    (folder / "sums.yaml").write_text(spec)

    def digest(code: str, written: int) -> str:
        (folder / "own.py").write_text(f"def answer(document):\n    return {code}\n")
        os.utime(folder / "own.py", ns=(written, written))  # lm-eval imports it again when that changes
        return load_tasks(suite_of(folder, "sums"), limit=None, seed=1)[0].digest

    first = digest("document['y']", 1)
    assert digest("document['y']", 2) == first
    assert digest("1 - document['y']", 3) != first


def test_a_total_that_few_items_do_not_allow_stops_no_audit(tiny: Path, tmp_path: Path) -> None:
    folder = own_task(tmp_path / "a", metric_list=[{"metric": "acc", "aggregation": "TOTAL"}])
    spec = (folder / "sums.yaml").read_text().replace("TOTAL", "!function own.total")
    (folder / "sums.yaml").write_text(spec)
    (folder / "own.py").write_text("def total(items):\n    raise ArithmeticError('singular matrix')\n")
    suite = {"name": "mine", "tasks": ["sums"], "include_path": str(folder)}
    log = run_audit(
        load_config(
            {"model": str(tiny), "levels": ["control"], "suites": [suite], "out": str(tmp_path / "run")}
        )
    )
    assert log.status == "finished", log.error
    assert len(original_samples(log)) == 8


def local_copy(folder: Path, **changes: Any) -> Path:
    """PIQA's columns in a file of ours."""
    folder.mkdir()
    rows = [{"goal": f"Add {n}", "sol1": "yes", "sol2": "no", "label": n % 2} for n in range(6)]
    (folder / "piqa.jsonl").write_text("\n".join(map(json.dumps, rows)))
    entry = {"include": "lm_eval/tasks/piqa/piqa.yaml", "data_files": {"validation": "piqa.jsonl"}, **changes}
    (folder / "overrides.json").write_text(json.dumps({"piqa": entry}))
    return folder


def test_an_official_task_reads_the_local_copy_of_its_data_wherever_it_lies(tmp_path: Path) -> None:
    def loaded(folder: str) -> LoadedTask:
        suite = suite_of(
            tmp_path, "piqa", data_dir=str(local_copy(tmp_path / folder, also_override=NO_TRAINING))
        )
        return load_tasks(suite, limit=None, seed=1)[0]

    here, there = loaded("here"), loaded("there")
    assert (here.name, here.n_items, here.version) == ("piqa", 6, "1.0")
    held = (tmp_path / "here" / "piqa.jsonl").read_bytes()
    assert here.data == {"validation": hashlib.sha256(held).hexdigest()}
    assert there.digest == here.digest


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data_files": {"validation": "gone.jsonl"}}, "no .*gone.jsonl, from which 'piqa' reads its split"),
        (
            {"include": "lm_eval/tasks/none.yaml"},
            "goes on from .*none.yaml, which this version of lm-eval has not",
        ),
        ({"data_files": None}, "'piqa' has no `data_files` in"),
    ],
)
def test_a_local_copy_that_cannot_be_read_is_named(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    data = local_copy(tmp_path / "data", **changes)
    with pytest.raises(EvaluationError, match=said):
        load_tasks(suite_of(tmp_path, "piqa", data_dir=str(data)), limit=None, seed=1)
    (data / "overrides.json").unlink()
    with pytest.raises(ConfigError, match="says which files each official task reads"):
        load_tasks(suite_of(tmp_path, "piqa", data_dir=str(data)), limit=None, seed=1)


def test_a_limit_counts_items(tmp_path: Path) -> None:
    assert load_tasks(suite_of(own_task(tmp_path / "a"), "sums"), limit=3, seed=1)[0].n_items == 3


def test_an_unknown_task_is_named_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"No task named 'arc_eazy'\. Did you mean 'arc_easy'"):
        load_tasks(suite_of(own_task(tmp_path / "a"), "arc_eazy"), limit=None, seed=1)


def test_a_task_whose_data_is_missing_is_named(tmp_path: Path) -> None:
    folder = own_task(tmp_path / "a")
    (folder / "items.jsonl").unlink()
    with pytest.raises(EvaluationError, match="task 'sums' of suite 'mine' can't be loaded"):
        load_tasks(suite_of(folder, "sums"), limit=None, seed=1)


def test_a_metric_that_the_task_has_not_is_named_with_those_it_has(tiny: Path, tmp_path: Path) -> None:
    entry = {"name": "mine", "tasks": ["sums"], "metric": "f1", "include_path": str(own_task(tmp_path / "a"))}
    config = load_config(
        {"model": str(tiny), "levels": ["control"], "suites": [entry], "out": str(tmp_path / "r")}
    )
    with pytest.raises(EvaluationError, match=r"no per-item metric 'f1'\. It has: acc, acc_norm"):
        run_audit(config)


def test_a_column_that_the_task_has_not_is_named(tiny: Path, tmp_path: Path) -> None:
    tasks = own_task(tmp_path / "a")
    entry = {"name": "mine", "tasks": ["sums"], "group_by": "topic", "include_path": str(tasks)}
    config = load_config(
        {"model": str(tiny), "levels": ["control"], "suites": [entry], "out": str(tmp_path / "r")}
    )
    with pytest.raises(EvaluationError, match="no column 'topic'"):
        run_audit(config)


def test_every_level_is_asked_after_the_same_shots(tiny: Path, tmp_path: Path) -> None:
    entry = {
        "name": "mine",
        "tasks": [{"name": "sums", "num_fewshot": 2}],
        "include_path": str(own_task(tmp_path / "a")),
    }
    log = run_audit(
        load_config(
            {"model": str(tiny), "levels": ["control", "int8"], "suites": [entry], "out": str(tmp_path / "r")}
        )
    )
    assert [(one.n_pairs, one.n_unpaired_before) for one in log.comparisons] == [(8, 0), (8, 0)]


def test_a_task_may_stand_in_two_suites(tiny: Path, tmp_path: Path) -> None:
    common = {"tasks": ["sums"], "include_path": str(own_task(tmp_path / "a"))}
    suites = [
        {"name": "plain", **common}, {"name": "grouped", "group_by": "kind", **common},
        {"name": "again", **common},
    ]  # fmt: skip
    config = {"model": str(tiny), "levels": ["int8"], "suites": suites, "out": str(tmp_path / "r")}
    log = run_audit(load_config(config))
    wholes = {one.suite: one for one in log.comparisons if one.group is None}
    assert {one.n_pairs for one in wholes.values()} == {8}
    assert wholes["plain"].divergence == wholes["grouped"].divergence == wholes["again"].divergence
    assert isinstance(wholes["plain"].divergence, Divergence)


def test_samples_say_question_choices_answer_and_scores(tiny: Path, tmp_path: Path) -> None:
    entry = {
        "name": "mine",
        "tasks": ["sums"],
        "group_by": "kind",
        "include_path": str(own_task(tmp_path / "a")),
    }
    config = load_config(
        {"model": str(tiny), "levels": ["control"], "suites": [entry], "out": str(tmp_path / "r")}
    )
    row = original_samples(run_audit(config)).iloc[0]
    assert row["question"] == "0 plus 1 is"
    assert [choice.strip() for choice in row["choices"]] == ["0", "1"]
    assert row["target"] == "1"
    assert row["group"] == "sum"
    best = max(range(2), key=lambda i: row["scores"][i])
    assert row["answer"] == row["choices"][best].strip()
    assert row["outcome"] == float(best == 1)
