"""The items whose answer changed: before and after, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest

from audit.records import AuditLog, Change, Comparison, Metric, NotMeasured, Suite
from reports import reading
from reports.section import Section
from reports.templating import draw
from reports.wording import anchor, clipped, count, plural, signed

FEW_FILES = 4
"""So many paths are shown at once, more behind a fold."""
TEXT_LIMIT = 600
"""Characters shown of a question or an answer."""
CHOICE_LIMIT = 120
"""Characters shown of a choice beside its log-likelihoods."""
CHOICES_LIMIT = 12
"""Choices shown of an item."""


@dataclass(frozen=True)
class Score:
    """One choice, with the log-likelihood that both gave it."""

    choice: str
    before: str
    after: str
    right: bool


@dataclass(frozen=True)
class Item:
    """One row."""

    change: Change
    lead: str | NotMeasured
    """By how much the right choice leads, before and after."""
    scores: list[Score]
    hidden: int
    """Choices that are not shown."""


@dataclass(frozen=True)
class Block:
    """The changed items of one suite at one level."""

    id: str
    title: str
    level: str
    metric: str
    shown: str
    items: list[Item]
    files: list[str]
    """The parquet files with all items, in the run folder: the level's, then the original's."""


def section(log: AuditLog) -> Section:
    """One block per level and suite that has something to show."""
    blocks = [
        _block(log, suite, metric, comparison)
        for level in log.config.levels
        for suite in log.config.suites
        for metric in suite.metrics
        for comparison in reading.wholes(log, suite, level)
        if metric.kind == "binary" and comparison.n_changed and comparison.metric == metric.name
    ]
    html = draw("changed.html.j2", blocks=blocks, text_limit=TEXT_LIMIT, few=FEW_FILES)
    return Section("changed", "Answers that changed", html)


def _block(log: AuditLog, suite: Suite, metric: Metric, comparison: Comparison) -> Block:
    named = f", {metric.name}" if len(suite.metrics) > 1 else ""
    return Block(
        id="-".join(
            anchor(part) for part in ("changed", comparison.variant, comparison.suite, comparison.metric)
        ),
        title=f"{comparison.variant}: {suite.title}{named}",
        level=comparison.variant,
        metric=metric.name,
        shown=_shown(comparison, pairs=metric.per == "pair"),
        items=[_item(change) for change in comparison.changed],
        files=_files(log, suite, comparison.variant),
    )


def _files(log: AuditLog, suite: Suite, variant: str) -> list[str]:
    """Where the items of a suite lie, part by part: the variant's, then the original's."""
    original = reading.original(log)
    names = [variant] if original is None else [variant, original.name]
    cells = [
        cell
        for name in names
        for run in log.runs
        if (run.variant, run.suite) == (name, suite.name)
        for cell in run.cells
    ]
    return list(dict.fromkeys(cell.path for cell in cells))


def _shown(comparison: Comparison, *, pairs: bool) -> str:
    """How many are shown of how many; a pair flips by one of its items or by both."""
    shown, flipped = count(len(comparison.changed)), comparison.n_changed
    if pairs:
        return f"{plural(flipped, 'changed pair')}; of their items {shown} shown"
    return f"showing {shown} of {plural(flipped, 'changed item')}"


def _item(change: Change) -> Item:
    rows = list(zip_longest(change.choices, change.before_scores, change.after_scores))
    scores = [
        Score(
            choice="(no choice of this number)" if choice is None else clipped(choice, CHOICE_LIMIT),
            before=_score(before),
            after=_score(after),
            right=choice == change.target,
        )
        for choice, before, after in rows[:CHOICES_LIMIT]
    ]
    return Item(change, _lead(change), scores, max(len(rows) - CHOICES_LIMIT, 0))


def _lead(change: Change) -> str | NotMeasured:
    """By how many nats the right choice is likelier than the likeliest wrong one, before and after."""
    before, after = (lead(change, scores) for scores in (change.before_scores, change.after_scores))
    if isinstance(before, NotMeasured) or isinstance(after, NotMeasured):
        return before if isinstance(before, NotMeasured) else NotMeasured("a score is missing")
    return f"{signed(before, 2)} → {signed(after, 2)}"


def lead(change: Change, scores: tuple[float, ...]) -> float | NotMeasured:
    """The log-likelihood of the right choice less that of the likeliest wrong one, nats."""
    if len(scores) != len(change.choices):
        return NotMeasured("not every choice has a score")
    scored = list(zip(change.choices, scores, strict=True))
    right = [score for choice, score in scored if choice == change.target]
    wrong = [score for choice, score in scored if choice != change.target]
    if not right or not wrong:
        return NotMeasured("the right answer is not one of the choices, or the only one")
    return max(right) - max(wrong)


def _score(value: float | None) -> str:
    return "not scored" if value is None else signed(value, 2)
