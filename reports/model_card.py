"""A model card of the compressed artefacts: the README of a repository on the Hugging Face hub.

Its metadata hold every measured number of every level as a `model-index`; nothing is called verified, since
only the hub's own evaluation may be.
"""

from __future__ import annotations

from typing import Any

from huggingface_hub import EvalResult, ModelCardData
from huggingface_hub.repocard_data import CardData, eval_results_to_model_index

from audit.records import AuditLog, Comparison, Interval, Level, NotMeasured, Suite
from reports import model_card_text as text
from reports import reading
from reports.markdown_text import one_line

FILE = "model-card.md"
TASK = "text-generation"


def render(log: AuditLog) -> bytes:
    """The card, UTF-8."""
    metadata = CardData(**_metadata(log)).to_yaml(line_break="\n")
    return f"---\n{metadata}\n---\n\n{text.body(log)}".encode()


def _metadata(log: AuditLog) -> dict[str, Any]:
    """What the hub reads. A folder is no model of the hub, so its name is none either.

    Foreign text stands on one line: a line `---` would end the metadata.
    """
    model = log.config.model
    data: dict[str, Any] = ModelCardData(
        base_model=one_line(model.name.partition("@")[0]) if model.revision else None,
        pipeline_tag=TASK,
        tags=["compressed", "shrinkproof", *(one_line(level.method) for level in reading.products(log))],
    ).to_dict()
    entries = [entry for level in reading.products(log) for entry in _entry(log, level)]
    return data | ({"model-index": entries} if entries else {})


def _entry(log: AuditLog, level: Level) -> list[dict[str, Any]]:
    """The level's place in the `model-index`; none where nothing was measured."""
    name = f"{one_line(reading.model_title(log))} {one_line(level.name)}"
    results = _results(log, level)
    return eval_results_to_model_index(name, results) if results else []


def _results(log: AuditLog, level: Level) -> list[EvalResult]:
    """A number that could not be had is no result; the text below says why."""
    return [
        _result(log, suite, comparison, comparison.after)
        for suite in log.config.suites
        for comparison in reading.wholes(log, suite, level)
        if not isinstance(comparison.after, NotMeasured)
    ]


def _result(log: AuditLog, suite: Suite, comparison: Comparison, value: float) -> EvalResult:
    tasks = [one_line(task.name) for task in suite.tasks]
    unit = next((one.unit for one in suite.metrics if one.name == comparison.metric), "")
    return EvalResult(
        task_type=TASK,
        dataset_type=tasks[0] if len(tasks) == 1 else one_line(suite.name),
        dataset_name=", ".join(tasks) if len(tasks) <= 3 else one_line(suite.title),
        dataset_args={"suite": one_line(suite.name), "tasks": tasks},
        metric_type=one_line(comparison.metric),
        metric_name=one_line(f"{comparison.metric} ({unit})" if unit else comparison.metric),
        metric_value=value,
        metric_args=_args(log, comparison),
    )


def _args(log: AuditLog, comparison: Comparison) -> dict[str, Any]:
    """What the number is worth: the original's, the drop with its interval, and what was promised."""
    verdict = reading.verdict_on(log, comparison)
    interval = comparison.interval
    found: dict[str, Any] = {
        "original": _number(comparison.before),
        "drop": _number(comparison.difference),
        "drop_is": _drop_is(log, comparison),
        "n_pairs": comparison.n_pairs,
        "margin": verdict.rule.margin if verdict else "no rule",
        "decision": verdict.decision if verdict else "no rule",
    }
    if isinstance(interval, Interval):
        return found | {
            "drop_interval": [interval.lower, interval.upper],
            "drop_interval_confidence": interval.confidence,
            "drop_interval_method": one_line(interval.method),
        }
    return found | {"drop_interval": _number(interval)}


def _drop_is(log: AuditLog, comparison: Comparison) -> str:
    """How the drop was counted."""
    if reading.kind_of(log, comparison.suite, comparison.metric) == "perplexity":
        return "ln(after / original), above 0 is worse"
    return "in the metric's unit, above 0 is worse"


def _number(value: object) -> object:
    return one_line(value) if isinstance(value, NotMeasured) else value
