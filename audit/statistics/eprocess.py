"""Evidence that may be watched after every item: a bet against "the drop is the margin or more".

E starts at 1 and is multiplied by 1 + λ (M − x) for each item; x is its loss, 1 lost, −1 gained, 0 neither
(or any difference between −1 and 1). While the drop is M or more, E does not grow on average whatever λ is,
as long as λ was fixed before x was seen; so it ever reaches 1/α with a probability of at most α (Ville
1939), however often one looks and whenever one stops. Betting: Waudby-Smith & Ramdas 2024, JRSS B 86:1-27.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

BOLDEST = 0.5
"""Largest stake as a share of the one that a single lost item could ruin, 1 / (1 − M)."""
PRIOR_ITEMS = 10.0
"""Imaginary items seen before the first, half of which flipped: the first stakes are small."""
PRIOR_FLIPS = 5.0
_LARGEST_LOG = 700.0
"""E is shown no larger than e^700: beyond it a double overflows."""


def e_process(losses: ArrayLike, margin: float, stakes: ArrayLike | None = None) -> NDArray[np.float64]:
    """E after 0, 1, …, n items, along the last axis; `losses` is x of each item, in order.

    `stakes` is λ of each item, or one for all; by default `stakes_at_zero_drop`. Raises ValueError for a
    loss beyond 1, or a stake that is negative or could ruin.

    >>> float(e_process([0, 0, 1, 0, -1, 0, 0, 0, 1, 0], margin=0.03, stakes=0.5)[-1].round(7))
    0.4459533
    """
    x = np.asarray(losses, dtype=np.float64)
    if not np.all(np.abs(x) <= 1.0):
        raise ValueError("a loss lies between −1 and 1")
    stake = stakes_at_zero_drop(x, margin) if stakes is None else np.asarray(stakes, dtype=np.float64)
    ruin = 1.0 / (1.0 - margin)
    if not np.all((stake >= 0.0) & (stake < ruin)):
        raise ValueError(f"a stake lies between 0 and 1 / (1 − margin) = {ruin:.4f}")
    logs = np.cumsum(np.log1p(stake * (margin - x)), axis=-1)
    start = np.zeros((*x.shape[:-1], 1))
    evidence: NDArray[np.float64] = np.exp(np.minimum(np.concatenate([start, logs], axis=-1), _LARGEST_LOG))
    return evidence


def stakes_at_zero_drop(losses: ArrayLike, margin: float) -> NDArray[np.float64]:
    """λ of each item: what makes E grow fastest if there is no drop, given the flips before that item.

    Kelly's stake is nearly mean / mean square of M − x, at zero drop M / (d + M²), where the discordance d
    is estimated from the items before; truncated at `BOLDEST` of the stake that could ruin.
    """
    squares = np.square(np.asarray(losses, dtype=np.float64))
    before = np.cumsum(squares, axis=-1) - squares
    discordance = (before + PRIOR_FLIPS) / (np.arange(squares.shape[-1]) + PRIOR_ITEMS)
    stakes: NDArray[np.float64] = np.minimum(margin / (discordance + margin**2), BOLDEST / (1.0 - margin))
    return stakes


def items_to_pass(losses: ArrayLike, margin: float, alpha: float) -> int | None:
    """Items after which E first reached 1/α: the drop is below the margin; None if it never did."""
    reached = np.flatnonzero(e_process(losses, margin) >= 1.0 / alpha)
    return int(reached[0]) if reached.size else None
