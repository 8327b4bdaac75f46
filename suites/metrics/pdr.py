"""PDR, the performance drop rate under disturbed questions."""

from __future__ import annotations

import datasets
import evaluate

from suites.metrics import columns


class PDR(evaluate.Metric):
    """The share of its accuracy that a model loses when the questions are disturbed."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=(
                "How much of its accuracy a model loses when the same questions are disturbed, by typos or "
                "by an adversary. A weak model that loses little has a large rate all the same: to compare "
                "two models, read the drop as well."
            ),
            inputs_description="""
Args:
    clean: 1 where the question as asked was answered right, else 0, [items]
    disturbed: the same of the disturbed question
Returns:
    pdr: (accuracy clean − accuracy disturbed) / accuracy clean, at most 1; below 0 where disturbing helped
    drop: accuracy clean − accuracy disturbed, −1 to 1
Raises:
    ValueError: no items, a value other than 0 and 1, or nothing right when clean
""",
            citation="""
@misc{zhu2023promptrobust, eprint={2306.04528}, archivePrefix={arXiv}, year={2023},
  title={PromptRobust: Towards Evaluating the Robustness of Large Language Models on Adversarial Prompts},
  author={Zhu, Kaijie and others}}
""",
            reference_urls=["https://arxiv.org/abs/2306.04528"],
            features=datasets.Features({name: datasets.Value("float64") for name in ("clean", "disturbed")}),
        )

    def _compute(self, clean: list[float], disturbed: list[float]) -> dict[str, float]:
        as_asked = columns.right_or_wrong("clean", clean)
        shaken = columns.right_or_wrong("disturbed", disturbed)
        accuracy = float(as_asked.mean())
        if accuracy == 0:
            raise ValueError(
                f"PDR: nothing was right when clean (0 of {as_asked.size}), so there is no accuracy to lose"
            )
        drop = accuracy - float(shaken.mean())
        return {"pdr": drop / accuracy, "drop": drop}
