"""The tasks score through lm-eval as they stand."""

from __future__ import annotations

from typing import Any

from tests.suites.loaded import suite, tasks

LIMIT = 12


def score(name: str, knows: bool) -> list[float]:
    """Outcomes of a model that finds the right answers likeliest, or the first choice."""
    from lm_eval.api.model import LM
    from lm_eval.evaluator import evaluate

    right = {
        (instance.args[0], instance.args[1])
        for task in tasks(name).values()
        for instance in instances(task)
        if instance.idx == gold(task, instance.doc)
    }

    class Oracle(LM):  # type: ignore[misc]  # lm_eval ships no types
        def loglikelihood(self, requests: Any) -> list[tuple[float, bool]]:
            return [(0.0 if (request.args in right) == knows else -1.0, True) for request in requests]

        def loglikelihood_rolling(self, requests: Any) -> Any:
            raise NotImplementedError

        def generate_until(self, requests: Any) -> Any:
            raise NotImplementedError

    results = evaluate(lm=Oracle(), task_dict=tasks(name), limit=LIMIT, bootstrap_iters=0, log_samples=True)
    assert results is not None
    return [sample["acc"] for samples in results["samples"].values() for sample in samples]


def instances(task: Any) -> list[Any]:
    task.build_all_requests(limit=LIMIT, rank=0, world_size=1)
    return list(task.instances)


def gold(task: Any, document: Any) -> int:
    return int(task.doc_to_text(document) if task.multiple_input else task.doc_to_target(document))


def test_a_model_that_knows_every_answer_is_always_right(name: str) -> None:
    assert set(score(name, knows=True)) == {1.0}


def test_a_model_that_prefers_every_wrong_answer_is_never_right(name: str) -> None:
    assert set(score(name, knows=False)) == {0.0}


def test_every_task_of_a_suite_is_scored(name: str) -> None:
    assert len(score(name, knows=True)) == LIMIT * len(suite(name).tasks)


def test_a_model_that_says_the_same_to_everything_is_no_safer_than_chance() -> None:
    for task in tasks("safety").values():
        golds = [document["gold"] for document in task.eval_docs]
        assert 0.4 < sum(golds) / len(golds) < 0.6
