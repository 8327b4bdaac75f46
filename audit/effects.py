"""Paired units → the numbers of a comparison: levels, the drop, its interval, second opinions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from audit.corpora import Corpus
from audit.records import Estimate, Flips, Interval, Look, Metric, NotMeasured
from audit.statistics import drop, estimates, mcnemar, noninferiority, proportions, sensitivity
from audit.statistics.estimates import Ratio
from audit.statistics.noninferiority import Bounds

ALPHA = 0.05
"""One-sided error of every bound shown of a whole suite; a rule judges at its own."""

_LARGEST_LOG = 700.0
"""Beyond it an exponential overflows a double."""


def unmeasured(reason: str) -> dict[str, Any]:
    """The numbers of a comparison that could not be made."""
    names = (
        *("before", "after", "difference", "interval", "tango", "p_value", "p_adjusted"),
        *("flips", "chance", "before_lower", "after_lower"),
    )
    return {**dict.fromkeys(names, NotMeasured(reason)), "method": f"not measured: {reason}"}


def measured(
    paired: pd.DataFrame, metric: Metric, corpus: Corpus | None = None, alpha: float = ALPHA
) -> dict[str, Any]:
    """The numbers of a comparison, from the units of one metric; their outcomes fit its kind.

    A corpus metric takes its `corpus` as well. `alpha` is the one-sided error of the drop's bounds.
    """
    now, of_flips = look(paired, metric, corpus), metric.kind == "binary"
    numbers = _of_flips(paired, metric, alpha) if of_flips else _of_numbers(paired, metric, corpus)
    bounds = drop.bounds(now, alpha)
    deciding = bounds if isinstance(bounds, NotMeasured) else interval(bounds, alpha)
    return {
        **numbers,
        "estimate": now.estimate,
        "interval": deciding,
        "p_adjusted": NotMeasured("not adjusted: rules decide on the interval"),
        "method": "paired by task and document, prompt and target hash; "
        + (bounds.reason if isinstance(bounds, NotMeasured) else f"{bounds.method} bounds of the drop")
        + ("; exact McNemar p" if of_flips else ""),
    }


def look(paired: pd.DataFrame, metric: Metric, corpus: Corpus | None = None) -> Look:
    """What decides, of these units: flips, or an estimate of the drop, or both where flips are clustered."""
    lost: int | NotMeasured = NotMeasured("outcomes are not right or wrong")
    gained = bad = lost
    if metric.kind == "binary":
        before, after = paired["before"].to_numpy() == 1, paired["after"].to_numpy() == 1
        lost, gained, bad = int((before & ~after).sum()), int((~before & after).sum()), int((~after).sum())
    estimate = _estimate(paired, metric, corpus)
    return Look(n_pairs=len(paired), lost=lost, gained=gained, bad_after=bad, estimate=estimate)


def looks(paired: pd.DataFrame, metric: Metric, corpus: Corpus | None = None) -> tuple[Look, ...]:
    """What was known after each part of the items.

    Where no error can be estimated yet, as in one cluster, nobody looks.
    """
    parts = np.unique(paired["part"].to_numpy())
    if metric.kind == "binary" and cluster_labels(paired) is None:
        return _looks_at_flips(paired, parts)
    so_far = [paired[paired["part"] <= part] for part in parts]
    return tuple(
        look(known, metric, corpus)
        for known in so_far
        if not (indivisible(known, metric) or unestimable(known, metric, corpus))
    )


def _looks_at_flips(paired: pd.DataFrame, parts: NDArray[np.int64]) -> tuple[Look, ...]:
    """`look` after each part, of independent flips: all of them counted at once."""
    part = np.searchsorted(parts, paired["part"].to_numpy())
    before, after = paired["before"].to_numpy() == 1, paired["after"].to_numpy() == 1
    counts = [
        np.bincount(part[which], minlength=parts.size).cumsum().tolist()
        for which in (slice(None), before & ~after, ~before & after, ~after)
    ]
    counted = NotMeasured("flips are counted")
    return tuple(
        Look(n_pairs=n, lost=lost, gained=gained, bad_after=bad, estimate=counted)
        for n, lost, gained, bad in zip(*counts, strict=True)
    )


def unestimable(paired: pd.DataFrame, metric: Metric, corpus: Corpus | None = None) -> str | None:
    """Why the drop of a whole suite has no sampling error; None where it has one."""
    clusters = cluster_labels(paired)
    if clusters is not None and (clusters == clusters[0]).all():
        return f"all {len(paired)} pairs are in one cluster: an error can be estimated from two or more"
    if metric.kind != "binary" and len(paired) < 2:
        return "one pair: an error can be estimated from two or more"
    return None if corpus is None else corpus.undefined(paired)


def indivisible(paired: pd.DataFrame, metric: Metric) -> str | None:
    """Why these units have no perplexity or ratio; None where they have one, or it is not asked for."""
    if metric.kind == "perplexity" and not paired["weight"].sum() > 0:
        return "the documents hold no words, bytes or tokens that a perplexity could be taken over"
    if metric.kind != "ratio":
        return None
    empty = [
        when for when, name in (("before", "weight"), ("after", "weight_after")) if not paired[name].sum() > 0
    ]
    return f"no item {' or '.join(empty)} has anything that the ratio could be taken over" if empty else None


def interval(bounds: Bounds, alpha: float = ALPHA) -> Interval:
    """Two one-sided bounds, each with error `alpha`, as one interval."""
    return Interval(
        lower=bounds.lower, upper=bounds.upper, confidence=round(1 - 2 * alpha, 6), method=bounds.method
    )


def _estimate(paired: pd.DataFrame, metric: Metric, corpus: Corpus | None) -> Estimate | NotMeasured:
    """The drop with its standard error; not needed where independent flips are counted."""
    clusters = cluster_labels(paired)
    if clusters is not None and (clusters == clusters[0]).all():
        clusters = None  # a group that is one cluster: of its items alone
    if metric.kind == "binary" and clusters is None:
        return NotMeasured("flips are counted")
    if len(paired) < 2:
        return NotMeasured("one pair: an error can be estimated from two or more")
    groups = np.arange(len(paired)) if clusters is None else clusters
    if corpus is not None:
        return corpus.estimate(paired, groups)
    if metric.kind in ("perplexity", "ratio"):
        return estimates.difference_of_ratios(*_ratios(paired, metric), groups)
    difference = (paired["before"] - paired["after"]).to_numpy(np.float64)
    if clusters is None:
        estimate = estimates.paired_mean(difference)
    else:
        estimate = estimates.clustered_mean(difference, clusters)
    return estimate.model_copy(update={"largest": metric.largest_drop})


def _ratios(paired: pd.DataFrame, metric: Metric) -> tuple[Ratio, Ratio]:
    """Before and after. The words of a perplexity's document are the same on both sides."""
    over_after = "weight" if metric.kind == "perplexity" else "weight_after"
    before, after = (
        Ratio(paired[side].to_numpy(np.float64), paired[over].to_numpy(np.float64))
        for side, over in (("before", "weight"), ("after", over_after))
    )
    return before, after


