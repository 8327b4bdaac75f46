"""The items whose answer changed: before and after, side by side."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import zip_longest

from audit.records import AuditLog, Change, Comparison, Metric, NotMeasured, Suite
from reports import reading
from reports.matters import urgency
from reports.room import Wish, granted
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
MANY = 60
"""Blocks from here on are gathered by level, so that there are few lines to open."""
ROOM = 3_200_000
"""Bytes that the items of all blocks together may take on the page."""
_BLOCK, _ROW, _CHOICE = 400, 800, 90
"""Bytes of markup, about: of a block, of a row, of each of its choices."""


@dataclass(frozen=True)
class Files:
    """Where all items of one suite on one variant lie."""

    id: str
    title: str
    paths: list[str]


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
    """With the level's name."""
    part: str
    """Without it."""
    level: str
    metric: str
    flipped: int
    shown: str
    items: list[Item]
    kept: int
    """Items that the log holds."""
    files: list[Files]
    """The parquet files with all items, in the run folder: the level's, then the original's."""

    @property
    def few_files(self) -> bool:
        """Whether their paths stand in the block itself."""
        return sum(len(one.paths) for one in self.files) <= FEW_FILES


@dataclass(frozen=True)
class Fold:
    """What one line of the section opens: a block or, of many, all of one level."""

    id: str
    title: str
    shown: str
    level: str
    blocks: list[Block]
    gathered: bool
    """Whether its blocks are told apart by headings of their own."""

    @property
    def filled(self) -> list[Block]:
        """Those with an item to show."""
        return [block for block in self.blocks if block.items]

    @property
    def empty(self) -> list[Block]:
        """Those without."""
        return [block for block in self.blocks if not block.items]


def section(log: AuditLog) -> Section:
    """One block per level and suite that has something to show."""
    found = [
        (suite, metric, comparison)
        for level in log.config.levels
        for suite in log.config.suites
        for metric in suite.metrics
        for comparison in reading.wholes(log, suite, level)
        if metric.kind == "binary" and comparison.n_changed and comparison.metric == metric.name
    ]
    shown = _granted(log, [comparison for _, _, comparison in found])
    files = _files(log)
    blocks = [_block(log, *one, number, files) for one, number in zip(found, shown, strict=True)]
    folds = _folds(blocks)
    apart = [block for fold in folds for block in fold.blocks if fold.gathered or not block.few_files]
    html = draw(
        "changed.html.j2",
        folds=folds,
        text_limit=TEXT_LIMIT,
        files=list({one.id: one for block in apart for one in block.files}.values()),
        shown=count(sum(shown)),
        kept=count(sum(block.kept for block in blocks)),
        cut=any(len(block.items) < block.kept for block in blocks),
    )
    return Section("changed", "Answers that changed", html)


def _folds(blocks: list[Block]) -> list[Fold]:
    """Each block by itself or, of many, those of each level together."""
    if len(blocks) < MANY:
        return [
            Fold(block.id, block.title, block.shown, block.level, [block], gathered=False) for block in blocks
        ]
    by_level: dict[str, list[Block]] = {}
    for block in blocks:
        by_level.setdefault(block.level, []).append(block)
    return [_fold(level, found) for level, found in by_level.items()]


def _fold(level: str, blocks: list[Block]) -> Fold:
    """The blocks of one level."""
    items, flipped = sum(len(block.items) for block in blocks), sum(block.flipped for block in blocks)
    shown = (
        f"showing {plural(items, 'item')} of {count(flipped)} that changed, in {plural(len(blocks), 'part')}"
    )
    return Fold(f"changed-{anchor(level)}", level, shown, level, blocks, gathered=True)


def _granted(log: AuditLog, found: list[Comparison]) -> list[int]:
    """How many items of each comparison are shown, the ones that matter most before others."""
    keys = [urgency(log, comparison) for comparison in found]
    order = sorted(range(len(found)), key=lambda place: keys[place])
    wishes = [Wish(keys[place][0], _sizes(found[place])) for place in order]
    numbers = dict(zip(order, granted(wishes, ROOM), strict=True))
    return [numbers[place] for place in range(len(found))]


def _sizes(comparison: Comparison) -> list[int]:
    """Bytes that each item takes on the page, about; the first pays for the block."""
    sizes = [_size(change) for change in comparison.changed]
    return [_BLOCK + sizes[0], *sizes[1:]] if sizes else []


def _size(change: Change) -> int:
    texts = (change.question, change.target, change.before, change.after)
    choices = change.choices[:CHOICES_LIMIT]
    letters = sum(_bytes(text, TEXT_LIMIT) for text in texts)
    return _ROW + letters + sum(_CHOICE + _bytes(choice, CHOICE_LIMIT) for choice in choices)


def _bytes(text: str, limit: int) -> int:
    return len(text[:limit].encode("utf-8", "replace"))


def _block(
    log: AuditLog, suite: Suite, metric: Metric, comparison: Comparison, shown: int, files: dict[str, Files]
) -> Block:
    named = f", {metric.name}" if len(suite.metrics) > 1 else ""
    original = reading.original(log)
    owners = [comparison.variant] if original is None else [comparison.variant, original.name]
    return Block(
        id="-".join(
            anchor(part) for part in ("changed", comparison.variant, comparison.suite, comparison.metric)
        ),
        title=f"{comparison.variant}: {suite.title}{named}",
        part=f"{suite.title}{named}",
        level=comparison.variant,
        flipped=comparison.n_changed,
        metric=metric.name,
        shown=_shown(comparison, shown, pairs=metric.per == "pair"),
        items=[_item(change) for change in comparison.changed[:shown]],
        kept=len(comparison.changed),
        files=[files[key] for owner in owners if (key := _key(owner, suite.name)) in files],
    )


def _files(log: AuditLog) -> dict[str, Files]:
    """Where the items of each suite on each variant lie, part by part."""
    titles = {suite.name: suite.title for suite in log.config.suites}
    found: dict[str, Files] = {}
    for run in log.runs:
        one = Files(_key(run.variant, run.suite), f"{run.variant}: {titles.get(run.suite, run.suite)}", [])
        if run.cells:
            paths = [*found.get(one.id, one).paths, *(cell.path for cell in run.cells)]
            found[one.id] = replace(one, paths=list(dict.fromkeys(paths)))
    return found


def _key(variant: str, suite: str) -> str:
    """The id of a list of files."""
    return f"files-{anchor(variant)}-{anchor(suite)}"


def _shown(comparison: Comparison, shown: int, *, pairs: bool) -> str:
    """How many are shown of how many; a pair flips by one of its items or by both."""
    flipped = comparison.n_changed
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
