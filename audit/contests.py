"""All candidates at once: is there any difference among them, and on which items?

The omnibus test comes before the pairs of `audit.duels`: Cochran's Q over the items that all of them
answered, or Hotelling's T² where items are clustered or have scores. p is adjusted over all suites and
metrics (Holm).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from audit.adjusting import adjusted
from audit.answers import Answers
from audit.compare import ORIGINAL
from audit.effects import cluster_labels
from audit.pairing import Units, pair
from audit.records import AuditConfig, Contest, ContestedItem, Metric, NotMeasured, Omnibus, Run, Suite
from audit.statistics import several
from audit.statistics.correction import holm
from audit.store import Reader

MOST_CONTESTED = 50
"""Items kept of each suite and metric."""
_PAIRWISE = "is no number of an item: candidates are held against each other pair by pair alone"


_SHOWN = ["task", "group", "question", "target", "answer"]


@dataclass(frozen=True)
class _Outcomes:
    """What one candidate made of the units of one metric."""

    units: NDArray[np.int64]
    """Each unit by its first row among the original's."""
    good: NDArray[np.float64]
    """Its outcome, higher is better."""
    unfit: str | None


def contests(runs: Sequence[Run], config: AuditConfig, read: Reader) -> tuple[Contest, ...]:
    """One contest a suite and metric; none with fewer than two candidates. `read` gives the named columns of
    a cell's samples."""
    names = tuple(level.name for level in config.levels if level.is_candidate)
    if len(names) < 2:
        return ()
    found: list[Contest] = []
    for suite in config.suites:
        asked = {run.variant for run in runs if run.suite == suite.name}
        if asked >= {ORIGINAL, *names}:
            answers = Answers(suite, runs, read)
            rows = {name: answers.of(name) for name in (ORIGINAL, *names)}
            lacks = next((run.lacks for run in runs if run.suite == suite.name and run.lacks), None)
            found += [
                _contest(
                    suite, metric, answers, {name: one[metric.name] for name, one in rows.items()}, lacks
                )
                for metric in suite.metrics
            ]
    return adjusted(found, holm)


def _first_rows(units: Units) -> NDArray[np.int64]:
    """The first of the original's rows of each unit: its name, whoever answered."""
    first: NDArray[np.int64] = units.items.groupby("unit", sort=True)["row_before"].min().to_numpy(np.int64)
    return first


def _contest(
    suite: Suite, metric: Metric, answers: Answers, rows: Mapping[str, pd.DataFrame], lacks: str | None
) -> Contest:
    """`rows`: the original's answers under the metric, then those of the candidates. `lacks`: why they are
    not all there."""
    asked = _Asked(metric, answers, rows[ORIGINAL])
    names = tuple(name for name in rows if name != ORIGINAL)
    found = [asked.outcomes(rows[name]) for name in names]
    found = [replace(one, unfit=lacks or one.unfit) for one in found]
    common = reduce(np.intersect1d, [one.units for one in found])
    table = np.stack(
        [one.good[np.argsort(one.units)][np.isin(np.sort(one.units), common)] for one in found], axis=1
    )
    omnibus = _omnibus(metric, table, asked.before.iloc[common], found)
    contested: NDArray[np.int64] = np.zeros(0, np.int64)
    n_contested: int | NotMeasured = NotMeasured(lacks or "outcomes are not right or wrong")
    if metric.kind == "binary" and not any(one.unfit for one in found):
        contested = _most_telling(table == 1, asked.before["task"].iloc[common])
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
        contested=asked.items(shown, table[contested] == 1, [rows[name] for name in names]),
    )


def _omnibus(
    metric: Metric, table: NDArray[np.float64], rows: pd.DataFrame, found: Sequence[_Outcomes]
) -> Omnibus | NotMeasured:
    """The test that fits the metric, over units that are independent or clustered."""
    if metric.kind in ("perplexity", "ratio", "corpus"):
        return NotMeasured(f"a {metric.kind} {_PAIRWISE}")
    if unfit := next((one.unfit for one in found if one.unfit), None):
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


@dataclass(frozen=True)
class _Asked:
    """What the original was asked under one metric."""

    metric: Metric
    answers: Answers
    before: pd.DataFrame
    """The original's answers."""

    def _paired(self, after: pd.DataFrame) -> Units:
        return pair(self.before, after, self.metric, self.answers.items[self.metric.name])

    def outcomes(self, after: pd.DataFrame) -> _Outcomes:
        """What a candidate made of it."""
        units = self._paired(after)
        return _Outcomes(_first_rows(units), units.paired["after"].to_numpy(np.float64), units.unfit)

    def items(
        self, units: NDArray[np.int64], right: NDArray[np.bool_], candidates: Sequence[pd.DataFrame]
    ) -> tuple[ContestedItem, ...]:
        """The units in words; of a pair, the texts of all its items. `right`: [units, candidates]."""
        if not units.size:
            return ()
        members: defaultdict[int, list[int]] = defaultdict(list)
        answered: list[dict[int, str]] = []
        for after in candidates:
            found = self._paired(after)
            firsts = _first_rows(found)[found.items["unit"].to_numpy(np.int64)]
            chosen = found.items[np.isin(firsts, units)].assign(first=firsts[np.isin(firsts, units)])
            chosen = chosen.sort_values("row_before")
            texts = self.answers.records(after.iloc[chosen["row_after"]], ["answer"])
            members, said = defaultdict(list), defaultdict(list)
            for unit, row, text in zip(chosen["first"], chosen["row_before"], texts, strict=True):
                members[unit].append(row)
                said[unit].append(text["answer"])
            answered.append({unit: "\n".join(one) for unit, one in said.items()})
        rows = [row for unit in units.tolist() for row in members[unit]]
        asked = dict(zip(rows, self.answers.records(self.before.iloc[rows], _SHOWN), strict=True))
        return tuple(
            self._item(
                self.before.iloc[members[unit]], [asked[row] for row in members[unit]],
                tuple(one[unit] for one in answered), tuple(map(bool, marks)),
            )
            for unit, marks in zip(units.tolist(), right, strict=True)
        )  # fmt: skip

    def _item(
        self, rows: pd.DataFrame, asked: Sequence[Mapping[str, Any]], answers: tuple[str, ...],
        right: tuple[bool, ...],
    ) -> ContestedItem:  # fmt: skip
        """One unit, from the original's rows of it and their texts."""
        good = 1.0 if self.metric.higher_is_better else 0.0
        return ContestedItem(
            task=asked[0]["task"],
            group=None if pd.isna(asked[0]["group"]) else asked[0]["group"],
            question="\n".join(one["question"] for one in asked),
            target="\n".join(one["target"] for one in asked),
            original="\n".join(one["answer"] for one in asked),
            original_right=bool((rows["outcome"] == good).all()),
            answers=answers,
            right=right,
        )
