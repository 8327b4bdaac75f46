"""The rate of good outcomes in each group, from sums."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from audit.corpus.of_sums import Floats


def group_terms(rows: pd.DataFrame) -> Floats:
    """Of each row, its outcome in the column of its group, then 1 in another; rows without a group add 0.

    ValueError for fewer than two groups.
    """
    codes, names = rows["group"].factorize(sort=True)
    if len(names) < 2:
        raise ValueError(f"{len(names)} group(s): a gap is between two or more; the suite's `group_by` tells")
    member = np.vstack([np.eye(len(names)), np.zeros(len(names))])[codes]  # −1, no group, is the last row
    return np.hstack([member * rows["outcome"].to_numpy(np.float64)[:, None], member])


def lowest_and_highest(sums: Floats) -> tuple[Floats, Floats]:
    """Over the groups that have rows, from [..., 2 · groups] sums; NaN where fewer than two have any."""
    good, count = np.split(sums, 2, axis=-1)
    present = count > 0
    rates = good / np.where(present, count, 1.0)
    few = present.sum(axis=-1) < 2
    lowest, highest = (
        np.where(few, np.nan, pick(np.where(present, rates, missing), axis=-1))
        for pick, missing in ((np.min, np.inf), (np.max, -np.inf))
    )
    return lowest, highest
