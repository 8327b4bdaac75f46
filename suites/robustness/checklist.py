"""CheckList's tests of sentiment (Ribeiro et al. 2020, arXiv:2005.04118): each case a list of texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datasets import Dataset


def invariance(documents: Dataset) -> Dataset:
    """The texts of cases whose label must not change: the first is the original."""
    return _texts(documents, "INV")


def minimum_functionality(documents: Dataset) -> Dataset:
    """The texts of cases that have a label."""
    return _texts(documents, "MFT")


def _texts(documents: Dataset, kind: str) -> Dataset:
    from datasets import Dataset

    return Dataset.from_list(
        [
            {
                "test": case["test"],
                "case_id": f"{case['test']}: {case['case']}",
                "text": text,
                # lm-eval wants a right answer of every item; a test of invariance never looks at it
                "gold": case["label"] if kind == "MFT" else 0,
            }
            for case in documents
            if case["type"] == kind and (kind == "INV" or case["label"] is not None)
            for text in case["texts"]
        ]
    )
