"""Cells one after another, in this process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from audit.cells import Answered, ArraysOf, CellScorer, Unable, Wanted
from audit.loading import resolve_device
from audit.progress import Progress
from audit.records import AuditConfig, Written

LIBRARY = ""


class Options(Written):
    """Nothing is left open."""


@contextlib.contextmanager
def crew(config: AuditConfig, options: Options, progress: Progress) -> Iterator[LocalCrew]:
    """This process alone, which lets go of its model in the end."""
    alone = LocalCrew(config, progress)
    try:
        yield alone
    finally:
        alone.dismiss()


class LocalCrew:
    """One scorer, which holds one variant at a time."""

    variants_at_once = 1

    def __init__(self, config: AuditConfig, progress: Progress) -> None:
        self._scorer = CellScorer(config, resolve_device(config.device))
        self._progress = progress

    def dismiss(self) -> None:
        """Let go of the model."""
        self._scorer.release()

    def plan(self, cells: Sequence[Wanted]) -> dict[str, int]:
        """See `Crew`."""
        self._progress.stage(f"loading {cells[0].variant.name}")
        self._scorer.load(cells[0].variant)
        self._progress.stage("planning the tasks")
        return self._scorer.plan(cells)

    def map(self, cells: Sequence[Wanted], arrays: ArraysOf) -> Iterator[Answered | Unable]:
        """See `Crew`; in the order given."""
        for cell in cells:
            self._progress.stage(cell.title)
            original = None if cell.is_original else arrays(cell.original)
            yield self._scorer.score(cell, original, self._progress.advance)
