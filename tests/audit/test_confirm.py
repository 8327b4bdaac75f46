"""Items that nobody chooses by: who is asked them, what is judged by them, and what follows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from audit import AuditLog, load_config, run_audit
from audit.confirm import confirm
from audit.errors import StoreError
from audit.harness import load_tasks
from audit.pipeline import gate
from audit.records import HELD_OUT, Comparison, Confirmation, Metric, NotMeasured, Suite, Task, Variant
from audit.signing import verify
from audit.store import read_log, read_samples

RULE = {"suite": "accuracy", "margin": 0.06, "because": "a test"}


def settings(tiny: Path, out: Path, **changes: Any) -> dict[str, Any]:
    return {
        "model": str(tiny), "levels": ["control", "int8", "int2"], "suites": ["accuracy"], "rules": [RULE],
        "limit": 60, "holdout": 0.5, "threads": 1, "batch_size": 64, "out": str(out), **changes,
    }  # fmt: skip


@pytest.fixture(scope="module")
def folder(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An audit whose int8 passes and whose 2 bits fail, half of the items held out."""
    out = tmp_path_factory.mktemp("confirm") / "run"
    run_audit(load_config(settings(tiny, out)))
    return out


@pytest.fixture(scope="module")
def log(folder: Path) -> AuditLog:
    return read_log(folder)


def found(log: AuditLog) -> Confirmation:
    assert isinstance(log.confirmation, Confirmation)
    return log.confirmation


def items(folder: Path, log: AuditLog, variant: str, part: bool) -> set[tuple[str, int]]:
    """What a variant was asked among the items held out, or among the others."""
    return {
        (row.task, row.doc_id)
        for run in log.all_runs
        for cell in run.cells
        if run.variant == variant and (cell.part == HELD_OUT) is part
        for row in read_samples(cell, root=folder).itertuples()
    }


def test_the_smallest_that_passes_is_asked_what_no_other_was(folder: Path, log: AuditLog) -> None:
    assert found(log).variant == "int8"
    assert found(log).chosen == "the only one that passes every rule and budget"
    chosen_by, held_out = (items(folder, log, "int8", part) for part in (False, True))
    assert held_out
    assert not chosen_by & held_out
    assert items(folder, log, "original", part=True) == held_out
    assert items(folder, log, "original", part=False) >= chosen_by
    for other in ("control", "int2"):
        assert items(folder, log, other, part=True) == set()


def test_it_is_judged_by_those_items_alone(folder: Path, log: AuditLog) -> None:
    (whole,) = [one for one in found(log).comparisons if one.group is None]
    assert whole.n_pairs == len(items(folder, log, "int8", part=True)) == whole.n_planned
    (verdict,) = found(log).verdicts
    assert (verdict.variant, verdict.rule, verdict.decision) == ("int8", log.config.rules[0], "pass")


def test_another_policy_judges_those_items_too(folder: Path, tmp_path: Path) -> None:
    strict = tmp_path / "strict.yaml"
    strict.write_text("title: strict\ndefault: {margin: 0.0001, because: a test}\n")
    (verdict,) = found(gate(folder, str(strict))).verdicts
    assert (verdict.rule.margin, verdict.decision) == (0.0001, "inconclusive")


def confirmed(log: AuditLog, decision: str) -> AuditLog:
    """The log with every verdict a pass, and those on the items held out as said."""
    passes = tuple(one.model_copy(update={"decision": "pass"}) for one in log.verdicts)
    again = tuple(one.model_copy(update={"decision": decision}) for one in found(log).verdicts)
    held_out = found(log).model_copy(update={"verdicts": again})
    return log.model_copy(update={"verdicts": passes, "confirmation": held_out})


@pytest.mark.parametrize("decision", ["pass", "fail", "inconclusive"])
def test_what_is_not_confirmed_does_not_pass(log: AuditLog, decision: str) -> None:
    assert confirmed(log, decision).decision == decision


def test_where_items_were_held_out_and_nothing_was_confirmed_nothing_passes(log: AuditLog) -> None:
    calm = confirmed(log, "pass")
    assert calm.decision == "pass"
    assert calm.model_copy(update={"confirmation": NotMeasured("nobody")}).decision == "inconclusive"


