"""The gap between the best and the worst served group."""

from __future__ import annotations

import datasets
import evaluate
import pandas as pd

from audit.corpus.gap import GAP
from suites.metrics import columns


class SubgroupGap(evaluate.Metric):
    """The largest rate of good outcomes among the groups less the smallest."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=(
                "How far apart are the groups' rates of a good outcome, such as a right answer? Of all pairs "
                "of groups the largest difference, as fairlearn's demographic parity difference."
            ),
            inputs_description="""
Args:
    outcome: 1 where the outcome is good, else 0, [items]
    group: name of the item's group, a string; an item in no group is left out
Returns:
    gap: largest rate − smallest rate, 0 to 1
Raises:
    ValueError: no items, an outcome other than 0 and 1, a missing group, or fewer than two groups
""",
            citation="""
@article{weerts2023fairlearn, title={Fairlearn: Assessing and Improving Fairness of AI Systems},
  author={Weerts, Hilde and Dud{\\'i}k, Miroslav and Edgar, Richard and Jalali, Adrin and Lutz, Roman and
    Madaio, Michael}, journal={JMLR}, volume={24}, year={2023}}
""",
            reference_urls=["https://arxiv.org/abs/2303.16626"],
            features=datasets.Features(
                {"outcome": datasets.Value("float64"), "group": datasets.Value("string")}
            ),
        )

    def _compute(self, outcome: list[float], group: list[str]) -> dict[str, float]:
        good = columns.right_or_wrong("outcome", outcome)
        return {"gap": GAP(pd.DataFrame({"outcome": good, "group": columns.labels("group", group)}))}
