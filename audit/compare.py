"""Run × Run → Comparisons: count the paired units, bound the drop, correct the drill-down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from audit import effects
from audit.adjusting import adjusted
from audit.answers import Answers
from audit.corpora import Corpus
from audit.pairing import Units, n_units, pair
from audit.records import (
    Change,
    Comparison,
    Divergence,
    Estimate,
    Metric,
    NotMeasured,
    Run,
    Suite,
)
from audit.statistics import estimates
from audit.statistics.correction import benjamini_hochberg
from audit.store import Reader

ORIGINAL = "original"
"""Name of the variant that all others are compared against."""
NOT_FROM_THE_ORIGINAL = NotMeasured("distributions are held against the original's alone")
MOST_CHANGED = 100
"""Flipped items kept in a comparison for the drill-down."""
_SHOWN = ["task", "group", "question", "target", "answer", "scores", "choices"]


@dataclass(frozen=True)
class _Subject:
    """What a comparison is about."""

    variant: str
    suite: str
    metric: Metric
    corpus: Corpus | None
    """Of a corpus metric."""
    group: str | None = None
    alpha: float = effects.ALPHA
    """One-sided error of the drop's bounds."""


def compare(
    runs: Sequence[Run], suites: Sequence[Suite], read: Reader, seed: int = 1234,
    *, in_detail: bool = True, against: Mapping[str, str] | None = None, alpha: float = effects.ALPHA,
) -> tuple[Comparison, ...]:  # fmt: skip
    """Every variant against the original: by suite, variant and metric, the whole first, then its groups.

    `read` gives the named columns of a cell's samples, one row each. A variant that has only the first parts
    of a suite is compared on those. `seed` is that of the resampling of corpus metrics. `in_detail=False`
    leaves out the groups and the items that changed, which decide nothing. `against` names the variants to
    be compared and what with, where that is not the original. `alpha` is the one-sided error of each bound
    of a whole suite's drop.
    """
    if against is None:
        against = {run.variant: ORIGINAL for run in runs if run.variant != ORIGINAL}
    pairs = [(other, variant) for variant, other in against.items()]
    found = compare_pairs(runs, suites, read, seed, pairs=pairs, in_detail=in_detail, alpha=alpha)
    return tuple(one for _, one in found)


def compare_pairs(
    runs: Sequence[Run], suites: Sequence[Suite], read: Reader, seed: int,
    *, pairs: Sequence[tuple[str, str]], in_detail: bool, alpha: float,
) -> Iterator[tuple[str, Comparison]]:  # fmt: skip
    """Suite by suite each pair of variants, before and after: the first one's name, and its comparisons.

    A variant's answers are read once, and held only while a later pair needs them.
    """
    for suite in suites:
        asked = {run.variant: run for run in runs if run.suite == suite.name}
        of_suite = [pair for pair in pairs if pair[1] in asked]
        answers = Answers(suite, runs, read)
        held = _Held(answers, of_suite)
        for before, after in of_suite:
            lacks = next(
                (asked[one].lacks for one in (before, after) if one in asked and asked[one].lacks), None
            )
            sides = _Sides(
                answers, held.take(before), held.take(after), before == ORIGINAL, seed, alpha, lacks
            )
            for one in _compare_suite(suite, asked[after], sides, in_detail):
                yield before, one


class _Held:
    """Answers that are wanted again."""

    def __init__(self, answers: Answers, pairs: Sequence[tuple[str, str]]) -> None:
        self._answers = answers
        self._wanted = Counter(name for pair in pairs for name in pair)
        self._held: dict[str, dict[str, pd.DataFrame]] = {}

    def take(self, variant: str) -> dict[str, pd.DataFrame]:
        found = self._held.pop(variant, None) or self._answers.of(variant)
        self._wanted[variant] -= 1
        if self._wanted[variant]:
            self._held[variant] = found
        return found


@dataclass(frozen=True)
class _Sides:
    """The answers of both sides, by metric."""

    answers: Answers
    before: Mapping[str, pd.DataFrame]
    after: Mapping[str, pd.DataFrame]
    of_original: bool
    """Whether `before` is the original's."""
    seed: int
    alpha: float
    lacks: str | None
    """Why nothing can be said; None where all answers are there that were asked for."""


def _compare_suite(suite: Suite, run: Run, sides: _Sides, in_detail: bool) -> list[Comparison]:
    """All comparisons of one variant on one suite; its groups are one family of tests."""
    comparisons: list[Comparison] = []
    reached = max((cell.part for cell in run.cells), default=0)
    for metric in suite.metrics:
        planned, after = sides.before[metric.name], sides.after[metric.name]
        items = sides.answers.items[metric.name]
        in_reach = planned["part"] <= reached
        before = planned if in_reach.all() else planned[in_reach].reset_index(drop=True)
        units = pair(before, after, metric, items)
        units = replace(units, unfit=sides.lacks or units.unfit)
        corpus = (
            Corpus(before, after, metric, sides.seed) if metric.kind == "corpus" and not units.unfit else None
        )
        subject = _Subject(run.variant, suite.name, metric, corpus, alpha=sides.alpha)
        whole = _compare_units(units, subject)
        moved = _divergence(run, sides)
        whole = whole.model_copy(update={"divergence": moved})
        if not units.unfit:  # else nobody looks
            seen = effects.looks(units.paired, metric, corpus)
            whole = whole.model_copy(update={"looks": seen, "n_planned": n_units(planned, metric, items)})
        if not in_detail:
            comparisons.append(whole)
            continue
        if metric.kind == "binary":
            whole = whole.model_copy(update=_changed(units, before, after, sides.answers))
        comparisons.append(whole)
        groups = units.groups()
        # Bonferroni's bounds hold together, so also for the group that turns out to be the worst
        each = replace(subject, alpha=effects.ALPHA / max(1, len(groups) * len(suite.metrics)))
        comparisons += [_compare_units(units.of(group), replace(each, group=group)) for group in groups]
    # Exploratory: over the groups alone, the whole is what rules judge
    return list(
        adjusted(comparisons, benjamini_hochberg, lambda one: None if one.group is None else "groups")
    )


