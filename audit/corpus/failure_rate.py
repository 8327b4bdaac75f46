"""Failure rate of a test of invariance: the share of questions whose forms do not all get one answer (Ribeiro
et al. 2020, CheckList, arXiv:2005.04118, section 2.2). A question that is there in one form only is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from audit.corpus.of_sums import Floats, OfSums

if TYPE_CHECKING:
    import pandas as pd


def _terms(rows: pd.DataFrame) -> Floats:
    """Of each form its part of whether its question fails, and of the question."""
    if rows["pair"].isna().any():
        raise ValueError("items without a question that they are a form of; the suite's `pair_by` tells")
    forms = rows.groupby(["task", "pair"], sort=False)["answer"]
    size = forms.transform("size").to_numpy(np.float64)
    fails = forms.transform("nunique").to_numpy() > 1
    part = np.where(size > 1, 1 / size, 0.0)
    return np.column_stack([fails * part, part])


def _of(sums: Floats) -> Floats:
    questions = sums[..., 1]
    share: Floats = sums[..., 0] / np.where(questions > 0, questions, np.nan)
    return share


FAILURE_RATE = OfSums(_terms, _of, ("task", "pair", "answer"), higher_is_better=False)
