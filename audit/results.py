"""What an audit found, without its drill-down: as catalogues and later logs keep it."""

from __future__ import annotations

import hashlib
import json
from typing import Literal

from audit.records import (
    DIVERGENCE,
    AuditLog,
    Comparison,
    Decision,
    Interval,
    NotMeasured,
    PastResult,
    Record,
    Variant,
)


class CatalogueRow(Record):
    """One rule on one level of one audit; what was not measured is empty, and `not_measured` says why.

    An audit that stopped before its verdicts has one row without a level.
    """

    run: str
    """Folder, within the one that was asked for."""
    title: str
    """The original's name, without the folders that it lies in."""
    model: str
    release: str
    model_digest: str
    finished: str
    audit_decision: Decision
    level: str
    artefact: str
    size_bytes: int | None
    suite: str
    metric: str
    kind: Literal["binary", "score", "perplexity", "ratio", "corpus", "kl"] | None
    drop: float | None
    """In the metric's unit; of a perplexity ln(after / before)."""
    lower: float | None
    upper: float | None
    margin: float | None
    n_pairs: int | None
    decision: Decision | None
    not_measured: str
    asked_sha256: str
    policy_sha256: str
    shrinkproof_version: str
    log_sha256: str


def asked_sha256(log: AuditLog, suite: str) -> str:
    """Of what a suite asked of the original and how it counted: the tasks, their data, shots and metrics."""
    found = next(one for one in log.config.suites if one.name == suite)
    cells = [
        [cell.task, cell.task_version, cell.num_fewshot, sorted(cell.data.items()), cell.part, cell.n_items]
        for run in log.runs
        if (run.variant, run.suite) == ("original", suite)
        for cell in run.cells
    ]
    counted = [[one.name, one.harness_metric, one.reading, one.per, one.statistic] for one in found.metrics]
    asked = [found.items_sha256, found.chat, found.system_prompt, found.perturb, found.severity]
    told = [cells, counted, asked, log.config.limit, log.config.holdout, log.config.seed]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def results_of(log: AuditLog) -> tuple[PastResult, ...]:
    """What a log says of each of its verdicts, as later logs keep it."""
    suites = {suite.name: suite for suite in log.config.suites}
    asked = {name: asked_sha256(log, name) for name in suites}
    variants = {variant.name: variant for variant in log.variants}
    compared = {(one.variant, one.suite, one.metric): one for one in log.comparisons if one.group is None}
    found = []
    for verdict in log.verdicts:
        suite, variant = suites[verdict.rule.suite], variants.get(verdict.variant)
        is_kl = verdict.metric == DIVERGENCE
        metric = next((one for one in suite.metrics if one.name == verdict.metric), suite.metrics[0])
        one = compared.get((verdict.variant, suite.name, metric.name))
        drop, interval = _drop(one, divergence=is_kl)
        found.append(
            PastResult(
                level=verdict.variant, artefact=_digest(variant),
                size_bytes=variant.size_bytes if variant else NotMeasured("the level was not made"),
                suite=suite.name, metric=verdict.metric, kind="kl" if is_kl else metric.kind,
                margin=verdict.rule.margin, n_pairs=one.n_pairs if one else 0, drop=drop, interval=interval,
                decision=verdict.decision, asked_sha256=asked[suite.name],
            )
        )  # fmt: skip
    return tuple(found)


def _drop(
    compared: Comparison | None, *, divergence: bool
) -> tuple[float | NotMeasured, Interval | NotMeasured]:
    """The drop and its interval; of a divergence, which is no difference, its mean and none."""
    if compared is None:
        none = NotMeasured("nothing was compared")
        return none, none
    if not divergence:
        return compared.difference, compared.interval
    found = compared.divergence
    none = NotMeasured("a divergence's bounds lie in its own audit")
    return (found, found) if isinstance(found, NotMeasured) else (found.kl, none)


def _digest(variant: Variant | None) -> str:
    return variant.digest if variant and isinstance(variant.digest, str) else ""
