"""A run watched while it goes on: what is counted, when a claim stands, and what can't be bet on."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from audit.cli import app
from audit.errors import StoreError
from audit.records import AuditConfig, Cell, Metric, ModelRef, NotMeasured, Rule, Run, Sample, Suite, Task
from audit.store import Store
from audit.watch import Watched, watch

METRIC = Metric(name="accuracy", source="a test")


def suite(**changes: Any) -> Suite:
    return Suite(
        **{"name": "facts", "title": "", "question": "", "tasks": (Task(name="facts"),), "metrics": (METRIC,)}
        | changes
    )


RULE = Rule(suite="facts", metric="accuracy")
FACTS = suite()


def config(out: Path, rule: Rule, of: Suite) -> AuditConfig:
    model = ModelRef(name="m", path="/somewhere/m", digest="d" * 64)
    return AuditConfig(model=model, levels=(), suites=(of,), rules=(rule,), out=str(out))


def sample(doc_id: int, outcome: float, **changes: Any) -> Sample:
    known = {
        "task": "facts", "doc_id": doc_id, "doc_hash": f"d{doc_id}", "prompt_hash": "p", "target_hash": "g",
        "group": None, "pair": None, "metric": "acc", "outcome": outcome, "question": "q",
        "choices": ("a", "b"), "target": "a", "answer": "a", "scores": (-1.0, -2.0),
    }  # fmt: skip
    return Sample(**{**known, **changes})


def scored(
    out: Path,
    before: Sequence[Sequence[float]],
    after: Sequence[Sequence[float]],
    rule: Rule = RULE,
    of: Suite = FACTS,
    **changes: Any,
) -> Path:
    """A run folder in which parts of both sides were scored: outcomes part by part."""
    with Store.open(config(out, rule, of)) as store:
        runs = []
        for name, parts in (("original", before), ("int4", after)):
            cells, first = [], 0
            for part, outcomes in enumerate(parts, start=1):
                rows = [sample(first + i, outcome, **changes) for i, outcome in enumerate(outcomes)]
                first += len(rows)
                cells.append(store.add_cell(unscored(f"{name}-{part}", part), rows))
            runs.append(Run(variant=name, suite="facts", cells=tuple(cells)))
        store.note_runs(runs)
    return out


def unscored(key: str, part: int) -> Cell:
    return Cell(
        task="facts", key=key, path="", sha256="", n_items=0, part=part, task_version="1", num_fewshot=0,
        seconds=0.0, started="now", scorer="none", divergence=NotMeasured("a test"),
    )  # fmt: skip


def only(found: Sequence[Watched]) -> Watched:
    (one,) = found
    return one


def test_equal_answers_multiply_the_stakes_that_were_laid(tmp_path: Path) -> None:
    one = only(watch(scored(tmp_path / "run", [[1.0] * 40], [[1.0] * 40])))
    # E = Π (1 + λ M), λ = M / (d + M²) with d = 5 / (items before + 10), at most half of 1 / (1 − M)
    expected = 1.0
    for items in range(40):
        expected *= 1 + 0.03 * min(0.03 / (5 / (items + 10) + 0.03**2), 0.5 / 0.97)
    assert one.evidence == pytest.approx(expected, rel=1e-12)
    assert (one.n_pairs, one.n_planned, one.passed_after) == (40, 40, None)


def test_enough_equal_answers_stand_and_say_since_when(tmp_path: Path) -> None:
    one = only(watch(scored(tmp_path / "run", [[1.0] * 500], [[1.0] * 500])))
    assert one.evidence >= 20
    assert one.passed_after is not None
    assert 100 < one.passed_after < 500


def test_lost_answers_are_evidence_of_nothing(tmp_path: Path) -> None:
    one = only(watch(scored(tmp_path / "run", [[1.0] * 100], [[0.0, 1.0] * 50])))
    assert one.evidence < 1


def test_only_the_parts_that_were_asked_count(tmp_path: Path) -> None:
    one = only(watch(scored(tmp_path / "run", [[1.0] * 40, [1.0] * 60], [[1.0] * 40])))
    assert (one.n_pairs, one.n_planned) == (40, 100)


def test_what_comes_later_does_not_change_what_was_seen(tmp_path: Path) -> None:
    after = [random.Random(7).choices([0.0, 1.0], [1, 9], k=60) for _ in range(5)]
    long = only(watch(scored(tmp_path / "long", [[1.0] * 60] * 5, [*[[1.0] * 60] * 4, after[0]])))
    short = only(watch(scored(tmp_path / "short", [[1.0] * 60] * 5, [[1.0] * 60] * 4)))
    assert short.passed_after is not None
    assert long.passed_after == short.passed_after


def test_items_are_shuffled_within_a_part(tmp_path: Path) -> None:
    """Tasks are often sorted: losses that come last in the file must not come last in the bet."""
    sorted_losses = [1.0] * 270 + [0.0] * 30
    one = only(watch(scored(tmp_path / "run", [[1.0] * 300], [sorted_losses])))
    assert one.passed_after is None


def test_a_run_can_be_watched_while_it_holds_its_folder(tmp_path: Path) -> None:
    out = scored(tmp_path / "run", [[1.0] * 10], [[1.0] * 10])
    with Store.open(config(out, RULE, FACTS)):
        assert only(watch(out)).n_pairs == 10


@pytest.mark.parametrize(
    ("rule", "of", "changes", "reason"),
    [
        (Rule(suite="facts", metric="kl"), FACTS, {}, "a divergence has no bound"),
        (
            Rule(suite="facts", metric="accuracy", ceiling=0.1),
            suite(),
            {},
            "a ceiling is tested at the looks",
        ),
        (RULE, FACTS, {"cluster": "x"}, "items in clusters"),
        (
            Rule(suite="facts", metric="f1"),
            suite(metrics=(Metric(name="f1", kind="score", source="x"),)),
            {},
            "a bet needs losses between −1 and 1",
        ),
    ],
)
def test_what_no_bet_can_be_laid_on_says_why(
    tmp_path: Path, rule: Rule, of: Suite, changes: dict[str, Any], reason: str
) -> None:
    one = only(watch(scored(tmp_path / "run", [[1.0] * 9], [[1.0] * 9], rule, of, **changes)))
    assert isinstance(one.evidence, NotMeasured)
    assert one.evidence.reason.startswith(reason)


def test_a_folder_that_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"is no run folder\. Name the --out"):
        watch(tmp_path)


def test_a_run_that_scored_nothing_yet_says_so(tmp_path: Path) -> None:
    with Store.open(config(tmp_path / "run", RULE, FACTS)):
        pass
    with pytest.raises(StoreError, match="has scored no part of its items yet"):
        watch(tmp_path / "run")


def test_a_cut_record_of_the_runs_is_named(tmp_path: Path) -> None:
    out = scored(tmp_path / "run", [[1.0]], [[1.0]])
    (out / "runs.json").write_text('[{"variant": "orig')
    with pytest.raises(StoreError, match="Was it edited or cut"):
        watch(out)


def test_the_command_prints_the_evidence_and_is_no_gate(tmp_path: Path) -> None:
    out = scored(tmp_path / "run", [[1.0] * 500], [[1.0] * 500])
    result = CliRunner().invoke(app, ["watch", str(out)])
    assert result.exit_code == 0, result.output
    assert "int4" in result.output
    assert "500" in result.output


def test_seconds_that_are_none_are_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["watch", str(tmp_path), "--every", "0"])
    assert "--every 0: seconds, so above 0" in str(result.exception)
