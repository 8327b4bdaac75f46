"""Greedy generation for many prompts: shared prefixes are computed once, rows go on as others finish.

The prompts are a trie, prefilled pack by pack in depth-first order. A prompt is prefilled when a row falls
free, so memory holds the rows in use and one pack, whatever the number of prompts (continuous batching as in
Orca, Yu et al. 2022).
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.devices import input_device
from audit.errors import NoNumbersError
from audit.harness import trie as tries
from audit.harness.attention import MaskedModel, masks
from audit.harness.packs import ScoredPack, scored_packs

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from audit.harness.row_cache import RowCache

PROOF_TOKENS = 8

_HARMLESS = {
    "_from_model_config", "transformers_version", "bos_token_id", "pad_token_id", "eos_token_id",
    "decoder_start_token_id", "max_length", "use_cache", "cache_implementation",
    "do_sample", "temperature", "top_k", "top_p", "top_h", "min_p", "typical_p",
    "epsilon_cutoff", "eta_cutoff",
}  # fmt: skip
"""Settings of a GenerationConfig that don't matter to greedy decoding, or that are honoured (eos)."""
_NEUTRAL = {
    "min_length": 0, "num_beams": 1, "repetition_penalty": 1.0, "encoder_repetition_penalty": 1.0,
    "length_penalty": 1.0, "no_repeat_ngram_size": 0, "encoder_no_repeat_ngram_size": 0,
    "num_return_sequences": 1, "num_beam_groups": 1, "diversity_penalty": 0.0,
}  # fmt: skip
"""Values at which settings do nothing, None and False aside."""


@dataclass(frozen=True)
class Prompt:
    """What to continue, and until when."""

    tokens: Sequence[int]
    most: int
    """New tokens, at least 1."""
    ended: Callable[[list[int]], bool]
    """Asked after each new token, of all new tokens, whether it was the last."""


@dataclass
class Generated:
    """A prompt's answer, while it grows and after."""

    index: int
    """Of the prompt."""
    prompt: Prompt
    tokens: list[int] = field(default_factory=list)
    logits: list[float] = field(default_factory=list)
    """Of each token, where it was chosen."""

    def take(self, token: int, logit: float) -> bool:
        """Add a token; was it the last?"""
        self.tokens.append(token)
        self.logits.append(logit)
        return self.prompt.ended(self.tokens) or len(self.tokens) >= self.prompt.most


@dataclass(frozen=True)
class _Prefilled:
    index: int
    token: int
    """The first new one."""
    logit: float
    layers: Sequence[Any]
    places: torch.Tensor
    """Where in the layers the prompt's keys and values lie."""


def generate(
    masked: MaskedModel,
    prompts: Sequence[Prompt],
    rows: int,
    advance: Callable[[int], None] = lambda tokens: None,
) -> Iterator[Generated]:
    """The answers as they finish, at most `rows` of them growing at a time.

    `advance` is told of prompt tokens as they are computed and of new tokens as they appear.
    """
    waiting = _prefilled(masked, prompts, advance)
    growing: list[Generated] = []
    cache: RowCache | None = None
    while True:
        while len(growing) < rows and (ready := next(waiting, None)) is not None:
            answer = Generated(ready.index, prompts[ready.index])
            advance(1)
            if answer.take(ready.token, ready.logit):
                yield answer
                continue
            if cache is None:
                cache = _row_cache(min(rows, len(prompts)), ready.layers)
            cache.admit(ready.layers, ready.places)
            growing.append(answer)
        if cache is None or not growing:
            return
        advance(len(growing))
        yield from _grow(masked, cache, growing)


def _grow(masked: MaskedModel, cache: RowCache, growing: list[Generated]) -> Iterator[Generated]:
    """One token for each; those that are finished by it leave."""
    chosen = _step(masked, cache, [answer.tokens[-1] for answer in growing])
    last = [answer.take(*one) for answer, one in zip(growing, chosen, strict=True)]
    for slot in reversed(np.flatnonzero(last).tolist()):  # so that the last row, which moves, goes on
        yield growing[slot]
        cache.release(slot)
        growing[slot] = growing[-1]
        growing.pop()


def _row_cache(rows: int, layers: Sequence[Any]) -> RowCache:
    from audit.harness.row_cache import RowCache

    return RowCache(rows, layers)


def trie_of(prompts: Sequence[Prompt]) -> tries.Trie:
    """The prompts' trie; a target at the end of each, so that the head runs there: 0 stands for the token."""
    longest = max((len(prompt.tokens) for prompt in prompts), default=0)
    return tries.build([(prompt.tokens, [0]) for prompt in prompts], longest)


