"""The only code that speaks to lm-evaluation-harness: loads tasks, scores them, returns Samples."""

from __future__ import annotations

from audit.harness.measures import Measured
from audit.harness.samples import n_repeated, n_tied
from audit.harness.scoring import Scored, Scorer, scorer_name, source_digest
from audit.harness.tasks import LoadedTask, load_tasks, prompts, tasks_of

__all__ = [
    "LoadedTask",
    "Measured",
    "Scored",
    "Scorer",
    "load_tasks",
    "n_repeated",
    "n_tied",
    "prompts",
    "scorer_name",
    "source_digest",
    "tasks_of",
]
