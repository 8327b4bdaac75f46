"""Small changes to a question that a reader would not even notice, or would read past.

Each takes a severity of 1, 2 or 3. From the same draws a higher one changes all that a lower one changes, and
more. The kinds follow the invariance tests of CheckList (Ribeiro et al. 2020, arXiv:2005.04118) and the
character, word and sentence levels of PromptBench (Zhu et al. 2023, arXiv:2306.04528); unlike there, nobody
searches for the change that hurts most.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

TextChange = Callable[[str, random.Random, int], str]
"""Question, draws, severity → changed question with the same answer; the same where nothing can change."""

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

LONG_TEXT_SHARE = 20
"""A single change is lost in a long passage: there one word in so many is changed, times the severity."""


def typo(text: str, rng: random.Random, severity: int) -> str:
    """Two neighbouring letters inside a word change places, in one, two or three words."""
    words = _words(text)
    places = [
        (w, i)
        for w, word in enumerate(words)
        for i in range(1, len(word) - 2)
        if word.isalpha() and word[i] != word[i + 1]
    ]
    for w, i in _drawn(places, rng, _many(words, severity)):
        word = words[w]
        words[w] = word[:i] + word[i + 1] + word[i] + word[i + 2 :]
    return "".join(words)


def lower_case(text: str, rng: random.Random, severity: int) -> str:
    """No capitals in a third, two thirds or all of the words that have some."""
    words = _words(text)
    places = [w for w, word in enumerate(words) if word != word.lower()]
    for w in _thirds(places, rng, severity):
        words[w] = words[w].lower()
    return "".join(words)


def upper_case(text: str, rng: random.Random, severity: int) -> str:
    """One, two or three words in capitals, as if they were shouted; not the first, not the last."""
    words = _words(text)
    places = [(w, 0) for w in range(2, len(words) - 1, 2) if words[w] != words[w].upper()]
    for w, _ in _drawn(places, rng, _many(words, severity)):
        words[w] = words[w].upper()
    return "".join(words)


def spacing(text: str, rng: random.Random, severity: int) -> str:
    """Two spaces instead of one, in a third, two thirds or all of the places."""
    doubled = _thirds([i for i, character in enumerate(text) if character == " "], rng, severity)
    return "".join(character * (2 if i in doubled else 1) for i, character in enumerate(text))


def punctuation(text: str, rng: random.Random, severity: int) -> str:
    """A stray comma after one, two or three words, not the last."""
    words = _words(text)
    places = [(w, 0) for w in range(0, len(words) - 1, 2) if words[w][-1:].isalnum()]
    for w, _ in _drawn(places, rng, _many(words, severity)):
        words[w] += ","
    return "".join(words)


def irrelevant_context(text: str, rng: random.Random, severity: int) -> str:
    """One, two or three statements about something else come first."""
    asides = [ASIDES[i] for i, _ in _drawn([(i, 0) for i in range(len(ASIDES))], rng, severity)]
    return " ".join([*asides, text])


PERTURBATIONS: dict[str, TextChange] = {
    "typo": typo,
    "lower case": lower_case,
    "upper case": upper_case,
    "spacing": spacing,
    "punctuation": punctuation,
    "irrelevant context": irrelevant_context,
}
"""Those of the built-in suite, by the name of their group."""


def _words(text: str) -> list[str]:
    """Words at even places, what stands between them at odd ones; joined they are the text."""
    return re.split(r"(\s+)", text)


def _many(words: Sequence[str], severity: int) -> int:
    """How many words change: as many as the severity, more in a long text."""
    return max(severity, (len(words) + 1) // 2 * severity // LONG_TEXT_SHARE)


def _thirds(places: Sequence[int], rng: random.Random, severity: int) -> set[int]:
    """So many thirds of the places, rounded up."""
    return set(rng.sample(places, len(places))[: -(-len(places) * severity // 3)])


def _drawn(places: Sequence[tuple[int, int]], rng: random.Random, many: int) -> list[tuple[int, int]]:
    """Places one after the other, at most one in a word; fewer where there are no more."""
    left = list(places)
    drawn: list[tuple[int, int]] = []
    while left and len(drawn) < many:
        drawn.append(rng.choice(left))
        left = [place for place in left if place[0] != drawn[-1][0]]
    return drawn
