"""What lm-eval's per-sample values become."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from audit.errors import EvaluationError
from audit.harness.samples import _cluster, _column, _value, to_samples
from audit.harness.tasks import LoadedTask
from audit.records import Metric, Suite, Task

RATIO = Metric(name="m", harness_metric="m", source="x", kind="ratio")
PERPLEXITY = Metric(name="m", harness_metric="m", source="x", kind="perplexity", higher_is_better=False)
CORPUS = Metric(name="m", harness_metric="m", source="x", kind="corpus", statistic="bleu")
SCORE = Metric(name="m", harness_metric="m", source="x", kind="score")


def loaded(metric: Metric = SCORE, **columns: str) -> LoadedTask:
    suite = Suite(
        name="s", title="", question="", tasks=(Task(name="t"),), metrics=(metric,), **columns
    )  # fmt: skip
    return LoadedTask(suite, "t", "t", None, "1", 0, 1, 0, "", ((0,),))


@pytest.mark.parametrize(("logged", "expected"), [(True, 1.0), (0.5, 0.5)])
def test_a_number_weighs_1(logged: Any, expected: float) -> None:
    assert _value(logged, "m", loaded()) == (expected, 1.0)


@pytest.mark.parametrize("metric", [RATIO, PERPLEXITY], ids=lambda metric: metric.kind)
@pytest.mark.parametrize("logged", [(-20.5, 12), [-20.5, 12]], ids=str)
def test_a_perplexity_or_a_ratio_is_a_sum_and_what_it_is_over(metric: Metric, logged: Any) -> None:
    assert _value(logged, "m", loaded(metric)) == (-20.5, 12.0)


@pytest.mark.parametrize("logged", [[1, 0], [1.0, 0.0, 1.0, 0.0], [0.5]], ids=str)
def test_samples_of_one_answer_are_one_item_with_their_mean(logged: list[float]) -> None:
    assert _value(logged, "m", loaded()) == (0.5, 1.0)


@pytest.mark.parametrize(
    "logged", [("gold", "answer"), (1, 2), (1, 2, 3), None, {"a": 1}, [], [[1], 2]], ids=str
)
def test_a_value_that_is_no_number_is_refused_with_the_metrics_name(logged: Any) -> None:
    with pytest.raises(EvaluationError, match="metric 'm' of task 't' is no number per item"):
        _value(logged, "m", loaded())


@pytest.mark.parametrize("logged", [1.0, (1, 2, 3), None], ids=str)
def test_a_ratio_that_is_no_pair_is_refused(logged: Any) -> None:
    with pytest.raises(EvaluationError, match="is no pair of numbers per item"):
        _value(logged, "m", loaded(RATIO))


def test_what_a_corpus_metric_is_made_of_needs_no_number_of_its_own() -> None:
    assert _value(["the target", "the answer"], "m", loaded(CORPUS)) == (0.0, 0.0)
    assert _value(1.0, "m", loaded(CORPUS)) == (1.0, 1.0)


def test_a_document_asked_several_times_is_one_item() -> None:
    entry = {
        "doc_id": 0, "doc": {}, "doc_hash": "d", "prompt_hash": "p", "target_hash": "t", "filter": "none",
        "target": "a", "arguments": [("q", {})], "filtered_resps": ["a"], "resps": [["a", "b", "a", "c"]],
        "metrics": ["m"], "m": [1.0, 0.0, 1.0, 0.0],
    }  # fmt: skip
    task = SimpleNamespace(OUTPUT_TYPE="generate_until")
    one = to_samples([entry, {**entry, "filter": "other"}], replace(loaded(), task=task))
    assert [(sample.doc_id, sample.outcome, sample.weight) for sample in one] == [(0, 0.5, 1.0)]


def test_clusters_are_nested_in_tasks() -> None:
    entry = {"doc": {"subject": "law"}}
    assert _cluster(entry, loaded()) is None
    assert _cluster(entry, loaded(cluster_by="task")) == "t"
    assert _cluster(entry, loaded(cluster_by="subject")) == "t: law"


def test_an_item_without_a_pair_or_a_cluster_has_none() -> None:
    entry = {"doc": {"subject": None}}
    assert _cluster(entry, loaded(cluster_by="subject")) is None
    assert _column(entry, "subject", loaded(pair_by="subject")) is None


def test_half_of_a_character_in_an_answer_is_spelled_out_and_two_halves_stay_two() -> None:
    entry = {
        "doc_id": 0, "doc": {"kind": "\udc80"}, "doc_hash": "d", "prompt_hash": "p", "target_hash": "t",
        "filter": "none", "target": "\ude00", "arguments": [("q \ud83d", {})], "filtered_resps": ["a \ud83d"],
        "metrics": ["m"], "m": 1.0,
    }  # fmt: skip
    task = SimpleNamespace(OUTPUT_TYPE="generate_until")
    (one,) = to_samples([entry], replace(loaded(group_by="kind"), task=task))
    assert (one.question, one.answer, one.target, one.group) == (
        r"q \ud83d", r"a \ud83d", r"\ude00", r"\udc80",
    )  # fmt: skip


@pytest.mark.parametrize("metric", [SCORE, RATIO, PERPLEXITY], ids=lambda metric: metric.kind)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 10**400], ids=str)
def test_a_metric_that_gives_no_finite_number_is_named_with_the_item(metric: Metric, value: Any) -> None:
    entry = {
        "doc_id": 4, "doc": {}, "doc_hash": "d", "prompt_hash": "p", "target_hash": "t", "filter": "none",
        "target": "a", "arguments": [("q", {})], "filtered_resps": ["a"], "metrics": ["m"],
        "m": value if metric is SCORE else (1.0, value),
    }  # fmt: skip
    task = replace(loaded(metric), task=SimpleNamespace(OUTPUT_TYPE="generate_until"))
    with pytest.raises(EvaluationError, match=r"metric 'm' of task 't' (gives item 4 .* no finite|is no)"):
        to_samples([entry], task)
