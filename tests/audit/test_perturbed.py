"""Any multiple-choice task, each item asked clean and perturbed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from audit import load_config, registry, run_audit
from audit.errors import ConfigError, EvaluationError
from audit.harness import LoadedTask, load_tasks
from audit.harness.perturbed import Twin
from audit.records import AuditLog, Metric, Suite, Task

LISTED = "Question: Which number is the sum of {{a}} and one?\nA. {{c[0]}}\nB. {{c[1]}}\nC. {{c[2]}}\nAnswer:"
ROWS = [
    {"a": a, "c": [f"n{a + k}" for k in (0, 1, 7)], "y": 1, "letter": "B", "form": f"sum {a}"}
    for a in range(12)
]

OWN = """
def text(doc):
    return f"Which number comes after {doc['a']} then"

def judge(doc, results):
    assert doc["form"] == f"sum {doc['a']}", "the item's own column"
    return {"acc": float(max(results)[0] == results[doc["y"]][0])}
"""
"""What a task may have in the place of templates."""


def task(folder: Path, rows: list[dict[str, Any]] = ROWS, **changes: Any) -> Path:
    """A task over a file that the test writes, its shots from another split."""
    folder.mkdir(exist_ok=True)
    files = {"test": rows, "train": [{**row, "a": 100 + row["a"]} for row in rows]}
    for split, held in files.items():
        (folder / f"{split}.jsonl").write_text("\n".join(map(json.dumps, held)))
    spec = {
        "task": "sums", "dataset_path": "json", "test_split": "test", "output_type": "multiple_choice",
        "dataset_kwargs": {"data_files": {split: str(folder / f"{split}.jsonl") for split in files}},
        "fewshot_split": "train", "doc_to_text": LISTED, "doc_to_choice": ["A", "B", "C"],
        "doc_to_target": "y", "metric_list": [{"metric": "acc"}], "metadata": {"version": 1}, **changes,
    }  # fmt: skip
    text = re.sub(r"'(!function \S+)'", r"\1", yaml.safe_dump(spec))
    (folder / "sums.yaml").write_text(text)
    (folder / "own.py").write_text(OWN)
    return folder


def loaded(
    folder: Path, *perturb: str, shots: int = 0, severity: int = 1, limit: int | None = None, seed: int = 1
) -> LoadedTask:
    """The task as it is asked, its requests built."""
    metric = Metric(name="acc", per="pair" if perturb else "item", source="lm-evaluation-harness")
    columns = {"group_by": "perturbation", "pair_by": "pair"} if perturb else {}
    suite = Suite(
        name="mine", title="mine", question="?", tasks=(Task(name="sums", num_fewshot=shots),),
        metrics=(metric,), include_path=str(folder), perturb=perturb, severity=severity, **columns,
    )  # fmt: skip
    (one,) = load_tasks(suite, limit=limit, seed=seed)
    one.build(limit)
    return one


def asked(one: LoadedTask, form: str | None = None) -> list[tuple[str, ...]]:
    """Context and answer of each request, of one form alone."""
    return [request.args for request in one._requests if form in (None, request.doc.get("form"))]


@pytest.mark.parametrize("name", ["typo", "option_order", "few_shot_order", "instruction"])
@pytest.mark.parametrize("sampler", ["default", "first_n"])
def test_the_clean_twin_is_asked_exactly_as_the_task_asks(tmp_path: Path, name: str, sampler: str) -> None:
    folder = task(tmp_path, description="About {{a}}.\n\n", fewshot_config={"sampler": sampler})
    plain, twins = loaded(folder, shots=3), loaded(folder, name, shots=3)
    assert asked(twins, "clean") == asked(plain)
    assert len(asked(twins, "disturbed")) == len(asked(plain))
    assert not {*asked(twins, "disturbed")} & {*asked(plain)}


def test_both_twins_see_the_same_shots(tmp_path: Path) -> None:
    twins = loaded(task(tmp_path), "typo", shots=3, severity=3)
    for (clean, _), (disturbed, _) in zip(asked(twins, "clean"), asked(twins, "disturbed"), strict=True):
        *shots, question = clean.split("\n\n")
        *same, other = disturbed.split("\n\n")
        assert shots == same
        assert question != other
        assert question.splitlines()[1:] == other.splitlines()[1:]


def test_the_order_of_the_shots_is_all_that_few_shot_order_changes(tmp_path: Path) -> None:
    twins = loaded(task(tmp_path), "few_shot_order", shots=4, severity=3)
    for (clean, _), (disturbed, _) in zip(asked(twins, "clean"), asked(twins, "disturbed"), strict=True):
        *shots, question = clean.split("\n\n")
        *moved, same = disturbed.split("\n\n")
        assert question == same
        assert sorted(shots) == sorted(moved)
        assert shots != moved


def test_the_reworded_instruction_comes_ahead_of_the_shots(tmp_path: Path) -> None:
    known = "The following are multiple choice questions (with answers) about sums."
    twins = loaded(task(tmp_path, description=f"{known}\n\n"), "instruction", shots=2, severity=2)
    for (clean, _), (disturbed, _) in zip(asked(twins, "clean"), asked(twins, "disturbed"), strict=True):
        before, *shots, _ = clean.split("\n\n")
        after, *same, _ = disturbed.split("\n\n")
        assert before == known
        assert after != known
        assert " about sums" in after
        assert shots == same


def test_each_document_says_what_was_done_to_it(tmp_path: Path) -> None:
    documents = list(loaded(task(tmp_path), "typo", severity=2).task.eval_docs)
    assert [document["form"] for document in documents] == ["clean", "disturbed"] * len(ROWS)
    assert {(one["perturbation"], one["severity"]) for one in documents} == {("typo", 2)}
    assert len({one["pair"] for one in documents}) == len(ROWS)
    assert {one["asked"]["prompt"] for one in documents[1::2]} == {
        request[0] for request in asked(loaded(tmp_path, "typo", severity=2), "disturbed")
    }
    assert documents[0]["a"] == ROWS[0]["a"]
    assert isinstance(documents[0], Twin)
    assert documents[0].item["form"] == ROWS[0]["form"]


def test_a_limit_changes_no_item_and_cuts_no_pair(tmp_path: Path) -> None:
    whole, some = loaded(task(tmp_path), "typo"), loaded(tmp_path, "typo", limit=7)
    assert some.n_items == 6
    kept = [whole.task.eval_docs[index] for index in range(6)]
    assert [some.task.eval_docs[index] for part in some.parts for index in sorted(part)] == kept


def test_an_item_is_disturbed_by_its_seed_and_not_by_its_place(tmp_path: Path) -> None:
    def prompts(folder: str, rows: list[dict[str, Any]], seed: int) -> set[str]:
        one = loaded(task(tmp_path / folder, rows), "typo", seed=seed)
        return {context for context, _ in asked(one, "disturbed")}

    first = prompts("a", ROWS, 1)
    assert prompts("b", ROWS[::-1], 1) == first
    assert prompts("c", ROWS, 2) != first
    assert loaded(tmp_path / "a", "typo").digest != loaded(tmp_path / "a", "typo", seed=2).digest
    assert loaded(tmp_path / "a", "typo").digest != loaded(tmp_path / "a", "typo", severity=2).digest


def test_an_item_that_is_there_twice_makes_two_pairs(tmp_path: Path) -> None:
    documents = loaded(task(tmp_path, [ROWS[0], ROWS[1], ROWS[0]]), "typo").task.eval_docs
    assert pd.Series([one["pair"] for one in documents]).value_counts().tolist() == [2, 2, 2]


@pytest.mark.parametrize("target", ["y", "letter", "{{[y]}}"])
def test_the_right_letter_moves_with_its_answer(tmp_path: Path, target: str) -> None:
    one = loaded(task(tmp_path, doc_to_target=target), "option_order", severity=3)
    for twin in one.task.eval_docs:
        options = [line.partition(". ")[2] for line in twin["asked"]["prompt"].splitlines()[1:4]]
        place = options.index(f"n{twin['a'] + 1}")
        found = {"y": place, "letter": "ABC"[place], "{{[y]}}": [place]}
        assert one.task.doc_to_target(twin) == found[target]
        results = [(0.0 if k == place else -1.0, False) for k in range(3)]
        assert one.task.process_results(twin, results)["acc"] == 1.0


def test_new_labels_are_what_is_scored(tmp_path: Path) -> None:
    one = loaded(task(tmp_path), "option_labels")
    assert {answer for _, answer in asked(one, "disturbed")} == {" a", " b", " c"}
    assert {answer for _, answer in asked(one, "clean")} == {" A", " B", " C"}


def test_where_contexts_are_the_choices_all_are_disturbed_alike(tmp_path: Path) -> None:
    contexts = [f"Yesterday the little prize went to {who}" for who in ("Ann", "Bob")]
    spec = {"doc_to_text": "y", "doc_to_choice": contexts, "doc_to_target": "who was glad"}
    rows = [{"a": a, "y": a % 2} for a in range(4)]
    one = loaded(task(tmp_path, rows, **spec), "typo", severity=3)
    clean, disturbed = asked(one, "clean"), asked(one, "disturbed")
    assert clean == [(context, " who was glad") for context in contexts] * 4
    assert [args[1] for args in disturbed] == [" who was glad"] * 8
    for (ann, _), (bob, _) in zip(disturbed[::2], disturbed[1::2], strict=True):
        assert (ann[-4:], bob[-4:]) == (" Ann", " Bob")
        assert ann[:-3] == bob[:-3] != "Yesterday the little prize went to "
    assert [one.task.doc_to_text(twin) for twin in one.task.eval_docs] == [0, 0, 1, 1, 0, 0, 1, 1]


def test_a_task_with_functions_of_its_own_is_perturbed_as_well(tmp_path: Path) -> None:
    functions = {"doc_to_text": "!function own.text", "process_results": "!function own.judge"}
    one = loaded(task(tmp_path, doc_to_choice="c", **functions), "typo")
    twin = one.task.eval_docs[1]
    assert twin["asked"]["prompt"].startswith("W")
    assert twin["asked"]["prompt"] != f"Which number comes after {twin['a']} then"
    assert one.task.process_results(twin, [(-1, False), (0, True), (-1, False)]) == {"acc": 1.0}


def test_a_judge_of_the_tasks_own_is_not_told_of_another_order(tmp_path: Path) -> None:
    folder = task(tmp_path, process_results="!function own.judge")
    with pytest.raises(EvaluationError, match="'sums' judges answers by a function of its own"):
        loaded(folder, "option_order")
    assert loaded(folder, "typo").n_items == 2 * len(ROWS)


def test_items_that_stay_as_they_are_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = [{**ROWS[0], "q": "2 + 2 ="}, {**ROWS[1], "q": "Whatever comes after one"}]
    found = loaded(task(tmp_path, rows, doc_to_text="q"), "typo")
    assert [one["q"] for one in found.task.eval_docs] == ["Whatever comes after one"] * 2
    assert found.n_left_out == 1


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("few_shot_order", {}, "'sums' has no item that 'few_shot_order' can change.*fewer than two shots"),
        ("option_order", {"doc_to_text": "form"}, "no item that 'option_order' can change: it may list no"),
        (
            "typo",
            {"output_type": "loglikelihood", "doc_to_target": "letter", "metric_list": [{"metric": "acc"}]},
            "'sums' offers no choices: only multiple-choice tasks",
        ),
    ],
)
def test_a_task_that_cannot_be_perturbed_so_says_why(
    tmp_path: Path, name: str, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(EvaluationError, match=said):
        loaded(task(tmp_path, **changes), name)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"perturb": "typos"}, "No perturbation named 'typos'. Did you mean 'typo'"),
        ({"perturb": ["typo", "shot_order"]}, "No perturbation named 'shot_order'. Did you mean 'few_shot_"),
        ({"perturb": "typo", "severity": 4}, "severity 4: it is 1, 2 or 3"),
        ({"severity": 2}, "`severity` is that of `perturb`"),
        ({"perturb": "typo", "kind": "score"}, "of kind `binary`, not `score`"),
    ],
)
def test_a_wrong_entry_is_refused_before_anything_runs(
    tiny: Path, entry: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        load_config({"model": str(tiny), "suites": [{"name": "mine", "tasks": ["piqa"], **entry}]})


def test_one_name_is_a_list_of_one_and_several_hang_together_by_their_item(tiny: Path) -> None:
    def suite(perturb: object) -> Suite:
        entry = {"name": "mine", "tasks": ["piqa"], "perturb": perturb}
        return load_config({"model": str(tiny), "suites": [entry]}).suites[0]

    one, two = suite("typo"), suite(["typo", "spacing", "typo"])
    assert (one.perturb, one.cluster_by) == (("typo",), None)
    assert (two.perturb, two.cluster_by) == (("typo", "spacing"), "pair")
    assert (two.metrics[0].per, two.group_by, two.pair_by) == ("pair", "perturbation", "pair")


def samples(log: AuditLog, suite: str) -> pd.DataFrame:
    """The original's answers."""
    (run,) = (run for run in log.runs if (run.variant, run.suite) == ("original", suite))
    return pd.concat([pd.read_parquet(Path(log.config.out) / cell.path) for cell in run.cells])


