"""Items that are cut, copied, tied or empty: said in the log, or refused by their number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from audit import load_config, run_audit
from audit.errors import EvaluationError, ModelError
from audit.harness import Scorer, n_repeated, n_tied
from audit.harness.samples import ENOUGH_TIES, check_distinct
from audit.harness.tasks import LoadedTask, load_tasks
from audit.records import AuditConfig, AuditLog, Cell, Metric, Sample, Suite, Task

CHOICES = [" cat", " dog"]
Rows = list[dict[str, Any]]


def written(folder: Path, rows: Rows, **changes: Any) -> Path:
    """A multiple-choice task over rows of `q`, `c` and `y`."""
    folder.mkdir()
    (folder / "items.jsonl").write_text("\n".join(map(json.dumps, rows)))
    spec = {
        "task": "odd", "dataset_path": "json", "test_split": "test", "output_type": "multiple_choice",
        "dataset_kwargs": {"data_files": {"test": str(folder / "items.jsonl")}}, "doc_to_text": "{{q}}",
        "doc_to_choice": "{{c}}", "doc_to_target": "{{y}}", "target_delimiter": "",
        "metric_list": [{"metric": "acc"}], "metadata": {"version": 1}, **changes,
    }  # fmt: skip
    (folder / "odd.yaml").write_text(yaml.safe_dump(spec))
    return folder


def row(question: str, *choices: str) -> dict[str, Any]:
    return {"q": question, "c": list(choices or CHOICES), "y": 0}


def task_of(folder: Path, metric: str = "acc") -> LoadedTask:
    suite = Suite(
        name="odd", title="", question="", tasks=(Task(name="odd"),), include_path=str(folder),
        metrics=(Metric(name="m", harness_metric=metric, kind="score", source="x"),),
    )  # fmt: skip
    return load_tasks(suite, limit=None, seed=1)[0]


def planned(model: Path, task: LoadedTask) -> Scorer:
    config: AuditConfig = load_config({"model": str(model), "levels": ["control"], "threads": 1})
    scorer = Scorer(config, "cpu")
    scorer.load(model)
    scorer.plan(task, 1)
    return scorer


def test_an_answer_that_is_empty_is_refused_with_its_item(tiny: Path, tmp_path: Path) -> None:
    task = task_of(written(tmp_path / "a", [row("the"), row("The animal is", " cat", "")]))
    with pytest.raises(
        EvaluationError, match=r"item 1 of task 'odd' of suite 'odd' can't be asked: it has an"
    ):
        planned(tiny, task)


def test_a_text_that_is_empty_is_refused_with_its_item(tiny: Path, tmp_path: Path) -> None:
    rolling = {"output_type": "loglikelihood_rolling", "metric_list": [{"metric": "word_perplexity"}]}
    spec = {**rolling, "doc_to_text": "", "doc_to_target": "{{q}}"}
    task = task_of(written(tmp_path / "a", [row("a cat"), row("")], **spec), "word_perplexity")
    with pytest.raises(EvaluationError, match=r"item 1 of task .odd. .* it has an empty text"):
        planned(tiny, task)


def test_logits_that_are_no_numbers_are_refused_where_answers_are_written(
    broken_copy: Path, tmp_path: Path
) -> None:
    spoil(broken_copy, float("nan"))
    writes = {
        "output_type": "generate_until", "metric_list": [{"metric": "exact_match"}],
        "generation_kwargs": {"until": ["."], "max_gen_toks": 4},
    }  # fmt: skip
    folder = written(tmp_path / "a", [row("a cat"), row("a dog")], **writes, doc_to_target="{{q}}")
    task = task_of(folder, "exact_match")
    scorer = planned(broken_copy, task)
    with pytest.raises(ModelError, match="a logit of an answer's next token is nan"):
        scorer.score(task, 1, None, lambda tokens: None)


def test_a_metric_that_asks_again_is_not_fed_with_nan(tiny: Path, tmp_path: Path) -> None:
    # Without the context, which is computed well, the same answers are NaN
    folder = written(
        tmp_path / "a", [row("a cat"), row("a dog")], metric_list=[{"metric": "acc_mutual_info"}]
    )
    task = task_of(folder, "acc_mutual_info")
    scorer = planned(tiny, task)
    lm = scorer._lm
    assert lm is not None

    def answered(requests: Any, **_: Any) -> list[tuple[float, bool]]:
        return [(-1.0 - place if one.args[0] else float("nan"), False) for place, one in enumerate(requests)]

    lm.loglikelihood = answered
    with pytest.raises(ModelError, match=r"log-likelihood of item 0 of task 'odd' is nan: it computes NaN"):
        scorer.score(task, 1, None, lambda tokens: None)


def test_an_answer_that_is_impossible_is_refused_and_not_called_nan(tiny: Path, tmp_path: Path) -> None:
    task = task_of(written(tmp_path / "a", [row("a cat")]))
    scorer = planned(tiny, task)
    lm = scorer._lm
    assert lm is not None
    lm.loglikelihood = lambda requests, **_: [(float("-inf"), False) for _ in requests]
    with pytest.raises(ModelError, match="is -inf: it finds the answer impossible"):
        scorer.score(task, 1, None, lambda tokens: None)


def spoil(folder: Path, value: float) -> None:
    """Make the norm before the output head so: of 0, all logits are 0."""
    import torch
    from safetensors.torch import load_file, save_file

    file = folder / "model.safetensors"
    tensors = load_file(file)
    tensors["model.norm.weight"] = torch.full_like(tensors["model.norm.weight"], value)
    save_file(tensors, file, metadata={"format": "pt"})


def test_a_model_with_constant_logits_does_not_know_what_stands_first(
    broken_copy: Path, tmp_path: Path
) -> None:
    spoil(broken_copy, 0.0)
    task = task_of(written(tmp_path / "a", [row(f"the {number}") for number in range(ENOUGH_TIES)]))
    scorer = planned(broken_copy, task)
    with pytest.raises(
        ModelError, match="finds all choices of each of 10 items of task 'odd' equally likely"
    ):
        scorer.score(task, 1, None, lambda tokens: None)


@pytest.fixture(scope="module")
def log(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> AuditLog:
    """Of 14 items two ask what others ask, one has equal choices, and one is longer than the model takes."""
    folder = tmp_path_factory.mktemp("odd")
    rows = [row(f"The {number}. animal is a") for number in range(10)]
    rows += [rows[0], rows[1], row("A", " cat", " cat"), row("the cat sat on a mat " * 800)]
    suite = {"name": "odd", "tasks": ["odd"], "include_path": str(written(folder / "tasks", rows))}
    return run_audit(
        load_config(
            {
                "model": str(tiny), "levels": ["control"], "suites": [suite], "threads": 1, "looks": 1,
                "out": str(folder / "run"),
            }
        )
    )  # fmt: skip


def cell_of(log: AuditLog, variant: str = "original") -> Cell:
    (cell,) = next(run for run in log.runs if run.variant == variant).cells
    return cell


def test_what_is_odd_about_items_is_in_the_log(log: AuditLog) -> None:
    for variant in ("original", "control"):
        cell = cell_of(log, variant)
        assert (cell.n_items, cell.n_cut, cell.n_repeated, cell.n_tied) == (14, 1, 2, 1)


def test_copies_of_an_item_each_count_once(log: AuditLog) -> None:
    (whole,) = (one for one in log.comparisons if one.group is None)
    assert (whole.n_pairs, whole.n_unpaired_before, whole.n_unpaired_after) == (14, 0, 0)


def test_what_is_odd_about_items_is_said_in_the_report(log: AuditLog) -> None:
    from reports.sections import limits

    html = str(limits.section(log).html)
    assert "1 item(s) of odd are longer than the model takes: their beginning was cut off" in html
    assert "2 item(s) of odd ask what another one asks. Each counts" in html
    assert "as in lm-eval: original on 1 of odd, control on 1 of odd." in html


def sample(doc_id: int, *scores: float, **changes: Any) -> Sample:
    fields = {
        "task": "t", "doc_hash": "d", "prompt_hash": f"p{doc_id}", "target_hash": "t", "group": None,
        "pair": None, "metric": "acc", "outcome": 1, "question": "?", "choices": ("a", "b"), "target": "a",
        "answer": "a",
    }  # fmt: skip
    return Sample.model_validate({**fields, "doc_id": doc_id, "scores": scores, **changes})


def test_ties_below_the_best_are_none_and_metrics_do_not_count_twice() -> None:
    several = [sample(0, -1, -2, -2), sample(1, -1, -1, -2), sample(1, -1, -1, -2, metric="acc_norm")]
    assert n_tied(several) == 1
    assert n_tied([sample(0, -1.0), sample(1)]) == 0  # one answer, or none, to compare


def test_the_same_choices_after_another_prompt_are_another_item() -> None:
    same = {"prompt_hash": "p"}
    assert n_repeated([sample(0, **same), sample(1, **same), sample(2)]) == 1
    assert n_repeated([sample(0, **same), sample(1, **same, choices=("a", "c"))]) == 0


def test_a_few_ties_may_be_chance_and_one_preference_is_enough() -> None:
    tied = [sample(place, -1, -1) for place in range(ENOUGH_TIES)]
    with pytest.raises(ModelError):
        check_distinct(tied, "t")
    check_distinct(tied[1:], "t")
    check_distinct([*tied, sample(99, -1, -2)], "t")
