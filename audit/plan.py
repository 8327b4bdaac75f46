"""Before anything runs: what could be decided with these items, and what it would cost."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.special import ndtr, ndtri

from audit.decision import POWER
from audit.harness import LoadedTask, Scorer, tasks_of
from audit.loading import cpu_threads, resolve_device
from audit.progress import Progress, Silent
from audit.records import (
    DIVERGENCE,
    HELD_OUT,
    AuditConfig,
    AuditLog,
    Comparison,
    Cost,
    Estimate,
    Flips,
    Metric,
    NotMeasured,
    Plan,
    PlannedRule,
    Rule,
    Suite,
)
from audit.scale import Kind, Scale
from audit.statistics import noninferiority, power, sequential
from audit.weights import weight_files

PATHS = 20_000
"""Simulated audits behind an expected number of items: its standard error is below half a per cent."""
SEED = 1234
TIMED_SECONDS = 5.0
"""Of scoring, to know how fast it goes."""


@dataclass(frozen=True)
class _Seen:
    """What a level is expected to do."""

    flips: float
    design_effect: float
    source: str


@dataclass(frozen=True)
class _Spread:
    """How much scores are expected to vary: as this estimate from so many pairs did."""

    estimate: Estimate
    n: int
    source: str


def plan(
    config: AuditConfig,
    *,
    flips: float,
    pilot: AuditLog | None = None,
    progress: Progress | None = None,
) -> Plan:
    """What each rule could show, and the audit's tokens, minutes and bytes.

    `flips` is the share of answers that a level is expected to change either way; where a pilot has the
    suite, its own is taken. The original is loaded and scores for a few seconds, to time it.
    """
    progress = progress or Silent()
    progress.stage("loading the tasks")
    tasks = tasks_of(config)
    asked = [(task, [index for part in task.parts for index in part]) for task in tasks]
    rules = tuple(_rule(rule, asked, config, flips, pilot) for rule in config.rules)
    alone = config.model_copy(update={"looks": 1})
    held = [(task, list(task.held)) for task in tasks] if config.holdout else []
    held_out = tuple(_rule(rule, held, alone, flips, pilot) for rule in config.rules if held)
    with cpu_threads(config.threads):
        return Plan(rules=rules, held_out=held_out, cost=_cost(config, tasks, rules, progress))


_Asked = Sequence[tuple[LoadedTask, Sequence[int]]]
"""Tasks, and which of their documents."""


def _rule(
    rule: Rule, asked: _Asked, config: AuditConfig, flips: float, pilot: AuditLog | None
) -> PlannedRule:
    """What so many pairs can show."""
    suite = next(one for one in config.suites if one.name == rule.suite)
    metric = next((one for one in suite.metrics if one.name == rule.metric), suite.metrics[0])
    n = sum(_n_units(*one, suite, metric) for one in asked if one[0].suite.name == suite.name)
    if rule.metric == DIVERGENCE:
        return _unplannable(rule, DIVERGENCE, n, "a divergence is not known before it is measured")
    if metric.kind == "binary":
        return _of_flips(rule, n, _expected_flips(rule, flips, pilot), config.looks)
    spread = _expected_spread(rule, pilot)
    if isinstance(spread, NotMeasured):
        return _unplannable(rule, metric.kind, n, spread.reason)
    return _of_spread(rule, metric.kind, n, spread, config.looks)


def _unplannable(rule: Rule, kind: str, n: int, reason: str) -> PlannedRule:
    """Only how many pairs there are."""
    unknown = (
        "flips",
        "n_for_80",
        "n_for_90",
        "smallest_margin",
        "detectable_drop",
        "power",
        "expected_pairs",
    )
    return PlannedRule.model_validate(
        {
            **dict.fromkeys(unknown, NotMeasured(reason)),
            "rule": rule, "kind": kind, "n_available": n, "flips_from": reason, "design_effect": 1.0,
            "hopeless": n < rule.min_pairs,
        }
    )  # fmt: skip


def _of_flips(rule: Rule, n: int, seen: _Seen, looks: int) -> PlannedRule:
    """Right and wrong answers, of which a share flips."""
    flips, effect = seen.flips, seen.design_effect
    worth = max(1, int(n / effect))
    needed = [
        int(np.ceil(effect * power.items_for_noninferiority(flips, rule.margin, rule.alpha, share)))
        for share in (POWER, 0.9)
    ]
    drift = rule.margin * float(np.sqrt(worth / max(flips, 1.0 / worth)))
    return PlannedRule(
        rule=rule, kind="binary", n_available=n, flips=flips, flips_from=seen.source, design_effect=effect,
        n_for_80=needed[0], n_for_90=needed[1],
        power=power.noninferiority_power(worth, flips, rule.margin, rule.alpha),
        smallest_margin=power.smallest_margin(worth, flips, rule.alpha, POWER),
        detectable_drop=power.detectable_drop(worth, flips, rule.alpha, POWER),
        expected_pairs=round(n * expected_share(drift, rule.alpha, looks)),
        hopeless=n < rule.min_pairs or _no_flip_would_do(n, rule),
    )  # fmt: skip


def _of_spread(rule: Rule, kind: Kind, n: int, spread: _Spread, looks: int) -> PlannedRule:
    """Scores that vary as they did in a pilot, clusters and all."""
    margin = Scale(kind).margin(rule.margin)
    needed = [
        int(np.ceil(spread.n * power.data_for_noninferiority(spread.estimate, margin, rule.alpha, share)))
        for share in (POWER, 0.9)
    ]
    error = spread.estimate.standard_error * float(np.sqrt(spread.n / max(n, 1)))
    z = float(ndtri(1 - rule.alpha))
    smallest = (z + float(ndtri(POWER))) * error
    return PlannedRule(
        rule=rule, kind=kind, n_available=n, flips=NotMeasured("outcomes are not right or wrong"),
        flips_from=spread.source, design_effect=1.0, n_for_80=needed[0], n_for_90=needed[1],
        power=float(ndtr(margin / error - z)), smallest_margin=smallest, detectable_drop=smallest,
        expected_pairs=round(n * expected_share(margin / error, rule.alpha, looks)),
        hopeless=n < rule.min_pairs,
    )  # fmt: skip


def _no_flip_would_do(n: int, rule: Rule) -> bool:
    """Whether so many pairs show too little even if no answer changes."""
    return n == 0 or noninferiority.bounds(0, 0, n, rule.alpha).upper >= rule.margin


def _n_units(task: LoadedTask, indices: Sequence[int], suite: Suite, metric: Metric) -> int:
    """Of those documents of the task: items, or pairs of two and more."""
    if metric.per == "item":
        return len(indices)
    documents = [task.task.eval_docs[index] for index in indices]
    names = Counter(document.get(suite.pair_by) for document in documents)
    return sum(size > 1 for name, size in names.items() if name is not None)


def _expected_flips(rule: Rule, given: float, pilot: AuditLog | None) -> _Seen:
    """A pilot's, of the level that flips most; else what was given."""
    found = [one for one in _piloted(rule, pilot) if isinstance(one.flips, Flips)]
    if not found:
        return _Seen(given, 1.0, "given")
    most = max(found, key=lambda one: one.flips.rate if isinstance(one.flips, Flips) else 0.0)
    effect = most.estimate.design_effect if isinstance(most.estimate, Estimate) else 1.0
    rate = most.flips.rate if isinstance(most.flips, Flips) else given
    effect = 1.0 if isinstance(effect, NotMeasured) else max(1.0, effect)
    return _Seen(rate, effect, f"pilot, level {most.variant}")


