"""Attention heads removed by magnitude, whole groups at a time: a key-value head and its query heads.

Needs no text; `wanda_heads` looks at some.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from audit.compressors.structure import (
    Part,
    Scorer,
    Width,
    magnitudes,
    prune,
    refused,
    remaining,
    stack,
    why_not,
)
from audit.errors import CompressionError
from audit.making import Made, Making

if TYPE_CHECKING:
    from torch.nn import Linear, Module
    from transformers import PreTrainedModel

TITLE = "attention heads removed by magnitude, with their keys and values: smaller tensors and cache"
LIBRARY = "torch"
PRESETS: dict[str, dict[str, bool | int | float | str]] = {
    "heads-33": {"share": 0.33},
    "heads-50": {"share": 0.5},
}
Options = Width
PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj")


def compress(making: Making[Options]) -> Made:
    """Remove the groups of heads with the smallest weights; see `Compressor.compress`."""
    return prune_heads(making, magnitudes)


def prune_heads(making: Making[Any], score: Scorer) -> Made:
    """Remove the groups of heads that score least, as the options say, which are a `Width`."""
    options: Width = making.options
    model, share = making.model, options.share
    groups = attentions(model)[0].units
    stay = remaining(groups, share)
    reason = why_not(model, _changes(model, stay)) if stay else "one must stay"
    if reason:
        fit = [left for left in range(1, groups) if not why_not(model, _changes(model, left))]
        shares = ", ".join(f"{1 - left / groups:.3g}" for left in reversed(fit))
        raise CompressionError(
            f"share {share} leaves {stay} of the {groups} key-value heads of a layer, which a config of type "
            f"{model.config.model_type} can't say: {reason}. Shares that it can: {shares or 'none'}."
        )
    return prune(making, attentions, score, stay, _changes(model, stay))


def attentions(model: PreTrainedModel) -> list[Part]:
    """The attention of each layer; a unit is a key-value head with the query heads that share it."""
    heads, key_values, size = _shape(model)
    parts = []
    for place, layer in enumerate(stack(model)):
        found = _projections(layer)
        sides = [one.out_features for one in found[:3]] + [one.in_features for one in found[3:]]
        if sides != [heads * size, key_values * size, key_values * size, heads * size]:
            raise refused(
                model,
                f"layer {place} has no `self_attn` with linear {', '.join(PROJECTIONS)} for {heads} query "
                f"heads and {key_values} key-value heads of {size}",
            )
        _check_others(model, layer.get_submodule("self_attn"), size)
        parts.append(Part(key_values, tuple(found[:3]), found[3]))
    return parts


def _projections(layer: Module) -> list[Linear]:
    """Those of the four that are there and linear, in their order."""
    from torch.nn import Linear

    found = [getattr(getattr(layer, "self_attn", None), name, None) for name in PROJECTIONS]
    return [one for one in found if isinstance(one, Linear)]


def _shape(model: PreTrainedModel) -> tuple[int, int, int]:
    """Query heads, key-value heads, and their size; one of each for all layers."""
    config = model.config.get_text_config()
    heads = getattr(config, "num_attention_heads", None)
    key_values = getattr(config, "num_key_value_heads", None) or heads
    if not isinstance(heads, int) or not isinstance(key_values, int):
        raise refused(model, f"its config has no one number of heads for all layers ({heads}, {key_values})")
    return heads, key_values, getattr(config, "head_dim", None) or config.hidden_size // heads


def _check_others(model: PreTrainedModel, attention: Module, size: int) -> None:
    """What the attention holds beside its projections must be one for all heads, as Qwen3's norms are."""
    for name, weights in attention.named_parameters():
        if name.partition(".")[0] not in PROJECTIONS and weights.shape != (size,):
            raise refused(
                model, f"its attention holds {name}, {list(weights.shape)}, which is not one head's"
            )


def _changes(model: PreTrainedModel, stay: int) -> dict[str, int]:
    heads, key_values, size = _shape(model)
    return {
        "num_attention_heads": heads // key_values * stay, "num_key_value_heads": stay, "head_dim": size,
    }  # fmt: skip
