"""Everyday facts, word forms, arithmetic and short reading: what any assistant is asked all day."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import product

from suites.documents import Document, for_harness, mixed, options, read_table, seeded

PROMPTS = {
    "opposite": "The opposite of {subject} is",
    "kind": "{Article} {subject} is a kind of",
    "colour": "The color of {subject} is",
    "material": "{Article} {subject} is made of",
    "use": "People use {article} {subject} to",
    "job": "A person who {subject} is called a",
    "day after": "The day after {subject} is",
    "day before": "The day before {subject} is",
    "month after": "The month after {subject} is",
    "month before": "The month before {subject} is",
}
"""One sentence to be completed per relation of `facts.csv`."""

NAMES = ("Anna", "Tom", "Mary", "Peter", "Lucy", "David", "Emma", "Jack", "Sarah", "Paul", "Alice", "Mark")
COLOURS = ("red", "blue", "green", "yellow", "white", "black", "brown", "purple")
THINGS = ("ball", "hat", "car", "bike", "coat", "bag", "cup", "chair", "lamp", "box", "book", "boat")
PLACES = ("kitchen", "garden", "garage", "bedroom", "office", "library", "basement", "attic")
CITIES = ("Paris", "London", "Berlin", "Rome", "Madrid", "Vienna", "Boston", "Chicago", "Toronto", "Sydney")
JOBS = ("doctor", "teacher", "farmer", "lawyer", "pilot", "baker", "singer", "painter", "writer", "chef")
FOODS = ("apples", "bread", "cheese", "rice", "soup", "cake", "fish", "pasta", "salad", "chocolate")
PASSAGES_PER_PATTERN = 40


def item(subject: str, prompt: str, answer: str, pool: Iterable[str], *key: object) -> Document:
    """One four-choice document; `key` seeds its wrong answers."""
    choices, gold = options(answer, pool, seeded("accuracy", subject, *key))
    return {"prompt": prompt, "choices": choices, "gold": gold, "subject": subject}


def article(noun: str) -> str:
    """`a` or `an`, by the first letter; nothing before a name."""
    return "an" if noun[0].lower() in "aeio" else "a"


def everyday_facts() -> list[Document]:
    """Opposites, kinds, colours, materials, uses, jobs and the calendar."""
    rows = read_table("suites.accuracy", "facts.csv")
    documents = []
    for row in rows:
        relation, subject = row["relation"], row["subject"]
        pool = {other["answer"] for other in rows if other["relation"] == relation} - {subject}
        which = article(subject)
        prompt = PROMPTS[relation].format(subject=subject, article=which, Article=which.capitalize())
        documents.append(item(relation, prompt, row["answer"], pool, subject))
    return mixed([[document] for document in documents], "accuracy facts")


def word_forms() -> list[Document]:
    """Past tenses among the verb's other forms, plurals among other nouns."""
    documents = []
    for verb in read_table("suites.accuracy", "verbs.csv"):
        prompt = f"Today they {verb['base']}. Yesterday they"
        documents.append(item("past tense", prompt, verb["past"], verb.values(), verb["base"]))
    nouns = read_table("suites.accuracy", "nouns.csv")
    for noun in nouns:
        rng = seeded("accuracy", "other noun", noun["singular"])
        other = rng.choice([candidate for candidate in nouns if candidate is not noun])
        prompt = f"One {noun['singular']}, two"
        documents.append(
            item("plural", prompt, noun["plural"], [*noun.values(), *other.values()], noun["singular"])
        )
    return mixed([[document] for document in documents], "accuracy forms")


def calculation(subject: str, sign: str, left: int, right: int, result: int) -> Document:
    """One calculation; the wrong answers differ in the last digit, by at most three where that is possible."""
    tens = result // 10 * 10
    near = sorted(range(tens, tens + 10), key=lambda number: (abs(number - result), number))[:7]
    return item(
        subject, f"{left} {sign} {right} =", str(result), [str(number) for number in near], left, right
    )


def calculations() -> list[Document]:
    """Sums, differences and products of numbers of one and two digits."""
    documents = []
    for left, right in product(range(1, 10), repeat=2):
        documents.append(calculation("sum of one digit", "+", left, right, left + right))
        if left > right:
            documents.append(calculation("difference of one digit", "-", left, right, left - right))
        if left > 1 and right > 1:
            documents.append(calculation("product", "*", left, right, left * right))
    rng = seeded("accuracy", "two digits")
    for left in range(11, 90):
        right = rng.randint(2, 99 - left)
        documents.append(calculation("sum of two digits", "+", left, right, left + right))
    return mixed([[document] for document in documents], "accuracy arithmetic")


def passages() -> list[Document]:
    """Two statements and the start of a third that only one of them completes."""

    def owner(pick: Callable[..., list[str]]) -> tuple[str, str, tuple[str, ...]]:
        (one, two), (red, blue), (ball, hat) = pick(NAMES), pick(COLOURS), pick(THINGS)
        return f"{one} has a {red} {ball}. {two} has a {blue} {hat}. The {ball} is", red, (blue, *COLOURS)

    def city(pick: Callable[..., list[str]]) -> tuple[str, str, tuple[str, ...]]:
        (one, two), (here, there) = pick(NAMES), pick(CITIES)
        return f"{one} lives in {here}. {two} lives in {there}. {one}'s home is in", here, (there, *CITIES)

    def job(pick: Callable[..., list[str]]) -> tuple[str, str, tuple[str, ...]]:
        (one, two), (first, second) = pick(NAMES), pick(JOBS)
        return f"{one} is a {first}. {two} is a {second}. The {first} is named", one, (two, *NAMES)

    def place(pick: Callable[..., list[str]]) -> tuple[str, str, tuple[str, ...]]:
        (ball, hat), (here, there) = pick(THINGS), pick(PLACES)
        text = f"The {ball} is in the {here}. The {hat} is in the {there}. To get the {ball}, go to the"
        return text, here, (there, *PLACES)

    def food(pick: Callable[..., list[str]]) -> tuple[str, str, tuple[str, ...]]:
        (one, two), (first, second) = pick(NAMES), pick(FOODS)
        return f"{one} likes {first}. {two} likes {second}. {two}'s favorite food is", second, (first, *FOODS)

    def gift(pick: Callable[..., list[str]]) -> tuple[str, str, tuple[str, ...]]:
        (one, two), (ball, _) = pick(NAMES), pick(THINGS)
        return f"{one} gave a {ball} to {two}. Now the {ball} belongs to", two, (one, *NAMES)

    documents: dict[str, Document] = {}
    for pattern in (owner, city, job, place, food, gift):
        rng = seeded("accuracy", pattern.__name__)
        wanted = len(documents) + PASSAGES_PER_PATTERN
        while len(documents) < wanted:
            prompt, answer, (rival, *pool) = pattern(lambda words: rng.sample(words, 2))
            pool = [rival, *seeded(prompt).sample(sorted(set(pool) - {answer, rival}), 2)]
            documents.setdefault(prompt, item("reading", prompt, answer, pool, prompt))
    return mixed([[document] for document in documents.values()], "accuracy reading")


facts = for_harness(everyday_facts)
forms = for_harness(word_forms)
arithmetic = for_harness(calculations)
reading = for_harness(passages)
