"""Variant × Suite → Run, cell by cell: a finished cell is never scored again."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from audit.harness import LoadedTask, load_scorer, load_tasks, score
from audit.loading import resolve_device, use_threads
from audit.progress import Progress, Silent
from audit.provenance import now
from audit.records import AuditConfig, Cell, Run, Variant
from audit.store import Store


def evaluate(
    variants: Sequence[Variant], config: AuditConfig, store: Store, progress: Progress | None = None
) -> tuple[Run, ...]:
    """Every suite on every variant, in the order of the config."""
    progress = progress or Silent()
    use_threads(config.threads)
    progress.stage("loading the tasks")
    suites = {suite.name: load_tasks(suite, limit=config.limit, seed=config.seed) for suite in config.suites}
    progress.plan(len(variants) * sum(task.n_items for tasks in suites.values() for task in tasks))
    return tuple(
        run for variant in variants for run in _evaluate_one(variant, suites, config, store, progress)
    )


def _evaluate_one(
    variant: Variant,
    suites: dict[str, tuple[LoadedTask, ...]],
    config: AuditConfig,
    store: Store,
    progress: Progress,
) -> list[Run]:
    device = resolve_device(config.device)
    scorer = None
    runs = []
    for suite, tasks in suites.items():
        cells = []
        for task in tasks:
            key = _cell_key(variant, task, config, device)
            cell = store.cell(key)
            if cell is None:
                progress.stage(f"{variant.name}: {suite}: {task.name}")
                scorer = scorer or load_scorer(variant, config, device)
                cell = _score_cell(scorer, key, task, config, store, progress)
            else:
                progress.advance(task.n_items)
            cells.append(cell)
        runs.append(Run(variant=variant.name, suite=suite, cells=tuple(cells)))
    return runs


def _score_cell(
    scorer: Any, key: str, task: LoadedTask, config: AuditConfig, store: Store, progress: Progress
) -> Cell:
    started, clock = now(), time.monotonic()
    requests_per_item = _requests_per_item(task)
    samples = score(scorer, task, config, lambda requests: progress.advance(requests / requests_per_item))
    cell = Cell(
        task=task.name, key=key, path="", sha256="", n_items=0, task_version=task.version,
        num_fewshot=task.num_fewshot, seconds=time.monotonic() - clock, started=started,
    )  # fmt: skip
    return store.add_cell(cell, samples)


def _requests_per_item(task: LoadedTask) -> float:
    """How many requests an item makes, from its first document: enough for a progress bar."""
    if task.task.OUTPUT_TYPE != "multiple_choice":
        return 1.0
    choices = task.task.doc_to_choice(next(iter(task.task.eval_docs)))
    return float(max(1, len(choices)))


def _cell_key(variant: Variant, task: LoadedTask, config: AuditConfig, device: str) -> str:
    """sha256 of all that determines the samples.

    The variant's name is part of it, so that the control is measured and not copied from the original.
    """
    parts = {
        "variant": variant.name,
        "weights": variant.digest,
        "task": task.name,
        "task_digest": task.digest,
        "limit": config.limit,
        "num_fewshot": task.num_fewshot,
        "columns": [task.suite.group_by, task.suite.pair_by],
        "metrics": [metric.harness_metric for metric in task.suite.metrics],
        "seed": config.seed,
        "dtype": config.dtype,
        "device": device,
        "batch_size": config.batch_size,
        "threads": config.threads,
        "shrinkproof": version("shrinkproof"),
        "scorer": f"lm-eval {version('lm-eval')} HFLM",
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
