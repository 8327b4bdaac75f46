"""Expected calibration error: how far a model's confidence is from its accuracy.

ECE = Σ_b n_b / n · |accuracy_b − confidence_b| over ten bins of equal width of the confidence, each with its
upper end (Naeini et al. 2015, AAAI; Guo et al. 2017, ICML, equation 3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from audit.corpus.confidence import confidence_and_right
from audit.corpus.of_sums import Floats, OfSums

if TYPE_CHECKING:
    import pandas as pd

BINS = 10


def _terms(rows: pd.DataFrame) -> Floats:
    return binned(*confidence_and_right(rows))


def binned(confidence: Floats, right: Floats) -> Floats:
    """Of each row, right less confidence in the column of its bin; then 1."""
    bins = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    return np.column_stack([np.eye(BINS)[bins] * (right - confidence)[:, None], np.ones(right.size)])


def _of(sums: Floats) -> Floats:
    error: Floats = np.abs(sums[..., :BINS]).sum(axis=-1) / sums[..., BINS]
    return error


ECE = OfSums(_terms, _of, ("outcome", "scores"), higher_is_better=False)
