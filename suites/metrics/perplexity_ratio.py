"""Perplexity after compression over perplexity before."""

from __future__ import annotations

import math

import datasets
import evaluate

from suites.metrics import columns

_LARGEST_LOG = 700.0
"""e to more than this is beyond what a double holds."""


class PerplexityRatio(evaluate.Metric):
    """By what factor a model's perplexity on the same documents grew."""

    def _info(self) -> evaluate.MetricInfo:
        names = ("before", "after", "units")
        return evaluate.MetricInfo(
            description=(
                "The perplexity of the compressed model over that of the original, on the same documents and "
                "per the same unit. 1 is no change. Log-likelihoods are summed over all documents before "
                "they are divided, so that long documents count for more."
            ),
            inputs_description="""
Args:
    before: the original's log-likelihood of each document, nats, [documents]
    after: the compressed model's
    units: words, bytes or tokens of the document; tokens only if both models have one tokenizer
Returns:
    perplexity_before, perplexity_after: exp(−Σ log-likelihood / Σ units), per unit, 1 or more
    ratio: after / before, above 0; above 1 is worse
Raises:
    ValueError: no documents, a log-likelihood above 0 or not finite, a count below 1, or a perplexity beyond
        what a double holds
""",
            citation="""
@article{jelinek1977perplexity, author={Jelinek, F. and Mercer, R. L. and Bahl, L. R. and Baker, J. K.},
  title={Perplexity---a measure of the difficulty of speech recognition tasks}, year={1977},
  journal={Journal of the Acoustical Society of America}, volume={62}, number={S1}, pages={S63}}
""",
            reference_urls=["https://doi.org/10.1121/1.2016299"],
            features=datasets.Features({name: datasets.Value("float64") for name in names}),
        )

    def _compute(self, before: list[float], after: list[float], units: list[float]) -> dict[str, float]:
        total = float(columns.counts("units", units).sum())
        was, is_now = (
            -float(columns.log_likelihoods(name, values).sum()) / total
            for name, values in (("before", before), ("after", after))
        )
        if max(was, is_now) > _LARGEST_LOG:
            raise ValueError(
                f"perplexity ratio: e to the {max(was, is_now):.0f} is beyond what a double holds; "
                "are `units` those of the whole documents?"
            )
        return {
            "perplexity_before": math.exp(was),
            "perplexity_after": math.exp(is_now),
            "ratio": math.exp(is_now - was),
        }
