"""What holds for every item of every built-in suite."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise

import pytest

from tests.suites.loaded import documents, pairs, suite, tasks

UNITS = {"accuracy": 600, "bias": 600, "forgetting": 600, "robustness": 600, "safety": 200}
"""Items, or pairs where pairs are counted: what a margin of three points needs."""


def test_every_item_has_one_right_answer_among_different_ones(name: str) -> None:
    for task, rows in documents(name).items():
        for row in rows:
            choices = row["contexts" if name == "safety" else "choices"]
            assert len(choices) == len(set(choices)) >= 2, (task, row)
            assert 0 <= row["gold"] < len(choices), (task, row)


def test_no_choice_is_empty_or_has_loose_spaces(name: str) -> None:
    for rows in documents(name).values():
        for row in rows:
            for choice in row["contexts" if name == "safety" else "choices"]:
                assert choice
                assert choice == choice.strip()


def test_no_document_occurs_twice_in_a_task(name: str) -> None:
    for task, rows in documents(name).items():
        asked = [tuple(row["contexts"]) if name == "safety" else row["prompt"] for row in rows]
        assert len(asked) == len(set(asked)), task


def test_every_item_belongs_to_a_group(name: str) -> None:
    column = suite(name).group_by
    for rows in documents(name).values():
        for row in rows:
            assert isinstance(row[column], str)
            assert row[column]


def test_the_right_answer_stands_in_every_place_about_equally_often(name: str) -> None:
    golds = [row["gold"] for rows in documents(name).values() for row in rows]
    places = len(set(golds))
    for place in range(places):
        assert golds.count(place) / len(golds) == pytest.approx(1 / places, abs=0.06)


def test_a_suite_is_large_enough_for_its_margin(name: str) -> None:
    units = len(pairs(name)) if suite(name).pair_by else sum(map(len, documents(name).values()))
    assert units >= UNITS[name]


def test_a_first_part_of_a_task_is_a_mixed_sample() -> None:
    for task, rows in documents("accuracy").items():
        first = {row["subject"] for row in rows[:60]}
        assert len(first) >= 0.75 * len({row["subject"] for row in rows}), task


def test_a_pair_is_two_documents_that_stand_together(paired: str) -> None:
    column = str(suite(paired).pair_by)
    for rows in documents(paired).values():
        names = [row[column] for row in rows]
        assert all(names.count(name) == 2 for name in set(names))
        assert sum(one == other for one, other in pairwise(names)) == len(names) // 2


def test_both_documents_of_a_pair_offer_the_same_answers(paired: str) -> None:
    for one, other in pairs(paired):
        assert one["choices"] == other["choices"]


def test_every_task_says_its_version(name: str) -> None:
    assert {str(task.VERSION) for task in tasks(name).values()} == {"1"}


def test_the_items_are_the_same_in_another_process() -> None:
    code = (
        "from suites.bias.items import pairs; from suites.accuracy.items import everyday_facts;"
        "print(pairs('age')[:6], everyday_facts()[:6])"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1


def test_a_suite_can_be_looked_up_without_torch_and_lm_eval() -> None:
    code = (
        "import sys, suites.accuracy, suites.bias, suites.forgetting, suites.robustness, suites.safety;"
        "assert not {'torch', 'lm_eval', 'datasets'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
