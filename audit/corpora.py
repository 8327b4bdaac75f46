"""What a corpus metric makes of the rows of both sides: its values, and its drop with an error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from audit import registry
from audit.corpus.of_sums import OfSums
from audit.records import Estimate, Metric, NotMeasured
from audit.statistics import bootstrap, estimates
from audit.statistics.bootstrap import Sums


@dataclass(frozen=True)
class Corpus:
    """The samples of both sides; units name theirs in the columns row_before and row_after."""

    before: pd.DataFrame
    after: pd.DataFrame
    metric: Metric
    seed: int
    """Of the resampling: the same for every look and level, so that none has luck of its own."""

    def undefined(self, paired: pd.DataFrame) -> str | None:
        """Why these units have no such number; None where they have one."""
        try:
            values = self.levels(paired)
        except ValueError as error:
            return f"{self.metric.statistic} has no value here: {error}"
        if np.isfinite(values).all():
            return None
        return f"{self.metric.statistic} has no value of these {len(paired)} items"

    def levels(self, paired: pd.DataFrame) -> tuple[float, float]:
        """The statistic before and after."""
        statistic = self._statistic
        one, other = (statistic(rows) for rows in self._rows(paired))
        return float(one), float(other)

    def estimate(self, paired: pd.DataFrame, clusters: NDArray[Any]) -> Estimate | NotMeasured:
        """The drop, positive is a loss, by paired bootstrap of the clusters."""
        statistic, rng = self._statistic, np.random.default_rng(self.seed)
        before, after = self._rows(paired)
        if isinstance(statistic, OfSums):
            one, other = (Sums(statistic.terms(rows), statistic.of) for rows in (before, after))
            difference = bootstrap.difference_of_sums(one, other, clusters, rng)
        else:

            def drop(rows: NDArray[np.int64]) -> float:
                return float(statistic(before.iloc[rows])) - float(statistic(after.iloc[rows]))

            difference = bootstrap.difference_of_rows(drop, clusters, rng)
        if isinstance(difference, NotMeasured) or self.metric.higher_is_better:
            return difference
        return estimates.mirrored(difference)

    @property
    def _statistic(self) -> registry.CorpusStatistic:
        return registry.corpus_statistic(str(self.metric.statistic))

    def _rows(self, paired: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The samples of these units, in their order."""
        return self.before.iloc[paired["row_before"]], self.after.iloc[paired["row_after"]]
