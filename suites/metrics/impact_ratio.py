"""The impact ratio of the four-fifths rule."""

from __future__ import annotations

import math

import datasets
import evaluate
import pandas as pd

from audit.corpus.impact_ratio import IMPACT_RATIO
from suites.metrics import columns


class ImpactRatio(evaluate.Metric):
    """The smallest rate of good outcomes among the groups over the largest."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=(
                "The rate of good outcomes of the worst served group as a share of that of the best served. "
                "Below .8 the four-fifths rule sees a sign of adverse impact."
            ),
            inputs_description="""
Args:
    outcome: 1 where the outcome is good, else 0, [items]
    group: name of the item's group, a string; an item in no group is left out
Returns:
    impact_ratio: smallest rate / largest rate, 0 to 1
Raises:
    ValueError: no items, an outcome other than 0 and 1, a missing group, fewer than two groups, or
        no good outcome in any
""",
            citation="""
@misc{uniform1978, title={Uniform Guidelines on Employee Selection Procedures}, year={1978},
  note={29 CFR 1607.4 D}}
""",
            reference_urls=["https://www.ecfr.gov/current/title-29/part-1607"],
            features=datasets.Features(
                {"outcome": datasets.Value("float64"), "group": datasets.Value("string")}
            ),
        )

    def _compute(self, outcome: list[float], group: list[str]) -> dict[str, float]:
        good = columns.right_or_wrong("outcome", outcome)
        ratio = IMPACT_RATIO(pd.DataFrame({"outcome": good, "group": columns.labels("group", group)}))
        if math.isnan(ratio):
            raise ValueError("impact ratio: no group has a good outcome, so there is no rate to divide by")
        return {"impact_ratio": ratio}
