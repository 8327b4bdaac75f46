"""Two tables of answers → the units that one metric counts, paired, and those without a partner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from audit.items import Items
from audit.records import Metric

_LARGEST = 1e100
"""A number whose square and third power a double still holds."""
_KEPT = ["part", "group", "cluster", "weight"]


@dataclass(frozen=True)
class Units:
    """What a metric counts, paired: an item, or all the items that share a pair."""

    paired: pd.DataFrame
    """One row per unit: part, group, cluster, before and after (higher is better), weight, chance (NaN where
    there are no choices); of items also weight_after, row_before and row_after, their rows on either side."""
    alone_before: pd.Series
    """Group of each unit of the original without a partner."""
    alone_after: pd.Series
    """Group of each unit of the variant without a partner."""
    items: pd.DataFrame
    """The items of the paired units: unit (a row of `paired`), before, after, row_before, row_after."""
    unfit: str | None
    """Why the outcomes are not what the metric says; None: they are."""

    def of(self, group: str) -> Units:
        """The units of one group alone."""
        return replace(
            self,
            paired=self.paired[self.paired["group"] == group],
            alone_before=self.alone_before[self.alone_before == group],
            alone_after=self.alone_after[self.alone_after == group],
        )

    def groups(self) -> list[str]:
        """Every group that a unit belongs to, sorted."""
        sides = (self.paired["group"], self.alone_before, self.alone_after)
        return sorted({str(name) for side in sides for name in side.dropna().unique()})


def pair(before: pd.DataFrame, after: pd.DataFrame, metric: Metric, items: Items) -> Units:
    """Pair the answers of both sides by the numbers of their `items`, in the order of `before`.

    One row an answer: item, outcome, weight, part, group, cluster.
    """
    row_before, row_after = _matches(before["item"].to_numpy(), after["item"].to_numpy(), len(items))
    there = before[["item", *_KEPT]]
    there = there if row_before.size == len(there) else there.iloc[row_before]
    weight_after = _taken(after["weight"].to_numpy(), row_after)
    found = pd.DataFrame(
        {
            "before": _taken(_good(before, metric), row_before),
            "after": _taken(_good(after, metric), row_after),
            "row_before": row_before,
            "row_after": row_after,
        },
        copy=False,
    )
    chance = items.guessing(there["item"].to_numpy())
    unfit = _unfit(found, metric) or _unfit_weights((there["weight"].to_numpy(), weight_after), metric)
    if metric.per == "pair":
        return _gather(before, after, found, chance, unfit, items)
    kept: dict[str, Any] = {name: there[name].array for name in _KEPT}
    columns: dict[str, Any] = {str(name): found[name].array for name in found}
    return Units(
        paired=pd.DataFrame({**columns, "chance": chance, "weight_after": weight_after, **kept}, copy=False),
        alone_before=_without(before["group"], row_before),
        alone_after=_without(after["group"], row_after),
        items=pd.DataFrame({**columns, "unit": np.arange(len(found))}, copy=False),
        unfit=unfit,
    )


def n_units(rows: pd.DataFrame, metric: Metric, items: Items) -> int:
    """How many units these answers would make, were all of them paired."""
    if metric.per == "item":
        return len(rows)
    return int(np.count_nonzero(np.bincount(items.units(rows["item"].to_numpy())) >= 2))


def _matches(
    before: NDArray[np.int64], after: NDArray[np.int64], n: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row numbers of the partners, in the order of `before`, from both sides' items, which are below `n`."""
    row_after = np.full(n, -1)
    row_after[after] = np.arange(after.size)
    partner = row_after[before]
    row_before = np.flatnonzero(partner >= 0)
    return row_before, _taken(partner, row_before)


def _taken(values: NDArray[np.generic], rows: NDArray[np.int64]) -> NDArray[Any]:
    """The values of these rows; no copy where all are taken in their order."""
    everything = rows.size == values.size and np.array_equal(rows, np.arange(rows.size))
    return values if everything else values[rows]


def _without(group: pd.Series, matched: NDArray[np.int64]) -> pd.Series:
    """The entries whose row number is not among the matched."""
    alone = np.ones(len(group), dtype=bool)
    alone[matched] = False
    return group[alone]


def _good(rows: pd.DataFrame, metric: Metric) -> NDArray[np.float64]:
    """Outcomes turned so that higher is better; of what is right or wrong, 1 is good.

    A perplexity's outcome is a log-likelihood, and good as it is; of a ratio it is the numerator.
    """
    outcome = rows["outcome"].to_numpy(np.float64)
    if metric.higher_is_better or metric.kind == "perplexity":
        return outcome
    return 1.0 - outcome if metric.kind == "binary" else -outcome


