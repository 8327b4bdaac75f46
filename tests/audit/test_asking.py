"""What a perturbation of the text may not touch."""

from __future__ import annotations

from random import Random

import pytest

from audit import registry
from audit.asking import Asked, listing, on_text
from audit.errors import ConfigError, EvaluationError

OPTIONS = "A. the Red one\nB. the Blue one\nC. None of them"
LISTED = Asked(
    f"Question: Which one of the Two colours did the Painter choose, the Red one?\n{OPTIONS}\nAnswer:",
    ("A", "B", "C"), (1,),
)  # fmt: skip
BY_TEXT = Asked(
    "Passage: Yes was what She said.\nDid she say yes to Him ?\nThe answer is: ", ("yes", "no"), (0,)
)
ON_TEXT = ("typo", "lower_case", "upper_case", "spacing", "punctuation", "irrelevant_context")


@pytest.mark.parametrize("name", ON_TEXT)
@pytest.mark.parametrize("severity", [1, 2, 3])
def test_options_and_cues_stay_to_the_letter(name: str, severity: int) -> None:
    for seed in range(30):
        changed = registry.perturbation(name)(LISTED, Random(seed), severity)
        assert changed.prompt != LISTED.prompt
        assert changed.prompt.endswith(f"\n{OPTIONS}\nAnswer:")
        assert "Question:" in changed.prompt
        assert (changed.choices, changed.right) == (LISTED.choices, LISTED.right)


@pytest.mark.parametrize("name", ON_TEXT)
def test_words_that_read_like_an_answer_and_the_last_cue_stay(name: str) -> None:
    for seed in range(30):
        changed = registry.perturbation(name)(BY_TEXT, Random(seed), 3).prompt
        assert changed.endswith("\nThe answer is: ")
        assert changed.count("Yes") == 1
        assert changed.count("yes") == 1


def test_a_change_that_drops_what_must_stay_is_refused() -> None:
    def shout(text: str, _rng: Random, _severity: int) -> str:
        return text[5:]

    with pytest.raises(EvaluationError, match="'shout' changed what must stay of 'Question:"):
        on_text(shout)(LISTED, Random(0), 1)


@pytest.mark.parametrize(
    ("lines", "labels"),
    [
        ("(A) x\n(B) y", ("(A)", "(B)")),
        ("1) x\n2) y", ("1", "2")),
        (" a: x\n b: y", (" a", " b")),
    ],
)
def test_labels_are_known_however_they_are_written(lines: str, labels: tuple[str, ...]) -> None:
    shown = listing(Asked(f"Which?\n{lines}\nAnswer:", labels, (0,)))
    assert shown is not None
    assert shown.lettered
    assert [option.text for option in shown.options] == ["x", "y"]
    assert shown.prompt == f"Which?\n{lines}\nAnswer:"


def test_an_unknown_perturbation_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        ConfigError, match=r"No perturbation named 'typos'\. Did you mean 'typo'\? Known: few_"
    ):
        registry.perturbation("typos")