def cluster_labels(paired: pd.DataFrame) -> NDArray[Any] | None:
    """Label of each unit's cluster, one of its own where it is in none; None: no unit is in any."""
    labels = paired["cluster"]
    if labels.isna().all():
        return None
    codes, _ = pd.factorize(labels)
    return np.where(codes < 0, -1 - np.arange(codes.size), codes)


def _of_flips(paired: pd.DataFrame, metric: Metric, alpha: float) -> dict[str, Any]:
    """Of units that are all 0 or 1."""
    before, after = paired["before"].to_numpy() == 1, paired["after"].to_numpy() == 1
    n, lost, gained = len(paired), int((before & ~after).sum()), int((~before & after).sum())
    shown_before, shown_after = int(before.sum()), int(after.sum())
    if not metric.higher_is_better:
        shown_before, shown_after = n - shown_before, n - shown_after
    return {
        "before": shown_before / n,
        "after": shown_after / n,
        "difference": (lost - gained) / n,
        "tango": interval(noninferiority.score_bounds(lost, gained, n, alpha), alpha),
        "p_value": mcnemar.exact_p(lost, gained),
        "flips": Flips(lost=lost, gained=gained, rate=(lost + gained) / n),
        "chance": _chance(paired["chance"], metric),
        "before_lower": proportions.lower_bound(shown_before, n, ALPHA),
        "after_lower": proportions.lower_bound(shown_after, n, ALPHA),
        "sensitivity": _second_opinions(int((before & after).sum()), lost, gained, n, alpha),
    }


def _second_opinions(both_right: int, lost: int, gained: int, n: int, alpha: float) -> tuple[Interval, ...]:
    """Newcombe's and Bonett and Price's intervals beside the one that decides."""
    newcombe = sensitivity.newcombe(both_right, lost, gained, n - both_right - lost - gained, alpha)
    adjusted = sensitivity.bonett_price(lost, gained, n, alpha)
    return (
        interval(Bounds(*newcombe, "Newcombe's method 10"), alpha),
        interval(Bounds(*adjusted, "Bonett-Price"), alpha),
    )


def _of_numbers(paired: pd.DataFrame, metric: Metric, corpus: Corpus | None) -> dict[str, Any]:
    """Of units with any outcome."""
    shown: list[float | NotMeasured]
    sign = 1 if metric.higher_is_better else -1
    if corpus is not None:
        one, other = corpus.levels(paired)
        shown, difference = [one, other], sign * (one - other) + 0.0
    elif metric.kind in ("perplexity", "ratio"):
        values = [
            float(np.sum(side.numerator) / np.sum(side.denominator)) for side in _ratios(paired, metric)
        ]
        shown = [_perplexity(-one) if metric.kind == "perplexity" else sign * one + 0.0 for one in values]
        difference = values[0] - values[1]
    else:
        before, after = (paired[side].to_numpy(np.float64) for side in ("before", "after"))
        shown = [float(sign * side.mean()) + 0.0 for side in (before, after)]
        difference = float((before - after).mean())
    names = ("tango", "flips", "chance", "before_lower", "after_lower")
    return {
        **dict.fromkeys(names, NotMeasured("outcomes are not right or wrong")),
        "before": shown[0],
        "after": shown[1],
        "difference": difference,
        "p_value": NotMeasured("McNemar's test is for right and wrong"),
    }


def _perplexity(per_word: float) -> float | NotMeasured:
    """e to the mean −log-likelihood."""
    if per_word > _LARGEST_LOG:
        return NotMeasured(f"e to the {per_word:.6g} is beyond what a double holds")
    return math.exp(per_word)


def _chance(guessing: pd.Series, metric: Metric) -> float | NotMeasured:
    """Expected rate of guessing."""
    if not metric.higher_is_better:
        return NotMeasured("where lower is better, guessing is no floor")
    if guessing.isna().any():
        return NotMeasured("free generation: there are no choices to guess from")
    return float(guessing.mean())
