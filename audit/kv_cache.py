"""What a model's config says about the memory of its keys and values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from audit.records import CacheShape, NotMeasured

if TYPE_CHECKING:
    from transformers import PretrainedConfig

WINDOWED = ("sliding_attention", "chunked_attention")
"""Kinds of layers that keep the last tokens only."""
_OTHERWISE = (
    "kv_lora_rank", "v_head_dim", "num_kv_shared_layers", "layers_block_type", "block_types", "mamba_d_state",
    "ssm_state_size", "state_size",
)  # fmt: skip
"""What only configs have whose layers keep latent vectors, share their cache, or keep a state."""


def cache_shape(config: PretrainedConfig) -> CacheShape | NotMeasured:
    """Layers, window, and numbers kept of a token: keys and values of all key-value heads.

    Not counted, with the reason, where the config tells of anything but full, grouped or multi-query
    attention, with or without a window.
    """
    text: Any = config.get_text_config()
    heads, size = _heads(text), _head_size(text)
    if heads is None or size is None:
        return NotMeasured(f"the config of {text.model_type} names no attention heads")
    if special := next((name for name in _OTHERWISE if getattr(text, name, None)), None):
        return NotMeasured(f"{text.model_type} has a cache of its own kind ({special}): not counted")
    kinds = _kinds(text)
    if other := sorted(set(kinds) - {"full_attention", *WINDOWED}):
        return NotMeasured(f"the cache of layers of the kind {other[0]} is not counted")
    full = kinds.count("full_attention")
    window = getattr(text, "sliding_window", None) or getattr(text, "attention_chunk_size", None)
    return CacheShape(
        full_layers=full,
        windowed_layers=len(kinds) - full,
        window=window if full < len(kinds) else None,
        values_per_token=2 * heads * size,
    )


def _kinds(text: Any) -> list[str]:
    """The kind of each layer."""
    listed = getattr(text, "layer_types", None)
    if listed:
        return list(listed)
    kind = "sliding_attention" if getattr(text, "sliding_window", None) else "full_attention"
    return [kind] * text.num_hidden_layers


def _heads(text: Any) -> int | None:
    """Heads that have keys and values of their own."""
    if getattr(text, "new_decoder_architecture", False):
        return int(text.num_kv_heads)  # Falcon 40B
    if getattr(text, "multi_query", False):
        return 1  # Falcon 7B, StarCoder
    heads = getattr(text, "num_key_value_heads", None) or getattr(text, "num_attention_heads", None)
    return int(heads) if heads else None


def _head_size(text: Any) -> int | None:
    """Numbers of one key or value."""
    size = getattr(text, "head_dim", None)
    if size:
        return int(size)
    heads, width = getattr(text, "num_attention_heads", None), getattr(text, "hidden_size", None)
    return width // heads if heads and width else None
