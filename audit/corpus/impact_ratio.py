"""Impact ratio: the smallest rate of good outcomes among the groups over the largest.

Below .8 is the four-fifths rule's sign of adverse impact (Uniform Guidelines on Employee Selection
Procedures, 29 CFR 1607.4 D); fairlearn's `demographic_parity_ratio` of selection rates.
"""

from __future__ import annotations

import numpy as np

from audit.corpus.group_rates import group_terms, lowest_and_highest
from audit.corpus.of_sums import Floats, OfSums


def _of(sums: Floats) -> Floats:
    lowest, highest = lowest_and_highest(sums)
    ratio: Floats = lowest / np.where(highest > 0, highest, np.nan)
    return ratio


IMPACT_RATIO = OfSums(group_terms, _of, ("group", "outcome"), higher_is_better=True)
