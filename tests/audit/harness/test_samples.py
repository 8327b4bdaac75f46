"""What lm-eval's per-sample values become."""

from __future__ import annotations

from typing import Any

import pytest

from audit.errors import EvaluationError
from audit.harness.samples import _cluster, _column, _value
from audit.harness.tasks import LoadedTask
from audit.records import Metric, Suite, Task


def loaded(**columns: str) -> LoadedTask:
    metric = Metric(name="acc", source="x")
    suite = Suite(
        name="s", title="", question="", tasks=(Task(name="t"),), metrics=(metric,), **columns
    )  # fmt: skip
    return LoadedTask(suite, "t", None, "1", 0, 1, "", ((0,),))


@pytest.mark.parametrize(
    ("logged", "expected"),
    [(True, (1.0, 1.0)), (0.5, (0.5, 1.0)), ((-20.5, 12), (-20.5, 12.0)), ([-3.0, 2], (-3.0, 2.0))],
)
def test_a_value_has_a_weight_and_without_one_weighs_1(logged: Any, expected: tuple[float, float]) -> None:
    assert _value(logged, "m", loaded()) == expected


@pytest.mark.parametrize("logged", [("gold", "answer"), (1, 2, 3), None, {"a": 1}])
def test_a_value_that_is_no_number_is_refused_with_the_metrics_name(logged: Any) -> None:
    with pytest.raises(EvaluationError, match="metric 'm' of task 't' is no number per item"):
        _value(logged, "m", loaded())


def test_clusters_are_nested_in_tasks() -> None:
    entry = {"doc": {"subject": "law"}}
    assert _cluster(entry, loaded()) is None
    assert _cluster(entry, loaded(cluster_by="task")) == "t"
    assert _cluster(entry, loaded(cluster_by="subject")) == "t: law"


def test_an_item_without_a_pair_or_a_cluster_has_none() -> None:
    entry = {"doc": {"subject": None}}
    assert _cluster(entry, loaded(cluster_by="subject")) is None
    assert _column(entry, "subject", loaded(pair_by="subject")) is None