def _expected_spread(rule: Rule, pilot: AuditLog | None) -> _Spread | NotMeasured:
    """A pilot's, of the level that varies most."""
    found = [
        _Spread(one.estimate, one.n_pairs, f"pilot, level {one.variant}")
        for one in _piloted(rule, pilot)
        if isinstance(one.estimate, Estimate) and one.estimate.standard_error > 0
    ]
    if not found:
        return NotMeasured("how much it varies is not known before it is measured: name a --pilot")
    return max(found, key=lambda one: one.estimate.standard_error * one.n**0.5)


def _piloted(rule: Rule, pilot: AuditLog | None) -> list[Comparison]:
    """What a pilot's levels showed of what the rule is about; its controls show nothing of levels."""
    if pilot is None:
        return []
    controls = {level.name for level in pilot.config.levels if level.is_control}
    about = (rule.suite, rule.metric, None)
    return [
        one
        for one in pilot.comparisons
        if (one.suite, one.metric, one.group) == about and one.variant not in controls
    ]


@lru_cache(maxsize=256)
def expected_share(drift: float, alpha: float, looks: int) -> float:
    """Share of the pairs that are asked on average when there is no drop and a pass stops the rule.

    `drift` is the margin in standard errors of all pairs. Simulated on the scale of B-values (Lan & Wittes
    1988), on which looks have independent increments: a normal approximation, some per cent low.
    """
    fractions = np.arange(1, looks + 1) / looks
    bounds = np.array(sequential.boundaries(fractions.tolist(), alpha).z)
    steps = np.random.default_rng(SEED).normal(drift / looks, np.sqrt(1 / looks), (PATHS, looks))
    crossed = np.cumsum(steps, axis=1) / np.sqrt(fractions) > bounds
    crossed[:, -1] = True
    return float(fractions[crossed.argmax(axis=1)].mean())


