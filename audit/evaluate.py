"""Variant × Suite → Run, cell by cell: a finished cell is never scored again."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit import weights
from audit.harness import LoadedTask, Measured, Scored, Scorer, load_tasks, scorer_name, source_digest
from audit.loading import resolve_device, resolve_dtype
from audit.progress import Progress, Silent
from audit.provenance import now
from audit.records import AuditConfig, Cell, Divergence, NotMeasured, Run, Variant
from audit.store import Store


@dataclass(frozen=True)
class _Wanted:
    """A cell to be had: one task on one variant."""

    variant: Variant
    task: LoadedTask
    key: str
    original: str
    """Key of the original's cell of the same task, which this one is held against."""

    @property
    def is_original(self) -> bool:
        return self.key == self.original


def evaluate(
    variants: Sequence[Variant], config: AuditConfig, store: Store, progress: Progress | None = None
) -> tuple[Run, ...]:
    """Every suite on every variant, in the order of the config; the first variant is the original."""
    progress = progress or Silent()
    progress.stage("loading the tasks")
    tasks = [
        task
        for suite in config.suites
        for task in load_tasks(suite, limit=config.limit, seed=config.seed)
    ]  # fmt: skip
    wanted = _wanted(variants, tasks, config)
    missing = {cell.key: cell for cell in wanted if _found(cell, store) is None}
    _score_missing(list(missing.values()), config, store, progress)
    return tuple(
        Run(
            variant=variant.name,
            suite=suite.name,
            cells=tuple(
                store.finished_cell(cell.key)
                for cell in wanted
                if cell.variant == variant and cell.task.suite == suite
            ),
        )
        for variant in variants
        for suite in config.suites
    )


def _wanted(variants: Sequence[Variant], tasks: Sequence[LoadedTask], config: AuditConfig) -> list[_Wanted]:
    """All cells of the audit, the original's first."""
    keys = [_cell_keys(variant, tasks, config) for variant in variants]
    return [
        _Wanted(variant, task, key, original)
        for variant, of_variant in zip(variants, keys, strict=True)
        for task, key, original in zip(tasks, of_variant, keys[0], strict=True)
    ]


def _found(cell: _Wanted, store: Store) -> Cell | None:
    """The finished cell; the original's may come from an earlier audit."""
    return store.cell(cell.key) or (store.borrowed_cell(cell.key) if cell.is_original else None)


def _score_missing(missing: Sequence[_Wanted], config: AuditConfig, store: Store, progress: Progress) -> None:
    """Plan every task once, then score cell after cell; each variant is loaded once."""
    if not missing:
        return
    scorer = Scorer(config, resolve_device(config.device))
    progress.stage(f"loading {missing[0].variant.name}")
    scorer.load(missing[0].variant)
    progress.stage("planning the tasks")
    tasks = {cell.original: cell.task for cell in missing}
    tokens = {key: scorer.plan(task) for key, task in tasks.items()}
    progress.plan(sum(tokens[cell.original] for cell in missing))
    done = 0
    for cell in missing:
        progress.stage(f"{cell.variant.name}: {cell.task.suite.name}: {cell.task.name}")
        scorer.load(cell.variant)
        _score(scorer, cell, store, progress)
        done += tokens[cell.original]
        progress.reach(done)  # a generation may end before its most tokens


def _score(scorer: Scorer, wanted: _Wanted, store: Store, progress: Progress) -> None:
    started, clock = now(), time.monotonic()
    original = None if wanted.is_original else Measured.of_arrays(store.arrays(wanted.original))
    scored = scorer.score(wanted.task, original, progress.advance)
    cell = Cell(
        task=wanted.task.name, key=wanted.key, path="", sha256="", n_items=0,
        task_version=wanted.task.version, num_fewshot=wanted.task.num_fewshot, scorer=scored.scorer,
        divergence=_divergence(wanted, scored), seconds=time.monotonic() - clock, started=started,
    )  # fmt: skip
    store.add_cell(cell, scored.samples, scored.arrays(), lend=wanted.is_original)


def _divergence(wanted: _Wanted, scored: Scored) -> Divergence | NotMeasured:
    """The means over the task's scored positions."""
    if wanted.is_original:
        return NotMeasured("the original is what the others are held against")
    if wanted.task.generates:
        return NotMeasured("free generation: no answer is scored")
    if scored.measured is None:
        return NotMeasured(f"'{wanted.task.name}' was scored by {scored.scorer}")
    if scored.measured.divergence is None:
        return NotMeasured(f"'{wanted.task.name}' was not scored by {scorer_name()} on the original")
    return scored.measured.divergence.mean()


def _cell_keys(variant: Variant, tasks: Sequence[LoadedTask], config: AuditConfig) -> list[str]:
    """For each task, sha256 of all that determines its samples: they serve again wherever that is the same.

    The variant's name is part of it, so that the control is measured and not copied from the original.
    Threads, batch and pack sizes are not: they move a log-likelihood by rounding only.
    """
    device = resolve_device(config.device)
    of_variant = {
        "variant": variant.name,
        "weights": variant.digest,
        "companions": weights.companions_digest(Path(variant.path)),
        "tokenizer": weights.companions_digest(Path(config.model.path)),
        "limit": config.limit,
        "seed": config.seed,
        "dtype": resolve_dtype(config.dtype, device),
        "device": device,
        "scorer": [scorer_name(), source_digest()],
    }
    return [
        hashlib.sha256(json.dumps(of_variant | _task_parts(task), sort_keys=True).encode()).hexdigest()
        for task in tasks
    ]


def _task_parts(task: LoadedTask) -> dict[str, Any]:
    return {
        "task": task.name,
        "task_digest": task.digest,
        "num_fewshot": task.num_fewshot,
        "columns": [task.suite.group_by, task.suite.pair_by],
        "metrics": [metric.harness_metric for metric in task.suite.metrics],
    }
