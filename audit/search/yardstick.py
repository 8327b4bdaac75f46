"""The proxy: how far a model's next-token distributions are from the original's, on a little text.

Kept of the original are the `TOP_K` likeliest tokens of each place and what is left of probability 1. The
divergence is that of the distributions over those tokens and the rest as one: by the log-sum inequality at
most the whole one, and for ranking levels as good.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor
    from transformers import PreTrainedModel

TOP_K = 128
ROWS = 4
"""Stretches of text that are computed at once."""
LEAST = 1e-12
"""Of a probability, so that its logarithm is a number."""


class Reading(NamedTuple):
    """How far a model is from the original."""

    divergence: float
    """Mean KL(original ‖ model) of the next token, nats."""
    tokens: int
    whole: bool
    """Whether all of the text was looked at."""


class Yardstick:
    """Text, and what the original makes of it."""

    def __init__(self, text: NDArray[np.int64], original: PreTrainedModel) -> None:
        """`text`: [stretches, length] token ids."""
        self._text = text
        self._top: list[tuple[Tensor, Tensor]] = []
        for logprobs in self._logprobs(original, len(text)):
            top = logprobs.topk(min(TOP_K, logprobs.shape[-1]), dim=-1)
            self._top.append((top.indices.cpu(), top.values.cpu()))

    @property
    def tokens(self) -> int:
        """That one model computes."""
        return int(self._text.size)

    @property
    def sha256(self) -> str:
        """Over the token ids, as little-endian int64."""
        return hashlib.sha256(self._text.astype("<i8").tobytes()).hexdigest()

    def reading(
        self, model: PreTrainedModel, *, stretches: int | None = None, enough: float | None = None
    ) -> Reading:
        """The divergence over the first stretches of the text, or all.

        Where it is above `enough` after the first ones, the rest is not looked at.
        """
        total, places = 0.0, 0
        stretches = min(stretches or len(self._text), len(self._text))
        for logprobs, (index, p) in zip(self._logprobs(model, stretches), self._top, strict=False):
            n = logprobs.shape[0]  # the last batch may be cut short
            index, p = index[:n].to(logprobs.device), p[:n].to(logprobs.device).double()
            q = logprobs.gather(-1, index).double()
            rest_p, rest_q = ((1 - one.exp().sum(-1)).clamp(min=LEAST) for one in (p, q))
            kl = (p.exp() * (p - q)).sum(-1) + rest_p * (rest_p.log() - rest_q.log())
            total, places = total + float(kl.sum()), places + kl.numel()
            if enough is not None and total / places > enough and places < stretches * self._text.shape[1]:
                return Reading(total / places, places, whole=False)
        return Reading(total / places, places, whole=True)

    def _logprobs(self, model: PreTrainedModel, stretches: int) -> Iterator[Tensor]:
        """[places, vocabulary] log-probabilities, of so many stretches, some at once."""
        import torch

        for start in range(0, stretches, ROWS):
            rows = torch.from_numpy(self._text[start : min(start + ROWS, stretches)]).to(model.device)
            with torch.inference_mode():
                logits = model(rows, use_cache=False).logits
            yield torch.log_softmax(logits.flatten(0, 1), dim=-1, dtype=torch.float32)
