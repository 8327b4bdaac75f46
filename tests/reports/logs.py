"""Made-up logs of audits that went otherwise: what every format must be able to show."""

from __future__ import annotations

import sys
from typing import get_args

from audit.records import (
    AuditLog,
    Budget,
    BudgetVerdict,
    Cell,
    Comparison,
    Interval,
    Level,
    NotMeasured,
    Record,
    Rule,
    Run,
    Variant,
    Verdict,
)

GONE = NotMeasured("nobody looked")


def passing(log: AuditLog) -> AuditLog:
    """Every verdict passes."""
    verdicts = tuple(one.model_copy(update={"decision": "pass", "because": "kept"}) for one in log.verdicts)
    budgets = tuple(one.model_copy(update={"decision": "pass", "because": "kept"}) for one in log.budgets)
    return log.model_copy(update={"verdicts": verdicts, "budgets": budgets})


def undecided(log: AuditLog) -> AuditLog:
    """Nothing fails, and one rule that blocks is open."""
    calm = passing(log)
    first, *others = calm.verdicts
    open_one = first.model_copy(update={"decision": "inconclusive", "because": "too few items"})
    return calm.model_copy(update={"verdicts": (open_one, *others)})


def stopped(log: AuditLog) -> AuditLog:
    """It ended after two levels, in the middle of the second one's rules."""
    return log.model_copy(
        update={
            "status": "stopped",
            "error": "the disk is full | <b>now</b>",
            "variants": log.variants[:3],
            "comparisons": tuple(one for one in log.comparisons if one.variant == log.variants[1].name),
            "verdicts": log.verdicts[:2],
            "budgets": (),
        }
    )


def unjudged(log: AuditLog) -> AuditLog:
    """It stopped before anything was judged or even made."""
    empty = {"variants": (), "runs": (), "comparisons": (), "verdicts": (), "budgets": (), "forgetting": ()}
    return log.model_copy(update={"status": "stopped", **empty})


def ruleless(log: AuditLog) -> AuditLog:
    """Finished, and no rule was set."""
    config = log.config.model_copy(update={"rules": (), "budgets": ()})
    return log.model_copy(update={"config": config, "verdicts": (), "budgets": ()})


def muted(log: AuditLog) -> AuditLog:
    """The first rule passes everywhere; all the others are reported only, and fail."""
    first = log.config.rules[0]
    rules = tuple(rule.model_copy(update={"blocks": rule == first}) for rule in log.config.rules)
    by_rule = dict(zip(log.config.rules, rules, strict=True))
    verdicts = tuple(
        one.model_copy(
            update={"rule": by_rule[one.rule], "decision": "pass" if one.rule == first else "fail"}
        )
        for one in log.verdicts
    )
    config = log.config.model_copy(update={"rules": rules, "budgets": ()})
    return log.model_copy(update={"config": config, "verdicts": verdicts, "budgets": ()})


def in_half(log: AuditLog) -> AuditLog:
    """All passes but the control, which is computed in another precision and fails."""
    calm = passing(log)
    old = next(level for level in log.config.levels if level.is_control)
    control = old.model_copy(update={"options": {"dtype": "float16"}})
    levels = tuple(control if level == old else level for level in log.config.levels)
    verdicts = tuple(
        one.model_copy(update={"decision": "fail"}) if one.variant == control.name else one
        for one in calm.verdicts
    )
    config = log.config.model_copy(update={"levels": levels})
    return calm.model_copy(update={"config": config, "verdicts": verdicts})


def hostile(log: AuditLog, text: str) -> AuditLog:
    """Names, reasons and errors that somebody else chose."""
    level = log.config.levels[1]
    named = level.model_copy(update={"name": text})
    rules = tuple(rule.model_copy(update={"because": text}) for rule in log.config.rules)
    by_rule = dict(zip(log.config.rules, rules, strict=True))
    suites = tuple(
        suite.model_copy(update={"title": text, "question": text, "limits": text})
        for suite in log.config.suites
    )
    model = log.config.model.model_copy(update={"name": text, "note": text})
    config = log.config.model_copy(
        update={
            "model": model,
            "rules": rules,
            "suites": suites,
            "levels": tuple(named if one == level else one for one in log.config.levels),
        }
    )
    return log.model_copy(
        update={
            "config": config,
            "error": text,
            "variants": tuple(_hostile_variant(one, level, named, text) for one in log.variants),
            "comparisons": tuple(
                one.model_copy(update={"variant": text if one.variant == level.name else one.variant})
                for one in log.comparisons
            ),
            "verdicts": tuple(
                one.model_copy(
                    update={
                        "because": text,
                        "rule": by_rule[one.rule],
                        "variant": text if one.variant == level.name else one.variant,
                    }
                )
                for one in log.verdicts
            ),
        }
    )


