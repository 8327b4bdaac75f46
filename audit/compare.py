"""Run × Run → Comparisons: count the paired units, bound the drop, correct the drill-down."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from audit.pairing import Units, metric_rows, pair
from audit.records import (
    Cell,
    Change,
    Comparison,
    Divergence,
    Flips,
    Interval,
    Metric,
    NotMeasured,
    Run,
    Suite,
)
from audit.statistics import mcnemar, noninferiority, proportions
from audit.statistics.correction import benjamini_hochberg
from audit.statistics.noninferiority import Bounds

ORIGINAL = "original"
"""Name of the variant that all others are compared against."""
ALPHA = 0.05
"""One-sided error of every bound shown; a rule judges at its own."""
MOST_CHANGED = 100
"""Flipped items kept in a comparison for the drill-down."""


@dataclass(frozen=True)
class _Subject:
    """What a comparison is about."""

    variant: str
    suite: str
    metric: Metric
    group: str | None = None


def compare(
    runs: Sequence[Run], suites: Sequence[Suite], read: Callable[[Cell], pd.DataFrame]
) -> tuple[Comparison, ...]:
    """Every variant against the original: by suite, variant and metric, the whole first, then its groups.

    `read` gives the samples of a cell, one row each, with the columns of `Sample`.
    """
    comparisons: list[Comparison] = []
    for suite in suites:
        of_suite = [run for run in runs if run.suite == suite.name]
        before = _samples([run for run in of_suite if run.variant == ORIGINAL], read)
        for run in of_suite:
            if run.variant != ORIGINAL:
                comparisons += _compare_suite(suite, run, before, _samples([run], read))
    return tuple(comparisons)


def _samples(runs: Sequence[Run], read: Callable[[Cell], pd.DataFrame]) -> pd.DataFrame | None:
    """All samples of the runs in the order of tasks and documents; None without any."""
    frames = [read(cell).sort_values("doc_id", kind="stable") for run in runs for cell in run.cells]
    frames = [frame for frame in frames if len(frame)]
    return pd.concat(frames, ignore_index=True) if frames else None


def _compare_suite(
    suite: Suite, run: Run, before: pd.DataFrame | None, after: pd.DataFrame | None
) -> list[Comparison]:
    """All comparisons of one variant on one suite; its groups are one family of tests."""
    comparisons: list[Comparison] = []
    for metric in suite.metrics:
        subject = _Subject(run.variant, suite.name, metric)
        rows_before, rows_after = metric_rows(before, metric), metric_rows(after, metric)
        units = pair(rows_before, rows_after, metric)
        whole = _compare_units(units, subject)
        whole = whole.model_copy(update={"divergence": _divergence(run)})
        comparisons.append(whole.model_copy(update=_changed(units, rows_before, rows_after)))
        comparisons += [
            _compare_units(units.of(group), replace(subject, group=group)) for group in units.groups()
        ]
    return _adjusted(comparisons)


def _compare_units(units: Units, subject: _Subject) -> Comparison:
    """One comparison without its drill-down; every number is NotMeasured if the units can't be counted."""
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
    numbers = _unmeasured(reason) if reason else _measured(units.paired, subject.metric)
    return Comparison.model_validate({**shape, **numbers})


def _unmeasured(reason: str) -> dict[str, Any]:
    """The numbers of a comparison that could not be made."""
    names = (
        *("before", "after", "difference", "interval", "tango", "p_value", "p_adjusted"),
        *("flips", "chance", "before_lower", "after_lower"),
    )
    return {**dict.fromkeys(names, NotMeasured(reason)), "method": f"not measured: {reason}"}


def _measured(paired: pd.DataFrame, metric: Metric) -> dict[str, Any]:
    """The numbers of a comparison, from units that are all 0 or 1."""
    before, after = paired["before"].to_numpy() == 1, paired["after"].to_numpy() == 1
    n, lost, gained = len(paired), int((before & ~after).sum()), int((~before & after).sum())
    shown_before, shown_after = int(before.sum()), int(after.sum())
    if not metric.higher_is_better:
        shown_before, shown_after = n - shown_before, n - shown_after
    bounds = noninferiority.bounds(lost, gained, n, ALPHA)
    return {
        "before": shown_before / n,
        "after": shown_after / n,
        "difference": (lost - gained) / n,
        "interval": _interval(bounds),
        "tango": _interval(noninferiority.score_bounds(lost, gained, n, ALPHA)),
        "p_value": mcnemar.exact_p(lost, gained),
        "p_adjusted": NotMeasured("not adjusted: rules decide on the interval"),
        "flips": Flips(lost=lost, gained=gained, rate=(lost + gained) / n),
        "chance": _chance(paired["chance"], metric),
        "before_lower": proportions.lower_bound(shown_before, n, ALPHA),
        "after_lower": proportions.lower_bound(shown_after, n, ALPHA),
        "method": f"paired by task and document, prompt and target hash; {bounds.method} bounds of the drop; "
        "exact McNemar p",
    }


def _interval(bounds: Bounds) -> Interval:
    """Two one-sided bounds as one interval."""
    return Interval(
        lower=bounds.lower, upper=bounds.upper, confidence=round(1 - 2 * ALPHA, 6), method=bounds.method
    )


def _chance(guessing: pd.Series, metric: Metric) -> float | NotMeasured:
    """Expected rate of guessing."""
    if not metric.higher_is_better:
        return NotMeasured("where lower is better, guessing is no floor")
    if guessing.isna().any():
        return NotMeasured("free generation: there are no choices to guess from")
    return float(guessing.mean())


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
        same_top=sum(round(part.same_top * part.n_positions) for part in parts) / int(counts.sum()),
    )


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


def _adjusted(comparisons: list[Comparison]) -> list[Comparison]:
    """The same comparisons with the p-values of the groups adjusted over all of them."""
    p_values = {
        place: comparison.p_value
        for place, comparison in enumerate(comparisons)
        if comparison.group is not None and not isinstance(comparison.p_value, NotMeasured)
    }
    adjusted = dict(zip(p_values, benjamini_hochberg(list(p_values.values())), strict=True))
    return [
        comparison.model_copy(update={"p_adjusted": adjusted[place]}) if place in adjusted else comparison
        for place, comparison in enumerate(comparisons)
    ]
