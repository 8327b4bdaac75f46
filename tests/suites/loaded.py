"""The built-in tasks, loaded once through lm-eval as its own command line would."""

from __future__ import annotations

from functools import cache
from typing import Any

from audit import registry
from audit.records import Suite
from suites.documents import Document


@cache
def suite(name: str) -> Suite:
    return registry.suite(name)


@cache
def tasks(name: str) -> dict[str, Any]:
    """lm-eval's tasks of one suite by name."""
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=suite(name).include_path, include_defaults=False)
    loaded: dict[str, Any] = manager.load([task.name for task in suite(name).tasks])["tasks"]
    return loaded


@cache
def documents(name: str) -> dict[str, list[Document]]:
    """The documents of one suite by task."""
    return {task: list(loaded.eval_docs) for task, loaded in tasks(name).items()}


def pairs(name: str) -> list[list[Document]]:
    """The documents of one suite that share a pair, in their order."""
    column = suite(name).pair_by
    found: dict[tuple[str, str], list[Document]] = {}
    for task, rows in documents(name).items():
        for row in rows:
            found.setdefault((task, row[str(column)]), []).append(row)
    return list(found.values())
