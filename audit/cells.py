"""A cell: what is to be scored, what comes out of it, and who does it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from audit.errors import ModelError, NoNumbersError, OutOfMemoryError
from audit.harness import LoadedTask, Measured, Scored, Scorer, n_repeated, n_tied, scorer_name
from audit.provenance import now
from audit.records import AuditConfig, Cell, Divergence, NotMeasured, Sample, Variant

if TYPE_CHECKING:
    from numpy.typing import NDArray

Arrays = Mapping[str, "NDArray[Any]"]
"""What the scored positions of a cell showed: see `Measured`."""
ArraysOf = Callable[[str], Arrays]
"""Those of the finished cell of a key."""


@dataclass(frozen=True)
class Wanted:
    """A cell to be had: a part of one task on one variant."""

    variant: Variant
    task: LoadedTask
    part: int
    key: str
    original: str
    """Key of the original's cell of the same items, which this one is held against."""

    @property
    def is_original(self) -> bool:
        """Whether there is nothing to hold it against."""
        return self.key == self.original

    @property
    def title(self) -> str:
        """What a person calls it."""
        return f"{self.variant.name}: {self.task.suite.name}: {self.task.name}"


@dataclass(frozen=True)
class Answered:
    """A scored cell, not written yet."""

    cell: Cell
    """Without the paths, digests and count of its files."""
    samples: tuple[Sample, ...]
    arrays: Arrays


@dataclass(frozen=True)
class Unable:
    """A cell that can't be scored, though others may: memory does not suffice, or the model says nothing."""

    key: str
    reason: str


class Crew(Protocol):
    """Who scores cells, for the time of one audit."""

    variants_at_once: int
    """How many variants it is best given cells of at a time: one that scores in turn loads each once."""

    def plan(self, cells: Sequence[Wanted]) -> Mapping[str, int]:
        """The tokens of a cell, by the key of the original's; asked once, of all that is missing."""
        ...

    def map(self, cells: Sequence[Wanted], arrays: ArraysOf) -> Iterator[Answered | Unable]:
        """The cells, scored if they can be, each as soon as it is done, in any order.

        The original's cells that they are held against are finished, or among none of them.
        """
        ...


class CellScorer:
    """Scores cells one by one in this process; a variant is loaded when the first of its cells comes."""

    def __init__(self, config: AuditConfig, device: str) -> None:
        self._scorer = Scorer(config, device)

    def load(self, variant: Variant) -> None:
        """Bring a variant into memory, unless it is there."""
        dtype = variant.level.computed_in if variant.level else None
        if variant.level and variant.level.endpoint:
            self._scorer.call(variant.level.endpoint, variant.probed)
            return
        source = variant.level.artefact if variant.level else None
        try:
            self._scorer.load(Path(variant.path), control=variant.is_control, dtype=dtype, source=source)
        except ModelError as error:
            raise ModelError(f"'{variant.name}': {error}") from error

    def release(self) -> None:
        """Let go of what was loaded."""
        self._scorer.release()

    def plan(self, cells: Sequence[Wanted]) -> dict[str, int]:
        """Build the requests of the cells, once for all variants; see `Crew.plan`. Takes a loaded variant."""
        asked = {cell.original: cell for cell in cells}
        return {key: self._scorer.plan(cell.task, cell.part) for key, cell in asked.items()}

    def score(
        self, wanted: Wanted, original: Arrays | None, advance: Callable[[float], None]
    ) -> Answered | Unable:
        """A planned cell; `original` is what it is held against, None for the original's own."""
        try:
            return self._scored(wanted, original, advance)
        except OutOfMemoryError as error:
            return Unable(wanted.key, str(error))
        except NoNumbersError as error:
            if wanted.is_original:  # nothing could be held against it
                raise
            return Unable(wanted.key, str(error))

    def _scored(self, wanted: Wanted, original: Arrays | None, advance: Callable[[float], None]) -> Answered:
        self.load(wanted.variant)
        started, clock = now(), time.monotonic()
        against = None if original is None else Measured.of_arrays(original)
        try:
            scored = self._scorer.score(wanted.task, wanted.part, against, advance)
        except ModelError as error:
            raise type(error)(f"{wanted.variant.name}: {error}") from error
        cell = Cell(
            task=wanted.task.name, key=wanted.key, path="", sha256="", n_items=0, part=wanted.part,
            n_left_out=wanted.task.n_left_out, task_version=wanted.task.version,
            num_fewshot=wanted.task.num_fewshot, data=dict(wanted.task.data),
            n_cut=scored.n_cut, n_tied=n_tied(scored.samples), n_repeated=n_repeated(scored.samples),
            chat_template=scored.chat_template, scorer=scored.scorer, pack_tokens=scored.pack_tokens,
            divergence=_divergence(wanted, scored), seconds=time.monotonic() - clock, started=started,
        )  # fmt: skip
        return Answered(cell, scored.samples, scored.arrays())


def _divergence(wanted: Wanted, scored: Scored) -> Divergence | NotMeasured:
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
