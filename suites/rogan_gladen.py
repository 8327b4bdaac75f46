"""A rate of what is told with error, corrected for it (Rogan and Gladen 1978).

American Journal of Epidemiology 107:71-76: (told + specificity − 1) / (sensitivity + specificity − 1). It is
a mean over items of which each has one of two values, so it is paired and bounded as any score. Of the
divisor the lower 95 % bound is taken, so that what the labels leave open makes every drop larger and none
smaller. A rate may leave 0 to 1: cut off there, it would be no mean and hide drops.
"""

from __future__ import annotations

from dataclasses import dataclass

from audit.statistics.proportions import lower_bound

ONE_OF_TWO = 0.025
"""Error of each of the two bounds of the divisor: together 5 %."""


@dataclass(frozen=True)
class Accuracy:
    """How well something is told, as labels say."""

    sensitivity: float
    """Share of the positives that are told."""
    specificity: float
    """Share of the negatives that are told to be none."""
    least: float
    """One-sided 95 % lower bound of sensitivity + specificity − 1 (Youden 1950), each bounded at 97.5 %."""

    def corrected(self, told: float) -> float:
        """What an item, told (1) or not (0), adds to the rate.

        >>> round(Accuracy(0.9, 0.95, least=0.85).corrected(0.415), 6)
        0.429412
        """
        return (told + self.specificity - 1) / self.least


def counted(positives: tuple[int, int], negatives: tuple[int, int]) -> Accuracy:
    """Of either kind, how many were told right and how many there are.

    >>> round(counted((45, 50), (95, 100)).least, 3)  # Clopper-Pearson: from .782, from .887
    0.669
    """
    (sensitivity, low), (specificity, other_low) = (
        (right / n, lower_bound(right, n, ONE_OF_TWO)) for right, n in (positives, negatives)
    )
    return Accuracy(sensitivity, specificity, low + other_low - 1)
