"""Two tables of samples → the units that one metric counts, paired, and those without a partner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from audit.records import Metric
from audit.statistics import proportions

# Not by doc_id: the harness renumbers documents when a limit is set.
_KEY = ["task", "doc_hash", "prompt_hash", "target_hash"]
ONE_SIDED = 0.05
"""Error of the lower bound of what one constant answer gets right."""
_KEPT = ["part", "group", "cluster", "weight"]
_COLUMNS = [*_KEY, *_KEPT, "metric", "pair", "outcome", "choices", "target"]


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
        named = pd.concat([self.paired["group"], self.alone_before, self.alone_after]).dropna()
        return sorted(set(named))


def metric_rows(samples: pd.DataFrame | None, metric: Metric) -> pd.DataFrame:
    """The samples that the metric's units are made of; an item outside any pair is no unit of pairs."""
    if samples is None:
        return pd.DataFrame(columns=_COLUMNS)
    rows = samples[samples["metric"] == metric.harness_metric]
    if metric.per == "pair":
        rows = rows[rows["pair"].notna()]
    return rows.reset_index(drop=True)


def pair(before: pd.DataFrame, after: pd.DataFrame, metric: Metric) -> Units:
    """Pair the rows of both sides by their hashes, the k-th copy of an item with the k-th copy."""
    row_before, row_after = _matches(before, after, metric)
    there = before.iloc[row_before]
    items = pd.DataFrame(
        {
            "before": _good(before, metric)[row_before],
            "after": _good(after, metric)[row_after],
            "row_before": row_before,
            "row_after": row_after,
        }
    )
    chance = _guessing(there)
    weights = there["weight"], after["weight"].iloc[row_after]
    unfit = _unfit(items, metric) or _unfit_weights(weights, metric)
    if metric.per == "pair":
        return _gather(before, after, items, chance, unfit)
    return Units(
        paired=items.assign(
            chance=chance, weight_after=weights[1].array, **{name: there[name].array for name in _KEPT}
        ),
        alone_before=_without(before["group"], row_before),
        alone_after=_without(after["group"], row_after),
        items=items.assign(unit=np.arange(len(items))),
        unfit=unfit,
    )


