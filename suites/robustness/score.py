"""Is an answer right? By what lm-eval keeps of it for SCORE (Nalbandyan et al. 2025, arXiv:2503.00137)."""

from __future__ import annotations

LETTERS = "ABCDEFGHIJ"


def of_prompt(kept: tuple[object, int, str, str]) -> float:
    """Of (question, prompt, answer, right answer) whether it is right.

    >>> of_prompt((7, 0, "B", "B")), of_prompt((7, 1, "I think B", "B"))
    (1.0, 0.0)
    """
    _, _, answer, right = kept
    return float(answer == right)


def of_option_order(kept: tuple[object, str, str, int, tuple[int]]) -> float:
    """Of (question, where the right option stands, answer, where it stood, its number) whether it is right.

    >>> of_option_order((7, "A", "A", 2, (0,))), of_option_order((7, "B", "A", 2, (1,)))
    (1.0, 0.0)
    """
    *_, answer, _, (right,) = kept
    return float(answer == LETTERS[right])