def _unfit(items: pd.DataFrame, metric: Metric) -> str | None:
    """Why these outcomes can't be counted, or averaged."""
    values = items[["before", "after"]].to_numpy(np.float64).ravel()
    finite = np.abs(values) < _LARGEST
    if metric.kind == "binary":
        odd, what = values[(values != 0) & (values != 1)], "neither 0 nor 1 (is its kind `score`?)"
    elif metric.range is not None:
        low, high = sorted(metric.range if metric.higher_is_better else (-end for end in metric.range))
        within = (low <= values) & (values <= high)
        odd, what = (
            values[~(within & finite)],
            f"outside of the range {metric.range[0]:g} to {metric.range[1]:g}",
        )
    else:
        odd, what = values[~finite], f"no finite numbers below {_LARGEST:g} in size"
    if not odd.size:
        return None
    return f"{odd.size} of {values.size} outcomes of {metric.harness_metric!r} are {what}"


def _unfit_weights(weights: Sequence[NDArray[np.float64]], metric: Metric) -> str | None:
    """Why these sums, before and after, can't be divided by what they are sums over."""
    if metric.kind not in ("perplexity", "ratio"):
        return None
    counts = np.concatenate(weights).astype(np.float64)
    odd = int(np.sum(~((counts == 0) | ((counts > 1 / _LARGEST) & (counts < _LARGEST)))))
    if not odd:
        return None
    what = "words, bytes or tokens" if metric.kind == "perplexity" else "what its ratio is taken over"
    return f"{odd} of {counts.size} documents, before and after, say no number of {what}"


def _gather(
    before: pd.DataFrame, after: pd.DataFrame, found: pd.DataFrame, chance: NDArray[np.float64],
    unfit: str | None, items: Items,
) -> Units:  # fmt: skip
    """Gather items into pairs: right when all items are; complete when two or more, all with a partner.

    A pair whose items lie in several groups belongs to the group named after all of them, `clean + typo`.
    """
    unit_before, unit_after = (items.units(side["item"].to_numpy()) for side in (before, after))
    unit_found = unit_before[found["row_before"].to_numpy()]
    count = 1 + max((int(side.max()) for side in (unit_before, unit_after) if side.size), default=-1)
    group = _joint_groups((unit_before, before["group"]), (unit_after, after["group"]), count)

    in_before, in_after, matched = (
        np.bincount(units, minlength=count) for units in (unit_before, unit_after, unit_found)
    )
    complete = (matched >= 2) & (matched == in_before) & (matched == in_after)
    found, chance = found[complete[unit_found]], chance[complete[unit_found]]
    unit, kept = pd.factorize(unit_found[complete[unit_found]])

    right_before, right_after, guessed = (np.ones(kept.size) for _ in range(3))
    np.minimum.at(right_before, unit, found["before"].to_numpy())
    np.minimum.at(right_after, unit, found["after"].to_numpy())
    np.multiply.at(guessed, unit, chance)
    first = before[_KEPT].iloc[found["row_before"].to_numpy()[np.unique(unit, return_index=True)[1]]]
    columns = {name: first[name].array for name in _KEPT}
    columns |= {"before": right_before, "after": right_after, "group": group.iloc[kept].array}
    return Units(
        paired=pd.DataFrame({**columns, "chance": guessed}, copy=False),
        alone_before=group[(in_before > 0) & ~complete],
        alone_after=group[(in_after > 0) & ~complete],
        items=found.assign(unit=unit),
        unfit=unfit,
    )


def _joint_groups(
    before: tuple[NDArray[np.int64], pd.Series], after: tuple[NDArray[np.int64], pd.Series], count: int
) -> pd.Series:
    """Group of each pair 0, 1, … from the pairs and groups of both sides' items: the distinct ones, sorted
    and joined by ` + `."""
    names = sorted({str(name) for _, group in (before, after) for name in group.dropna().unique()})
    member = np.zeros((count, len(names)), dtype=bool)
    for unit, group in (before, after):
        code = pd.Categorical(group, categories=names).codes
        member[unit[code >= 0], code[code >= 0]] = True
    bits = np.packbits(np.pad(member, ((0, 0), (0, -len(names) % 64))), axis=1).view(np.uint64)
    sets = bits.ravel() if bits.shape[1] == 1 else bits  # of one number each, which sort fast
    _, first, place = np.unique(sets, axis=0, return_index=True, return_inverse=True)
    joint = [" + ".join(names[code] for code in np.flatnonzero(member[unit])) or None for unit in first]
    return pd.Series(np.array(joint, dtype=object)[place.ravel()], dtype=object)
