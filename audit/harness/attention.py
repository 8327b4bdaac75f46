"""Which of a model's layers can be told, by a mask, which tokens see which."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

NEEDED = (("attention_mask",), ("position_ids",))
"""Arguments of `forward` without which a branch of the trie can't be told from its neighbour."""
CACHE_NAMES = ("cache", "past_key_values")
"""What `forward` calls keys and values computed before: transformers renamed it in 5.24."""
MASKED_KINDS = {"full_attention", "sliding_attention"}
"""Kinds of layers in transformers' `layer_types` that do nothing but attend under a mask."""
MASKED_IMPLEMENTATIONS = {"sdpa", "eager"}


class UnsupportedAttentionError(Exception):
    """This model can't be scored as a trie; the message is the reason, fit for a log."""


@dataclass(frozen=True)
class MaskedModel:
    """A model whose layers are told by masks which tokens see which."""

    model: PreTrainedModel
    windows: Mapping[str, int | None]
    """By kind of layer, how many positions back it sees (see `windows`)."""
    pack_tokens: int
    """Most tokens of one forward."""

    @cached_property  # asked for at every token of a generation
    def cache_name(self) -> str:
        """The argument by which this model's `forward` takes keys and values."""
        return _taken(self.model, *CACHE_NAMES)


def windows(model: PreTrainedModel) -> dict[str, int | None]:
    """For each kind of attention layer, how many positions back it sees, itself included; None: all.

    Raises UnsupportedAttentionError where a layer mixes tokens by something else than masked attention.
    """
    config = model.config.get_text_config()
    for names in (*NEEDED, CACHE_NAMES):
        _taken(model, *names)
    if model.get_output_embeddings() is None:  # type: ignore[no-untyped-call]
        raise UnsupportedAttentionError(f"{type(model).__name__} has no output embeddings")
    if config._attn_implementation not in MASKED_IMPLEMENTATIONS:
        raise UnsupportedAttentionError(f"attention '{config._attn_implementation}' takes no mask of its own")
    if "local" in getattr(config, "attention_layers", ()):  # GPT-Neo's, by a mask of its own
        raise UnsupportedAttentionError("local attention layers take no mask of ours")
    if getattr(config, "alibi", False):
        raise UnsupportedAttentionError("ALiBi counts distances along the row, not along the branch")
    window = getattr(config, "sliding_window", None) if getattr(config, "use_sliding_window", True) else None
    kinds = set(getattr(config, "layer_types", None) or [_only_kind(window)])
    if kinds - MASKED_KINDS:
        raise UnsupportedAttentionError(f"layers of kind {', '.join(sorted(kinds - MASKED_KINDS))}")
    return {kind: window if kind == "sliding_attention" else None for kind in sorted(kinds)}


def _taken(model: PreTrainedModel, *names: str) -> str:
    """The first of the names that the model's `forward` takes; raises UnsupportedAttentionError for none."""
    taken = inspect.signature(model.forward).parameters
    found = next((name for name in names if name in taken), None)
    if found is None:
        raise UnsupportedAttentionError(f"{type(model).__name__} takes no {names[0]}")
    return found


def longest_supported(model: PreTrainedModel) -> int | None:
    """Tokens beyond which the rotary frequencies depend on the longest row at hand; None: they never do."""
    config = model.config.get_text_config()
    ropes = getattr(config, "rope_parameters", None) or {}
    found = [
        int(rope.get("original_max_position_embeddings") or config.max_position_embeddings)
        for rope in [ropes, *ropes.values()]
        if isinstance(rope, dict)
        and any(kind in str(rope.get("rope_type")) for kind in ("dynamic", "longrope"))
    ]
    return min(found, default=None)


def _only_kind(window: int | None) -> str:
    return "full_attention" if window is None else "sliding_attention"


def masks(
    visible: torch.Tensor, distance: torch.Tensor, masked: MaskedModel
) -> torch.Tensor | dict[str, torch.Tensor]:
    """What to pass as `attention_mask`: one additive mask, or one for each kind where there are several.

    `visible` and `distance` are [queries, keys]: may the query see the key, and how many positions lie
    between them. Masks are [1, 1, queries, keys].
    """
    dtype = masked.model.dtype
    made = {kind: _additive(visible, distance, window, dtype) for kind, window in masked.windows.items()}
    return made if len(made) > 1 else next(iter(made.values()))


def _additive(
    visible: torch.Tensor, distance: torch.Tensor, window: int | None, dtype: torch.dtype
) -> torch.Tensor:
    import torch

    seen = visible if window is None else visible & (distance < window)
    mask = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
    return mask.masked_fill_(~seen, torch.finfo(dtype).min)[None, None]
