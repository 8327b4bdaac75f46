"""Gap between groups: the largest rate of good outcomes less the smallest.

Of all pairs of groups, as fairlearn's `MetricFrame.difference(method="between_groups")` and its
`demographic_parity_difference`; the other custom, each group against the overall rate, depends on how many
items a group happens to have.
"""

from __future__ import annotations

from audit.corpus.group_rates import group_terms, lowest_and_highest
from audit.corpus.of_sums import Floats, OfSums


def _of(sums: Floats) -> Floats:
    lowest, highest = lowest_and_highest(sums)
    return highest - lowest


GAP = OfSums(group_terms, _of, ("group", "outcome"), higher_is_better=False)
