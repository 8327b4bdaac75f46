"""Tasks written for lm-eval as it is asked: those that read local data, and somebody's own questions."""

from __future__ import annotations

import functools
import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from audit import own_items
from audit.errors import EvaluationError
from audit.local_data import OVERRIDES, files, local_tasks, own_tasks
from audit.records import Suite

_OWN: dict[str, Any] = {
    "dataset_path": "json", "test_split": "test", "output_type": "multiple_choice", "num_fewshot": 0,
    "doc_to_text": "Question: {{question}}\nAnswer:", "doc_to_choice": "choices", "doc_to_target": "answer",
    "metric_list": [
        {"metric": name, "aggregation": "mean", "higher_is_better": True} for name in ("acc", "acc_norm")
    ],
    "metadata": {"version": 1},
}  # fmt: skip
"""What lm-eval has to know of somebody's own questions."""


def tasks_folder(suite: Suite) -> Path:
    """A folder with lm-eval YAML of every task that has its data in the suite's `data_dir`; without one, of
    the suite's own tasks that have theirs on a hub.

    It is gone with the process. Raises ConfigError or EvaluationError naming the task and what it lacks.
    """
    return Path(_written(suite.data_dir, suite.include_path).name)


@functools.cache
def _written(data_dir: str | None, include_path: str | None) -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory(prefix="shrinkproof-tasks-")
    own = Path(include_path) if include_path else None
    if data_dir is not None:
        data = Path(data_dir)
        tasks = [on_local_files(task, entry, data) for task, entry in local_tasks(data, own).items()]
    else:
        tasks = [on_hub(task, entry) for task, entry in own_tasks(own).items() if "hub" in entry]
    for task in tasks:
        (Path(folder.name) / f"{task['task']}.yaml").write_text(yaml.safe_dump(task))
    return folder


def on_local_files(task: str, entry: Mapping[str, Any], data: Path) -> dict[str, Any]:
    """lm-eval's YAML of a task that reads the files that its entry of `overrides.json` names."""
    missing = next((key for key in ("include", "data_files") if not entry.get(key)), None)
    if missing:
        raise EvaluationError(f"data_dir: '{task}' has no `{missing}` in {data / OVERRIDES}.")
    found = {split: (data / name).resolve() for split, name in files(entry).items()}
    for split, file in found.items():
        if not file.is_file():
            raise EvaluationError(
                f"data_dir: there is no {file}, from which '{task}' reads its split '{split}'."
            )
    return {
        "task": task, "include": _included(task, entry), "dataset_path": entry.get("dataset_path", "json"),
        "dataset_name": None,
        "dataset_kwargs": {"data_files": {split: str(file) for split, file in found.items()}},
        **entry.get("also_override", {}),
    }  # fmt: skip


def on_hub(task: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """lm-eval's YAML of a task that reads the data set that its entry names, at the commit it names."""
    hub = dict(entry["hub"])
    if missing := next((key for key in ("dataset_path", "revision") if not hub.get(key)), None):
        raise EvaluationError(f"{OVERRIDES}: `hub` of '{task}' has no `{missing}`.")
    return {
        "task": task, "include": _included(task, entry), "dataset_name": None,
        "dataset_kwargs": {"revision": hub.pop("revision")}, **entry.get("also_override", {}), **hub,
    }  # fmt: skip


def _included(task: str, entry: Mapping[str, Any]) -> str:
    import lm_eval

    include = Path(lm_eval.__file__).parent.parent / entry["include"]
    if not include.is_file():
        raise EvaluationError(f"'{task}' goes on from {include}, which this version of lm-eval has not.")
    return str(include)


def items_folder(suite: Suite) -> Path:
    """The same of a suite of somebody's own questions: its one task, which bears the suite's name."""
    return Path(_written_items(suite.name, str(suite.items), suite.items_sha256).name)


@functools.cache
def _written_items(name: str, file: str, sha256: str | None) -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory(prefix="shrinkproof-items-")
    rows = Path(folder.name) / "items.jsonl"
    rows.write_text("".join(item.model_dump_json() + "\n" for item in own_items.read(Path(file))))
    task = {**_OWN, "task": name, "dataset_kwargs": {"data_files": {"test": str(rows)}}}
    (Path(folder.name) / f"{name}.yaml").write_text(yaml.safe_dump(task))
    return folder


def files_of(config: Mapping[str, Any]) -> dict[str, str]:
    """sha256 of the local files that a task's config names, by the names of the splits."""
    named = (config.get("dataset_kwargs") or {}).get("data_files") or {}
    by_split = named if isinstance(named, dict) else {"all": named}
    return {
        split: hashlib.sha256(Path(name).read_bytes()).hexdigest()
        for split, name in by_split.items()
        if isinstance(name, str) and Path(name).is_file()
    }
