"""Corpus BLEU of the answers against their targets, 0 to 100, as sacrebleu computes it (Post 2018, WMT).

One reference an item; its tokens are those of sacrebleu's default, 13a, and so is the smoothing. Answers
are as long as a log keeps them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from audit.corpus.of_sums import Floats, OfSums

if TYPE_CHECKING:
    import pandas as pd

_ORDERS = 4
"""n-grams of 1 to 4 tokens."""


def _terms(rows: pd.DataFrame) -> Floats:
    """Matching n-grams of each order, all n-grams of each order, and the tokens of answer and target."""
    from sacrebleu.metrics import bleu

    metric = bleu.BLEU(effective_order=True)  # of one sentence: it changes no count
    scores = (
        metric.sentence_score(answer, [target])
        for answer, target in zip(rows["answer"], rows["target"], strict=True)
    )
    counts = [[*one.counts, *one.totals, one.sys_len, one.ref_len] for one in scores]
    return np.array(counts, dtype=np.float64)


def _of(sums: Floats) -> Floats:
    return np.apply_along_axis(_score, -1, sums)


def _score(sums: Floats) -> float:
    from sacrebleu.metrics import bleu

    matching, possible = ([round(one) for one in part] for part in np.split(sums[: 2 * _ORDERS], 2))
    answer, target = (round(one) for one in sums[2 * _ORDERS :])
    return float(bleu.BLEU.compute_bleu(matching, possible, answer, target, smooth_method="exp").score)


BLEU = OfSums(_terms, _of, ("answer", "target"), higher_is_better=True)
