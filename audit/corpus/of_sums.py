"""The form of all statistics here: a function of sums over the rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class OfSums:
    """A statistic that a thousand resamples add up instead of computing it anew.

    Any other function of the rows to one number may be registered as well; it is slower to resample.
    """

    terms: Callable[[pd.DataFrame], Floats]
    """Rows with those `columns` → [rows, k] what each adds; ValueError where they don't fit."""
    of: Callable[[Floats], Floats]
    """[..., k] sums of the terms → [...] the statistic; NaN where it is not defined."""
    columns: tuple[str, ...]
    """Those of `Sample` that `terms` looks at: no others are read."""
    higher_is_better: bool

    def __call__(self, rows: pd.DataFrame) -> float:
        """The statistic of these rows."""
        return float(self.of(self.terms(rows).sum(axis=0)))