def _hostile_variant(variant: Variant, level: Level, named: Level, text: str) -> Variant:
    changed = {"stored_as": text, "made_by": text, "files": {text: "ab" * 32}}
    if variant.name == level.name:
        changed |= {"name": text, "level": named}
    return variant.model_copy(update=changed)


def unmeasured(log: AuditLog) -> AuditLog:
    """Every number that may be missing is."""
    return log.model_copy(
        update={
            "variants": tuple(one.model_copy(update={**_gaps(Variant), "files": {}}) for one in log.variants),
            "comparisons": tuple(one.model_copy(update=_gaps(Comparison)) for one in log.comparisons),
            "verdicts": tuple(
                one.model_copy(update={**_gaps(Verdict), "decision": "inconclusive"}) for one in log.verdicts
            ),
            "budgets": tuple(
                one.model_copy(update={"value": GONE, "decision": "inconclusive"}) for one in log.budgets
            ),
        }
    )


def unordered(log: AuditLog) -> AuditLog:
    """Its maps are not in the order of their names, as those of a log that was read back are."""
    files = {"b.safetensors": "cd" * 32, "a.safetensors": "ab" * 32}
    provenance = log.provenance.model_copy(update={"packages": {"torch": "2.13.0", "lm-eval": "0.4.13"}})
    cells = [cell.model_copy(update={"data": {"z": "ab" * 32, "a": "cd" * 32}}) for cell in _cells(log)]
    return log.model_copy(
        update={
            "variants": tuple(one.model_copy(update={"files": files}) for one in log.variants),
            "provenance": provenance,
            "runs": (Run(variant="original", suite=log.config.suites[0].name, cells=tuple(cells)),),
        }
    )


def _cells(log: AuditLog) -> list[Cell]:
    """One cell a task of the first suite."""
    return [
        Cell(task=task.name, key="4b" * 32, path="", sha256="5c" * 32, n_items=1, task_version="1",
             num_fewshot=0, scorer="a test", divergence=GONE, seconds=1.0, started="2026-11-24T08:01:00Z")
        for task in log.config.suites[0].tasks
    ]  # fmt: skip


def _gaps(noun: type[Record]) -> dict[str, NotMeasured]:
    """Every field that may hold a gap, holding one."""
    return {
        name: GONE for name, field in noun.model_fields.items() if NotMeasured in get_args(field.annotation)
    }


def with_budget(log: AuditLog) -> AuditLog:
    """One level more than a budget allows."""
    budget = Budget(quantity="size_bytes", at_most=2.0**20, because="a small disk")
    found = BudgetVerdict(
        variant=log.config.levels[1].name, budget=budget, value=2.0**21, decision="fail", because="too large"
    )
    config = log.config.model_copy(update={"budgets": (budget,)})
    return log.model_copy(update={"config": config, "budgets": (found,)})


def with_rule(log: AuditLog, rule: Rule) -> AuditLog:
    """One more rule, without a verdict."""
    return log.model_copy(
        update={"config": log.config.model_copy(update={"rules": (*log.config.rules, rule)})}
    )


def extreme(log: AuditLog) -> AuditLog:
    """Drops of what has no limit are as large as they get, p-values as small, and items as odd."""
    bounded = {(suite.name, metric.name) for suite in log.config.suites for metric in suite.metrics
               if metric.kind in ("binary", "corpus")}  # fmt: skip
    far = Interval(lower=-1e99, upper=1e99, confidence=0.9, method="t")
    least = sys.float_info.min
    comparisons = tuple(
        one.model_copy(update={"p_value": least, "p_adjusted": least})
        if (one.suite, one.metric) in bounded
        else one.model_copy(update={"difference": 1e99, "interval": far, "after": GONE, "looks": ()})
        for one in log.comparisons
    )
    verdicts = tuple(
        one.model_copy(
            update={"p_value": least, "p_worse": least, "p_worse_adjusted": least}
            | ({} if (one.rule.suite, one.metric) in bounded else {"bounds": far})
        )
        for one in log.verdicts
    )
    odd = {"n_cut": 10**9, "n_tied": 10**9, "n_repeated": 10**9}
    runs = tuple(
        run.model_copy(update={"cells": tuple(cell.model_copy(update=odd) for cell in run.cells)})
        for run in log.runs
    )
    return log.model_copy(update={"comparisons": comparisons, "verdicts": verdicts, "runs": runs})
