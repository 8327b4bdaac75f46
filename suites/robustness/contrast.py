"""BoolQ's contrast sets (Gardner et al. 2020, arXiv:2004.02709): questions changed by experts, often so that
the answer changes too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasets import Dataset

_LABELS = {"FALSE": 0, "TRUE": 1}


def questions(documents: Dataset) -> Dataset:
    """The authors' file, one row whose `data` lists passages, as a row for each question with an answer.

    The contrast set of a question is that question and what was made of it; those without one are left out.
    """
    from datasets import Dataset

    passages = [one for document in documents for one in document["data"]]
    sets = [_forms(number, one) for number, one in enumerate(passages)]
    return Dataset.from_list([form for forms in sets if len(forms) > 1 for form in forms])


def _forms(number: int, passage: dict[str, Any]) -> list[dict[str, Any]]:
    """Nothing where the original has no answer: the file's first entry explains its columns."""
    asked = [(passage["question"], passage["answer"])]
    asked += [(one["perturbed_q"], one["answer"]) for one in passage["perturbed_questions"]]
    if passage["answer"] not in _LABELS:
        return []
    return [
        {"set": str(number), "passage": passage["paragraph"], "question": question, "label": _LABELS[answer]}
        for question, answer in asked
        if answer in _LABELS
    ]
