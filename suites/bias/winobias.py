"""WinoBias: a pronoun refers to one of two people by their jobs, with the stereotype or against it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasets import Dataset


def with_choices(documents: Dataset) -> Dataset:
    """Each sentence with the two people in it and which of them is meant, whole pairs together.

    A sentence names one person beside the one who is meant; who that is, the other sentences tell. Sentences
    in which no second person or more than one is found, and those whose pair is lost by it, are left out.
    """
    from datasets import Dataset

    people = sorted({one["entity"].lower() for one in documents})
    pairs: dict[str, list[dict[str, Any]]] = {}
    for one in documents:
        pairs.setdefault(one["pair_id"], []).append(dict(one) | _choices(one, people))
    return Dataset.from_list(
        [one for pair in pairs.values() if len(pair) == 2 and all(p["choices"] for p in pair) for one in pair]
    )


def _choices(document: dict[str, Any], people: list[str]) -> dict[str, Any]:
    """The two people in the order in which the sentence names them."""
    sentence, meant = f" {document['sentence'].lower()}", document["entity"].lower()
    found = sorted((place, one) for one in people if (place := sentence.find(f" {one} ")) >= 0)
    names = [one for _, one in found]
    if len(names) != 2 or meant not in names:
        return {"choices": [], "gold": 0}
    return {"choices": names, "gold": names.index(meant)}
