"""Paired units → the numbers of a comparison: levels, the drop, its interval, second opinions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from audit.records import Estimate, Flips, Interval, Look, Metric, NotMeasured
from audit.statistics import drop, estimates, mcnemar, noninferiority, proportions, sensitivity
from audit.statistics.noninferiority import Bounds

ALPHA = 0.05
"""One-sided error of every bound shown; a rule judges at its own."""
CONFIDENCE = round(1 - 2 * ALPHA, 6)

_LARGEST_LOG = 700.0
"""Beyond it an exponential overflows a double."""


def unmeasured(reason: str) -> dict[str, Any]:
    """The numbers of a comparison that could not be made."""
    names = (
        *("before", "after", "difference", "interval", "tango", "p_value", "p_adjusted"),
        *("flips", "chance", "before_lower", "after_lower"),
    )
    return {**dict.fromkeys(names, NotMeasured(reason)), "method": f"not measured: {reason}"}


def measured(paired: pd.DataFrame, metric: Metric) -> dict[str, Any]:
    """The numbers of a comparison, from the units of one metric; their outcomes fit its kind."""
    now = look(paired, metric)
    numbers = _of_flips(paired, metric) if metric.kind == "binary" else _of_numbers(paired, metric)
    bounds = drop.bounds(now, ALPHA)
    deciding = bounds if isinstance(bounds, NotMeasured) else interval(bounds)
    return {
        **numbers,
        "estimate": now.estimate,
        "interval": deciding,
        "p_adjusted": NotMeasured("not adjusted: rules decide on the interval"),
        "method": "paired by task and document, prompt and target hash; "
        + (bounds.reason if isinstance(bounds, NotMeasured) else f"{bounds.method} bounds of the drop")
        + ("; exact McNemar p" if metric.kind == "binary" else ""),
    }


def look(paired: pd.DataFrame, metric: Metric) -> Look:
    """What decides, of these units: flips, or an estimate of the drop, or both where flips are clustered."""
    lost: int | NotMeasured = NotMeasured("outcomes are not right or wrong")
    gained = bad = lost
    if metric.kind == "binary":
        before, after = paired["before"].to_numpy() == 1, paired["after"].to_numpy() == 1
        lost, gained, bad = int((before & ~after).sum()), int((~before & after).sum()), int((~after).sum())
    estimate = _estimate(paired, metric)
    return Look(n_pairs=len(paired), lost=lost, gained=gained, bad_after=bad, estimate=estimate)


def unestimable(paired: pd.DataFrame, metric: Metric) -> str | None:
    """Why the drop of a whole suite has no sampling error; None where it has one."""
    clusters = _clusters(paired)
    if clusters is not None and len(set(clusters)) < 2:
        return f"all {len(paired)} pairs are in one cluster: an error can be estimated from two or more"
    if metric.kind != "binary" and len(paired) < 2:
        return "one pair: an error can be estimated from two or more"
    return None


def indivisible(paired: pd.DataFrame, metric: Metric) -> str | None:
    """Why these units have no perplexity; None where they have one, or it is not asked for."""
    if metric.kind != "perplexity" or paired["weight"].sum() > 0:
        return None
    return "the documents hold no words, bytes or tokens that a perplexity could be taken over"


def interval(bounds: Bounds) -> Interval:
    """Two one-sided bounds as one interval."""
    return Interval(lower=bounds.lower, upper=bounds.upper, confidence=CONFIDENCE, method=bounds.method)


def _estimate(paired: pd.DataFrame, metric: Metric) -> Estimate | NotMeasured:
    """The drop with its standard error; not needed where independent flips are counted."""
    clusters = _clusters(paired)
    if clusters is not None and len(set(clusters)) < 2:  # a group that is one cluster: of its items alone
        clusters = None
    if metric.kind == "binary" and clusters is None:
        return NotMeasured("flips are counted")
    if len(paired) < 2:
        return NotMeasured("one pair: an error can be estimated from two or more")
    before, after = (paired[side].to_numpy(np.float64) for side in ("before", "after"))
    if metric.kind == "perplexity":
        weight = paired["weight"].to_numpy(np.float64)
        groups = np.arange(len(paired)) if clusters is None else clusters
        return estimates.difference_of_ratios(
            estimates.Ratio(before, weight), estimates.Ratio(after, weight), groups
        )
    if clusters is not None:
        return estimates.clustered_mean(before - after, clusters)
    return estimates.paired_mean(before - after)


def _clusters(paired: pd.DataFrame) -> NDArray[Any] | None:
    """Label of each unit's cluster, one of its own where it is in none; None: no unit is in any."""
    labels = paired["cluster"]
    if labels.isna().all():
        return None
    codes, _ = pd.factorize(labels)
    return np.where(codes < 0, -1 - np.arange(codes.size), codes)


def _of_flips(paired: pd.DataFrame, metric: Metric) -> dict[str, Any]:
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
        "tango": interval(noninferiority.score_bounds(lost, gained, n, ALPHA)),
        "p_value": mcnemar.exact_p(lost, gained),
        "flips": Flips(lost=lost, gained=gained, rate=(lost + gained) / n),
        "chance": _chance(paired["chance"], metric),
        "before_lower": proportions.lower_bound(shown_before, n, ALPHA),
        "after_lower": proportions.lower_bound(shown_after, n, ALPHA),
        "sensitivity": _second_opinions(int((before & after).sum()), lost, gained, n),
    }


def _second_opinions(both_right: int, lost: int, gained: int, n: int) -> tuple[Interval, ...]:
    """Newcombe's and Bonett and Price's intervals beside the one that decides."""
    newcombe = sensitivity.newcombe(both_right, lost, gained, n - both_right - lost - gained, ALPHA)
    adjusted = sensitivity.bonett_price(lost, gained, n, ALPHA)
    return (
        Interval(lower=newcombe[0], upper=newcombe[1], confidence=CONFIDENCE, method="Newcombe's method 10"),
        Interval(lower=adjusted[0], upper=adjusted[1], confidence=CONFIDENCE, method="Bonett-Price"),
    )


def _of_numbers(paired: pd.DataFrame, metric: Metric) -> dict[str, Any]:
    """Of units with any outcome."""
    before, after = (paired[side].to_numpy(np.float64) for side in ("before", "after"))
    shown: list[float | NotMeasured]
    if metric.kind == "perplexity":
        weight = float(paired["weight"].sum())
        shown = [_perplexity(-float(side.sum()) / weight) for side in (before, after)]
        difference = float((before.sum() - after.sum()) / weight)
    else:
        sign = 1 if metric.higher_is_better else -1
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
        return NotMeasured(f"e to the {per_word:.0f} is beyond what a double holds")
    return math.exp(per_word)


def _chance(guessing: pd.Series, metric: Metric) -> float | NotMeasured:
    """Expected rate of guessing."""
    if not metric.higher_is_better:
        return NotMeasured("where lower is better, guessing is no floor")
    if guessing.isna().any():
        return NotMeasured("free generation: there are no choices to guess from")
    return float(guessing.mean())