def _matches(
    before: pd.DataFrame, after: pd.DataFrame, metric: Metric
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row numbers of the partners, in the order of `before`."""
    key = [*_KEY, "pair"] if metric.per == "pair" else _KEY
    left, right = (
        rows[key].assign(copy=rows.groupby(_KEY, sort=False).cumcount(), row=np.arange(len(rows)))
        for rows in (before, after)
    )
    matched = left.merge(right, on=[*key, "copy"])
    return matched["row_x"].to_numpy(np.int64), matched["row_y"].to_numpy(np.int64)


def _without(group: pd.Series, matched: NDArray[np.int64]) -> pd.Series:
    """The entries whose row number is not among the matched."""
    return group[~np.isin(np.arange(len(group)), matched)]


def _good(rows: pd.DataFrame, metric: Metric) -> NDArray[np.float64]:
    """Outcomes turned so that higher is better; of what is right or wrong, 1 is good.

    A perplexity's outcome is a log-likelihood, and good as it is; of a ratio it is the numerator.
    """
    outcome = rows["outcome"].to_numpy(np.float64)
    if metric.higher_is_better or metric.kind == "perplexity":
        return outcome
    return 1.0 - outcome if metric.kind == "binary" else -outcome


def _guessing(rows: pd.DataFrame) -> NDArray[np.float64]:
    """Probability of being right on each item without knowing anything; NaN for free generation.

    That of drawing a choice, or of a task whose items all have the same choices, such as yes and no, that of
    always giving the one that is right most often: the lower bound of its share (one-sided 95 %), since of a
    few items some choice is always ahead.
    """
    offered = rows["choices"].map(len).to_numpy(np.float64)
    drawn = np.where(offered > 0, 1.0 / np.maximum(offered, 1.0), np.nan)
    constant = np.zeros(len(rows))
    for places in rows.groupby("task", sort=False).indices.values():
        of_task = rows.iloc[places]
        right = of_task["target"].value_counts()
        # Where one choice alone is ever right, as *disagree*, an inclination is measured and not knowledge
        if len(right) > 1 and of_task["choices"].map(tuple).nunique() == 1:
            constant[places] = proportions.lower_bound(int(right.iloc[0]), len(places), ONE_SIDED)
    return np.where(np.isnan(drawn), drawn, np.maximum(drawn, constant))


def _unfit(items: pd.DataFrame, metric: Metric) -> str | None:
    """Why these outcomes can't be counted, or averaged."""
    values = items[["before", "after"]].to_numpy(np.float64).ravel()
    if metric.kind == "binary":
        odd, what = values[(values != 0) & (values != 1)], "neither 0 nor 1 (is its kind `score`?)"
    elif metric.range is not None:
        low, high = sorted(metric.range if metric.higher_is_better else (-end for end in metric.range))
        within = (low <= values) & (values <= high)
        odd, what = values[~within], f"outside of the range {metric.range[0]:g} to {metric.range[1]:g}"
    else:
        odd, what = values[~np.isfinite(values)], "no finite numbers"
    if not odd.size:
        return None
    return f"{odd.size} of {values.size} outcomes of {metric.harness_metric!r} are {what}"


def _unfit_weights(weights: Sequence[pd.Series], metric: Metric) -> str | None:
    """Why these sums, before and after, can't be divided by what they are sums over."""
    counts = np.concatenate([weight.to_numpy(np.float64) for weight in weights])
    odd = int(np.sum(~(np.isfinite(counts) & (counts >= 0))))
    if metric.kind not in ("perplexity", "ratio") or not odd:
        return None
    what = "words, bytes or tokens" if metric.kind == "perplexity" else "what its ratio is taken over"
    return f"{odd} of {counts.size} documents, before and after, say no number of {what}"


def _gather(
    before: pd.DataFrame,
    after: pd.DataFrame,
    items: pd.DataFrame,
    chance: NDArray[np.float64],
    unfit: str | None,
) -> Units:
    """Gather items into pairs: right when all items are; complete when two or more, all with a partner.

    A pair whose items lie in several groups belongs to the group named after all of them, `clean + typo`.
    """
    both = pd.concat([before[["task", "pair", "group"]], after[["task", "pair", "group"]]])
    code = both.groupby(["task", "pair"], sort=False).ngroup().to_numpy(np.int64)
    code_before, code_after = code[: len(before)], code[len(before) :]
    code_items = code_before[items["row_before"]]
    group = _joint_groups(code, both["group"])

    in_before, in_after, matched = (
        np.bincount(codes, minlength=group.size) for codes in (code_before, code_after, code_items)
    )
    complete = (matched >= 2) & (matched == in_before) & (matched == in_after)
    items, chance = items[complete[code_items]], chance[complete[code_items]]
    unit, kept = pd.factorize(code_items[complete[code_items]])

    right_before, right_after, guessed = (np.ones(kept.size) for _ in range(3))
    np.minimum.at(right_before, unit, items["before"])
    np.minimum.at(right_after, unit, items["after"])
    np.multiply.at(guessed, unit, chance)
    first = before.iloc[items["row_before"].to_numpy()[np.unique(unit, return_index=True)[1]]]
    columns = {name: first[name].array for name in _KEPT}
    columns |= {"before": right_before, "after": right_after, "group": group.iloc[kept].array}
    return Units(
        paired=pd.DataFrame({**columns, "chance": guessed}),
        alone_before=group[(in_before > 0) & ~complete],
        alone_after=group[(in_after > 0) & ~complete],
        items=items.assign(unit=unit),
        unfit=unfit,
    )


def _joint_groups(code: NDArray[np.integer[Any]], group: pd.Series) -> pd.Series:
    """Group of each pair 0, 1, …: the distinct groups of its items, sorted and joined by ` + `."""
    rows = pd.DataFrame({"code": code, "group": group.array}).dropna().drop_duplicates().sort_values("group")
    names: list[str | None] = [None] * (int(code.max()) + 1 if code.size else 0)
    for one, name in zip(rows["code"], rows["group"], strict=True):
        known = names[one]
        names[one] = name if known is None else f"{known} + {name}"
    return pd.Series(names, dtype=object)
