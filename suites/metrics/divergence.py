"""How far a compressed model's distributions over tokens are from the original's."""

from __future__ import annotations

from collections.abc import Sequence

import datasets
import evaluate
import numpy as np

from suites.metrics.columns import Floats

_ROUNDING = 1e-2
"""How far a distribution's sum may be from 1: in bfloat16 it can be a few thousandths off."""


class Divergence(evaluate.Metric):
    """KL divergence, mean and 95th percentile, and agreement on the likeliest token."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=(
                "KL(original ‖ compressed) of the next token's distribution at each position, and how often "
                "both models have the same likeliest token."
            ),
            inputs_description="""
Args:
    before: the original's log-probabilities, nats, [positions][vocabulary], the whole vocabulary; -inf is 0
    after: the compressed model's, at the same positions
Returns:
    kl: mean over the positions of Σ p · ln(p / q), nats, 0 or more
    kl_p95: its 95th percentile over the positions (linear between positions), nats
    top1_agreement: share of positions where a likeliest token of both is the same, 0 to 1; of tied tokens
        any counts
Raises:
    ValueError: no positions, vocabularies of different sizes, log-probabilities whose probabilities don't add
        up to 1, or a token that is possible before and impossible after: KL is infinite there
""",
            citation="""
@article{kullback1951information, title={On Information and Sufficiency}, year={1951}, volume={22},
  author={Kullback, S. and Leibler, R. A.}, journal={Annals of Mathematical Statistics}, pages={79--86}}
@inproceedings{dutta2024accuracy, title={Accuracy is Not All You Need}, booktitle={NeurIPS}, year={2024},
  author={Dutta, Abhinav and Krishnan, Sanjeev and Kwatra, Nipun and Ramjee, Ramachandran}}
""",
            reference_urls=["https://arxiv.org/abs/2407.09141"],
            features=datasets.Features(
                {name: datasets.Sequence(datasets.Value("float64")) for name in ("before", "after")}
            ),
        )

    def _compute(self, before: list[list[float]], after: list[list[float]]) -> dict[str, float]:
        p, q = _distributions("before", before), _distributions("after", after)
        if p.shape != q.shape:
            raise ValueError(
                f"KL: a vocabulary of {p.shape[1]} tokens before and of {q.shape[1]} after; "
                "distributions over different tokens can't be compared"
            )
        kl = _kl(p, q)
        same = ((p == p.max(axis=1, keepdims=True)) & (q == q.max(axis=1, keepdims=True))).any(axis=1)
        return {
            "kl": float(kl.mean()),
            "kl_p95": float(np.quantile(kl, 0.95)),
            "top1_agreement": float(same.mean()),
        }


def _kl(p: Floats, q: Floats) -> Floats:
    """[positions] nats, from log-probabilities [positions, vocabulary]."""
    possible = p > -np.inf
    lost = (possible & (q == -np.inf)).any(axis=1)
    if lost.any():
        raise ValueError(
            f"KL: at position {int(np.argmax(lost))} a token that was possible before has probability 0 "
            "after, so the divergence is infinite"
        )
    terms = np.exp(p) * np.subtract(p, q, out=np.zeros_like(p), where=possible)
    kl: Floats = np.maximum(terms.sum(axis=1), 0.0)  # rounding can leave it just below
    return kl


def _distributions(name: str, values: Sequence[Sequence[float]]) -> Floats:
    """[positions, vocabulary] log-probabilities."""
    sizes = {len(row) for row in values}
    if len(sizes) != 1:
        raise ValueError(
            f"{name}: all positions need one vocabulary, and there are {len(sizes)} sizes of it"
            if sizes
            else f"{name}: no positions, and a metric needs at least one"
        )
    logarithms = np.array(values, dtype=np.float64)
    with np.errstate(over="ignore"):
        total = np.exp(logarithms).sum(axis=1)
    bad = ~(np.abs(total - 1) <= _ROUNDING)
    if bad.any():
        first = int(np.argmax(bad))
        raise ValueError(
            f"{name}: the probabilities at position {first} add up to {total[first]:g}, not to 1; "
            "log-probabilities of the whole vocabulary are needed, as log_softmax gives them"
        )
    return logarithms
