"""A run watched at any time: the evidence of each rule after every item so far, by an e-process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from audit.answers import Answers
from audit.compare import ORIGINAL
from audit.pairing import Units, n_units, pair
from audit.records import AuditConfig, Metric, NotMeasured, Rule, Run
from audit.statistics.eprocess import e_process, items_to_pass
from audit.store import Reader, read_progress


@dataclass(frozen=True)
class Watched:
    """How far one rule has got on one variant."""

    variant: str
    rule: Rule
    n_pairs: int
    n_planned: int
    evidence: float | NotMeasured
    """E after the last pair: it reaches 1 / alpha with a probability of alpha at most, whenever one looks,
    while the drop is the margin or more (Ville 1939)."""
    passed_after: int | None
    """Pairs after which E first reached 1 / alpha; from there on "the drop is below the margin" stands."""


def watch(folder: Path) -> tuple[Watched, ...]:
    """Every rule on every variant that has items by now; the run may go on meanwhile.

    Whole parts count, in a shuffle of the audit's seed, since tasks come one after another and are often
    sorted. Raises StoreError where there is no run or none has scored a part yet.
    """
    config, runs, read = read_progress(folder)
    variants = list(dict.fromkeys(run.variant for run in runs if run.variant != ORIGINAL))
    return tuple(_watched(name, rule, config, runs, read) for name in variants for rule in config.rules)


def _watched(name: str, rule: Rule, config: AuditConfig, runs: Sequence[Run], read: Reader) -> Watched:
    suite = next(suite for suite in config.suites if suite.name == rule.suite)
    metric = next((one for one in suite.metrics if one.name == rule.metric), None)
    if metric is None:
        return _without(name, rule, 0, 0, "a divergence has no bound that a bet could rest on")
    answers = Answers(suite.model_copy(update={"metrics": (metric,)}), runs, read)
    before, after = (answers.of(side)[metric.name] for side in (ORIGINAL, name))
    items = answers.items[metric.name]
    units, n_planned = pair(before, after, metric, items), n_units(before, metric, items)
    lacks = next(
        (
            run.lacks
            for run in runs
            if run.suite == suite.name and run.variant in (ORIGINAL, name) and run.lacks
        ),
        None,
    )
    reason = lacks or _unwatchable(rule, metric, units)
    if reason:
        return _without(name, rule, len(units.paired), n_planned, reason)
    losses = _in_order(units.paired, config.seed)
    return Watched(
        variant=name, rule=rule, n_pairs=losses.size, n_planned=n_planned,
        evidence=float(e_process(losses, rule.margin)[-1]),
        passed_after=items_to_pass(losses, rule.margin, rule.alpha),
    )  # fmt: skip


def _without(name: str, rule: Rule, n_pairs: int, n_planned: int, reason: str) -> Watched:
    return Watched(name, rule, n_pairs, n_planned, NotMeasured(reason), None)


def _unwatchable(rule: Rule, metric: Metric, units: Units) -> str | None:
    """Why no bet can be laid on these units; None where one can."""
    if metric.kind != "binary":
        return "a bet needs losses between −1 and 1, such as flips"
    if metric.two_sided:
        return "a change either way is damage, and a bet is on one side"
    if units.unfit:
        return units.unfit
    if rule.ceiling is not None:
        return "a ceiling is tested at the looks"
    if not units.paired["cluster"].isna().all():
        return "items in clusters are not independent bets"
    return None if len(units.paired) else "no pair so far"


def _in_order(paired: pd.DataFrame, seed: int) -> NDArray[np.float64]:
    """Loss of each unit: part after part, shuffled in each by the seed and not by what was answered."""
    rng = np.random.default_rng(seed)
    loss = (paired["before"] - paired["after"]).to_numpy(np.float64)
    part = paired["part"].to_numpy(np.int64)
    order = [rng.permutation(np.flatnonzero(part == one)) for one in sorted(set(part))]
    shuffled: NDArray[np.float64] = loss[np.concatenate(order)]
    return shuffled
