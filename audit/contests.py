"""All candidates at once: is there any difference among them, and on which items?

The omnibus test comes before the pairs of `audit.duels`: Cochran's Q over the items that all of them
answered, or Hotelling's T² where items are clustered or have scores. p is adjusted over all suites and
metrics (Holm).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from audit.adjusting import adjusted
from audit.compare import ORIGINAL, samples_of
from audit.effects import cluster_labels
from audit.pairing import Units, metric_rows, pair
from audit.records import AuditConfig, Contest, ContestedItem, Metric, NotMeasured, Omnibus, Run, Suite
from audit.statistics import several
from audit.statistics.correction import holm
from audit.store import Reader

MOST_CONTESTED = 50
"""Items kept of each suite and metric."""
_PAIRWISE = "is no number of an item: candidates are held against each other pair by pair alone"


@dataclass(frozen=True)
class _Answers:
    """What one candidate made of the units of one metric."""

    units: NDArray[np.int64]
    """Each unit by its first row among the original's."""
    good: NDArray[np.float64]
    """Its outcome, higher is better."""
    unfit: str | None


def contests(runs: Sequence[Run], config: AuditConfig, read: Reader) -> tuple[Contest, ...]:
    """One contest a suite and metric; none with fewer than two candidates. `read` gives a cell's samples."""
    names = tuple(level.name for level in config.levels if level.is_candidate)
    if len(names) < 2:
        return ()
    found: list[Contest] = []
    for suite in config.suites:
        of_suite = {run.variant: run for run in runs if run.suite == suite.name}
        if all(name in of_suite for name in (ORIGINAL, *names)):
            found += _of_suite(suite, names, of_suite, read)
    return adjusted(found, holm)


def _of_suite(suite: Suite, names: tuple[str, ...], runs: Mapping[str, Run], read: Reader) -> list[Contest]:
    """Its metrics; of the candidates' samples no more than those of one are held at a time."""
    before = samples_of([runs[ORIGINAL]], read)
    answers: dict[str, list[_Answers]] = {metric.name: [] for metric in suite.metrics}
    for name in names:
        after = samples_of([runs[name]], read)
        for metric in suite.metrics:
            answers[metric.name].append(_answers(before, after, metric))
    return [
        _contest(suite, metric, names, answers[metric.name], before, runs, read) for metric in suite.metrics
    ]


def _answers(before: pd.DataFrame | None, after: pd.DataFrame | None, metric: Metric) -> _Answers:
    units = pair(metric_rows(before, metric), metric_rows(after, metric), metric)
    return _Answers(_first_rows(units), units.paired["after"].to_numpy(np.float64), units.unfit)


def _first_rows(units: Units) -> NDArray[np.int64]:
    """The first of the original's rows of each unit: its name, whoever answered."""
    first: NDArray[np.int64] = units.items.groupby("unit", sort=True)["row_before"].min().to_numpy(np.int64)
    return first


def _contest(
    suite: Suite, metric: Metric, names: tuple[str, ...], answers: Sequence[_Answers],
    before: pd.DataFrame | None, runs: Mapping[str, Run], read: Reader,
) -> Contest:  # fmt: skip
    common = reduce(np.intersect1d, [one.units for one in answers])
    table = np.stack(
        [one.good[np.argsort(one.units)][np.isin(np.sort(one.units), common)] for one in answers], axis=1
    )
    rows = metric_rows(before, metric)
    omnibus = _omnibus(metric, table, rows.iloc[common], answers)
    contested: NDArray[np.int64] = np.zeros(0, np.int64)
    n_contested: int | NotMeasured = NotMeasured("outcomes are not right or wrong")
    if metric.kind == "binary" and not any(one.unfit for one in answers):
        contested = _most_telling(table == 1, rows["task"].iloc[common])
        n_contested = int(np.count_nonzero(_pairs_apart(table == 1)))
    shown = common[contested]
    return Contest(
        suite=suite.name,
        metric=metric.name,
        candidates=names,
        n_items=len(common),
        omnibus=omnibus,
        p_value=omnibus if isinstance(omnibus, NotMeasured) else omnibus.p_value,
        p_adjusted=omnibus if isinstance(omnibus, NotMeasured) else NotMeasured("not adjusted"),
        n_contested=n_contested,
        contested=_items(metric, shown, table[contested] == 1, before, [runs[name] for name in names], read),
    )


