"""Pairing, counting and correcting, on small tables written out by hand."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from audit.compare import MOST_CHANGED, compare
from audit.records import (
    Cell,
    Comparison,
    Divergence,
    Estimate,
    Flips,
    Interval,
    Metric,
    NotMeasured,
    Run,
    Suite,
    Task,
    Unscored,
)
from audit.statistics import correction, exact, mcnemar, noninferiority, proportions, tango

ITEM = Metric(name="accuracy", source="share right")
PAIR = Metric(name="pair accuracy", per="pair", source="share of pairs right")


def samples(outcomes: Sequence[float], **columns: Sequence[Any]) -> pd.DataFrame:
    """One row per outcome; document i has the hashes d{i}, p{i}, t{i}."""
    n = len(outcomes)
    rows = {
        "task": ["facts"] * n,
        "doc_id": list(range(n)),
        "doc_hash": [f"d{i}" for i in range(n)],
        "prompt_hash": [f"p{i}" for i in range(n)],
        "target_hash": [f"t{i}" for i in range(n)],
        "group": [None] * n,
        "pair": [None] * n,
        "cluster": [None] * n,
        "weight": [1.0] * n,
        "metric": ["acc"] * n,
        "outcome": [float(outcome) for outcome in outcomes],
        "question": [f"question {i}" for i in range(n)],
        "choices": [np.array(["Paris", "Rome", "Oslo", "Bern"], dtype=object)] * n,
        "target": [("Paris", "Rome", "Oslo", "Bern")[i % 4] for i in range(n)],
        "answer": ["Paris" if outcome == 1 else "Rome" for outcome in outcomes],
        "scores": [np.array([-1.0, -2.0, -3.0, -4.0])] * n,
    }
    return pd.DataFrame({**rows, **columns})


def cell(key: str) -> Cell:
    return Cell(
        task="facts",
        key=key,
        path="",
        sha256="",
        n_items=1,
        task_version="1",
        num_fewshot=0,
        scorer="shared-prefix 0.1.0",
        divergence=NotMeasured("a test"),
        seconds=0,
        started="",
    )


def divergence(**fields: Any) -> Divergence:
    """A divergence whose mean is known to .02."""
    known = Estimate(value=fields["kl"], standard_error=0.02, degrees_of_freedom=9, method="by hand")
    return Divergence(**fields, estimate=known)


def run_compare(
    before: pd.DataFrame, *after: pd.DataFrame, metrics: tuple[Metric, ...] = (ITEM,)
) -> tuple[Comparison, ...]:
    """Compare the variants `level0`, `level1`, … with the original on one suite."""
    tables = {"original": before, **{f"level{i}": table for i, table in enumerate(after)}}
    runs = [Run(variant=name, suite="facts", cells=(cell(name),)) for name in tables]
    suite = Suite(name="facts", title="Facts", question="?", tasks=(Task(name="facts"),), metrics=metrics)
    return compare(runs, [suite], lambda one, columns: tables[one.key][[*columns]])


@pytest.mark.parametrize("whose", ["original", "level0"])
def test_nothing_is_said_of_a_suite_of_which_a_part_could_not_be_scored(whose: str) -> None:
    table = samples([1.0] * 40)
    lost = Unscored(task="facts", part=2, reason="memory does not suffice")
    runs = [
        Run(variant=name, suite="facts", cells=(cell(name),), unscored=(lost,) if name == whose else ())
        for name in ("original", "level0", "level1")
    ]
    suite = Suite(name="facts", title="Facts", question="?", tasks=(Task(name="facts"),), metrics=(ITEM,))
    lacking, other = compare(runs, [suite], lambda one, columns: table[[*columns]])
    for name in ("before", "after", "difference", "interval", "p_value", "divergence"):
        value = getattr(lacking, name)
        assert isinstance(value, NotMeasured), name
        assert value.reason == f"part 2 of 'facts' was not scored on '{whose}': memory does not suffice"
    assert isinstance(other.difference, NotMeasured) is (whose == "original")


def test_a_divergence_is_the_mean_over_the_positions_of_all_cells() -> None:
    moved = [
        divergence(n_positions=30, kl=0.2, kl_error=0.03, kl_lower=0.1, kl_p95=0.9, same_top=0.5),
        divergence(n_positions=10, kl=0.6, kl_error=0.04, kl_lower=0.5, kl_p95=0.8, same_top=0.9),
    ]
    cells = tuple(cell(f"level{i}").model_copy(update={"divergence": one}) for i, one in enumerate(moved))
    found = _divergence_of(cells)
    assert isinstance(found, Divergence)
    assert found.n_positions == 40
    assert found.kl == pytest.approx(0.3)
    assert found.kl_error == pytest.approx(np.hypot(0.75 * 0.03, 0.25 * 0.04))
    assert found.kl_lower == pytest.approx(0.2)
    assert found.same_top == 24 / 40
    assert found.kl_p95 == 0.9
    assert isinstance(found.estimate, Estimate)
    assert found.estimate.value == pytest.approx(0.3)
    assert found.estimate.standard_error == pytest.approx(np.hypot(0.75 * 0.02, 0.25 * 0.02))


def test_a_divergence_that_one_cell_has_not_is_not_measured() -> None:
    measured = divergence(n_positions=30, kl=0.2, kl_error=0.03, kl_lower=0.1, kl_p95=0.9, same_top=0.5)
    cells = (cell("level0").model_copy(update={"divergence": measured}), cell("level1"))
    assert _divergence_of(cells) == NotMeasured("a test")


def _divergence_of(cells: tuple[Cell, ...]) -> Divergence | NotMeasured:
    """The divergence of a variant with those cells."""
    runs = [
        Run(variant="original", suite="facts", cells=(cell("original"),)),
        Run(variant="level", suite="facts", cells=cells),
    ]
    suite = Suite(name="facts", title="Facts", question="?", tasks=(Task(name="facts"),), metrics=(ITEM,))
    return compare(runs, [suite], lambda _, columns: samples([1, 0])[[*columns]])[0].divergence


def flips(comparison: Comparison) -> tuple[int, int]:
    assert isinstance(comparison.flips, Flips)
    return comparison.flips.lost, comparison.flips.gained


NUMBERS = [
    *("before", "after", "difference", "interval", "tango", "p_value", "p_adjusted"),
    *("flips", "chance", "before_lower", "after_lower"),
]


def test_the_drop_is_before_minus_after_and_its_flips_are_counted_both_ways() -> None:
    (one,) = run_compare(samples([1, 1, 1, 0, 0]), samples([1, 0, 0, 1, 0]))
    assert (one.n_pairs, one.before, one.after, one.difference) == (5, 0.6, 0.4, 0.2)
    assert one.flips == Flips(lost=2, gained=1, rate=0.6)


def test_an_original_against_itself_has_no_flip_and_no_drop() -> None:
    (one,) = run_compare(samples([1, 0, 1]), samples([1, 0, 1]))
    assert (one.difference, one.p_value, flips(one), one.changed, one.n_changed) == (0.0, 1.0, (0, 0), (), 0)


def test_items_pair_by_their_hashes_though_the_documents_are_renumbered() -> None:
    before, after = samples([1, 1, 0, 0]), samples([1, 1, 0, 0])
    after = after.assign(doc_id=[3, 2, 1, 0])
    (one,) = run_compare(before, after)
    assert (one.n_pairs, flips(one)) == (4, (0, 0))


def test_copies_of_an_item_pair_in_the_order_of_the_documents() -> None:
    same = dict.fromkeys(("doc_hash", "prompt_hash", "target_hash"), ["same"] * 3)
    before = samples([1, 0, 1], **same)
    after = samples([1, 1, 0], **same, doc_id=[2, 0, 1])
    (one,) = run_compare(before, after)
    assert (one.n_pairs, flips(one)) == (3, (0, 0))


def test_an_item_asked_another_way_is_no_partner() -> None:
    after = samples([1, 1, 0]).assign(prompt_hash=["p0", "another", "p2"])
    (one,) = run_compare(samples([1, 1, 0]), after)
    assert (one.n_pairs, one.n_unpaired_before, one.n_unpaired_after) == (2, 1, 1)


def test_items_without_a_partner_are_counted_not_dropped() -> None:
    (one,) = run_compare(samples([1] * 7), samples([1] * 4))
    assert (one.n_pairs, one.n_unpaired_before, one.n_unpaired_after) == (4, 3, 0)


def test_the_same_document_in_two_tasks_is_two_items() -> None:
    columns = {
        "task": ["a", "b"],
        "doc_hash": ["d", "d"],
        "prompt_hash": ["p", "p"],
        "target_hash": ["t", "t"],
    }
    (one,) = run_compare(samples([1, 0], **columns), samples([0, 1], **columns))
    assert (one.n_pairs, flips(one)) == (2, (1, 1))


def test_only_rows_of_the_metric_are_counted() -> None:
    before = samples([1, 1, 0, 0], metric=["acc", "acc_norm", "acc", "acc_norm"])
    after = samples([1, 0, 0, 0], metric=["acc", "acc_norm", "acc", "acc_norm"])
    plain, normed = run_compare(
        before, after, metrics=(ITEM, Metric(name="normed", harness_metric="acc_norm", source="x"))
    )
    assert (plain.n_pairs, flips(plain), normed.n_pairs, flips(normed)) == (2, (0, 0), 2, (1, 0))


def test_every_variant_is_compared_but_the_original_not_with_itself() -> None:
    found = run_compare(samples([1, 1]), samples([1, 0]), samples([0, 0]))
    assert [(one.variant, flips(one)) for one in found] == [("level0", (1, 0)), ("level1", (2, 0))]


def test_without_a_pair_every_number_is_not_measured_and_says_why() -> None:
    (one,) = run_compare(samples([1]), samples([1]).assign(doc_hash=["other"]))
    for name in NUMBERS:
        assert getattr(one, name) == NotMeasured("no item of the original has a partner in this variant")


def test_without_a_run_of_the_original_nothing_pairs() -> None:
    suite = Suite(name="facts", title="", question="", tasks=(Task(name="facts"),), metrics=(ITEM, PAIR))
    runs = [Run(variant="int4", suite="facts", cells=(cell("x"),))]
    found = compare(runs, [suite], lambda _, columns: samples([1, 0], pair=["a", "a"])[[*columns]])
    assert [(one.n_pairs, one.n_unpaired_after) for one in found] == [(0, 2), (0, 1)]


def test_outcomes_that_are_not_0_or_1_are_not_measured() -> None:
    (one,) = run_compare(samples([1, 0.5, 0]), samples([1, 1, 0]))
    assert one.n_pairs == 3
    assert (
        one.interval
        == one.flips
        == NotMeasured("1 of 6 outcomes of 'acc' are neither 0 nor 1 (is its kind `score`?)")
    )


def test_an_outcome_that_is_missing_is_not_measured() -> None:
    (one,) = run_compare(samples([1, float("nan")]), samples([1, 1]))
    assert isinstance(one.difference, NotMeasured)


def test_where_lower_is_better_a_rise_is_the_loss() -> None:
    harm = Metric(name="harmful answers", higher_is_better=False, source="x")
    (one,) = run_compare(samples([0, 0, 0, 1]), samples([1, 1, 0, 0]), metrics=(harm,))
    assert (one.before, one.after, one.difference, flips(one)) == (0.25, 0.5, 0.25, (2, 1))
    assert [change.kind for change in one.changed] == ["lost", "lost", "gained"]
    assert isinstance(one.chance, NotMeasured)


def test_chance_is_the_mean_of_one_over_the_choices() -> None:
    choices = [np.array(["a", "b"], dtype=object), np.array(["a", "b", "c", "d"], dtype=object)]
    (one,) = run_compare(samples([1, 1], choices=choices), samples([1, 1], choices=choices))
    assert one.chance == 0.375


def test_free_generation_has_no_chance_rate() -> None:
    empty = [np.array([], dtype=object)] * 2
    (one,) = run_compare(samples([1, 1], choices=empty), samples([1, 1], choices=empty))
    assert one.chance == NotMeasured("free generation: there are no choices to guess from")


def test_the_lower_bounds_are_clopper_pearson_of_either_side() -> None:
    (one,) = run_compare(samples([1, 1, 1, 0]), samples([1, 0, 0, 0]))
    assert one.before_lower == proportions.lower_bound(3, 4, 0.05)
    assert one.after_lower == proportions.lower_bound(1, 4, 0.05)


@pytest.mark.parametrize(("n", "method"), [(499, exact), (500, tango)])
def test_the_interval_is_exact_below_500_pairs_and_tangos_from_there(n: int, method: Any) -> None:
    before, after = [1.0] * n, [0.0] * 12 + [1.0] * (n - 12)
    (one,) = run_compare(samples(before), samples(after))
    assert isinstance(one.interval, Interval)
    assert isinstance(one.tango, Interval)
    assert one.interval.confidence == 0.9
    assert one.interval.upper == method.upper_bound(12, 0, n, 0.05)
    assert one.interval.lower == method.lower_bound(12, 0, n, 0.05)
    assert (one.tango.lower, one.tango.upper) == (
        tango.lower_bound(12, 0, n, 0.05),
        tango.upper_bound(12, 0, n, 0.05),
    )
    assert one.p_value == mcnemar.exact_p(12, 0)


def test_each_group_is_compared_alone_with_its_own_unpaired_items() -> None:
    group = ["b", "a", "a", "b", "a", None]
    before, after = samples([1, 1, 0, 1, 1, 1], group=group), samples([1, 0, 0, 0, 1, 0], group=group)
    whole, a, b = run_compare(before, after.drop(index=[4]))
    assert (whole.group, whole.n_pairs, flips(whole)) == (None, 5, (3, 0))
    assert (a.group, a.n_pairs, a.n_unpaired_before, flips(a)) == ("a", 2, 1, (1, 0))
    assert (b.group, b.n_pairs, b.n_unpaired_before, flips(b)) == ("b", 2, 0, (1, 0))


def test_only_the_groups_are_adjusted_and_over_all_of_them() -> None:
    group = ["a"] * 10 + ["b"] * 10 + ["c"] * 10
    before = samples([1] * 30, group=group)
    after = samples([0] * 10 + [0] * 6 + [1] * 4 + [1] * 10, group=group)
    whole, *groups = run_compare(before, after)
    raw = [mcnemar.exact_p(lost, 0) for lost in (10, 6, 0)]
    assert [one.p_value for one in groups] == raw
    assert [one.p_adjusted for one in groups] == list(correction.benjamini_hochberg(raw))
    assert isinstance(whole.p_adjusted, NotMeasured)


def test_the_changed_items_are_shown_lost_ones_first() -> None:
    (one,) = run_compare(samples([0, 1, 1, 1]), samples([1, 0, 1, 0]))
    assert [(change.question, change.kind) for change in one.changed] == [
        ("question 1", "lost"),
        ("question 3", "lost"),
        ("question 0", "gained"),
    ]
    first = one.changed[0]
    assert (first.before, first.after, first.choices) == ("Paris", "Rome", ("Paris", "Rome", "Oslo", "Bern"))
    assert first.before_scores == first.after_scores == (-1.0, -2.0, -3.0, -4.0)


def test_a_hundred_changed_items_are_kept_and_all_are_counted() -> None:
    (one,) = run_compare(samples([1] * 150), samples([0] * 150))
    assert (len(one.changed), one.n_changed) == (MOST_CHANGED, 150)


def test_the_intervals_of_groups_hold_together() -> None:
    group = ["a"] * 10 + ["b"] * 10 + ["c"] * 10
    before, after = samples([1] * 30, group=group), samples([0] * 4 + [1] * 26, group=group)
    whole, *groups = run_compare(before, after)
    wanted = [(4, 30, 0.05), *((lost, 10, 0.05 / 3) for lost in (4, 0, 0))]
    for one, (lost, n, alpha) in zip([whole, *groups], wanted, strict=True):
        bounds = noninferiority.bounds(lost, 0, n, alpha)
        assert isinstance(one.interval, Interval)
        assert (one.interval.lower, one.interval.upper) == (bounds.lower, bounds.upper)
        assert one.interval.confidence == pytest.approx(1 - 2 * alpha, abs=1e-6)


def test_a_group_carries_no_list_of_changed_items() -> None:
    _, group = run_compare(samples([1], group=["a"]), samples([0], group=["a"]))
    assert (group.changed, group.n_changed) == ((), 0)


def test_always_the_same_answer_is_a_guess_too() -> None:
    """Of 100 items 62 are yes: the lower bound of that share is .53325 (scipy's binomtest, exact)."""
    yes_or_no = {
        "choices": [np.array(["yes", "no"], dtype=object)] * 100, "target": ["yes"] * 62 + ["no"] * 38,
    }  # fmt: skip
    before, after = samples([1] * 100, **yes_or_no), samples([1] * 62 + [0] * 38, **yes_or_no)
    (one,) = run_compare(before, after)
    assert one.chance == pytest.approx(0.53325, abs=5e-5)
    assert isinstance(one.after_lower, float)
    inclined = {**yes_or_no, "target": ["no"] * 100}
    (leaning,) = run_compare(samples([1] * 100, **inclined), samples([1] * 100, **inclined))
    assert leaning.chance == 0.5
    few = {name: column[60:65] for name, column in yes_or_no.items()}
    (drawn,) = run_compare(samples([1] * 5, **few), samples([1] * 5, **few))
    assert drawn.chance == 0.5


def test_a_pair_is_right_only_when_all_its_items_are() -> None:
    pair = ["x", "x", "y", "y", "z", "z"]
    (one,) = run_compare(
        samples([1, 1, 1, 1, 0, 1], pair=pair), samples([1, 1, 1, 0, 1, 1], pair=pair), metrics=(PAIR,)
    )
    assert (one.n_pairs, flips(one)) == (3, (1, 1))
    assert one.chance == 1 / 16


def test_pairs_of_the_same_name_in_two_tasks_are_two_pairs() -> None:
    columns = {"pair": ["x"] * 4, "task": ["a", "a", "b", "b"]}
    (one,) = run_compare(samples([1] * 4, **columns), samples([1, 1, 0, 1], **columns), metrics=(PAIR,))
    assert (one.n_pairs, flips(one)) == (2, (1, 0))


def test_a_pair_that_misses_an_item_on_one_side_is_unpaired_on_both() -> None:
    pair = ["x", "x", "y", "y"]
    before, after = samples([1] * 4, pair=pair), samples([1] * 4, pair=pair).drop(index=[3])
    (one,) = run_compare(before, after, metrics=(PAIR,))
    assert (one.n_pairs, one.n_unpaired_before, one.n_unpaired_after) == (1, 1, 1)


@pytest.mark.parametrize(("there", "here"), [([], [2]), ([2], [])], ids=["variant", "original"])
def test_two_items_left_of_three_are_no_whole_pair(there: list[int], here: list[int]) -> None:
    rows = samples([1] * 3, pair=["x"] * 3)
    (one,) = run_compare(rows.drop(index=there), rows.drop(index=here), metrics=(PAIR,))
    assert (one.n_pairs, one.n_unpaired_before, one.n_unpaired_after) == (0, 1, 1)


def test_a_pair_cut_in_two_by_the_limit_is_unpaired() -> None:
    pair = ["x", "x", "y"]
    (one,) = run_compare(samples([1] * 3, pair=pair), samples([1] * 3, pair=pair), metrics=(PAIR,))
    assert (one.n_pairs, one.n_unpaired_before, one.n_unpaired_after) == (1, 1, 1)


def test_an_item_outside_any_pair_is_no_unit_of_pairs() -> None:
    pair = ["x", "x", None]
    (one,) = run_compare(samples([1] * 3, pair=pair), samples([1, 1, 0], pair=pair), metrics=(PAIR,))
    assert (one.n_pairs, one.n_unpaired_before, flips(one)) == (1, 0, (0, 0))


def test_the_items_that_made_a_pair_flip_are_shown_and_no_others() -> None:
    pair = ["x", "x", "y", "y", "z", "z"]
    # x: lost by its second item. y: wrong on both sides, though an item flipped. z: gained by both.
    (one,) = run_compare(
        samples([1, 1, 0, 1, 0, 0], pair=pair), samples([1, 0, 0, 0, 1, 1], pair=pair), metrics=(PAIR,)
    )
    assert [(change.question, change.kind) for change in one.changed] == [
        ("question 1", "lost"),
        ("question 4", "gained"),
        ("question 5", "gained"),
    ]
    assert one.n_changed == 2


def test_a_pair_across_groups_is_named_after_all_of_them() -> None:
    columns = {"pair": ["x", "x", "y", "y"], "group": ["typo", "clean", "case", "case"]}
    found = run_compare(samples([1] * 4, **columns), samples([0, 1, 1, 1], **columns), metrics=(PAIR,))
    assert [(one.group, flips(one)) for one in found] == [
        (None, (1, 0)),
        ("case", (0, 0)),
        ("clean + typo", (1, 0)),
    ]


def test_the_order_of_the_rows_on_disk_changes_nothing() -> None:
    columns = {"group": ["a", "b"] * 5, "pair": [f"{i // 2}" for i in range(10)]}
    before, after = samples([1, 0] * 5, **columns), samples([0, 1, 1, 1, 0] * 2, **columns)
    shuffled = [table.sample(frac=1, random_state=seed) for seed, table in enumerate((before, after))]
    assert run_compare(before, after, metrics=(ITEM, PAIR)) == run_compare(*shuffled, metrics=(ITEM, PAIR))


def test_a_table_read_from_parquet_compares_as_the_one_written(tmp_path: Path) -> None:
    columns = {"group": ["a", None, "a", "b"], "pair": ["x", "x", None, None]}
    before, after = samples([1, 1, 0, 1], **columns), samples([0, 1, 1, 1], **columns)
    read_back = []
    for name, table in (("before", before), ("after", after)):
        table.to_parquet(tmp_path / name)
        read_back.append(pd.read_parquet(tmp_path / name))
    assert run_compare(*read_back, metrics=(ITEM, PAIR)) == run_compare(before, after, metrics=(ITEM, PAIR))


def test_a_comparison_reads_back_from_its_json() -> None:
    for one in run_compare(samples([1, 0], group=["a", "b"]), samples([0, 0], group=["a", "b"])):
        assert Comparison.model_validate_json(one.model_dump_json()) == one


def test_a_hundred_thousand_items_take_seconds() -> None:
    rng, n = np.random.default_rng(0), 100_000
    columns = {"pair": [f"{i // 2}" for i in range(n)], "group": [f"g{i % 7}" for i in range(n)]}
    before = samples(rng.integers(0, 2, n), **columns)
    after = samples(rng.integers(0, 2, n), **columns)
    start = time.monotonic()
    found = run_compare(before, after, metrics=(ITEM, PAIR))
    # Linear work takes about 2 s; anything quadratic takes hours.
    assert time.monotonic() - start < 60
    assert found[0].n_pairs == n