def test_a_perturbed_suite_is_audited_by_pairs(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text(
        "question,choices,answer\n"
        + "".join(f"Which number comes right after {n}?,{n + 1}|{n + 2}|{n + 3},A\n" for n in range(9))
    )
    own = {"name": "own", "items": str(tmp_path / "items.csv"), "perturb": ["typo", "spacing"], "severity": 2}
    shown = {
        "name": "shown", "tasks": [{"name": "sums", "num_fewshot": 2}], "perturb": list(STRUCTURAL),
        "include_path": str(task(tmp_path / "tasks")),
    }  # fmt: skip
    config = load_config(
        {
            "model": str(tiny), "levels": ["int8"], "suites": [own, shown], "limit": 16, "looks": 2,
            "out": str(tmp_path / "run"),
        }
    )  # fmt: skip
    log = run_audit(config)
    assert log.status == "finished", log.error
    original = samples(log, "own")
    assert {*original["task"]} == {"own:typo", "own:spacing"}
    assert original.groupby(["task", "pair"]).size().tolist() == [2] * 16
    assert {*original["cluster"]} == {f"own: {pair}" for pair in original["pair"]}
    of_own = {one.group: one.n_pairs for one in log.comparisons if one.suite == "own" and one.metric != "kl"}
    assert set(of_own) == {None, "typo", "spacing"}
    assert {one.group for one in log.comparisons if one.suite == "shown"} == {None, *STRUCTURAL}
    assert {run.cells[0].num_fewshot for run in log.runs if run.suite == "shown"} == {2}
    assert {one.metric for one in log.comparisons if one.group == "typo"} == {"robust accuracy"}


STRUCTURAL = ("option_order", "option_labels", "instruction", "few_shot_order")


def test_the_parts_are_found_as_plugins() -> None:
    assert set(STRUCTURAL) < set(registry.names("audit.perturbations"))