def _omnibus(
    metric: Metric, table: NDArray[np.float64], rows: pd.DataFrame, answers: Sequence[_Answers]
) -> Omnibus | NotMeasured:
    """The test that fits the metric, over units that are independent or clustered."""
    if metric.kind in ("perplexity", "ratio", "corpus"):
        return NotMeasured(f"a {metric.kind} {_PAIRWISE}")
    if unfit := next((one.unfit for one in answers if one.unfit), None):
        return NotMeasured(unfit)
    if not len(table):
        return NotMeasured("no item was answered by all candidates")
    clusters = cluster_labels(rows)
    if metric.kind == "binary" and clusters is None:
        return several.of_flips(table)
    return several.of_scores(table, clusters)


def _pairs_apart(right: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many pairs of candidates each item tells apart."""
    count = right.sum(axis=1)
    apart: NDArray[np.int64] = count * (right.shape[1] - count)
    return apart


def _most_telling(right: NDArray[np.bool_], tasks: pd.Series) -> NDArray[np.int64]:
    """Those first that tell most pairs apart; of equals each task and pattern in turn, then in order."""
    apart = _pairs_apart(right)
    places = np.flatnonzero(apart)
    patterns = pd.DataFrame(right[places]).assign(task=tasks.to_numpy()[places])
    nth = patterns.groupby(list(patterns.columns), sort=False).cumcount().to_numpy()
    return places[np.lexsort((places, nth, -apart[places]))][:MOST_CONTESTED]


def _items(
    metric: Metric, units: NDArray[np.int64], right: NDArray[np.bool_], before: pd.DataFrame | None,
    runs: Sequence[Run], read: Reader,
) -> tuple[ContestedItem, ...]:  # fmt: skip
    """The units in words; of a pair, the texts of all its items."""
    if not units.size:
        return ()
    rows = metric_rows(before, metric)
    answered: list[dict[int, str]] = []
    members: defaultdict[int, list[int]] = defaultdict(list)
    for run in runs:
        after = metric_rows(samples_of([run], read), metric)
        found = pair(rows, after, metric)
        firsts = _first_rows(found)[found.items["unit"].to_numpy(np.int64)]
        chosen = found.items[np.isin(firsts, units)].assign(first=firsts[np.isin(firsts, units)])
        chosen = chosen.sort_values("row_before")
        members = defaultdict(list)
        answers: defaultdict[int, list[str]] = defaultdict(list)
        for unit, row, text in zip(
            chosen["first"], chosen["row_before"], after["answer"].iloc[chosen["row_after"]], strict=True
        ):
            members[unit].append(row)
            answers[unit].append(text)
        answered.append({unit: "\n".join(texts) for unit, texts in answers.items()})
    return tuple(
        _item(rows.iloc[members[unit]], metric, tuple(one[unit] for one in answered), tuple(map(bool, marks)))
        for unit, marks in zip(units.tolist(), right, strict=True)
    )


def _item(
    rows: pd.DataFrame, metric: Metric, answers: tuple[str, ...], right: tuple[bool, ...]
) -> ContestedItem:
    """One unit, from the original's rows of it."""
    first: Any = rows.iloc[0]
    good = 1.0 if metric.higher_is_better else 0.0
    return ContestedItem(
        task=first["task"],
        group=None if pd.isna(first["group"]) else first["group"],
        question="\n".join(rows["question"]),
        target="\n".join(rows["target"]),
        original="\n".join(rows["answer"]),
        original_right=bool((rows["outcome"] == good).all()),
        answers=answers,
        right=right,
    )
