"""What time and energy two models take, measured in turn: what disturbs the machine then disturbs both."""

from __future__ import annotations

import inspect
import statistics
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from audit.energy import Meter
from audit.records import Conditions, Energy, NotMeasured, Speed
from audit.statistics.median import median_interval

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

ALPHA = 0.05
"""Error of each end of a ratio's interval."""


class Pass(NamedTuple):
    """What one pass took."""

    prefill: float
    """Seconds."""
    decode: float | None
    """Seconds. None: the architecture hands over no cache to go on from."""
    joules: float | None = None
    """Of the whole pass. None: no counter was read."""


class Costs(NamedTuple):
    """What a variant takes beside the original."""

    prefill: Speed | NotMeasured
    decode: Speed | NotMeasured
    energy: Energy | NotMeasured


class Beside(NamedTuple):
    """One number of a pass, of both models in the same round."""

    original: float
    variant: float


def interleaved(
    original: Callable[[], Pass], variant: Callable[[], Pass], conditions: Conditions,
    meter: Meter | NotMeasured,
) -> Costs:  # fmt: skip
    """What a variant takes beside the original, each a callable that makes one pass, read by `meter`.

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
    joules = [
        Beside(before.joules, after.joules)
        for before, after in rounds
        if before.joules is not None and after.joules is not None
    ]
    no_cache = NotMeasured("the model hands over no cache, so decoding was not timed")
    decoded = conditions.decode_tokens if decode else 0
    return Costs(
        prefill=_speed(prefill, conditions.batch * conditions.prompt_tokens),
        decode=_speed(decode, conditions.batch * decoded) if decode else no_cache,
        energy=meter
        if isinstance(meter, NotMeasured)
        else _energy(joules, conditions.batch * (conditions.prompt_tokens + decoded), meter.source),
    )


def _round(original: Callable[[], Pass], variant: Callable[[], Pass], turn: int) -> tuple[Pass, Pass]:
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


def _energy(rounds: Sequence[Beside], tokens: int, source: str) -> Energy | NotMeasured:
    """Medians over the rounds, and the interval of the ratio's."""
    if any(one.original <= 0 or one.variant <= 0 for one in rounds):
        return NotMeasured(f"in one pass at least the counter of energy did not move: {source}")
    ratios = [one.variant / one.original for one in rounds]
    return Energy(
        joules_per_token=statistics.median(one.variant for one in rounds) / tokens,
        original_joules_per_token=statistics.median(one.original for one in rounds) / tokens,
        ratio=statistics.median(ratios),
        interval=median_interval(ratios, ALPHA),
        source=source,
    )


def metered(make_pass: Callable[[], Pass], meter: Meter) -> Pass:
    """One pass, its energy read."""
    meter.start()
    taken = make_pass()
    return taken._replace(joules=meter.joules())


def one_pass(model: PreTrainedModel, conditions: Conditions) -> Pass:
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
            return Pass(prefilled - started, None)
        for _ in range(conditions.decode_tokens):
            step, cache = _forward(model, step, {**options, "past_key_values": cache})
        return Pass(prefilled - started, _clock(model) - prefilled)


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
