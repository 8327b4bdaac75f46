"""Flips and churn: how many answers compression changed, whatever became of the accuracy."""

from __future__ import annotations

import datasets
import evaluate

from suites.metrics import columns

_COLUMNS = ("before", "after", "references")


class Flips(evaluate.Metric):
    """Shares of all items whose answer changed, by kind of change."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=(
                "Flips are answers that change between right and wrong when a model is compressed. They stay "
                "visible where as many answers are gained as are lost and the accuracy does not move."
            ),
            inputs_description="""
Args:
    before: answers of the original, [items], strings; of a choice its letter
    after: answers of the compressed model to the same items in the same order
    references: the right answers
Returns, shares of all items, 0 to 1:
    flips: changed between right and wrong, lost + gained
    lost: right before, wrong after
    gained: wrong before, right after
    wrong_to_differently_wrong: wrong both times, with another answer
    gross_churn: changed at all, flips + wrong_to_differently_wrong
    net_churn: lost − gained, the drop in accuracy, −1 to 1
Raises:
    ValueError: no items, or an answer that is no string or is missing
""",
            citation="""
@inproceedings{dutta2024accuracy, title={Accuracy is Not All You Need}, booktitle={NeurIPS}, year={2024},
  author={Dutta, Abhinav and Krishnan, Sanjeev and Kwatra, Nipun and Ramjee, Ramachandran}}
@inproceedings{milanifard2016launch, title={Launch and Iterate: Reducing Prediction Churn},
  author={Milani Fard, Mahdi and Cormier, Quentin and Canini, Kevin and Gupta, Maya},
  booktitle={NeurIPS}, year={2016}}
""",
            reference_urls=["https://arxiv.org/abs/2407.09141"],
            features=datasets.Features({column: datasets.Value("string") for column in _COLUMNS}),
        )

    def _compute(self, before: list[str], after: list[str], references: list[str]) -> dict[str, float]:
        one, other, target = (
            columns.labels(name, values)
            for name, values in zip(_COLUMNS, (before, after, references), strict=True)
        )
        was_right, is_right, changed = one == target, other == target, one != other
        lost, gained = float((was_right & ~is_right).mean()), float((~was_right & is_right).mean())
        return {
            "flips": float((was_right != is_right).mean()),
            "lost": lost,
            "gained": gained,
            "wrong_to_differently_wrong": float((changed & ~was_right & ~is_right).mean()),
            "gross_churn": float(changed.mean()),
            "net_churn": lost - gained,
        }
