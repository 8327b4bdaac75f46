"""What a vendor's card promises of scores, held against the answers: after / before, item by item.

A card is a statement of its own, so its claims are one family, whoever else is in the audit: each bound has
an error of 5 % over the number of claims (Bonferroni), so that a card whose claims are all true has one of
them called refuted with at most 5 %, and as rarely one called held up that is not true. The intervals shown
are those that decide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from audit.answers import Answers
from audit.compare import ORIGINAL
from audit.effects import ALPHA, cluster_labels
from audit.pairing import Units, pair
from audit.records import (
    AuditConfig,
    CheckedRecovery,
    Interval,
    Level,
    Metric,
    NotMeasured,
    RecoveryClaim,
    Run,
    Suite,
)
from audit.statistics import paired_ratio
from audit.store import Reader

Bounds = tuple[float, float] | NotMeasured
Labels = NDArray[Any]
"""The cluster of each item."""
Outcome = Literal["held up", "refuted", "undecided"]
_NO_SHARE = {
    "perplexity": "a perplexity has no share that is left: it is better lower, and has no 0",
    "ratio": "a ratio of two counts is a bias score, of which no share is left",
    "corpus": "the number belongs to the whole set of items, and items have none that could be paired",
}


def recoveries(runs: Sequence[Run], config: AuditConfig, read: Reader) -> tuple[CheckedRecovery, ...]:
    """Every claim of every candidate's card; `read` gives the named columns of a cell's samples."""
    suites = {suite.name: suite for suite in config.suites}
    found: list[CheckedRecovery] = []
    for level in config.levels:
        for name in dict.fromkeys(claim.suite for claim in level.recoveries):
            answers = Answers(suites[name], runs, read)
            sides = answers.of(ORIGINAL), answers.of(level.name)
            asked = (one for one in runs if one.suite == name and one.variant in (ORIGINAL, level.name))
            lacks = next((one.lacks for one in asked if one.lacks), None)
            found += [
                _checked(claim, level, suites[name], answers, sides, lacks)
                for claim in level.recoveries
                if claim.suite == name
            ]
    return tuple(found)


def asked_whole(variant: str, config: AuditConfig) -> frozenset[str]:
    """Suites that a candidate's card is about: they never stop early, which would bias what is left."""
    return frozenset(
        claim.suite for level in config.levels if level.name == variant for claim in level.recoveries
    )


def _checked(
    claim: RecoveryClaim, level: Level, suite: Suite, answers: Answers,
    sides: tuple[Mapping[str, pd.DataFrame], Mapping[str, pd.DataFrame]], lacks: str | None,
) -> CheckedRecovery:  # fmt: skip
    """One claim, from the answers of the original and of the candidate. `lacks`: why some are missing."""
    metric = next(one for one in suite.metrics if one.name == claim.metric)
    before, after = (_of_task(side[metric.name], claim.task) for side in sides)
    units = pair(before, after, metric, answers.items[metric.name])
    alpha = ALPHA / len(level.recoveries)
    found = lacks or _unfit(units, metric) or _measured(units.paired, metric, alpha)
    if isinstance(found, str):
        found = dict.fromkeys(("before", "after", "ratio", "interval"), NotMeasured(found))
    return CheckedRecovery.model_validate(
        {
            **claim.model_dump(),
            **found,
            "variant": level.name,
            "n_pairs": len(units.paired),
            "outcome": _outcome(found["interval"], claim.at_least),
        }
    )


def _measured(paired: pd.DataFrame, metric: Metric, alpha: float) -> dict[str, Any]:
    """Both scores, their ratio, and its interval."""
    before, after = (float(paired[side].mean()) for side in ("before", "after"))
    clusters = cluster_labels(paired)
    bounds, method = _bounds(paired, metric, clusters, alpha), _method(metric, clusters)
    return {
        "before": before,
        "after": after,
        "ratio": after / before if before > 0 else NotMeasured("the original's score is 0"),
        "interval": bounds
        if isinstance(bounds, NotMeasured)
        else Interval(lower=bounds[0], upper=bounds[1], confidence=1 - 2 * alpha, method=method),
    }


def _of_task(rows: pd.DataFrame, task: str | None) -> pd.DataFrame:
    return rows if task is None else rows[rows["task"] == task]


def _unfit(units: Units, metric: Metric) -> str | None:
    """Why these outcomes have no share that is left; None where they have one."""
    if metric.kind in _NO_SHARE:
        return _NO_SHARE[metric.kind]
    if not metric.higher_is_better:
        return "the metric is better lower: of what should not be there, no share is to be kept"
    if units.unfit:
        return units.unfit
    if units.paired.empty:
        return "no item of the original has a partner in this variant"
    if (units.paired[["before", "after"]].to_numpy(np.float64) < 0).any():
        return "scores lie below 0, and of such a score no share can be taken"
    return None


def _bounds(paired: pd.DataFrame, metric: Metric, clusters: Labels | None, alpha: float) -> Bounds:
    """Of flips Tang's; of scores Fieller's; of clustered flips the wider of both on either side."""
    before, after = (paired[side].to_numpy(np.float64) for side in ("before", "after"))
    if metric.kind == "score":
        if np.array_equal(before, after):
            return NotMeasured("no score changed, so that its error can't be estimated")
        return paired_ratio.of_scores(before, after, clusters, alpha)
    both, lost, gained = (
        int(np.count_nonzero((before == was) & (after == now))) for was, now in ((1, 1), (1, 0), (0, 1))
    )
    of_flips = paired_ratio.of_flips(both, lost, gained, alpha)
    if clusters is None or isinstance(of_flips, NotMeasured):
        return of_flips
    of_clusters = paired_ratio.of_scores(before, after, clusters, alpha)
    if isinstance(of_clusters, NotMeasured):
        return of_clusters
    return min(of_flips[0], of_clusters[0]), max(of_flips[1], of_clusters[1])


def _method(metric: Metric, clusters: Labels | None) -> str:
    flips = "Tang's score interval of the ratio, corrected by one item"
    scores = "Fieller's interval of the ratio" + ("" if clusters is None else ", by clusters")
    if metric.kind == "score":
        return scores
    return flips if clusters is None else f"the wider of {flips}, and {scores}"


def _outcome(interval: Interval | NotMeasured, at_least: float) -> Outcome:
    if isinstance(interval, NotMeasured):
        return "undecided"
    if interval.upper < at_least:
        return "refuted"
    return "held up" if interval.lower >= at_least else "undecided"
