"""Brier score of the chosen answers: the mean of (confidence − right)² (Brier 1950, Monthly Weather Review
78:1-3, of the event that the answer is right).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from audit.corpus.confidence import confidence_and_right
from audit.corpus.of_sums import Floats, OfSums

if TYPE_CHECKING:
    import pandas as pd


def _terms(rows: pd.DataFrame) -> Floats:
    return squared_errors(*confidence_and_right(rows))


def squared_errors(confidence: Floats, right: Floats) -> Floats:
    """Of each row, (confidence − right)²; then 1."""
    return np.column_stack([(confidence - right) ** 2, np.ones(right.size)])


def _of(sums: Floats) -> Floats:
    mean: Floats = sums[..., 0] / sums[..., 1]
    return mean


BRIER = OfSums(_terms, _of, ("outcome", "scores"), higher_is_better=False)
