"""lm-eval's per-sample dicts → Samples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from audit import registry
from audit.errors import EvaluationError, NoNumbersError
from audit.harness.tasks import LoadedTask
from audit.records import Sample, Suite

ENOUGH_TIES = 10
"""Items without a single preference that are no accident, even in bfloat16, where ties are common."""
SHOWN_CHARACTERS = 2000
"""Of a question, from its end: what precedes are the shots."""


def to_samples(logged: Sequence[Mapping[str, Any]], loaded: LoadedTask) -> tuple[Sample, ...]:
    """One Sample per document and metric that the suite asks for; the first filter counts."""
    filters = [entry["filter"] for entry in logged]
    entries = sorted((e for e in logged if e["filter"] == filters[0]), key=lambda e: e["doc_id"])
    found = (_sample(entry, key, loaded) for entry in entries for key in _metrics(loaded.suite))
    return tuple(sample for sample in found if sample is not None)


def _metrics(suite: Suite) -> list[str]:
    return sorted({metric.harness_metric for metric in suite.metrics})


def _sample(entry: Mapping[str, Any], metric: str, loaded: LoadedTask) -> Sample | None:
    """None of an item that is not of this metric."""
    if metric not in entry:
        raise EvaluationError(
            f"task '{loaded.name}' has no per-item metric '{metric}'. It has: {', '.join(entry['metrics'])}."
        )
    shown = _shown(entry, loaded)
    value = entry[metric]
    for name in {one.reading for one in loaded.suite.metrics if one.harness_metric == metric} - {None}:
        value = registry.reading(str(name))(value)
    if value is None:
        return None
    outcome, weight = _value(value, metric, loaded)
    if not (math.isfinite(outcome) and math.isfinite(weight)):
        raise EvaluationError(
            f"metric '{metric}' of task '{loaded.name}' gives item {entry['doc_id']} {value!r:.80}, "
            "which is no finite number. Mend the metric, or let it leave the item out."
        )
    return Sample(
        task=loaded.name,
        doc_id=entry["doc_id"],
        doc_hash=entry["doc_hash"],
        prompt_hash=entry["prompt_hash"],
        target_hash=entry["target_hash"],
        group=_column(entry, loaded.suite.group_by, loaded),
        pair=_column(entry, loaded.suite.pair_by, loaded),
        cluster=_cluster(entry, loaded),
        metric=metric,
        outcome=outcome,
        weight=weight,
        **shown,
    )


def _value(value: Any, metric: str, loaded: LoadedTask) -> tuple[float, float]:
    """Outcome and weight of one item.

    Of a perplexity or a ratio a sum and what it is over; else one number, or a list of numbers, one for each
    sample of the answer, whose mean it is. What a corpus metric is made of may have no number of its own.
    """
    kinds = {one.kind for one in loaded.suite.metrics if one.harness_metric == metric}
    try:
        if kinds & {"perplexity", "ratio"}:
            outcome, weight = (float(part) for part in value)
            return outcome, weight
        samples = [float(part) for part in value] if isinstance(value, list) else [float(value)]
        return sum(samples) / len(samples), 1.0
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        if kinds == {"corpus"}:
            return 0.0, 0.0
        wanted = "pair of numbers" if kinds & {"perplexity", "ratio"} else "number"
        raise EvaluationError(
            f"metric '{metric}' of task '{loaded.name}' is no {wanted} per item (an item gives "
            f"{value!r:.80}): it can't be paired. Name another metric, or its kind: a tuple of two numbers "
            "is `perplexity` or `ratio`."
        ) from None


def _cluster(entry: Mapping[str, Any], loaded: LoadedTask) -> str | None:
    """What ties the item to others, None where nothing does; clusters are nested in lm-eval's tasks."""
    column = loaded.suite.cluster_by
    if column is None or column == "task":
        return loaded.of if column else None
    value = _column(entry, column, loaded)
    return None if value is None else f"{loaded.of}: {value}"


def _column(entry: Mapping[str, Any], column: str | None, loaded: LoadedTask) -> str | None:
    if column is None:
        return None
    if column == "task":
        return loaded.name
    if "+" in column:
        parts = [_column(entry, one, loaded) for one in column.split("+")]
        return None if None in parts else ", ".join(map(str, parts))
    if column not in entry["doc"]:
        raise EvaluationError(
            f"task '{loaded.name}' has no column '{column}' that suite '{loaded.suite.name}' groups by. "
            f"It has: {', '.join(sorted(entry['doc']))}."
        )
    value = entry["doc"][column]
    return None if value is None else str(value)


