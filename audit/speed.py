"""How long two models take, measured in turn: what disturbs the machine then disturbs both."""

from __future__ import annotations

import inspect
import statistics
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from audit.records import Conditions, NotMeasured, Speed
from audit.statistics.median import median_interval

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

ALPHA = 0.05
"""Error of each end of a ratio's interval."""


class Seconds(NamedTuple):
    """What one pass took."""

    prefill: float
    decode: float | None
    """None: the architecture hands over no cache to go on from."""


class Beside(NamedTuple):
    """One phase of a pass, of both models in the same round."""

    original: float
    variant: float


def interleaved(
    original: Callable[[], Seconds], variant: Callable[[], Seconds], conditions: Conditions
) -> tuple[Speed | NotMeasured, Speed | NotMeasured]:
    """Prefill and decode of a variant beside the original's, each a callable that makes one pass.

    A first pass of both does not count. In each round both make one, and who begins changes from round to
    round, so that a drift favours neither.
    """
    original()
    variant()
    rounds = [_round(original, variant, turn) for turn in range(conditions.rounds)]
    prefill = [Beside(before.prefill, after.prefill) for before, after in rounds]
    decode = [
        Beside(before.decode, after.decode)
        for before, after in rounds
        if before.decode is not None and after.decode is not None
    ]
    return (
        _speed(prefill, conditions.batch * conditions.prompt_tokens),
        _speed(decode, conditions.batch * conditions.decode_tokens)
        if decode
        else NotMeasured("the model hands over no cache, so decoding was not timed"),
    )


def _round(
    original: Callable[[], Seconds], variant: Callable[[], Seconds], turn: int
) -> tuple[Seconds, Seconds]:
    if turn % 2:
        after = variant()
        return original(), after
    before = original()
    return before, variant()


def _speed(rounds: Sequence[Beside], tokens: int) -> Speed:
    """Medians over the rounds, and the interval of the ratio's."""
    ratios = [one.variant / one.original for one in rounds]
    return Speed(
        tokens_per_second=tokens / statistics.median(one.variant for one in rounds),
        original_tokens_per_second=tokens / statistics.median(one.original for one in rounds),
        latency_ratio=statistics.median(ratios),
        interval=median_interval(ratios, ALPHA),
    )


def one_pass(model: PreTrainedModel, conditions: Conditions) -> Seconds:
    """Compute a prompt in one forward, then decode greedily, one token of each sequence at a time.

    The prompt is token ids spread over the vocabulary: what a dense model takes does not depend on them.
    """
    import torch

    options: dict[str, Any] = {"use_cache": True}
    if "logits_to_keep" in inspect.signature(model.forward).parameters:
        options["logits_to_keep"] = 1
    vocabulary = cast("Tensor", model.get_input_embeddings().weight).shape[0]
    row = torch.linspace(0, vocabulary - 1, conditions.prompt_tokens, device=model.device).long()
    with torch.inference_mode():
        started = _clock(model)
        step, cache = _forward(model, row.repeat(conditions.batch, 1), options)
        prefilled = _clock(model)
        if cache is None:
            return Seconds(prefilled - started, None)
        for _ in range(conditions.decode_tokens):
            step, cache = _forward(model, step, {**options, "past_key_values": cache})
        return Seconds(prefilled - started, _clock(model) - prefilled)


def _forward(model: PreTrainedModel, ids: Tensor, options: dict[str, Any]) -> tuple[Tensor, Any]:
    """The likeliest next token of each sequence, [batch, 1], and the cache to go on from."""
    found = model(ids, **options)
    return found.logits[:, -1:].argmax(-1), getattr(found, "past_key_values", None)


def _clock(model: PreTrainedModel) -> float:
    """Seconds, after all that was asked of the device is done."""
    import torch

    if model.device.type != "cpu":
        torch.accelerator.synchronize()
    return time.perf_counter()
