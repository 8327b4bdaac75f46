"""Equalised odds between groups."""

from __future__ import annotations

import datasets
import evaluate

from audit.statistics import equalised_odds
from suites.metrics import columns


class EqualisedOdds(evaluate.Metric):
    """The larger of the groups' differences in true and in false positive rate."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=(
                "Are the errors of a yes-or-no answer as frequent in every group, of those that deserve a "
                "yes and of those that deserve a no?"
            ),
            inputs_description="""
Args:
    predictions: the answers, 0 or 1, [items]
    references: the right answers, 0 or 1
    group: name of the item's group, a string
Returns:
    equalised_odds_difference: max(|ΔTPR|, |ΔFPR|) over all pairs of groups, 0 to 1
Raises:
    ValueError: no items, an answer other than 0 and 1, a missing group, fewer than two groups, or a group
        without items of one of the two kinds, where fairlearn takes the rate as 0
""",
            citation="""
@inproceedings{hardt2016equality, title={Equality of Opportunity in Supervised Learning}, year={2016},
  author={Hardt, Moritz and Price, Eric and Srebro, Nathan}, booktitle={NeurIPS}}
""",
            reference_urls=["https://arxiv.org/abs/1610.02413"],
            features=datasets.Features(
                {
                    "predictions": datasets.Value("float64"),
                    "references": datasets.Value("float64"),
                    "group": datasets.Value("string"),
                }
            ),
        )

    def _compute(
        self, predictions: list[float], references: list[float], group: list[str]
    ) -> dict[str, float]:
        difference = equalised_odds.difference(
            columns.right_or_wrong("references", references),
            columns.right_or_wrong("predictions", predictions),
            columns.labels("group", group),
        )
        return {"equalised_odds_difference": difference}
