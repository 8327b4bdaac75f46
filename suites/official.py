"""What all profiles share: tasks by their names, and the tasks of ours that read others' data."""

from __future__ import annotations

from pathlib import Path

from audit.records import Task

HARNESS = "lm-evaluation-harness"
OURS = str(Path(__file__).parent / "on_data")
"""Folder with the tasks of ours that read a `data_dir`: benchmarks that lm-eval has no task for."""


def tasks(*names: str) -> tuple[Task, ...]:
    """lm-eval's tasks of these names, with the shots that their own YAML says."""
    return tuple(Task(name=name) for name in names)