def _shown(entry: Mapping[str, Any], loaded: LoadedTask) -> dict[str, Any]:
    """Question, choices, target, answer and scores, as a reader wants to see them."""
    arguments = [tuple(args) for args in entry["arguments"]]
    responses = entry["filtered_resps"]
    if not loaded.generates:  # all, and not those alone that are shown: metrics read the others too
        for response in responses:
            _check_number(_first_pair(response)[0], entry, loaded)
    if loaded.task.OUTPUT_TYPE == "multiple_choice":
        return _shown_choices(entry, arguments, responses, loaded)
    question = str(arguments[0][0])[-SHOWN_CHARACTERS:]
    target = str(entry["target"])
    if loaded.generates:
        answer = str(responses[0])[:SHOWN_CHARACTERS]
        return {"question": question, "choices": (), "target": target, "answer": answer, "scores": ()}
    log_likelihood, greedy = _first_pair(responses[0])
    answer = target if greedy else "(something else)"
    return {
        "question": question,
        "choices": (),
        "target": target,
        "answer": answer,
        "scores": (log_likelihood,),
    }


def _shown_choices(
    entry: Mapping[str, Any], arguments: list[tuple[Any, ...]], responses: Any, loaded: LoadedTask
) -> dict[str, Any]:
    # A metric such as acc_mutual_info asks again without the context, after the answers themselves
    n = len(loaded.task.doc_to_choice(entry["doc"]))
    asked = arguments[:n]
    contexts = {context for context, _ in asked}
    one_question = len(contexts) == 1
    choices = tuple(str(text if one_question else context).strip() for context, text in asked)
    question = (
        str(asked[0][0]) if one_question else f"After which of them is “{asked[0][1].strip()}” likelier?"
    )
    scores = tuple(float(_first_pair(response)[0]) for response in responses[:n])
    target = entry["target"]
    if loaded.task.multiple_input:  # as in WinoGrande, where the contexts are the choices
        target = loaded.task.doc_to_text(entry["doc"])
    gold = target if isinstance(target, int) and 0 <= target < n else None
    best = max(range(n), key=scores.__getitem__)
    return {
        "question": question[-SHOWN_CHARACTERS:],
        "choices": choices,
        "target": choices[gold] if gold is not None else str(target),
        "answer": choices[best],
        "scores": scores,
    }


def _first_pair(response: Any) -> tuple[float, bool]:
    if isinstance(response, Sequence) and not isinstance(response, str) and len(response) == 2:
        return float(response[0]), bool(response[1])
    return float(response), False


def _check_number(value: float, entry: Mapping[str, Any], loaded: LoadedTask) -> None:
    if not math.isfinite(value):
        why = "it finds the answer impossible" if value == -math.inf else "it computes NaN or infinite logits"
        raise NoNumbersError(
            f"the model's log-likelihood of item {entry['doc_id']} of task '{loaded.name}' is {value}: "
            f"{why}. Check the checkpoint, or try dtype: float32."
        )


def n_tied(samples: Sequence[Sample]) -> int:
    """Items of whose choices several are the likeliest: the first of them counts, as in lm-eval."""
    return sum(one.scores.count(max(one.scores, default=0.0)) > 1 for one in _items(samples))


def n_repeated(samples: Sequence[Sample]) -> int:
    """Items that ask what another one before them asks."""
    asked = [(one.prompt_hash, one.choices, one.target) for one in _items(samples)]
    return len(asked) - len(set(asked))


def check_distinct(samples: Sequence[Sample], task: str) -> None:
    """Raises NoNumbersError where all choices of every item are equally likely: the first would always win.

    Where the right answer stands first, as in some data sets, such a model would know everything.
    """
    scores = [one.scores for one in _items(samples) if len(one.scores) > 1]
    if len(scores) >= ENOUGH_TIES and all(min(one) == max(one) for one in scores):
        raise NoNumbersError(
            f"the model finds all choices of each of {len(scores)} items of task '{task}' equally likely, as "
            "one does whose logits are constant: it says nothing. Check the checkpoint."
        )


def _items(samples: Sequence[Sample]) -> list[Sample]:
    """One sample of each document, whatever number of metrics it has."""
    return list({one.doc_id: one for one in samples}.values())
