"""Variant × Suite → Run, cell by cell: a finished cell is never scored again."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audit import engine, registry, weights
from audit.cells import Crew, Unable, Wanted
from audit.harness import LoadedTask, scorer_name, source_digest, tasks_of
from audit.loading import resolve_device, resolve_dtype
from audit.progress import Progress, Silent
from audit.provenance import now, packages
from audit.records import HELD_OUT, AuditConfig, Cell, NotMeasured, Registration, Run, Unscored, Variant
from audit.store import Store

UNSEEN = NotMeasured("what a server computes is not seen")
Settled = Callable[[Sequence[Run]], frozenset[str]]
"""Names of the suites that need no more items, given the original's runs and one variant's so far."""


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
    decided and need no more; the original answers all of them, once. The config's executor says how many
    variants are on their way at once, which changes nothing of what is asked of each. `tasks`: those of the
    config, where they are loaded already.
    """
    progress = progress or Silent()
    progress.stage("loading the tasks")
    tasks = tasks or tasks_of(config)
    register(tasks, config, store)
    parts = [
        (task, part)
        for part in range(1, config.looks + 1)
        for task in tasks
        if part <= len(task.parts)
    ]  # fmt: skip
    wanted = _wanted(variants, parts, config)
    with _scoring(wanted, config, store, progress) as scoring:
        original, *others = (
            _Course(variant, [cell for cell in wanted if cell.variant == variant]) for variant in variants
        )
        original.take(scoring.have(original.cells))
        reference = original.runs(config)
        compared: list[Run] = []
        for at_once in _batched(others, scoring.variants_at_once):
            for runs in _look_by_look(at_once, reference, config, scoring, settled):
                store.note_runs([*reference, *compared, *runs])
            compared += [run for course in at_once for run in course.runs(config)]
    return (*reference, *compared)


def register(tasks: Sequence[LoadedTask], config: AuditConfig, store: Store) -> None:
    """Fix the items and the rules before anything is asked; those registered earlier stand.

    Raises StoreError where they are no longer the same.
    """
    store.register(_registration(tasks, config))


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
    runs: list[Run] = []
    with _scoring(wanted, config, store, progress) as scoring:
        for variant in variants:
            course = _Course(variant, [cell for cell in wanted if cell.variant == variant])
            course.take(scoring.have(course.cells))
            runs += course.runs(config)
    return tuple(runs)


@dataclass
class _Course:
    """One variant on its way through the parts of the tasks."""

    variant: Variant
    cells: Sequence[Wanted]
    """All that may be asked."""
    had: list[Cell | Unscored] = field(default_factory=list)
    asked: list[Wanted] = field(default_factory=list)
    done: frozenset[str] = frozenset()
    """Suites that are settled."""

    def ask(self, part: int) -> list[Wanted]:
        """The cells of a part that are not settled."""
        return [cell for cell in self.cells if cell.part == part and cell.task.suite.name not in self.done]

    def take(self, wave: Sequence[tuple[Wanted, Cell | Unscored]]) -> None:
        """Keep those of its cells that were asked, had or not."""
        mine = [one for one in wave if one[0].variant == self.variant]
        self.asked += [wanted for wanted, _ in mine]
        self.had += [cell for _, cell in mine]

    def runs(self, config: AuditConfig) -> tuple[Run, ...]:
        """What was had by suite, in the order of tasks and parts."""
        together = list(zip(self.asked, self.had, strict=True))
        of_suites = {
            suite.name: [had for wanted, had in together if wanted.task.suite == suite]
            for suite in config.suites
        }
        return tuple(
            Run(
                variant=self.variant.name,
                suite=name,
                cells=tuple(one for one in had if isinstance(one, Cell)),
                unscored=tuple(one for one in had if isinstance(one, Unscored)),
            )
            for name, had in of_suites.items()
        )


def _look_by_look(
    courses: Sequence[_Course],
    reference: Sequence[Run],
    config: AuditConfig,
    scoring: _Scoring,
    settled: Settled,
) -> Iterator[list[Run]]:
    """The variants' runs after each part, of as many parts as it takes to settle each suite of each."""
    for part in range(1, config.looks + 1):
        had = scoring.have([cell for course in courses for cell in course.ask(part)])
        for course in courses:
            course.take(had)
            if part < config.looks:
                course.done = settled([*reference, *course.runs(config)])
            else:
                asked = {cell.key for cell in course.asked}
                scoring.spare([cell for cell in course.cells if cell.key not in asked])
        yield [run for course in courses for run in course.runs(config)]


def _batched(courses: Sequence[_Course], size: int) -> Iterator[Sequence[_Course]]:
    """In their order, so many at a time."""
    for start in range(0, len(courses), size):
        yield courses[start : start + size]


