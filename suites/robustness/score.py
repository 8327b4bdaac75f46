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


def of_option_order(kept: tuple[object, str, str, int, tuple[int]]) -> float | None:
    """Of (question, where the right option is to stand, answer, where it stood, where it stands) whether it
    is right; None of a place that the question has no option for: lm-eval asks it unchanged then.

    >>> of_option_order((7, "A", "A", 2, (0,))), of_option_order((7, "B", "A", 2, (1,)))
    (1.0, 0.0)
    >>> of_option_order((7, "J", "C", 2, (2,)))
    """
    _, place, answer, _, (right,) = kept
    return None if place != LETTERS[right] else float(answer == place)
