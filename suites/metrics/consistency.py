"""Consistency: does a question get the same answer however it is worded?"""

from __future__ import annotations

import datasets
import evaluate
import pandas as pd

from suites.metrics import columns


class Consistency(evaluate.Metric):
    """Agreement between the answers to several forms of one question, right or wrong."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=(
                "How often two forms of one question (paraphrases, other layouts, small disturbances) get "
                "the same answer. A model that is always wrong in the same way is consistent."
            ),
            inputs_description="""
Args:
    answers: the answer to each form, [forms], strings; of a choice its letter
    question: which question it is a form of, a string
Returns, 0 to 1:
    consistency: share of a question's pairs of forms with equal answers, mean over the questions
    unanimity: share of questions all of whose forms have one answer
Raises:
    ValueError: no items, an answer or question that is no string or is missing, or a question with
        one form only
""",
            citation="""
@article{elazar2021consistency, title={Measuring and Improving Consistency in Pretrained Language Models},
  author={Elazar, Yanai and Kassner, Nora and Ravfogel, Shauli and Ravichander, Abhilasha and
    Hovy, Eduard and Sch{\\"u}tze, Hinrich and Goldberg, Yoav}, journal={TACL}, volume={9}, year={2021}}
""",
            reference_urls=["https://arxiv.org/abs/2102.01017"],
            features=datasets.Features({name: datasets.Value("string") for name in ("answers", "question")}),
        )

    def _compute(self, answers: list[str], question: list[str]) -> dict[str, float]:
        forms = pd.DataFrame(
            {"answer": columns.labels("answers", answers), "question": columns.labels("question", question)}
        )
        alike = forms.value_counts(["question", "answer"])
        of = forms["question"].value_counts().sort_index()
        if (of < 2).any():
            raise ValueError(
                f"consistency: question {of.idxmin()!r} has one form only, and it takes two to agree"
            )
        # Of n forms with m alike, m (m − 1) of the n (n − 1) ordered pairs agree
        share = (alike * (alike - 1)).groupby("question").sum().sort_index() / (of * (of - 1))
        return {"consistency": float(share.mean()), "unanimity": float((share == 1).mean())}
