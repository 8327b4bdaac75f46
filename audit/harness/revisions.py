"""Data sets of a hub: which commit a task is to read, and which it has read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from audit.errors import EvaluationError
from audit.pinning import COMMIT


@contextlib.contextmanager
def pinned(revisions: Mapping[str, str]) -> Iterator[None]:
    """Have lm-eval load these data sets at these commits, whatever a task's YAML says.

    lm-eval takes no such thing for a task by its name, and a group has many: so `load_dataset` is told.
    """
    import datasets

    load_dataset = datasets.load_dataset

    def load(path: str, name: str | None = None, **others: Any) -> Any:
        if path in revisions:
            others["revision"] = revisions[path]
        return load_dataset(path, name, **others)

    datasets.load_dataset = load
    try:
        yield
    finally:
        datasets.load_dataset = load_dataset


def commit_read(task: Any, revisions: Mapping[str, str]) -> dict[str, str]:
    """Name → commit of the data set that the task read; nothing where it is none of a hub's.

    `datasets` keeps what it has read in a folder that is named by the commit. Without a network it takes the
    one that was loaded last, whatever was asked for; then EvaluationError is raised.
    """
    files = [file["filename"] for split in (task.dataset or {}).values() for file in split.cache_files]
    commits = [part for file in files for part in Path(file).parts if COMMIT.fullmatch(part)]
    name, read = str(task.DATASET_PATH), commits[0] if commits else None
    wanted = revisions.get(name) or (task.config.dataset_kwargs or {}).get("revision")
    if wanted and COMMIT.fullmatch(wanted) and read != wanted:
        raise EvaluationError(
            f"task '{task.config.task}' is to read {name} at commit {wanted}, but what was loaded last is "
            f"{read or 'a copy of no known commit'}. Load that commit again with a network, or name this one "
            "under `revisions`."
        )
    return {name: read} if read else {}
