"""Variant × Suite → Run, cell by cell: a finished cell is never scored again."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit import registry, weights
from audit.harness import LoadedTask, Measured, Scored, Scorer, scorer_name, source_digest, tasks_of
from audit.loading import resolve_device, resolve_dtype
from audit.progress import Progress, Silent
from audit.provenance import now
from audit.records import HELD_OUT, AuditConfig, Cell, Divergence, NotMeasured, Registration, Run, Variant
from audit.store import Store

Settled = Callable[[Sequence[Run]], frozenset[str]]
"""Names of the suites that need no more items, given the original's runs and one variant's so far."""


@dataclass(frozen=True)
class _Wanted:
    """A cell to be had: a part of one task on one variant."""

    variant: Variant
    task: LoadedTask
    part: int
    key: str
    original: str
    """Key of the original's cell of the same items, which this one is held against."""

    @property
    def is_original(self) -> bool:
        return self.key == self.original


def evaluate(
    variants: Sequence[Variant],
    config: AuditConfig,
    store: Store,
    progress: Progress | None = None,
    settled: Settled = lambda runs: frozenset(),
    tasks: Sequence[LoadedTask] | None = None,
) -> tuple[Run, ...]:
    """Every suite on every variant, in the order of the config; the first variant is the original.

    The items come in `config.looks` parts. After each part of a variant, `settled` says which suites are
    decided and need no more; the original answers all of them, once. `tasks`: those of the config, where they
    are loaded already.
    """
    progress = progress or Silent()
    progress.stage("loading the tasks")
    tasks = tasks or tasks_of(config)
    store.register(_registration(tasks, config))
    parts = [
        (task, part)
        for part in range(1, config.looks + 1)
        for task in tasks
        if part <= len(task.parts)
    ]  # fmt: skip
    wanted = _wanted(variants, parts, config)
    scoring = _Scoring(wanted, config, store, progress)
    (original, first), *others = (
        (variant, [cell for cell in wanted if cell.variant == variant]) for variant in variants
    )
    reference = _runs(original, first, [scoring.have(cell) for cell in first], config)
    compared: list[Run] = []
    for variant, cells in others:
        for runs in _look_by_look(variant, cells, reference, config, scoring, settled):
            store.note_runs([*reference, *compared, *runs])
        compared += runs
    return (*reference, *compared)


def evaluate_held_out(
    variants: Sequence[Variant],
    config: AuditConfig,
    store: Store,
    progress: Progress | None = None,
    tasks: Sequence[LoadedTask] | None = None,
) -> tuple[Run, ...]:
    """Every suite on the items held out; the first variant is the original. `tasks` as of `evaluate`."""
    progress = progress or Silent()
    progress.stage("loading the items held out")
    wanted = _wanted(variants, [(task, HELD_OUT) for task in tasks or tasks_of(config) if task.held], config)
    scoring = _Scoring(wanted, config, store, progress)
    runs: list[Run] = []
    for variant in variants:
        cells = [cell for cell in wanted if cell.variant == variant]
        runs += _runs(variant, cells, [scoring.have(cell) for cell in cells], config)
    return tuple(runs)


def _look_by_look(
    variant: Variant,
    cells: Sequence[_Wanted],
    reference: Sequence[Run],
    config: AuditConfig,
    scoring: _Scoring,
    settled: Settled,
) -> Iterator[tuple[Run, ...]]:
    """One variant's runs after each part, of as many parts as it takes to settle each suite."""
    asked: list[_Wanted] = []
    had: list[Cell] = []
    done: frozenset[str] = frozenset()
    for part in range(1, config.looks + 1):
        new = [cell for cell in cells if cell.part == part and cell.task.suite.name not in done]
        asked += new
        had += [scoring.have(cell) for cell in new]
        runs = _runs(variant, asked, had, config)
        if part < config.looks:
            done = settled([*reference, *runs])
        if part == config.looks:
            scoring.spare([cell for cell in cells if cell not in asked])
        yield runs


def _runs(
    variant: Variant, asked: Sequence[_Wanted], had: Sequence[Cell], config: AuditConfig
) -> tuple[Run, ...]:
    """The cells of one variant by suite, in the order of tasks and parts."""
    together = list(zip(asked, had, strict=True))
    return tuple(
        Run(
            variant=variant.name,
            suite=suite.name,
            cells=tuple(cell for wanted, cell in together if wanted.task.suite == suite),
        )
        for suite in config.suites
    )


def _wanted(
    variants: Sequence[Variant], parts: Sequence[tuple[LoadedTask, int]], config: AuditConfig
) -> list[_Wanted]:
    """The cells of these parts of tasks, the original's first."""
    keys = [_cell_keys(variant, parts, config) for variant in variants]
    return [
        _Wanted(variant, task, part, key, original)
        for variant, of_variant in zip(variants, keys, strict=True)
        for (task, part), key, original in zip(parts, of_variant, keys[0], strict=True)
    ]


def _registration(tasks: Sequence[LoadedTask], config: AuditConfig) -> Registration:
    items = [
        [task.suite.name, task.name, task.digest, task.parts, *([task.held] if task.held else [])]
        for task in tasks
    ]
    return Registration(
        policy_sha256=config.policy_sha256,
        items_sha256=hashlib.sha256(json.dumps(items).encode()).hexdigest(),
        at=now(),
    )


