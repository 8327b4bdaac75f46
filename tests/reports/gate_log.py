"""A made-up audit as the gate decides it: all kinds of metrics, looks, clusters, budgets, a divergence.

Outcomes lie on fixed low-discrepancy sequences; the numbers and verdicts come from the functions that an
audit calls, so that reasons, bounds and decisions fit each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from audit import effects, judge
from audit.budgets import weigh
from audit.records import (
    DIVERGENCE,
    AuditConfig,
    AuditLog,
    Budget,
    Comparison,
    Divergence,
    Estimate,
    Level,
    Metric,
    ModelRef,
    NotMeasured,
    Provenance,
    Registration,
    Rule,
    Suite,
    Task,
    Variant,
)

LOOKS = 4

LEVELS = (
    Level(name="control", method="copy"),
    Level(name="int8", method="rtn", options={"bits": 8, "group_size": 64}),
    Level(name="int4", method="rtn", options={"bits": 4, "group_size": 64}),
    Level(name="int2", method="rtn", options={"bits": 2, "group_size": 64}),
)

SUITES = (
    Suite(
        name="accuracy",
        title="Accuracy",
        question="Does the model still know facts?",
        tasks=(Task(name="facts", num_fewshot=3),),
        metrics=(Metric(name="accuracy", source="share of items whose likeliest choice is right"),),
        limits="Short English questions.",
    ),
    Suite(
        name="bias",
        title="Bias",
        question="Does the model treat twin sentences alike?",
        tasks=(Task(name="twins"),),
        metrics=(Metric(name="pair accuracy", source="share of pairs treated alike"),),
        cluster_by="template",
        needs_competence=True,
    ),
    Suite(
        name="summaries",
        title="Summaries",
        question="Are summaries as close to the human ones?",
        tasks=(Task(name="news"),),
        metrics=(Metric(name="rouge-l", kind="score", unit="ROUGE-L, 0 to 1", source="Lin 2004"),),
    ),
    Suite(
        name="fluency",
        title="Fluency",
        question="Is ordinary text as likely?",
        tasks=(Task(name="wiki"),),
        metrics=(
            Metric(
                name="word perplexity",
                kind="perplexity",
                unit="perplexity by word",
                higher_is_better=False,
                source="exp of the mean negative log-likelihood of a word",
            ),
        ),
    ),
)

RULES = (
    Rule(suite="accuracy", metric="accuracy", because="three points, agreed with the users' council"),
    Rule(suite="accuracy", metric=DIVERGENCE, margin=0.05, blocks=False, because="to see drift early"),
    Rule(suite="bias", metric="pair accuracy", margin=0.02, ceiling=0.5, because="two points of twins"),
    Rule(suite="summaries", metric="rouge-l", margin=0.01, because="below what readers notice"),
    Rule(suite="fluency", metric="word perplexity", margin=0.03, min_pairs=50, because="three per cent"),
)

BUDGETS = (
    Budget(quantity="size_bytes", at_most=230 * 2**20, because="the app may hold 230 MiB of weights"),
    Budget(quantity="bits_per_weight", at_most=9.0, blocks=False, because="a wish of the hardware team"),
)

ITEMS = {"accuracy": 2400, "bias": 2400, "summaries": 800, "fluency": 240}


@dataclass(frozen=True)
class Harm:
    """What a level does to the answers."""

    lost: float
    gained: float
    """Of the items that could be."""
    score: float
    """Mean loss of a score."""
    log_likelihood: float
    """Mean loss of a word's log-likelihood, nats."""
    kl: float


HARMS = {
    "control": Harm(0.001, 0.004, 0.0, 0.0, 0.000001),
    "int8": Harm(0.008, 0.020, 0.0005, 0.001, 0.0021),
    "int4": Harm(0.040, 0.050, 0.0070, 0.045, 0.0480),
    "int2": Harm(0.700, 0.080, 0.1200, 0.900, 0.9100),
}


@cache
def gate_log() -> AuditLog:
    """One level that passes after fewer items, one that stays open, one that fails."""
    variants = _variants()
    comparisons = [one for level in LEVELS for one in _asked_until_settled(level)]
    config = AuditConfig(
        model=ModelRef(name="SmolLM2-135M-Instruct", path="models/smollm2", digest="9f" * 32),
        levels=LEVELS,
        suites=SUITES,
        rules=RULES,
        budgets=BUDGETS,
        looks=LOOKS,
        seed=20261124,
    )
    return AuditLog(
        status="finished",
        config=config,
        provenance=_provenance(),
        registered=Registration(
            policy_sha256=config.policy_sha256,
            items_sha256="1d" * 32,
            at="2026-11-24T08:00:02Z",
        ),
        variants=variants,
        comparisons=tuple(comparisons),
        verdicts=judge.judge(comparisons, RULES, variants, SUITES),
        budgets=weigh(variants, config),
    )


