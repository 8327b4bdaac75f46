"""PopQA: questions about subjects, each with how often its page was read.

Mallen et al. 2023, arXiv:2212.10511.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from suites.forgetting.items import band

if TYPE_CHECKING:
    from datasets import Dataset

READ_BANDS = (10_000.0, 1_000.0)
"""Monthly views of the subject's page from which it is head, and torso: a round cut of the paper's
logarithmic scale."""


def first(document: dict[str, Any]) -> str:
    """The answer that is shown as the right one."""
    return possible(document)[0]


def with_bands(documents: Dataset) -> Dataset:
    """Each question with the band of its subject."""
    return documents.map(lambda one: {"band": band(float(one["s_pop"]), READ_BANDS)})


def named(document: dict[str, Any], results: Sequence[str]) -> dict[str, float]:
    """Right where the answer holds one of the possible ones, as the paper counts it; case is no matter.

    >>> named({"possible_answers": ["Montevideo"]}, [" It is montevideo."])
    {'acc': 1.0}
    """
    answer = results[0].lower()
    return {"acc": float(any(one.lower() in answer for one in possible(document)))}


def possible(document: dict[str, Any]) -> list[str]:
    """The answers that count; the hub's copy has them as JSON."""
    answers: str | list[str] = document["possible_answers"]
    return list(json.loads(answers) if isinstance(answers, str) else answers)
