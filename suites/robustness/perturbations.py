"""Small changes to a question that a reader would not even notice, or would read past."""

from __future__ import annotations

import random
from collections.abc import Callable

Perturbation = Callable[[str, random.Random], str]
"""Question → changed question with the same answer."""

ASIDES = (
    "It rained all day.",
    "The bus was late again.",
    "My coffee is cold.",
    "The window is open.",
    "Lunch is at noon.",
    "We met on Tuesday.",
    "The phone is ringing.",
    "The meeting was short.",
    "I slept well.",
    "The stairs are steep.",
)
"""Statements that have nothing to do with any question."""


def typo(text: str, rng: random.Random) -> str:
    """Two neighbouring letters inside one word change places; the first and the last stay."""
    words = text.split(" ")
    places = [
        (w, i)
        for w, word in enumerate(words)
        for i in range(1, len(word) - 2)
        if word.isalpha() and word[i] != word[i + 1]
    ]
    w, i = rng.choice(places)
    word = words[w]
    words[w] = word[:i] + word[i + 1] + word[i] + word[i + 2 :]
    return " ".join(words)


def lower_case(text: str, _rng: random.Random) -> str:
    """No capitals."""
    return text.lower()


def upper_case(text: str, rng: random.Random) -> str:
    """One word in capitals, as if it were shouted; not the first, not the last."""
    words = text.split(" ")
    w = rng.choice([w for w in range(1, len(words) - 1) if words[w] != words[w].upper()])
    words[w] = words[w].upper()
    return " ".join(words)


def spacing(text: str, _rng: random.Random) -> str:
    """Two spaces instead of each one."""
    return text.replace(" ", "  ")


def punctuation(text: str, rng: random.Random) -> str:
    """A stray comma after one word, not the last."""
    words = text.split(" ")
    w = rng.choice([w for w in range(len(words) - 1) if words[w][-1].isalnum()])
    words[w] += ","
    return " ".join(words)


def irrelevant_context(text: str, rng: random.Random) -> str:
    """A statement about something else comes first."""
    return f"{rng.choice(ASIDES)} {text}"


PERTURBATIONS: dict[str, Perturbation] = {
    "typo": typo,
    "lower case": lower_case,
    "upper case": upper_case,
    "spacing": spacing,
    "punctuation": punctuation,
    "irrelevant context": irrelevant_context,
}
"""By the name of their group."""
