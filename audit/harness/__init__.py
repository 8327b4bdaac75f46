"""The only code that speaks to lm-evaluation-harness: loads tasks, scores them, returns Samples."""

from __future__ import annotations

from audit.harness.scoring import load_scorer, score
from audit.harness.tasks import LoadedTask, load_tasks

__all__ = ["LoadedTask", "load_scorer", "load_tasks", "score"]
