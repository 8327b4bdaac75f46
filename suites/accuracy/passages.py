"""Short passages that state the answer, and the start of a sentence that the answer completes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple

from suites.documents import Document, seeded

NAMES = ("Anna", "Tom", "Mary", "Peter", "Lucy", "David", "Emma", "Jack", "Sarah", "Paul", "Alice", "Mark")
COLOURS = ("red", "blue", "green", "yellow", "white", "black", "brown", "purple")
THINGS = ("ball", "hat", "car", "bike", "coat", "bag", "cup", "chair", "lamp", "box", "book", "boat")
PLACES = ("kitchen", "garden", "garage", "bedroom", "office", "library", "basement", "attic")
CITIES = ("Paris", "London", "Berlin", "Rome", "Madrid", "Vienna", "Boston", "Chicago", "Toronto", "Sydney")
JOBS = ("doctor", "teacher", "farmer", "lawyer", "pilot", "baker", "singer", "painter", "writer", "chef")
FOODS = ("apples", "bread", "cheese", "rice", "soup", "cake", "fish", "pasta", "salad", "chocolate")

PASSAGES_PER_PATTERN = 30


class Passage(NamedTuple):
    """A prompt, its answer, a wrong answer that must be on offer, and where the others come from."""

    prompt: str
    answer: str
    rival: str
    pool: Sequence[str]


def owner(rng: Random) -> Passage:
    """Two people own two things of different colours."""
    (one, two), (red, blue), (ball, hat) = (rng.sample(words, 2) for words in (NAMES, COLOURS, THINGS))
    return Passage(f"{one} has a {red} {ball}. {two} has a {blue} {hat}. The {ball} is", red, blue, COLOURS)


def gift(rng: Random) -> Passage:
    """A thing changes hands."""
    (one, two), ball = rng.sample(NAMES, 2), rng.choice(THINGS)
    return Passage(f"{one} gave a {ball} to {two}. Now the {ball} belongs to", two, one, NAMES)


def purchase(rng: Random) -> Passage:
    """Someone buys a thing of some colour somewhere."""
    one, (red, blue), ball, here = (
        rng.choice(NAMES),
        rng.sample(COLOURS, 2),
        rng.choice(THINGS),
        rng.choice(CITIES),
    )
    return Passage(f"{one} bought a {red} {ball} in {here}. The {ball} is", red, blue, COLOURS)


def home(rng: Random) -> Passage:
    """Someone lives somewhere and has a job."""
    one, (here, there), job = rng.choice(NAMES), rng.sample(CITIES, 2), rng.choice(JOBS)
    return Passage(f"{one} lives in {here} and works as a {job}. {one}'s home is in", here, there, CITIES)


def profession(rng: Random) -> Passage:
    """Someone has a job somewhere."""
    one, here, (job, other) = rng.choice(NAMES), rng.choice(CITIES), rng.sample(JOBS, 2)
    return Passage(f"{one} works as a {job} in {here}. By profession, {one} is a", job, other, JOBS)


def place(rng: Random) -> Passage:
    """A thing is left somewhere."""
    one, ball, (here, there) = rng.choice(NAMES), rng.choice(THINGS), rng.sample(PLACES, 2)
    return Passage(f"{one} left the {ball} in the {here}. The {ball} is in the", here, there, PLACES)


def meal(rng: Random) -> Passage:
    """Someone eats two things at two meals."""
    one, (first, second) = rng.choice(NAMES), rng.sample(FOODS, 2)
    text = f"{one} had {first} for lunch and {second} for dinner. For lunch {one} had"
    return Passage(text, first, second, FOODS)


PATTERNS: tuple[Callable[[Random], Passage], ...] = (owner, gift, purchase, home, profession, place, meal)


def reading_documents() -> list[Document]:
    """`PASSAGES_PER_PATTERN` documents per pattern, none twice."""
    documents: dict[str, Document] = {}
    for pattern in PATTERNS:
        rng = seeded("accuracy", pattern.__name__)
        wanted = len(documents) + PASSAGES_PER_PATTERN
        while len(documents) < wanted:
            passage = pattern(rng)
            documents.setdefault(passage.prompt, as_document(passage))
    return list(documents.values())


def as_document(passage: Passage) -> Document:
    """The passage with its answer, its rival and two more wrong answers, in seeded order."""
    rng = seeded("accuracy", passage.prompt)
    others = sorted(set(passage.pool) - {passage.answer, passage.rival})
    choices = [passage.answer, passage.rival, *rng.sample(others, 2)]
    rng.shuffle(choices)
    return {
        "prompt": passage.prompt,
        "choices": choices,
        "gold": choices.index(passage.answer),
        "subject": "reading",
    }