def _cost(
    config: AuditConfig, tasks: Sequence[LoadedTask], rules: Sequence[PlannedRule], progress: Progress
) -> Cost:
    """Tokens of all models, and how long they take at the pace of a trial."""
    progress.stage("loading the original")
    scorer = Scorer(config, resolve_device(config.device))
    scorer.load(Path(config.model.path))
    progress.stage("counting tokens")
    tokens: dict[str, int] = {}
    for task in tasks:
        parts = [scorer.plan(task, part) for part in range(1, len(task.parts) + 1)]
        tokens[task.suite.name] = tokens.get(task.suite.name, 0) + sum(parts)
    # Asked of the original and of the one that is chosen, whatever early stopping leaves out
    held_out = 2 * sum(scorer.plan(task, HELD_OUT) for task in tasks if task.held)
    progress.stage("timing the scorer")
    pace = _tokens_per_second(scorer, tasks)
    scorer.release()
    whole = sum(tokens.values())
    shares = _shares(rules)
    asked = sum(count * shares.get(suite, 1.0) for suite, count in tokens.items())
    n_levels = len(config.levels)
    files = weight_files(Path(config.model.path), allow_pickle=config.model.allow_pickle)
    most, expected = whole * (1 + n_levels) + held_out, whole + n_levels * asked + held_out
    return Cost(
        tokens=most, expected_tokens=round(expected),
        tokens_per_second=pace, minutes=most / pace / 60,
        expected_minutes=expected / pace / 60,
        disk_bytes=n_levels * sum(file.stat().st_size for file in files),
    )  # fmt: skip


def _shares(rules: Sequence[PlannedRule]) -> Mapping[str, float]:
    """Of each suite's items, by the rule that needs most of them."""
    shares: dict[str, float] = {}
    for one in rules:
        share = 1.0
        if not isinstance(one.expected_pairs, NotMeasured) and one.n_available:
            share = one.expected_pairs / one.n_available
        shares[one.rule.suite] = max(share, shares.get(one.rule.suite, 0.0))
    return shares


def _tokens_per_second(scorer: Scorer, tasks: Sequence[LoadedTask]) -> float:
    """Of the first parts of the tasks, for a few seconds."""
    done = 0
    started = time.perf_counter()
    for task in tasks:
        done += scorer.plan(task, 1)
        scorer.score(task, 1, None, lambda tokens: None)
        if time.perf_counter() - started > TIMED_SECONDS:
            break
    return done / (time.perf_counter() - started)