def _asked_until_settled(level: Level) -> list[Comparison]:
    """The comparisons of one level, each suite after as many parts as it takes."""
    done: frozenset[str] = frozenset()
    found: dict[str, Comparison] = {}
    for part in range(1, LOOKS + 1):
        found |= {suite.name: _comparison(level, suite, part) for suite in SUITES if suite.name not in done}
        done = judge.settled(list(found.values()), RULES, SUITES)
    return list(found.values())


def _comparison(level: Level, suite: Suite, part: int) -> Comparison:
    """A suite on a level after its first parts."""
    planned, metric = ITEMS[suite.name], suite.metrics[0]
    sizes = [planned * one // LOOKS for one in range(1, part + 1)]
    items = _items(suite, HARMS[level.name], planned)
    looks = [effects.look(items[:n], metric) for n in sizes]
    return Comparison.model_validate(
        {
            "variant": level.name,
            "suite": suite.name,
            "metric": metric.name,
            "group": None,
            "n_pairs": sizes[-1],
            "n_unpaired_before": 0,
            "n_unpaired_after": 0,
            **effects.measured(items[: sizes[-1]], metric),
            "looks": tuple(looks),
            "n_planned": planned,
            "divergence": _divergence(HARMS[level.name], suite, sizes[-1]),
        }
    )


def _items(suite: Suite, harm: Harm, n: int) -> pd.DataFrame:
    """The paired outcomes of all items of a suite."""
    at = np.arange(1, n + 1)
    first, second, third = ((at * step) % 1 for step in (2**0.5, 3**0.5, 5**0.5))
    kind = suite.metrics[0].kind
    weight = np.ones(n)
    if kind == "binary":
        before = (first < 0.75).astype(float)
        after = np.where(before == 1, second >= harm.lost, second < harm.gained).astype(float)
    elif kind == "score":
        before = 0.2 + 0.5 * first
        after = before - harm.score * (2 * second) - 0.02 * (third - 0.5)
    else:
        weight = np.floor(60 + 80 * first)
        before = -weight * (3.0 + 0.5 * second)
        after = before - weight * harm.log_likelihood * (2 * third)
    cluster = pd.Series((at % 40).astype(str) if suite.cluster_by else None, index=range(n), dtype=object)
    return pd.DataFrame(
        {"before": before, "after": after, "weight": weight, "cluster": cluster, "chance": 0.25}
    )


def _divergence(harm: Harm, suite: Suite, n: int) -> Divergence | NotMeasured:
    if suite.metrics[0].kind != "binary":
        return NotMeasured("no answer is scored")
    estimate = Estimate(
        value=harm.kl,
        standard_error=harm.kl / 30,
        degrees_of_freedom=n - 1.0,
        n_clusters=n,
        method="ratio of sums by documents",
    )
    return Divergence(
        n_positions=2 * n,
        kl=harm.kl,
        kl_error=harm.kl / 500,
        kl_lower=harm.kl * 0.9,
        kl_p95=harm.kl * 4,
        same_top=1 - harm.lost,
        estimate=estimate,
    )


def _provenance() -> Provenance:
    return Provenance(
        shrinkproof_version="0.1.0",
        command="shrinkproof run gate.yaml --seed 20261124",
        python="3.11.2",
        platform="Linux-6.1-x86_64",
        processor="x86_64, 2 cores",
        device="cpu",
        threads=2,
        packages={"torch": "2.13.0", "lm-eval": "0.4.13"},
        environment={},
        git_commit=NotMeasured("the config lies in no git repository"),
        config_sha256="c0" * 32,
        started="2026-11-24T08:00:00Z",
        finished="2026-11-24T08:09:41Z",
    )


def _variants() -> tuple[Variant, ...]:
    facts: Sequence[tuple[Level | None, int, float]] = (
        (None, 538_090_408, 32.0),
        (LEVELS[0], 538_090_408, 32.0),
        (LEVELS[1], 222_298_112, 13.22),
        (LEVELS[2], 169_213_952, 10.06),
        (LEVELS[3], 142_671_872, 8.49),
    )
    return tuple(
        Variant(
            name="original" if level is None else level.name,
            level=level,
            path=".",
            digest=f"{place}a" * 32,
            parent=None if level is None else "0a" * 32,
            size_bytes=size,
            parameters=134_515_008,
            bits_per_weight=bits,
            compressed_parameters=0 if level is None else 106_168_320,
            compressed_bits_per_weight=bits,
            sparsity=0.0,
            stored_as="float32" if bits == 32 else f"{level.name if level else ''}, groups of 64",
            evaluated_as="float32" if bits == 32 else "dequantised to float32",
            made_by="shrinkproof 0.1.0",
            reload_error=0.0,
            seconds=3.25,
        )
        for place, (level, size, bits) in enumerate(facts)
    )