class _Scoring:
    """Cells as they are asked for; a finished one is never scored again."""

    def __init__(
        self, wanted: Sequence[_Wanted], config: AuditConfig, store: Store, progress: Progress
    ) -> None:
        """Plan every task once, unless all is there."""
        self._store, self._progress = store, progress
        self._tokens: dict[str, int] = {}
        self._done = 0
        self._scorer = Scorer(config, resolve_device(config.device))
        self._missing = {cell.key: cell for cell in wanted if _found(cell, store) is None}
        if self._missing:
            self._plan(list(self._missing.values()))

    def _plan(self, missing: Sequence[_Wanted]) -> None:
        self._progress.stage(f"loading {missing[0].variant.name}")
        self._load(missing[0].variant)
        self._progress.stage("planning the tasks")
        asked = {cell.original: cell for cell in missing}
        self._tokens = {key: self._scorer.plan(cell.task, cell.part) for key, cell in asked.items()}
        self._progress.plan(sum(self._tokens[cell.original] for cell in missing))

    def _load(self, variant: Variant) -> None:
        dtype = variant.level.computed_in if variant.level else None
        if variant.level and variant.level.endpoint:
            self._scorer.call(variant.level.endpoint)
            return
        source = variant.level.artefact if variant.level else None
        self._scorer.load(Path(variant.path), control=variant.is_control, dtype=dtype, source=source)

    def have(self, wanted: _Wanted) -> Cell:
        """The cell, scored if need be; each variant is loaded once."""
        planned = self._missing.get(wanted.key)  # two suites may want the same
        if planned is not None:
            suite, task = planned.task.suite.name, planned.task.name
            self._progress.stage(f"{planned.variant.name}: {suite}: {task}")
            self._load(planned.variant)
            tokens = self._tokens[planned.original]
            _score(self._scorer, planned, tokens, self._store, self._progress)
            self.spare([planned])
        return self._store.finished_cell(wanted.key)

    def spare(self, cells: Sequence[_Wanted]) -> None:
        """Count cells as done, scored or not needed; a generation may also end before its most tokens."""
        for cell in cells:
            if self._missing.pop(cell.key, None):
                self._done += self._tokens[cell.original]
        self._progress.reach(self._done)


def _found(cell: _Wanted, store: Store) -> Cell | None:
    """The finished cell; the original's may come from an earlier audit."""
    return store.cell(cell.key) or (store.borrowed_cell(cell.key) if cell.is_original else None)


def _score(scorer: Scorer, wanted: _Wanted, tokens: int, store: Store, progress: Progress) -> None:
    started, clock = now(), time.monotonic()
    original = None if wanted.is_original else Measured.of_arrays(store.arrays(wanted.original))
    scored = scorer.score(wanted.task, wanted.part, original, progress.advance)
    cell = Cell(
        task=wanted.task.name, key=wanted.key, path="", sha256="", n_items=0, part=wanted.part,
        n_left_out=wanted.task.n_left_out,
        task_version=wanted.task.version, num_fewshot=wanted.task.num_fewshot, data=dict(wanted.task.data),
        chat_template=scored.chat_template, scorer=scored.scorer, divergence=_divergence(wanted, scored),
        tokens=tokens, seconds=time.monotonic() - clock, started=started,
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
    documents = scored.measured.owners(scored.requests[:, 0])
    return scored.measured.divergence.mean(documents)


def _cell_keys(variant: Variant, parts: Sequence[tuple[LoadedTask, int]], config: AuditConfig) -> list[str]:
    """For each part of a task, sha256 of what determines its samples, which serve wherever it is the same.

    The variant's name is part of it, so that the control is measured and not copied from the original.
    Threads, batch and pack sizes are not: they move a log-likelihood by rounding only.
    """
    device = resolve_device(config.device)
    of_variant = {
        "variant": variant.name,
        **_weights(variant),
        "tokenizer": weights.companions_digest(Path(config.model.path)),
        "limit": config.limit,
        "seed": config.seed,
        "dtype": resolve_dtype((variant.level and variant.level.computed_in) or config.dtype, device),
        "device": device,
        "scorer": [scorer_name(), source_digest()],
    }
    return [
        hashlib.sha256(json.dumps(of_variant | _of_part(*part), sort_keys=True).encode()).hexdigest()
        for part in parts
    ]


def _weights(variant: Variant) -> dict[str, Any]:
    """What pins the model: its files, or what is known of one that is served elsewhere."""
    if variant.level and variant.level.endpoint:
        return {"endpoint": variant.level.endpoint.model_dump()}
    return {"weights": variant.digest, "companions": weights.companions_digest(Path(variant.path))}


def _of_part(task: LoadedTask, part: int) -> dict[str, Any]:
    return {
        "documents": task.documents(part),
        "task": task.name,
        "task_digest": task.digest,
        "num_fewshot": task.num_fewshot,
        "columns": [task.suite.group_by, task.suite.pair_by, task.suite.cluster_by],
        "metrics": [
            [
                metric.harness_metric,
                metric.reading,
                metric.reading and registry.reading_source(metric.reading),
            ]
            for metric in task.suite.metrics
        ],
        "chat": [task.suite.chat, task.suite.system_prompt],
        "needs": [one.model_dump() for one in task.suite.needs if one.version],
    }
