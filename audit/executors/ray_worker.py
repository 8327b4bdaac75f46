"""The other side of `audit.executors.ray`: what a worker is told, and does."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from audit import weights
from audit.cells import Answered, Arrays, CellScorer, Unable, Wanted
from audit.errors import EvaluationError, ShrinkproofError
from audit.harness import LoadedTask, source_digest, tasks_of
from audit.loading import resolve_device
from audit.provenance import packages
from audit.records import AuditConfig, Variant

_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Asked:
    """A `Wanted` that can be sent: its task by name."""

    variant: Variant
    suite: str
    task: str
    digest: str
    """Of the task."""
    part: int
    key: str
    original: str

    @classmethod
    def of(cls, wanted: Wanted) -> Asked:
        """The cell as a worker is told of it; relative paths are those of this process."""
        path = wanted.variant.path
        variant = wanted.variant.model_copy(update={"path": path and str(Path(path).resolve())})
        task = wanted.task
        return cls(variant, task.suite.name, task.name, task.digest, wanted.part, wanted.key, wanted.original)


@dataclass(frozen=True)
class Workplace:
    """What the asking process works by, so that a worker does the same."""

    config: AuditConfig
    device: str
    """`cpu`, or `cuda`: Ray shows a worker no other GPUs than its own."""
    threads: int
    source: str
    """Digest of the scorer's source."""
    packages: dict[str, str]
    """Versions of the libraries that results rest on."""
    host: str

    @classmethod
    def of(cls, config: AuditConfig) -> Workplace:
        """That of this process."""
        import torch

        device = resolve_device(config.device)
        model = config.model.model_copy(update={"path": str(Path(config.model.path).resolve())})
        return cls(
            config.model_copy(update={"model": model}),
            "cuda" if device.startswith("cuda") else device,
            torch.get_num_threads(),
            source_digest(),
            packages(),
            socket.gethostname(),
        )


class Worker:
    """A scorer in a process of Ray's."""

    def __init__(self, workplace: Workplace) -> None:
        self._at = workplace
        self._tasks: dict[tuple[str, str], LoadedTask] = {}
        self._known: set[str] = set()

    def begin(self, planned: Sequence[Asked]) -> dict[str, int]:
        """Load the first cell's variant and plan all; see `Crew.plan`.

        Raises EvaluationError where this is not the program, or these are not the items, of who asks.
        """
        return self._told(lambda: self._begin(planned))

    def score(self, asked: Asked, original: Arrays | None) -> Answered | Unable:
        """A planned cell."""
        import numpy as np

        # Ray hands out arrays that can't be written to, which torch warns of
        against = None if original is None else {name: np.array(one) for name, one in original.items()}
        return self._told(lambda: self._scorer.score(self._wanted(asked), against, lambda tokens: None))

    def _begin(self, planned: Sequence[Asked]) -> dict[str, int]:
        import torch

        if source_digest() != self._at.source:
            raise EvaluationError("another version of Shrinkproof is installed there. Install the same.")
        here = packages()
        for name, wanted in self._at.packages.items():
            if here.get(name) != wanted:
                raise EvaluationError(
                    f"{name} is {here.get(name)} there and {wanted} here. Install the same."
                )
        torch.set_num_threads(self._at.threads)
        self._tasks = {(task.suite.name, task.name): task for task in tasks_of(self._at.config)}
        self._scorer = CellScorer(self._at.config, self._at.device)
        cells = [self._wanted(one) for one in planned]
        self._scorer.load(cells[0].variant)
        return self._scorer.plan(cells)

    def _wanted(self, asked: Asked) -> Wanted:
        """The cell with this process's own task and, on this node, the same weights."""
        task = self._tasks[asked.suite, asked.task]
        if task.digest != asked.digest:
            raise EvaluationError(
                f"task '{asked.task}' of suite '{asked.suite}' reads other items there. Copy its data."
            )
        self._check_weights(asked.variant)
        return Wanted(asked.variant, task, asked.part, asked.key, asked.original)

    def _check_weights(self, variant: Variant) -> None:
        """Raises EvaluationError where another machine has no such files, or others, under their path."""
        if variant.name in self._known or socket.gethostname() == self._at.host or not variant.path:
            return
        artefact = variant.level.artefact if variant.level else self._at.config.model
        pickle = artefact is not None and artefact.allow_pickle
        path = Path(variant.path)
        held = weights.weight_files(path, allow_pickle=pickle) if path.exists() else []
        if weights.digest(weights.digests(held)) != variant.digest:
            raise EvaluationError(
                f"{path} does not hold the weights of '{variant.name}'. Let the nodes share the disk with "
                "the model and the run folder, or copy both to the same path on each."
            )
        self._known.add(variant.name)

    def _told(self, work: Callable[[], _Found]) -> _Found:
        """What the work gives; errors of ours say on which machine, unless it is that of who asks."""
        host = socket.gethostname()
        try:
            return work()
        except ShrinkproofError as error:
            if host == self._at.host:
                raise
            raise type(error)(f"on {host}: {error}") from None
