"""What compression did to calibration: ECE and Brier score before, after, and their change."""

from __future__ import annotations

import datasets
import evaluate

from suites.metrics import calibration, columns


class CalibrationChange(evaluate.Metric):
    """ECE and Brier score of two models on the same items."""

    def _info(self) -> evaluate.MetricInfo:
        names = ("confidence_before", "right_before", "confidence_after", "right_after")
        return evaluate.MetricInfo(
            description=(
                "Expected calibration error (ten bins of equal width) and Brier score of the original's and "
                "of the compressed model's answers to the same items, and how much they grew."
            ),
            inputs_description="""
Args:
    confidence_before: the probability that the original gave the answer that it chose, 0 to 1, [items]
    right_before: 1 where that answer is right, else 0
    confidence_after, right_after: the same of the compressed model
Returns:
    ece_before, ece_after, brier_before, brier_after: 0 to 1, 0 is ideal
    ece_change, brier_change: after − before, −1 to 1; above 0 is worse
Raises:
    ValueError: no items, a confidence that is no probability, or a `right` other than 0 and 1
""",
            citation=calibration.CITATION,
            reference_urls=["https://arxiv.org/abs/1706.04599"],
            features=datasets.Features({name: datasets.Value("float64") for name in names}),
        )

    def _compute(
        self,
        confidence_before: list[float],
        right_before: list[float],
        confidence_after: list[float],
        right_after: list[float],
    ) -> dict[str, float]:
        before = calibration.errors(
            columns.shares("confidence_before", confidence_before),
            columns.right_or_wrong("right_before", right_before),
        )
        after = calibration.errors(
            columns.shares("confidence_after", confidence_after),
            columns.right_or_wrong("right_after", right_after),
        )
        return {
            **{f"{name}_before": value for name, value in before.items()},
            **{f"{name}_after": value for name, value in after.items()},
            **{f"{name}_change": after[name] - before[name] for name in before},
        }
