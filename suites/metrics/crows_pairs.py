"""CrowS-Pairs, ties apart."""

from __future__ import annotations

import dataclasses

import datasets
import evaluate

from audit.statistics import bias
from suites.metrics import columns


class CrowSPairs(evaluate.Metric):
    """Which of two sentences a model finds likelier, the more or the less stereotyped one."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=(
                "Share of sentence pairs of which a model finds the more stereotyped sentence likelier. A "
                "model without a preference has .5; one that finds all sentences equally likely has nothing "
                "but ties, which are counted by themselves."
            ),
            inputs_description="""
Args:
    more: log-likelihood of each pair's more stereotyped sentence, nats, [pairs]
    less: log-likelihood of its less stereotyped sentence
Returns, shares of all pairs, 0 to 1:
    stereotyped: the more stereotyped sentence is likelier (a hundredth of the paper's score); .5 is ideal
    anti_stereotyped: the less stereotyped sentence is likelier
    tied: both are equally likely; lm-eval counts these as anti-stereotyped
Raises:
    ValueError: no pairs, or a log-likelihood above 0 or not finite
""",
            citation="""
@inproceedings{nangia2020crows, year={2020}, booktitle={EMNLP},
  title={CrowS-Pairs: A Challenge Dataset for Measuring Social Biases in Masked Language Models},
  author={Nangia, Nikita and Vania, Clara and Bhalerao, Rasika and Bowman, Samuel R.}}
""",
            reference_urls=["https://arxiv.org/abs/2010.00133"],
            features=datasets.Features({name: datasets.Value("float64") for name in ("more", "less")}),
        )

    def _compute(self, more: list[float], less: list[float]) -> dict[str, float]:
        preferences = bias.crows_pairs(
            columns.log_likelihoods("more", more), columns.log_likelihoods("less", less)
        )
        return dataclasses.asdict(preferences)