def test_where_none_passes_no_item_held_out_is_asked(tiny: Path, tmp_path: Path) -> None:
    log = run_audit(load_config(settings(tiny, tmp_path / "run", levels=["int2"])))
    assert isinstance(log.confirmation, NotMeasured)
    assert "no variant passes" in log.confirmation.reason
    assert all(cell.part != HELD_OUT for run in log.runs for cell in run.cells)


def test_of_several_that_pass_the_smallest_is_chosen(log: AuditLog, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("audit.confirm.confirmed", lambda best, chosen, *_: asked.append(best.name) or chosen)
    sizes = {"original": 1, "control": 2, "int8": 40, "int2": 30}
    variants = [one.model_copy(update={"size_bytes": sizes[one.name]}) for one in log.variants]
    passes = [one.model_copy(update={"decision": "pass"}) for one in log.verdicts]
    store: Any = None
    assert str(confirm(variants, passes, (), log.config, store)).startswith("the smallest of the 2 that pass")
    unseen = [with_size(one, NotMeasured("served")) if one.name == "int2" else one for one in variants]
    confirm(unseen, passes, (), log.config, store)
    assert asked == ["int2", "int8"]


def with_size(variant: Variant, size: int | NotMeasured) -> Variant:
    return variant.model_copy(update={"size_bytes": size})


def test_a_changed_number_of_the_items_held_out_is_named(folder: Path, log: AuditLog, tmp_path: Path) -> None:
    (one,) = [c for c in found(log).comparisons if c.group is None]
    place = found(log).comparisons.index(one)
    better: Comparison = one.model_copy(update={"after": 1.0})
    said = [*found(log).comparisons]
    said[place] = better
    lying = log.model_copy(
        update={"confirmation": found(log).model_copy(update={"comparisons": tuple(said)})}
    )
    (folder / "lying.json").write_bytes(lying.to_json())
    lies = [one for one in verify(folder / "lying.json", None, None) if one.finding == "lies"]
    assert any(f"confirmation.comparisons.{place}.after" in one.what for one in lies)
    assert [one.what for one in verify(folder, None, None) if one.finding == "lies"] == []


def test_a_log_that_confirms_what_it_has_not_is_refused(folder: Path, log: AuditLog, tmp_path: Path) -> None:
    edited = log.model_copy(update={"confirmation": found(log).model_copy(update={"variant": "int1"})})
    (tmp_path / "audit.json").write_bytes(edited.to_json())
    with pytest.raises(StoreError, match="'int1'"):
        gate(tmp_path)


def test_copies_of_an_item_lie_on_one_side(tmp_path: Path) -> None:
    """Each question stands three times, under other numbers: held out or not, it is so as a whole."""
    rows = [
        {"id": 100 * copy + n, "question": f"{n} + 1 =", "choices": [f"{n}", f"{n + 1}"], "gold": 1}
        for copy in range(3)
        for n in range(20)
    ]
    (tmp_path / "sums.jsonl").write_text("\n".join(map(json.dumps, rows)))
    task = {
        "task": "sums", "dataset_path": "json", "test_split": "train", "output_type": "multiple_choice",
        "dataset_kwargs": {"data_files": str(tmp_path / "sums.jsonl")}, "doc_to_text": "{{question}}",
        "doc_to_choice": "{{choices}}", "doc_to_target": "{{gold}}", "metric_list": [{"metric": "acc"}],
    }  # fmt: skip
    (tmp_path / "sums.yaml").write_text(yaml.safe_dump(task))
    suite = Suite(
        name="mine", title="mine", question="?", tasks=(Task(name="sums"),), include_path=str(tmp_path),
        metrics=(Metric(name="acc", source="lm-evaluation-harness"),),
    )  # fmt: skip
    for seed in range(5):
        (loaded,) = load_tasks(suite, limit=None, seed=seed, looks=3, holdout=0.3)
        sides = [{rows[index]["question"] for index in side} for side in (*loaded.parts, loaded.held)]
        assert len(loaded.held) == 3 * 0.3 * 20
        assert sum(map(len, sides)) == 20