def _prefilled(
    masked: MaskedModel,
    prompts: Sequence[Prompt],
    advance: Callable[[int], None],
) -> Iterator[_Prefilled]:
    """The prompts in the trie's order; the layers of each are valid until the next is asked for."""
    trie = trie_of(prompts)
    for pack in scored_packs(masked, trie):
        advance(pack.n_tokens)
        yield from _ready(pack, trie)


def _ready(pack: ScoredPack, trie: tries.Trie) -> Iterator[_Prefilled]:
    """The prompts that end in the pack."""
    import torch

    chosen = _likeliest(pack.logits)
    requests, nodes = trie.request[pack.targets].tolist(), trie.node[pack.targets].tolist()
    for index, node, row in zip(requests, nodes, pack.row.tolist(), strict=True):
        places = torch.from_numpy(np.searchsorted(pack.keys, [*trie.path(node), node]))
        token, logit = chosen[row]
        yield _Prefilled(index, token, logit, pack.cache.layers, places)


def _step(masked: MaskedModel, cache: RowCache, tokens: list[int]) -> list[tuple[int, float]]:
    """The next token of every row, and its logit."""
    import torch

    position = cache.extend()[:, None]
    key = torch.arange(cache.lengths.longest, device=position.device)[None]
    mask = masks(key <= position, position - key, masked)
    with torch.inference_mode():
        logits = masked.model(
            input_ids=torch.tensor(tokens, device=input_device(masked.model))[:, None],
            position_ids=position,
            attention_mask=_by_row(mask),
            use_cache=True,
            **{masked.cache_name: cache},
        ).logits[:, -1]
    return _likeliest(logits)


def _likeliest(logits: torch.Tensor) -> list[tuple[int, float]]:
    """Token and logit of each row. NoNumbersError where no token is: NaN, or +inf, which any may share."""
    best = logits.max(-1)  # NaN where any is
    found = list(zip(best.indices.tolist(), best.values.tolist(), strict=True))
    for _, logit in found:
        if not math.isfinite(logit):
            raise NoNumbersError(
                f"a logit of an answer's next token is {logit}: the model computes NaN or infinite logits, "
                "and no token is the likeliest. Check the checkpoint, or try dtype: float32."
            )
    return found


@contextlib.contextmanager
def refusing_nan(model: PreTrainedModel) -> Iterator[None]:
    """Inside, the model's own `generate` raises as `_likeliest` does, and picks no token."""

    def look(_: Any, __: Any, output: Any) -> None:
        _likeliest(output.logits[:, -1])

    handle = model.register_forward_hook(look)
    try:
        yield
    finally:
        handle.remove()


def _by_row(mask: torch.Tensor | dict[str, torch.Tensor]) -> Any:
    """Masks of queries of one row to masks of one query for each row."""
    if isinstance(mask, dict):
        return {kind: one.transpose(0, 2) for kind, one in mask.items()}
    return mask.transpose(0, 2)


def unsupported(model: PreTrainedModel) -> str | None:
    """Why this model's greedy decoding is more than the likeliest token each time; None if it isn't."""
    config = getattr(model, "generation_config", None)
    if config is None:
        return "it has no generation config"
    changing = [
        name
        for name, value in config.to_diff_dict().items()
        if name not in _HARMLESS and value is not None and value is not False and value != _NEUTRAL.get(name)
    ]
    return f"its generation config sets {', '.join(sorted(changing))}" if changing else None


def disagreement(model: PreTrainedModel, answer: Generated) -> float:
    """How far the first logits are from those of the model's own `generate`.

    Up to the first token that differs, the largest error of a greatest logit; at that token also by how much
    the model prefers its own.
    """
    import torch

    ids = torch.tensor([answer.prompt.tokens], device=input_device(model))
    plain: Any = model.generate(  # type: ignore[operator]  # a Module's attribute may be anything
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=min(PROOF_TOKENS, len(answer.tokens)),
        do_sample=False,
        return_dict_in_generate=True,
        output_logits=True,
    )
    error = 0.0
    for (logits,), ours, logit in zip(plain.logits, answer.tokens, answer.logits, strict=False):
        theirs, best = int(logits.argmax()), float(logits.max())
        # `max` would pass over a NaN
        error = float(np.max([error, abs(best - logit), best - float(logits[ours])]))
        if theirs != ours:
            break
    return error
