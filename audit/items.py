"""The items of a metric, numbered: the same number in the answers of whoever was asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from audit.records import Metric
from audit.statistics import proportions

# Not by doc_id: the harness renumbers documents when a limit is set.
KEY = ["task", "doc_hash", "prompt_hash", "target_hash"]
ONE_SIDED = 0.05
"""Error of the lower bound of what one constant answer gets right."""
OFFER = ["choices", "target"]
"""Columns of `Sample` that say what an item has to offer to who guesses."""

Numbers = NDArray[np.int64]
Offers = Callable[[NDArray[np.bool_]], Numbers]
"""Of the rows that are marked, what `offer` makes of their columns `OFFER`."""


def offer(samples: pd.DataFrame) -> Numbers:
    """[items, 3] of each item: how many choices, a hash of them all, a hash of its target."""
    choices = samples["choices"].map(tuple)
    return np.column_stack([choices.map(len), choices.map(hash), samples["target"].map(hash)]).astype(
        np.int64
    )


@dataclass(frozen=True)
class _Known:
    """The items that have been met; an item's number is its row."""

    keys: pd.DataFrame
    """Hashes, of a metric of pairs also the pair, and which copy of it."""
    task: Numbers
    unit: Numbers
    """Number of its pair; of a metric of items, its own."""
    offers: Numbers
    """See `offer`."""


class Items:
    """Numbers, so that answers pair by integers and no side has to keep its hashes."""

    def __init__(self, metric: Metric) -> None:
        self._of_pairs = metric.per == "pair"
        self._key = [*KEY, "pair"] if self._of_pairs else KEY
        self._known: _Known | None = None

    def __len__(self) -> int:
        return 0 if self._known is None else len(self._known.keys)

    def numbers(self, rows: pd.DataFrame, offers: Offers) -> Numbers:
        """Number of each row's item; the k-th copy of an item is one by itself.

        `rows` have the hashes and pairs of one variant's samples, the first parts of the tasks first.
        """
        keys = rows[self._key]
        # Nearly always the first parts of what the original was asked, in the same order
        if self._known is not None and keys.equals(self._known.keys[self._key].iloc[: len(keys)]):
            return np.arange(len(keys), dtype=np.int64)
        keys = keys.assign(copy=keys.groupby(KEY, sort=False).cumcount()).reset_index(drop=True)
        n = len(self)
        both = keys if self._known is None else pd.concat([self._known.keys, keys], ignore_index=True)
        number = both.groupby(list(both), sort=False, dropna=False).ngroup().to_numpy()[n:].astype(np.int64)
        new = number >= n
        if new.any():
            self._meet(keys[new], offers(new))
        return number

    def _meet(self, keys: pd.DataFrame, offers: Numbers) -> None:
        if self._known is not None:
            keys = pd.concat([self._known.keys, keys])
            offers = np.concatenate([self._known.offers, offers])
        keys = keys.reset_index(drop=True)
        pair = keys.groupby(["task", "pair"], sort=False).ngroup() if self._of_pairs else keys.index
        unit: Numbers = pair.to_numpy().astype(np.int64)
        self._known = _Known(keys, pd.factorize(keys["task"])[0].astype(np.int64), unit, offers)

    def units(self, numbers: Numbers) -> Numbers:
        """Number of the pair that each of these items is in."""
        return numbers if self._known is None else self._known.unit[numbers]

    def guessing(self, numbers: Numbers) -> NDArray[np.float64]:
        """Probability of being right on each of these without knowing anything; NaN for free generation.

        That of drawing a choice, or of a task whose items all have the same choices, such as yes and no, that
        of always giving the one that is right most often: the lower bound of its share (one-sided 95 %),
        since of a few items some choice is always ahead.
        """
        if self._known is None:
            return np.empty(0)
        task, (offered, choices, target) = self._known.task[numbers], self._known.offers[numbers].T
        drawn = np.where(offered > 0, 1.0 / np.maximum(offered, 1), np.nan)
        constant = np.zeros(numbers.size)
        for one in np.unique(task):
            places = np.flatnonzero(task == one)
            # Where one choice alone is ever right, as *disagree*, it is an inclination and not knowledge
            if (choices[places] == choices[places[0]]).all():
                _, right = np.unique(target[places], return_counts=True)
                if right.size > 1:
                    constant[places] = proportions.lower_bound(int(right.max()), places.size, ONE_SIDED)
        return np.where(np.isnan(drawn), drawn, np.maximum(drawn, constant))
