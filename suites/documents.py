"""From tables of facts to the documents that lm-eval scores: deterministic, mixed, whole pairs."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable, Iterable, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasets import Dataset

Document = dict[str, Any]
"""One item: `prompt`, `choices`, `gold` (index into `choices`) and the columns that a suite groups by."""


def read_table(package: str, name: str) -> list[dict[str, str]]:
    """Rows of the CSV table `name` that lies in the folder of `package`."""
    text = files(package).joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def seeded(*key: object) -> random.Random:
    """A generator that depends on the item alone, so a new row changes no other item."""
    return random.Random("|".join(str(part) for part in key))


def options(answer: str, pool: Iterable[str], rng: random.Random, size: int = 4) -> tuple[list[str], int]:
    """The answer among `size − 1` wrong ones of the pool, in seeded order, and where it stands."""
    wrong = sorted(set(pool) - {answer})
    choices = [answer, *rng.sample(wrong, min(size - 1, len(wrong)))]
    rng.shuffle(choices)
    return choices, choices.index(answer)


def mixed(units: Sequence[Sequence[Document]], seed: str) -> list[Document]:
    """The units in seeded order, each kept whole, so that any first part is a mixed sample."""
    order = list(units)
    random.Random(seed).shuffle(order)
    return [document for unit in order for document in unit]


def for_harness(build: Callable[[], list[Document]]) -> Callable[..., dict[str, Dataset]]:
    """What lm-eval's `custom_dataset` calls: the documents as a split, whatever metadata it passes."""

    def load(**_metadata: object) -> dict[str, Dataset]:
        from datasets import Dataset

        return {"test": Dataset.from_list(build())}

    load.__doc__ = build.__doc__
    return load
