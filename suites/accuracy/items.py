"""Everyday facts, word forms, arithmetic and short reading: what any assistant is asked all day."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

from suites.accuracy.passages import reading_documents
from suites.documents import Document, for_harness, mixed, options, read_table, seeded

PROMPTS = {
    "opposite": "The opposite of {subject} is",
    "kind": "{Subject} is a kind of",
    "colour": "What color is {subject}? It is",
    "material": "{Subject} is made of",
    "use": "People use {subject} to",
    "job": "A person who {subject} is called a",
    "day": "Today is {subject}. Tomorrow is",
    "month": "This month is {subject}. Next month is",
}
"""One sentence to be completed per relation of `facts.csv`."""

EXAMPLE = "1 + 1 = 2, "
"""One solved calculation before each: without it small models don't take the line for arithmetic."""


def item(subject: str, prompt: str, answer: str, pool: Iterable[str], *key: object) -> Document:
    """One four-choice document; `key` seeds its wrong answers."""
    choices, gold = options(answer, pool, seeded("accuracy", subject, *key))
    return {"prompt": prompt, "choices": choices, "gold": gold, "subject": subject}


def everyday_facts() -> list[Document]:
    """Opposites, kinds, colours, materials, uses, jobs and the calendar."""
    rows = read_table("suites.accuracy", "facts.csv")
    documents = []
    for row in rows:
        relation, subject = row["relation"], row["subject"]
        pool = {other["answer"] for other in rows if other["relation"] == relation} - {subject}
        prompt = PROMPTS[relation].format(subject=subject, Subject=subject[0].upper() + subject[1:])
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
    """One calculation; the wrong answers lie near and differ in the last digit only."""
    tens = result // 10 * 10
    near = sorted(range(tens, tens + 10), key=lambda number: (abs(number - result), number))[:7]
    return item(
        subject,
        f"{EXAMPLE}{left} {sign} {right} =",
        str(result),
        [str(number) for number in near],
        left,
        right,
    )


def calculations() -> list[Document]:
    """Sums, differences and products of numbers of one and two digits."""
    documents = []
    for left, right in product(range(1, 10), repeat=2):
        if left + right > 2:  # 1 + 1 is the example
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
    """Short passages that state the answer."""
    return mixed([[document] for document in reading_documents()], "accuracy reading")


facts = for_harness(everyday_facts)
forms = for_harness(word_forms)
arithmetic = for_harness(calculations)
reading = for_harness(passages)
