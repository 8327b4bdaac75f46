"""Items in parts: how they are dealt, what is known after each part, and what stopping early costs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from by_hand import comparison, divergence, estimate, look, suite, variant
from hypothesis import given, settings
from hypothesis import strategies as st
from test_compare import ITEM, cell, samples

from audit.compare import compare
from audit.harness.tasks import _dealt, _shuffled, _whole_pairs
from audit.judge import judge, settled
from audit.records import Comparison, Look, Metric, Rule, Run, Suite, Task

FACTS = Suite(name="facts", title="", question="", tasks=(Task(name="facts"),), metrics=(ITEM,))


def run_in_parts(
    before: pd.DataFrame, after: pd.DataFrame, part: list[int], reached: int, metric: Metric = ITEM
) -> Comparison:
    """Compare a variant that answered the first parts; `part` says in which each row is."""
    tables: dict[str, pd.DataFrame] = {}
    runs = []
    for name, table, last in (("original", before, max(part)), ("level", after, reached)):
        cells = []
        for number in range(1, last + 1):
            for task in dict.fromkeys(table["task"]):
                rows = table[(np.array(part)[table["doc_id"]] == number) & (table["task"] == task)]
                if len(rows):
                    key = f"{name} {task} {number}"
                    tables[key] = rows
                    cells.append(cell(key).model_copy(update={"part": number, "task": task}))
        runs.append(Run(variant=name, suite="facts", cells=tuple(cells)))
    found = compare(
        runs,
        [FACTS.model_copy(update={"metrics": (metric,)})],
        lambda one, columns: tables[one.key][[*columns]],
    )
    return found[0]


def counts(one: Comparison) -> list[tuple[Any, ...]]:
    return [(seen.n_pairs, seen.lost, seen.gained, seen.bad_after) for seen in one.looks]


PARTS = [1, 2, 1, 3, 2, 1]


def test_each_look_counts_all_items_so_far() -> None:
    one = run_in_parts(samples([1, 1, 0, 1, 1, 1]), samples([0, 0, 1, 0, 1, 1]), PARTS, 3)
    assert counts(one) == [(3, 1, 1, 1), (5, 2, 1, 2), (6, 3, 1, 3)]
    assert one.n_planned == one.n_pairs == 6


def test_a_variant_with_the_first_parts_alone_is_compared_on_those() -> None:
    one = run_in_parts(samples([1] * 6), samples([0, 1, 1, 1, 1, 1]), PARTS, 2)
    assert (one.n_pairs, one.n_planned, one.n_unpaired_before, one.n_unpaired_after) == (5, 6, 0, 0)
    assert counts(one) == [(3, 1, 0, 1), (5, 1, 0, 1)]


def test_a_task_lost_within_the_parts_is_unpaired_and_not_judged() -> None:
    before = samples([1] * 6, task=["a", "a", "b", "a", "b", "a"])
    one = run_in_parts(before, before[before["task"] == "a"], PARTS, 2)
    assert (one.n_pairs, one.n_unpaired_before) == (3, 2)
    (verdict,) = judge([one], [Rule(suite="facts")], [variant("level")], [FACTS])
    assert verdict.decision == "inconclusive"
    assert "without a partner: 2 of the original" in verdict.because


def test_pairs_are_planned_as_pairs() -> None:
    twins = Metric(name="pairs", per="pair", source="x")
    columns = {"pair": ["x", "x", "y", "y", "z", "z"]}
    one = run_in_parts(
        samples([1] * 6, **columns), samples([1, 1, 1, 0, 1, 1], **columns), [1, 1, 2, 2, 3, 3], 2, twins
    )
    assert (one.n_pairs, one.n_planned, counts(one)) == (2, 3, [(1, 0, 0, 0), (2, 1, 0, 1)])


def test_a_look_at_a_single_cluster_is_not_taken() -> None:
    columns = {"cluster": ["a", "b", "a", "b", "b", "a"]}
    one = run_in_parts(samples([1] * 6, **columns), samples([0, 1, 1, 1, 1, 1], **columns), PARTS, 3)
    assert [seen.n_pairs for seen in one.looks] == [5, 6]


@settings(deadline=None, derandomize=True, max_examples=10)
@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_look(random: Any) -> None:
    order = list(range(12))
    random.shuffle(order)
    columns = {"cluster": ["a", "b", "c"] * 4}
    before, after = samples([1, 1, 0] * 4, **columns), samples([1, 0, 0, 0, 1, 1] * 2, **columns)
    part = [1, 1, 2, 1, 2, 3, 1, 2, 3, 3, 2, 1]
    assert run_in_parts(before, after.iloc[order], part, 3) == run_in_parts(
        before.iloc[order], after, part, 3
    )


# Dealing


def documents(n: int, **columns: Any) -> list[dict[str, Any]]:
    return [{name: values[i] for name, values in columns.items()} for i in range(n)]


def dealt(items: list[Any], pair_by: str | None, looks: int, seed: int = 7) -> tuple[tuple[int, ...], ...]:
    return _dealt(_shuffled(items, pair_by, seed), looks)[0]


TWINS = st.lists(st.sampled_from([None, "x", "y", "item 0", 3]), min_size=1, max_size=30)


@settings(deadline=None, derandomize=True)
@given(TWINS, st.integers(1, 6), st.floats(0, 0.99))
def test_every_document_is_dealt_once_and_pairs_stay_whole(
    twins: list[Any], looks: int, holdout: float
) -> None:
    parts, held = _dealt(_shuffled(documents(len(twins), pair=twins), "pair", 7), looks, holdout)
    assert sorted(index for part in (*parts, held) for index in part) == list(range(len(twins)))
    for name in {str(twin) for twin in twins if twin is not None}:
        holding = [
            part
            for part in (*parts, held)
            if any(twins[i] is not None and str(twins[i]) == name for i in part)
        ]
        assert len(holding) == 1


@settings(deadline=None, derandomize=True)
@given(st.integers(1, 200), st.integers(1, 9))
def test_parts_are_of_even_size_and_none_is_empty(n: int, looks: int) -> None:
    sizes = [len(part) for part in dealt(documents(n), None, looks)]
    assert len(sizes) == min(n, looks)
    assert min(sizes) > 0
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(
    ("n", "share", "held"), [(10, 0.0, 0), (10, 0.2, 2), (10, 0.21, 3), (10, 0.99, 9), (1, 0.5, 0)]
)
def test_a_share_is_held_out_and_never_all(n: int, share: float, held: int) -> None:
    parts, found = _dealt(_shuffled(documents(n), None, 7), 4, share)
    assert (len(found), sum(map(len, parts))) == (held, n - held)


def test_what_is_held_out_of_a_task_is_no_end_of_it() -> None:
    _, held = _dealt(_shuffled(documents(400), None, 7), 4, 0.25)
    assert 30 < sum(index < 200 for index in held) < 70


def test_the_seed_alone_decides_the_dealing() -> None:
    found = [dealt(documents(40), None, 4, seed) for seed in (7, 7, 8)]
    assert found[0] == found[1] != found[2]


def test_documents_sorted_by_subject_are_shuffled() -> None:
    first = dealt(documents(400), None, 4)[0]
    assert 30 < sum(index < 200 for index in first) < 70


def test_a_document_without_a_pair_is_not_dealt_with_the_pair_of_its_name() -> None:
    assert len(dealt(documents(2, pair=[None, "item 0"]), "pair", 2)) == 2


# Which suites stop

RULES = [Rule(suite="accuracy"), Rule(suite="bias")]
SUITES = [suite("accuracy"), suite("bias", needs_competence=True)]


def part_of(
    name: str, lost: int, gained: int, n: int = 1000, planned: int = 4000, **fields: Any
) -> Comparison:
    return comparison(lost, gained, n, suite=name, n_planned=planned, **fields)


def test_a_suite_stops_when_its_rule_is_decided_and_no_other() -> None:
    found = [part_of("accuracy", 10, 10), part_of("bias", 50, 50)]
    assert settled(found, RULES, SUITES) == {"accuracy"}


def test_a_suite_goes_on_while_one_of_its_rules_is_open() -> None:
    moved = divergence(estimate(0.001, 0.0001))
    rules = [*RULES, Rule(suite="accuracy", metric="kl")]
    found = [part_of("accuracy", 10, 10, divergence=moved), part_of("bias", 10, 10)]
    assert settled(found, rules, SUITES) == {"bias"}
    complete = [part_of("accuracy", 10, 10, planned=1000, divergence=moved), part_of("bias", 10, 10)]
    assert settled(complete, rules, SUITES) == {"accuracy", "bias"}


def test_a_rule_that_does_not_block_keeps_its_suite_going() -> None:
    rules = [Rule(suite="accuracy"), Rule(suite="accuracy", margin=0.012, blocks=False)]
    assert settled([part_of("accuracy", 10, 10)], rules, SUITES[:1]) == frozenset()


def test_below_a_settled_accuracy_floor_what_needs_competence_stops_too() -> None:
    found = [part_of("accuracy", 500, 0, after_lower=0.2), part_of("bias", 50, 50)]
    assert settled(found, RULES, SUITES) == {"accuracy", "bias"}


def test_below_an_open_accuracy_floor_nothing_stops() -> None:
    found = [part_of("accuracy", 50, 50, after_lower=0.2), part_of("bias", 10, 10)]
    assert settled(found, RULES, SUITES) == frozenset()


def test_a_suite_without_a_rule_is_asked_in_full() -> None:
    assert settled([part_of("accuracy", 10, 10)], [], SUITES[:1]) == frozenset()


def test_without_comparisons_nothing_is_settled() -> None:
    assert settled([], [], []) == frozenset()


def test_a_suite_that_cannot_be_read_goes_on() -> None:
    found = [part_of("accuracy", 10, 10, n_unpaired_before=1)]
    assert settled(found, RULES[:1], SUITES[:1]) == frozenset()


# The whole way


def flipped(rng: np.random.Generator, n: int, flips: float, drop: float) -> np.ndarray[Any, Any]:
    """Of n items: 1 lost, −1 gained, 0 neither."""
    shares = [(flips + drop) / 2, 1 - flips, (flips - drop) / 2]
    return rng.choice([1, 0, -1], size=n, p=shares)


def stopped(losses: np.ndarray[Any, Any], margin: float) -> str:
    """The decision of an audit with four looks that stops when the rule is settled."""
    n, looks = losses.size, list[Look]()
    rules, suites = [Rule(suite="accuracy", margin=margin)], [suite("accuracy")]
    for seen in (n // 4, n // 2, 3 * n // 4, n):
        lost, gained = int((losses[:seen] == 1).sum()), int((losses[:seen] == -1).sum())
        looks.append(look(lost, gained, seen))
        one = comparison(lost, gained, seen, n_planned=n, looks=tuple(looks))
        if settled([one], rules, suites):
            break
    (verdict,) = judge([one], rules, [variant("int4")], suites)
    return verdict.decision


def test_stopping_early_passes_a_model_at_the_margin_no_more_often_than_alpha() -> None:
    rng, audits = np.random.default_rng(11), 400
    passes = sum(stopped(flipped(rng, 2400, 0.1, 0.03), 0.03) == "pass" for _ in range(audits))
    assert passes / audits <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / audits)
    assert passes > 0


def test_from_the_samples_to_the_verdict_a_model_at_the_margin_rarely_passes() -> None:
    rng, n, audits = np.random.default_rng(12), 120, 40
    part = [1 + 4 * i // n for i in range(n)]
    passes = 0
    for _ in range(audits):
        losses = flipped(rng, n, 0.2, 0.1)
        before = np.where(losses == 1, 1, np.where(losses == -1, 0, np.arange(n) % 10 > 0))
        one = run_in_parts(samples(before), samples(before - losses), part, 4)
        (verdict,) = judge([one], [Rule(suite="facts", margin=0.1)], [variant("level")], [FACTS])
        passes += verdict.decision == "pass"
    assert passes / audits <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / audits)


def test_a_model_without_a_drop_mostly_passes() -> None:
    rng = np.random.default_rng(13)
    passes = sum(stopped(flipped(rng, 2400, 0.1, 0.0), 0.03) == "pass" for _ in range(60))
    assert passes >= 54


@pytest.mark.parametrize(
    ("pairs", "limit", "kept"),
    [
        (["a", "a", "b", "b"], 3, 2),
        (["a", "a", "b", "b"], 2, 2),
        (["a", "a", "b", "b"], None, 4),
        (["a", "a"], 1, 1),  # nothing would be left: the pair is counted as cut
        ([None, None, None], 2, 2),
        (["a", "a", "b", "b", "b"], 4, 2),
    ],
)
def test_a_limit_does_not_cut_the_last_pair(pairs: list[Any], limit: int | None, kept: int) -> None:
    assert len(_whole_pairs(documents(len(pairs), pair=pairs), "pair", limit)) == kept
