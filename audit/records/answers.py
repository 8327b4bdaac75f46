"""What a model answered, item by item, and where that lies."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from audit.records.base import Inside, NotMeasured, Record, Text
from audit.records.estimates import Divergence


class Sample(Record):
    """One item's outcome under one metric: one row of a parquet table."""

    task: str
    doc_id: int
    doc_hash: str
    prompt_hash: str
    target_hash: str
    group: Text | None
    pair: Text | None
    cluster: Text | None = None
    """Items with the same are not independent."""
    metric: str
    """lm-eval's name of the metric."""
    outcome: float
    weight: float = 1.0
    """What the outcome is a sum over: the words, bytes or tokens of a perplexity's document, the denominator
    of a ratio. 0 where an item adds nothing, or has no number of its own, as under BLEU."""
    question: Text
    """What the model was shown; the last part of it where shots precede."""
    choices: tuple[Text, ...]
    """The answers on offer; empty for free generation."""
    target: Text
    answer: Text
    """What the model chose or wrote."""
    scores: tuple[float, ...]
    """Log-likelihood of each choice; empty for free generation."""


HELD_OUT = 0
"""Part of a task that nobody chooses by: asked of the chosen variant at the end."""


def _held(number: int) -> int:
    if abs(number) >= 2**63:
        raise ValueError("larger than a table of answers holds")
    return number


class Cell(Record):
    """One task scored on one variant: the unit of resuming."""

    task: str
    key: Inside
    """sha256 of all that determines the outcome."""
    path: Inside
    """Parquet file, relative to the run folder."""
    sha256: str
    """Of the parquet file."""
    measured_path: Inside = ""
    """Safetensors file of what the scored positions showed; empty where none was scored."""
    measured_sha256: str = ""
    n_items: int
    part: Annotated[int, AfterValidator(_held)] = 1
    """Which of the task's parts, from 1: a look at the data comes after each. 0: the items held out."""
    n_left_out: int = 0
    """Of the items met, those that the task's perturbation can't change: not asked, in no part."""
    n_cut: int = 0
    """Items whose prompt was longer than the model takes: its beginning is cut off, as lm-eval does."""
    n_tied: int = 0
    """Items of whose choices several were the likeliest: the first of them counts, as in lm-eval."""
    n_repeated: int = 0
    """Items that ask what another one before them asks; each counts."""
    task_version: str
    num_fewshot: int
    data: dict[str, str] = {}
    """What the task read: sha256 of local files by the names of their splits, or the commit of a hub's data
    set by its name."""
    chat_template: str | None = None
    """sha256 of the template that its prompts were written by, or that the model has none; None: no chat."""
    scorer: str
    """What computed the answers; if it is not the shared-prefix scorer, why not."""
    pack_tokens: int | None = None
    """Of one forward, where memory did not suffice for as many as were meant: that moves a log-likelihood by
    rounding alone. None: it did."""
    divergence: Divergence | NotMeasured
    """From the original, over the task's scored positions."""
    tokens: int | NotMeasured = NotMeasured("the log was written before they were counted")
    """Computed to score it, each distinct prefix once; of generated answers the most that there could be."""
    seconds: float
    started: str
    """UTC, ISO 8601."""

    @property
    def files(self) -> dict[str, str]:
        """The sha256 of each of its files, by the path in the run folder."""
        measured = {self.measured_path: self.measured_sha256} if self.measured_path else {}
        return {self.path: self.sha256} | measured


class Unscored(Record):
    """A part of a task that could not be scored, though others could; the next start tries again."""

    task: str
    part: Annotated[int, AfterValidator(_held)] = 1
    reason: str


class Run(Record):
    """One suite on one variant."""

    variant: str
    suite: str
    cells: tuple[Cell, ...]
    unscored: tuple[Unscored, ...] = ()
    """What is lacking: without it nothing is said of the suite."""

    @property
    def lacks(self) -> str | None:
        """Why nothing can be said of the suite on this variant; None where all is there that was asked."""
        if not self.unscored:
            return None
        first, *others = self.unscored
        more = f" (and {len(others)} more)" if others else ""
        return f"part {first.part} of '{first.task}' was not scored on '{self.variant}'{more}: {first.reason}"
