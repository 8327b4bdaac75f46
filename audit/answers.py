"""What the variants answered in one suite, read from the disk by column.

Samples may be larger than the memory, and most of their bytes are texts. What is counted with is a few
numbers a row: those are read of one variant at a time, and its hashes become numbers. Texts are read cell by
cell, and kept of the few items that are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from audit import registry
from audit.items import KEY, OFFER, Items, offer
from audit.records import Metric, Run, Sample, Suite
from audit.store import Reader

_COUNTED = [*KEY, "doc_id", "pair", "group", "cluster", "weight", "metric", "outcome"]
_COLUMNS = {
    "item": "int64", "task": "category", "part": "int64", "outcome": "float64", "weight": "float64",
    "group": "category", "cluster": "category", "cell": "int64", "row": "int64",
}  # fmt: skip
"""Of an answer, and the types that hold them."""


class Answers:
    """The answers to one suite. The items of a metric have the same numbers in all of them."""

    def __init__(self, suite: Suite, runs: Sequence[Run], read: Reader) -> None:
        """`read` gives the named columns of a cell's samples; `runs` may be of other suites as well."""
        self._suite, self._read = suite, read
        self._cells = [(run.variant, cell) for run in runs if run.suite == suite.name for cell in run.cells]
        self.items = {metric.name: Items(metric) for metric in suite.metrics}

    def of(self, variant: str) -> dict[str, pd.DataFrame]:
        """A variant's answers under each metric of the suite, in the order of tasks and documents.

        One row an answer: item, task, part, outcome, weight, group, cluster; where its sample lies; of a
        corpus metric the columns that its statistic looks at. An item outside any pair is none of a metric of
        pairs. Without answers, no rows.
        """
        samples = self._samples(variant)
        return {metric.name: self._under(metric, samples) for metric in self._suite.metrics}

    def each(
        self, rows: pd.DataFrame, columns: Sequence[str], of: Callable[[pd.DataFrame], NDArray[Any]]
    ) -> NDArray[Any]:
        """What `of` makes of these columns of the rows' samples, one entry each, in their order.

        It is called with the samples of one cell at a time: no more texts are in memory.
        """
        by_cell = [(places, of(samples)) for places, samples in self._by_cell(rows, columns)]
        if not by_cell:
            return np.empty(0)
        order = np.argsort(np.concatenate([places for places, _ in by_cell]))
        found: NDArray[Any] = np.concatenate([values for _, values in by_cell])[order]
        return found

    def records(self, rows: pd.DataFrame, columns: Sequence[str]) -> Sequence[Mapping[str, Any]]:
        """These columns of the rows' samples, each sample as a mapping."""
        return list(self.each(rows, columns, _records))

    def _by_cell(
        self, rows: pd.DataFrame, columns: Sequence[str]
    ) -> Iterator[tuple[NDArray[np.intp], pd.DataFrame]]:
        """The samples of the rows, cell by cell, and which rows those are."""
        row = rows["row"].to_numpy()
        for cell in rows["cell"].unique():
            places = np.flatnonzero(rows["cell"].to_numpy() == cell)
            yield places, self._read(self._cells[cell][1], columns).iloc[row[places]]

    def _samples(self, variant: str) -> pd.DataFrame:
        """What is counted with of all samples of a variant, the first parts of all tasks first."""
        cells = [(place, cell) for place, (name, cell) in enumerate(self._cells) if name == variant]
        frames = [self._read(cell, _COUNTED) for _, cell in cells]
        if not any(map(len, frames)):
            return pd.DataFrame(columns=[*_COUNTED, "part", "cell", "row", "order"])
        size = [len(frame) for frame in frames]
        whole = pd.concat([frame for frame in frames if len(frame)], ignore_index=True)
        tasks = dict.fromkeys(cell.task for _, cell in cells)
        whole = whole.assign(
            part=np.repeat([cell.part for _, cell in cells], size),
            cell=np.repeat([place for place, _ in cells], size),
            row=np.concatenate([np.arange(n) for n in size]),
            order=whole["task"].map({task: place for place, task in enumerate(tasks)}),
        )
        return whole.iloc[np.lexsort((whole["doc_id"], whole["order"], whole["part"]))]

    def _under(self, metric: Metric, samples: pd.DataFrame) -> pd.DataFrame:
        """The answers that the metric's units are made of."""
        rows = samples[samples["metric"] == metric.harness_metric]
        if metric.per == "pair":
            rows = rows[rows["pair"].notna()]
        number = self.items[metric.name].numbers(rows, lambda new: self.each(rows[new], OFFER, offer))
        rows = rows.assign(item=number)[[*_COLUMNS, "order", "doc_id"]]
        rows = rows.sort_values(["order", "doc_id"], kind="stable", ignore_index=True)
        rows = rows[[*_COLUMNS]].astype(_COLUMNS)
        return self._with_columns(rows, _looked_at(metric)) if metric.kind == "corpus" else rows

    def _with_columns(self, rows: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
        """The rows with more columns of their samples."""
        by_cell = list(self._by_cell(rows, columns))
        if not by_cell:
            return rows.reindex(columns=[*dict.fromkeys([*rows, *columns])])
        order = np.argsort(np.concatenate([places for places, _ in by_cell]))
        more = pd.concat([samples for _, samples in by_cell], ignore_index=True).iloc[order]
        return rows.assign(**{name: more[name].array for name in columns})


def _records(samples: pd.DataFrame) -> NDArray[np.object_]:
    """Each sample as a mapping."""
    return np.array(samples.to_dict("records"), dtype=object)


def _looked_at(metric: Metric) -> Sequence[str]:
    """Columns of `Sample` that a corpus metric's statistic reads; all of them where it does not say."""
    statistic = registry.corpus_statistic(str(metric.statistic))
    return getattr(statistic, "columns", tuple(Sample.model_fields))
