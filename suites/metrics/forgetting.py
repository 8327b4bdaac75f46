"""Forgetting rate and retention: what is left of what the original knew."""

from __future__ import annotations

import datasets
import evaluate

from suites.metrics import columns


class Forgetting(evaluate.Metric):
    """Lost answers among those that were right, and the accuracy that is left."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=(
                "The forgetting rate is the share of what a model answered right before compression that it "
                "answers wrong after; retention is the accuracy after over the accuracy before. Retention "
                "makes up for lost answers with gained ones, the forgetting rate does not."
            ),
            inputs_description="""
Args:
    before: 1 where the original was right, else 0, [items]
    after: the same of the compressed model, on the same items in the same order
Returns:
    forgetting_rate: right before and wrong after / right before, 0 to 1
    retention: right after / right before, 0 or more; above 1 where more was gained than lost
Raises:
    ValueError: no items, a value other than 0 and 1, or nothing was right before
""",
            citation="""
@inproceedings{toneva2019forgetting, year={2019}, booktitle={ICLR},
  title={An Empirical Study of Example Forgetting during Deep Neural Network Learning},
  author={Toneva, Mariya and Sordoni, Alessandro and Tachet des Combes, Remi and Trischler, Adam and
    Bengio, Yoshua and Gordon, Geoffrey J.}}
""",
            reference_urls=["https://arxiv.org/abs/1812.05159"],
            features=datasets.Features({name: datasets.Value("float64") for name in ("before", "after")}),
        )

    def _compute(self, before: list[float], after: list[float]) -> dict[str, float]:
        was, is_now = columns.right_or_wrong("before", before), columns.right_or_wrong("after", after)
        known = float(was.sum())
        if known == 0:
            raise ValueError(
                f"forgetting rate and retention: nothing was right before (0 of {was.size}), "
                "so there is nothing to forget or to retain"
            )
        return {
            "forgetting_rate": float((was * (1 - is_now)).sum()) / known,
            "retention": float(is_now.sum()) / known,
        }