def _compare_units(units: Units, subject: _Subject) -> Comparison:
    """One comparison without its drill-down; every number is NotMeasured if the units can't be compared."""
    n = len(units.paired)
    shape = {
        "variant": subject.variant,
        "suite": subject.suite,
        "metric": subject.metric.name,
        "group": subject.group,
        "n_pairs": n,
        "n_unpaired_before": len(units.alone_before),
        "n_unpaired_after": len(units.alone_after),
    }
    reason = units.unfit or (None if n else "no item of the original has a partner in this variant")
    reason = reason or effects.indivisible(units.paired, subject.metric)
    if subject.group is None:
        reason = reason or effects.unestimable(units.paired, subject.metric, subject.corpus)
    elif subject.corpus is not None:
        reason = reason or subject.corpus.undefined(units.paired)
    numbers = (
        effects.unmeasured(reason)
        if reason
        else effects.measured(units.paired, subject.metric, subject.corpus, subject.alpha)
    )
    return Comparison.model_validate({**shape, **numbers})


def _divergence(run: Run, sides: _Sides) -> Divergence | NotMeasured:
    """The mean over all positions of the run's cells."""
    if not sides.of_original:
        return NOT_FROM_THE_ORIGINAL
    if sides.lacks:
        return NotMeasured(sides.lacks)
    of_cells = [cell.divergence for cell in run.cells]
    parts = [one for one in of_cells if isinstance(one, Divergence)]
    if len(parts) < len(of_cells):
        return next(one for one in of_cells if isinstance(one, NotMeasured))
    counts = np.array([part.n_positions for part in parts])
    share = counts / counts.sum()
    return Divergence(
        n_positions=int(counts.sum()),
        kl=float(share @ [part.kl for part in parts]),
        kl_error=float(np.linalg.norm(share * [part.kl_error for part in parts])),
        kl_lower=float(share @ [part.kl_lower for part in parts]),
        kl_p95=max(part.kl_p95 for part in parts),
        estimate=_over_tasks([part.estimate for part in parts], counts),
        same_top=sum(round(part.same_top * part.n_positions) for part in parts) / int(counts.sum()),
    )


def _over_tasks(parts: Sequence[Estimate | NotMeasured], counts: NDArray[np.int64]) -> Estimate | NotMeasured:
    """The mean of a suite from those of its tasks."""
    found = [part for part in parts if isinstance(part, Estimate)]
    if len(found) < len(parts):
        return next(part for part in parts if isinstance(part, NotMeasured))
    return estimates.stratified(found, counts)


def _changed(units: Units, before: pd.DataFrame, after: pd.DataFrame, answers: Answers) -> dict[str, Any]:
    """The drill-down: how many units flipped, and the items that made them flip, lost ones first."""
    if units.unfit or units.paired.empty:
        return {}
    flip = units.paired["before"].to_numpy() - units.paired["after"].to_numpy()
    items = units.items
    # A pair turns wrong by its lost items and right by its gained ones: the rest did not change it.
    of_unit = flip[items["unit"].to_numpy()]
    own = (items["before"] - items["after"]).to_numpy()
    lost, gained = (np.flatnonzero((of_unit == sign) & (own == sign)) for sign in (1, -1))
    shown = items.iloc[np.concatenate([lost, gained])[:MOST_CHANGED]]
    rows_before = answers.records(before.iloc[shown["row_before"]], _SHOWN)
    rows_after = answers.records(after.iloc[shown["row_after"]], _SHOWN)
    kinds: list[Literal["lost", "gained"]] = ["lost" if one == 1 else "gained" for one in shown["before"]]
    changes = tuple(_change(*rows) for rows in zip(rows_before, rows_after, kinds, strict=True))
    return {"changed": changes, "n_changed": int(np.count_nonzero(flip))}


def _change(before: Mapping[str, Any], after: Mapping[str, Any], kind: Literal["lost", "gained"]) -> Change:
    """One flipped item, from its row on either side."""
    return Change(
        task=before["task"],
        group=None if pd.isna(before["group"]) else before["group"],
        question=before["question"],
        target=before["target"],
        before=before["answer"],
        after=after["answer"],
        before_scores=tuple(map(float, before["scores"])),
        after_scores=tuple(map(float, after["scores"])),
        choices=tuple(map(str, before["choices"])),
        kind=kind,
    )
