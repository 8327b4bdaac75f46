"""How sure a model was of the choices that it took, and whether it was right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import softmax

if TYPE_CHECKING:
    import pandas as pd

    from audit.corpus.of_sums import Floats


def confidence_and_right(rows: pd.DataFrame) -> tuple[Floats, Floats]:
    """Of each row, the largest probability among its choices, and 1 where the answer was right, else 0.

    The probabilities are the softmax of the choices' log-likelihoods. ValueError where a row has no choices
    or its outcome is neither 0 nor 1.
    """
    right = rows["outcome"].to_numpy(np.float64)
    if not np.isin(right, (0, 1)).all():
        raise ValueError("confidence is held against right or wrong, and some outcomes are neither 0 nor 1")
    if (rows["scores"].map(len) < 2).any():
        raise ValueError("some items have no choices whose log-likelihoods could be told")
    confidence = [float(softmax(np.asarray(scores, dtype=np.float64)).max()) for scores in rows["scores"]]
    return np.array(confidence), right
