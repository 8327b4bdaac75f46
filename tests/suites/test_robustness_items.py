"""Robustness: the question changes, the answer does not."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suites.robustness.perturbations import PERTURBATIONS, typo
from tests.suites.loaded import documents, pairs


def test_every_disturbance_changes_the_question_and_keeps_the_answer() -> None:
    for clean, disturbed in pairs("robustness"):
        assert (clean["form"], disturbed["form"]) == ("clean", "disturbed")
        assert clean["prompt"] != disturbed["prompt"]
        assert clean["gold"] == disturbed["gold"]


def test_every_disturbance_has_its_questions() -> None:
    found = {row["perturbation"] for rows in documents("robustness").values() for row in rows}
    assert found == set(PERTURBATIONS)


def test_no_question_meets_two_disturbances() -> None:
    clean = [one["prompt"] for one, _ in pairs("robustness")]
    assert len(clean) == len(set(clean))


@given(st.integers())
def test_a_typo_swaps_two_neighbours_and_keeps_first_and_last_letter(seed: int) -> None:
    text = "The opposite of generous is"
    changed = typo(text, Random(seed))
    differing = [i for i, (a, b) in enumerate(zip(text, changed, strict=True)) if a != b]
    assert len(differing) == 2
    assert differing[1] == differing[0] + 1
    assert [(w[0], w[-1]) for w in changed.split()] == [(w[0], w[-1]) for w in text.split()]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lower case", "the city of paris is in"),
        ("spacing", "The  city  of  Paris  is  in"),
    ],
)
def test_a_disturbance_does_what_its_name_says(name: str, expected: str) -> None:
    assert PERTURBATIONS[name]("The city of Paris is in", Random(0)) == expected


def test_irrelevant_context_leaves_the_question_whole() -> None:
    assert PERTURBATIONS["irrelevant context"]("Is it?", Random(0)).endswith(". Is it?")