def _wanted(
    variants: Sequence[Variant], parts: Sequence[tuple[LoadedTask, int]], config: AuditConfig
) -> list[Wanted]:
    """The cells of these parts of tasks, the original's first."""
    originals = _cell_keys(variants[0], parts, config)
    keys = [originals, *(_cell_keys(variant, parts, config, originals) for variant in variants[1:])]
    return [
        Wanted(variant, task, part, key, original)
        for variant, of_variant in zip(variants, keys, strict=True)
        for (task, part), key, original in zip(parts, of_variant, originals, strict=True)
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
        self, missing: dict[str, Wanted], crew: Crew | None, store: Store, progress: Progress
    ) -> None:
        """Plan what is missing, once; nobody is needed where nothing is."""
        self._missing, self._crew = missing, crew
        self._store, self._progress = store, progress
        # By a model that is here, where there is one: a server would be asked for its tokens otherwise
        first = sorted(missing.values(), key=lambda cell: is_served(cell.variant))
        self._tokens = crew.plan(first) if crew else {}
        self._done = 0
        self._unable: dict[str, str] = {}
        """Why cells could not be scored, by their keys."""
        if crew:
            progress.plan(sum(self._tokens[cell.original] for cell in missing.values()))

    @property
    def variants_at_once(self) -> int:
        """How many variants it is best asked for at a time."""
        return self._crew.variants_at_once if self._crew else 1

    def have(self, cells: Sequence[Wanted]) -> list[tuple[Wanted, Cell | Unscored]]:
        """The cells, in their order, scored if need be and as far as they can be."""
        missing = {cell.key: self._missing[cell.key] for cell in cells if cell.key in self._missing}
        for wanted in [one for one in missing.values() if one.original in self._unable]:
            self._leave(missing.pop(wanted.key), "the original was not scored on these items")
        if missing:  # each once, though two suites may want the same
            assert self._crew is not None, "there is one where cells are missing"
            for answered in self._crew.map(list(missing.values()), self._store.arrays):
                if isinstance(answered, Unable):
                    self._leave(missing[answered.key], answered.reason)
                    continue
                wanted = missing[answered.cell.key]
                tokens = UNSEEN if is_served(wanted.variant) else self._tokens[wanted.original]
                self._store.add_cell(
                    answered.cell.model_copy(update={"tokens": tokens}),
                    answered.samples,
                    answered.arrays,
                    lend=wanted.is_original,
                )
                self.spare([wanted])
        return [(cell, self._had(cell)) for cell in cells]

    def _leave(self, cell: Wanted, reason: str) -> None:
        """Go on without a cell."""
        self._unable[cell.key] = reason
        self._progress.stage(f"{cell.title}, part {cell.part} is left out: {reason}")
        self.spare([cell])

    def _had(self, cell: Wanted) -> Cell | Unscored:
        if cell.key in self._unable:
            return Unscored(task=cell.task.name, part=cell.part, reason=self._unable[cell.key])
        return self._store.finished_cell(cell.key)

    def spare(self, cells: Sequence[Wanted]) -> None:
        """Count cells as done, scored or not needed; a generation may also end before its most tokens."""
        for cell in cells:
            if self._missing.pop(cell.key, None):
                self._done += self._tokens[cell.original]
        self._progress.reach(self._done)


@contextlib.contextmanager
def _scoring(
    wanted: Sequence[Wanted], config: AuditConfig, store: Store, progress: Progress
) -> Iterator[_Scoring]:
    """What scores the cells, by the executor of the config; nobody is called where all is there."""
    missing = {cell.key: cell for cell in wanted if _found(cell, store) is None}
    with contextlib.ExitStack() as stack:
        crew: Crew | None = None
        if missing:
            chosen = config.executor
            options = registry.check_executor(chosen.name, chosen.options)
            crew = stack.enter_context(registry.executor(chosen.name).crew(config, options, progress))
        yield _Scoring(missing, crew, store, progress)


def _found(cell: Wanted, store: Store) -> Cell | None:
    """The finished cell, which may come from an earlier audit.

    The control's may not: it is measured in every run, and shows that what others measured holds here. Nor
    may that of a model served elsewhere: nobody knows what was served then.
    """
    level = cell.variant.level
    repeats = level is not None and level.is_control and not level.computed_in
    borrows = not repeats and not is_served(cell.variant)
    return store.cell(cell.key) or (store.borrowed_cell(cell.key) if borrows else None)


def is_served(variant: Variant) -> bool:
    """Whether it runs behind an endpoint."""
    return variant.level is not None and variant.level.endpoint is not None


def _cell_keys(
    variant: Variant,
    parts: Sequence[tuple[LoadedTask, int]],
    config: AuditConfig,
    originals: Sequence[str] = (),
) -> list[str]:
    """For each part of a task, sha256 of what determines its samples, which serve wherever it is the same.

    The variant's name is part of it, so that the control is measured and not copied from the original; so
    are the original's keys, from whose distributions the others' divergence is.
    Threads, batch and pack sizes are not: they move a log-likelihood by rounding only.
    """
    device, installed = resolve_device(config.device), packages()
    of_variant = {
        "variant": variant.name,
        **_weights(variant),
        "tokenizer": weights.companions_digest(Path(config.model.path)),
        "limit": config.limit,
        "seed": config.seed,
        "dtype": resolve_dtype((variant.level and variant.level.computed_in) or config.dtype, device),
        "device": device,
        "scorer": [scorer_name(), source_digest()],
        "libraries": [installed.get(name) for name in ("torch", "transformers")],
        **({"engine": [engine.named(config.engine), config.engine.settings]} if config.engine else {}),
    }
    beside = [{"original": key} for key in originals] or [{}] * len(parts)
    return [
        hashlib.sha256(json.dumps(of_variant | _of_part(*part) | one, sort_keys=True).encode()).hexdigest()
        for part, one in zip(parts, beside, strict=True)
    ]


def as_answered(variants: Sequence[Variant], runs: Sequence[Run], config: AuditConfig) -> tuple[Variant, ...]:
    """The variants, each evaluated as the engine of the config told when it answered for it.

    What an engine computes with is known once it has loaded a model; the scorer of ours loads as it is asked.
    """
    if config.engine is None:
        return tuple(variants)
    told: dict[str, dict[str, None]] = {}
    for run in runs:
        told.setdefault(run.variant, {}).update(dict.fromkeys(cell.scorer for cell in run.cells))
    return tuple(
        variant
        if not told.get(variant.name) or (variant.level and variant.level.endpoint)
        else variant.model_copy(update={"evaluated_as": "; ".join(told[variant.name])})
        for variant in variants
    )


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
