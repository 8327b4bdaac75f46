"""Robustness: the question changes, the answer does not."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
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
    changed = typo(text, Random(seed), 1)
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
    assert PERTURBATIONS[name]("The city of Paris is in", Random(0), 3) == expected


def test_irrelevant_context_leaves_the_question_whole() -> None:
    assert PERTURBATIONS["irrelevant context"]("Is it?", Random(0), 1).endswith(". Is it?")


LONG = "Yesterday the Farmer went to the Market with four Horses to sell all his Apples. " * 12
SHORT = "Which City in the North of Italy has Canals instead of Streets"


def _changed(before: str, after: str) -> int:
    """How many of the aligned words, and how many characters beyond them."""
    words = zip(before.split(), after.split()[-len(before.split()) :], strict=True)
    return sum(one != other for one, other in words) + abs(len(after) - len(before))


@settings(deadline=None)
@given(st.sampled_from(sorted(PERTURBATIONS)), st.sampled_from([LONG, SHORT]), st.integers())
def test_a_higher_severity_changes_more(name: str, text: str, seed: int) -> None:
    found = [_changed(text, PERTURBATIONS[name](text, Random(seed), severity)) for severity in (1, 2, 3)]
    assert 0 < found[0] < found[1] < found[2]


@settings(deadline=None)
@given(st.sampled_from(sorted(PERTURBATIONS)), st.integers(), st.sampled_from([1, 2, 3]))
def test_a_disturbance_is_the_same_from_the_same_seed(name: str, seed: int, severity: int) -> None:
    first, again = (PERTURBATIONS[name](SHORT, Random(seed), severity) for _ in range(2))
    assert first == again


@pytest.mark.parametrize("name", sorted({*PERTURBATIONS} - {"irrelevant context"}))
@pytest.mark.parametrize("text", ["", "42", "\n"])
def test_a_text_without_anything_to_change_stays(name: str, text: str) -> None:
    assert PERTURBATIONS[name](text, Random(0), 3) == text


@pytest.mark.parametrize("name", sorted(PERTURBATIONS))
def test_another_seed_gives_another_disturbance(name: str) -> None:
    assert len({PERTURBATIONS[name](SHORT, Random(seed), 1) for seed in range(20)}) > 1


def test_line_breaks_survive() -> None:
    for name, change in PERTURBATIONS.items():
        changed = change("The first Line is here\nand the second one", Random(1), 3)
        assert changed.count("\n") == 1, name
