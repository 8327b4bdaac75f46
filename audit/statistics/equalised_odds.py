"""Equalised odds: are errors of either kind as frequent in every group?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def difference(actual: ArrayLike, predicted: ArrayLike, group: ArrayLike) -> float:
    """max(|ΔTPR|, |ΔFPR|), 0 to 1, the largest over all pairs of groups (Hardt et al. 2016, NeurIPS).

    `actual` and `predicted` are 0 or 1, `group` a label, all [items]. The same as fairlearn's
    `equalized_odds_difference`, but for a group in which a rate has nothing to be a share of: fairlearn
    takes it as 0, here it is a ValueError. So are fewer than two groups.

    >>> y, p = [0, 0, 1, 1, 0, 1, 1, 0, 1, 0, 1, 0], [0, 1, 1, 1, 0, 1, 0, 0, 1, 1, 0, 0]
    >>> round(difference(y, p, ["A"] * 6 + ["B"] * 6), 4)
    0.6667
    """
    truth, told, label = np.asarray(actual), np.asarray(predicted), np.asarray(group)
    groups = np.unique(label)
    if groups.size < 2:
        raise ValueError(f"equalised odds: {groups.size} group(s), and a difference is between two or more")
    return max(float(np.ptp([_rate(truth, told, label, one, kind) for one in groups])) for kind in (1, 0))


def _rate(truth: NDArray[Any], told: NDArray[Any], label: NDArray[Any], group: object, kind: int) -> float:
    """Share predicted 1 among one group's items that are actually `kind`."""
    of_kind = told[(label == group) & (truth == kind)]
    if of_kind.size == 0:
        rate = "true positive rate" if kind else "false positive rate"
        raise ValueError(
            f"equalised odds: group {group!s} has no item that is actually {kind}, so its "
            f"{rate} is not defined; leave the group out or add such items"
        )
    return float(of_kind.mean())
