"""Options, instructions and shots of an item change; what is right stays right."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from audit import registry
from audit.asking import Asked, listing

TEXTS = ("Venus", "Mars", "Jupiter", "Saturn")
PROMPT = "Question: Which planet is red? Say A, B, C or D.\n{}\nAnswer:"
LETTERED = Asked(
    prompt=PROMPT.format("\n".join(f"{label}. {text}" for label, text in zip("ABCD", TEXTS, strict=True))),
    choices=(" A", " B", " C", " D"), right=(1,), shots=(0, 1, 2, 3, 4),
    description="The following are multiple choice questions (with answers) about planets.\n\n",
)  # fmt: skip
BY_TEXT = replace(LETTERED, choices=TEXTS)
severities = pytest.mark.parametrize("severity", [1, 2, 3])


def perturbed(name: str, asked: Asked, seed: int, severity: int) -> Asked:
    return registry.perturbation(name)(asked, Random(seed), severity)


def right_text(asked: Asked) -> str:
    """What the right answer says, by the letter that is scored or as it is scored."""
    (place,) = asked.right
    scored = asked.choices[place].strip()
    lines = [line.partition(". ") for line in asked.prompt.split("\n")]
    return scored if scored in TEXTS else {label: text for label, _, text in lines}[scored]


@severities
@pytest.mark.parametrize("asked", [LETTERED, BY_TEXT], ids=["by letter", "by text"])
@pytest.mark.parametrize("name", registry.names("audit.perturbations"))
def test_the_right_answer_says_the_same_whatever_changes(asked: Asked, name: str, severity: int) -> None:
    for seed in range(20):
        changed = perturbed(name, asked, seed, severity)
        assert changed != asked
        assert right_text(changed) == "Mars"


@severities
def test_the_right_option_always_moves_and_no_option_is_lost(severity: int) -> None:
    for seed in range(30):
        changed = perturbed("option_order", LETTERED, seed, severity)
        shown = listing(changed)
        assert shown is not None
        texts = [option.text for option in shown.options]
        assert sorted(texts) == sorted(TEXTS)
        assert changed.right != LETTERED.right
        assert changed.choices == LETTERED.choices
        moved = sum(text != before for text, before in zip(texts, TEXTS, strict=True))
        assert moved == {1: 2, 2: 3, 3: 4}[severity]


def test_options_that_are_scored_by_their_text_are_scored_as_before() -> None:
    changed = perturbed("option_order", BY_TEXT, 1, 3)
    assert (changed.choices, changed.right) == (BY_TEXT.choices, BY_TEXT.right)
    assert changed.prompt != BY_TEXT.prompt


def test_labels_change_wherever_the_prompt_enumerates_them() -> None:
    first, second = (perturbed("option_labels", LETTERED, 1, severity) for severity in (1, 2))
    assert "Say a, b, c or d.\na. Venus\n" in first.prompt
    assert "Say 1, 2, 3 or 4.\n1. Venus\n" in second.prompt
    assert (first.choices, second.choices) == ((" a", " b", " c", " d"), (" 1", " 2", " 3", " 4"))
    assert perturbed("option_labels", BY_TEXT, 1, 1).choices == TEXTS


def test_a_label_never_reads_like_an_answer() -> None:
    numbers = replace(LETTERED, prompt="Which?\nA. 4\nB. 2\nC. 3\nD. 9\nAnswer:")
    changed = perturbed("option_labels", numbers, 1, 2)
    assert changed != numbers
    assert not {choice.strip() for choice in changed.choices} & {"4", "2", "3", "9"}
    assert len(set(changed.choices)) == 4


@pytest.mark.parametrize("name", ["option_order", "option_labels"])
@pytest.mark.parametrize(
    "prompt", ["Which planet is red?", "A. Venus\nB. Mars\nC. Jupiter\nAnswer:", "A. Venus B. Mars C. x D. y"]
)
def test_options_that_are_not_listed_one_a_line_stay(name: str, prompt: str) -> None:
    asked = replace(LETTERED, prompt=prompt)
    assert perturbed(name, asked, 0, 3) == asked


def test_cues_are_reworded_first_then_the_instruction_then_it_grows() -> None:
    one, two, three = (perturbed("instruction", LETTERED, 5, severity) for severity in (1, 2, 3))
    assert one.description == LETTERED.description
    assert not one.prompt.startswith("Question:")
    assert not one.prompt.endswith("Answer:")
    assert one.prompt == two.prompt == three.prompt
    assert " about planets" in two.description
    assert "The following are multiple choice" not in two.description
    assert three.description.endswith(two.description)
    assert len(three.description) > len(two.description)


def test_a_task_without_cues_or_instruction_gets_one() -> None:
    asked = Asked("The red planet is", TEXTS, (1,))
    assert perturbed("instruction", asked, 0, 1).description.endswith("\n\n")


@severities
def test_shots_are_the_same_in_another_order(severity: int) -> None:
    changed = perturbed("few_shot_order", LETTERED, 3, severity)
    assert sorted(changed.shots) == list(LETTERED.shots)
    moved = sum(one != other for one, other in zip(changed.shots, LETTERED.shots, strict=True))
    assert moved == {1: 2, 2: 3, 3: 5}[severity]
    assert replace(changed, shots=LETTERED.shots) == LETTERED


@pytest.mark.parametrize("shots", [(), (0,)])
def test_a_single_shot_has_no_other_order(shots: tuple[int, ...]) -> None:
    asked = replace(LETTERED, shots=shots)
    assert perturbed("few_shot_order", asked, 0, 3) == asked
