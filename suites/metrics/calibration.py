"""Calibration of one model: ECE and Brier score."""

from __future__ import annotations

import datasets
import evaluate

from audit.corpus.brier import BRIER, squared_errors
from audit.corpus.ece import ECE, binned
from suites.metrics import columns

CITATION = """
@inproceedings{guo2017calibration, title={On Calibration of Modern Neural Networks}, year={2017},
  author={Guo, Chuan and Pleiss, Geoff and Sun, Yu and Weinberger, Kilian Q.}, booktitle={ICML}}
@article{brier1950verification, title={Verification of Forecasts Expressed in Terms of Probability},
  author={Brier, Glenn W.}, journal={Monthly Weather Review}, volume={78}, pages={1--3}, year={1950}}
"""


class Calibration(evaluate.Metric):
    """How far a model's confidence in its answers is from their being right."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=(
                "Expected calibration error in ten bins of equal width, and Brier score, of the answers that "
                "a model chose. 0 is ideal for both."
            ),
            inputs_description="""
Args:
    confidence: the probability that the model gave the answer that it chose, 0 to 1, [items]
    right: 1 where that answer is right, else 0
Returns, 0 to 1:
    ece: Σ over bins of items in the bin / items · |accuracy − mean confidence|
    brier: mean of (confidence − right)²
Raises:
    ValueError: no items, a confidence that is no probability, or a `right` other than 0 and 1
""",
            citation=CITATION,
            reference_urls=["https://arxiv.org/abs/1706.04599"],
            features=datasets.Features({name: datasets.Value("float64") for name in ("confidence", "right")}),
        )

    def _compute(self, confidence: list[float], right: list[float]) -> dict[str, float]:
        return errors(columns.shares("confidence", confidence), columns.right_or_wrong("right", right))


def errors(confidence: columns.Floats, right: columns.Floats) -> dict[str, float]:
    """ECE and Brier score of checked columns [items]."""
    return {
        "ece": float(ECE.of(binned(confidence, right).sum(axis=0))),
        "brier": float(BRIER.of(squared_errors(confidence, right).sum(axis=0))),
    }
