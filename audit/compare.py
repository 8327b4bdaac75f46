"""Run × Run → Comparisons: count the paired units, bound the drop, correct the drill-down."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from audit import effects
from audit.adjusting import adjusted
from audit.corpora import Corpus
from audit.pairing import Units, metric_rows, pair
from audit.records import (
    Cell,
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

ORIGINAL = "original"
"""Name of the variant that all others are compared against."""
NOT_FROM_THE_ORIGINAL = NotMeasured("distributions are held against the original's alone")
MOST_CHANGED = 100
"""Flipped items kept in a comparison for the drill-down."""


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
    runs: Sequence[Run], suites: Sequence[Suite], read: Callable[[Cell], pd.DataFrame], seed: int = 1234,
    *, in_detail: bool = True, against: Mapping[str, str] | None = None, alpha: float = effects.ALPHA,
) -> tuple[Comparison, ...]:  # fmt: skip
    """Every variant against the original: by suite, variant and metric, the whole first, then its groups.

    `read` gives the samples of a cell, one row each, with the columns of `Sample`. A variant that has only
    the first parts of a suite is compared on those. `seed` is that of the resampling of corpus metrics.
    `in_detail=False` leaves out the groups and the items that changed, which decide nothing.
    `against` names the variants to be compared and what with, where that is not the original. `alpha` is the
    one-sided error of each bound of a whole suite's drop.
    """
    comparisons: list[Comparison] = []
    for suite in suites:
        of_suite = [run for run in runs if run.suite == suite.name]
        partner = {run.variant: ORIGINAL for run in of_suite if run.variant != ORIGINAL}
        partner = partner if against is None else dict(against)
        before = {
            name: samples_of([run for run in of_suite if run.variant == name], read)
            for name in set(partner.values())
        }
        for run in of_suite:
            if run.variant in partner:
                name = partner[run.variant]
                sides = _Sides(before[name], samples_of([run], read), name == ORIGINAL, seed, alpha)
                comparisons += _compare_suite(suite, run, sides, in_detail)
    return tuple(comparisons)


def samples_of(runs: Sequence[Run], read: Callable[[Cell], pd.DataFrame]) -> pd.DataFrame | None:
    """All samples of the runs, each with its part, in the order of tasks and documents; None without any."""
    cells = [cell for run in runs for cell in run.cells]
    tasks = list(dict.fromkeys(cell.task for cell in cells))
    frames = [frame.assign(part=cell.part) for cell in cells if len(frame := read(cell))]
    if not frames:
        return None
    whole = pd.concat(frames, ignore_index=True)
    order = whole["task"].map({task: place for place, task in enumerate(tasks)})
    return whole.assign(order=order).sort_values(["order", "doc_id"], kind="stable", ignore_index=True)


@dataclass(frozen=True)
class _Sides:
    """The samples of both sides; None without any."""

    before: pd.DataFrame | None
    after: pd.DataFrame | None
    of_original: bool
    """Whether `before` is the original's."""
    seed: int
    alpha: float


def _compare_suite(suite: Suite, run: Run, sides: _Sides, in_detail: bool) -> list[Comparison]:
    """All comparisons of one variant on one suite; its groups are one family of tests."""
    comparisons: list[Comparison] = []
    for metric in suite.metrics:
        planned, rows_after = metric_rows(sides.before, metric), metric_rows(sides.after, metric)
        reached = planned["part"] <= max((cell.part for cell in run.cells), default=0)
        rows_before = planned[reached].reset_index(drop=True)
        units = pair(rows_before, rows_after, metric)
        corpus = Corpus(rows_before, rows_after, metric, sides.seed) if metric.kind == "corpus" else None
        subject = _Subject(run.variant, suite.name, metric, corpus, alpha=sides.alpha)
        whole = _compare_units(units, subject)
        moved = _divergence(run) if sides.of_original else NOT_FROM_THE_ORIGINAL
        whole = whole.model_copy(update={"divergence": moved, **_looks(units, planned, subject)})
        if not in_detail:
            comparisons.append(whole)
            continue
        if metric.kind == "binary":
            whole = whole.model_copy(update=_changed(units, rows_before, rows_after))
        comparisons.append(whole)
        groups = units.groups()
        # Bonferroni's bounds hold together, so also for the group that turns out to be the worst
        each = replace(subject, alpha=effects.ALPHA / max(1, len(groups) * len(suite.metrics)))
        comparisons += [_compare_units(units.of(group), replace(each, group=group)) for group in groups]
    # Exploratory: over the groups alone, the whole is what rules judge
    return list(
        adjusted(comparisons, benjamini_hochberg, lambda one: None if one.group is None else "groups")
    )


def _looks(units: Units, planned: pd.DataFrame, subject: _Subject) -> dict[str, Any]:
    """What was known after each part of the items, and how many pairs there are in all.

    Where no error can be estimated yet, as in one cluster, nobody looks.
    """
    if units.unfit:
        return {}
    metric, corpus = subject.metric, subject.corpus
    so_far = [units.paired[units.paired["part"] <= part] for part in sorted(set(units.paired["part"]))]
    looks = tuple(
        effects.look(paired, metric, corpus)
        for paired in so_far
        if not (effects.indivisible(paired, metric) or effects.unestimable(paired, metric, corpus))
    )
    return {"looks": looks, "n_planned": len(pair(planned, planned, metric).paired)}


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


def _divergence(run: Run) -> Divergence | NotMeasured:
    """The mean over all positions of the run's cells."""
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


def _changed(units: Units, before: pd.DataFrame, after: pd.DataFrame) -> dict[str, Any]:
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
    rows_before = before.iloc[shown["row_before"]].to_dict("records")
    rows_after = after.iloc[shown["row_after"]].to_dict("records")
    kinds: list[Literal["lost", "gained"]] = ["lost" if one == 1 else "gained" for one in shown["before"]]
    changes = tuple(_change(*rows) for rows in zip(rows_before, rows_after, kinds, strict=True))
    return {"changed": changes, "n_changed": int(np.count_nonzero(flip))}


def _change(
    before: Mapping[Hashable, Any], after: Mapping[Hashable, Any], kind: Literal["lost", "gained"]
) -> Change:
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
