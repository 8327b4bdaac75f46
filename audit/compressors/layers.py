"""Whole decoder layers removed by Block Influence (ShortGPT, Men et al. 2024): those that change least go."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from audit.calibration import Calibrated
from audit.compressors.structure import keep_layers, read, removed_after, saved_if_same, stack
from audit.errors import CompressionError
from audit.loading import logits
from audit.making import Made, Making

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

TITLE = "whole layers removed by Block Influence over calibration text (ShortGPT)"
LIBRARY = "torch"
PRESETS = {f"layers-{remove}": {"remove": remove} for remove in (1, 2, 3, 4)}


class Options(Calibrated):
    """Which text, and how many layers go."""

    remove: Annotated[int, Field(ge=1)]
    """Layers that go, all at once, as in the paper."""


def compress(making: Making[Options]) -> Made:
    """Remove the layers with the least Block Influence; see `Compressor.compress`."""
    from torch.nn import ModuleList

    model, remove = making.model, making.options.remove
    layers = stack(model)
    if remove >= len(layers):
        raise CompressionError(
            f"remove: {remove} layers can't go from a model of {len(layers)}; one must stay. "
            f"Use {len(layers) - 1} or less."
        )
    influence = block_influence(making)
    gone = set(sorted(range(len(layers)), key=influence.__getitem__)[:remove])
    making.progress.stage(f"removing layers {', '.join(map(str, sorted(gone)))} of 0 to {len(layers) - 1}")
    off = _logits_without(making, gone)
    kept = [place for place in range(len(layers)) if place not in gone]
    stay = [layers[place] for place in kept]
    for place, layer in enumerate(stay):
        module: Any
        for module in layer.modules():
            if hasattr(module, "layer_idx"):
                module.layer_idx = place  # its place in the cache
    keep_layers(model.config, kept)
    layers._modules = ModuleList(stay)._modules
    return saved_if_same(making, off)._replace(removed_layers=tuple(sorted(gone)))


def block_influence(making: Making[Options]) -> list[float]:
    """1 − mean over the text's tokens of cos(what goes into a layer, what comes out), eq. 1 of the paper."""
    import torch

    layers = stack(making.model)
    totals = [0.0] * len(layers)

    def listener(place: int) -> Callable[..., None]:
        def listen(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            before, after = _entering(args, kwargs), output[0] if isinstance(output, tuple) else output
            totals[place] += float(torch.cosine_similarity(before.double(), after.double(), dim=-1).sum())

        return listen

    hooks = [
        layer.register_forward_hook(listener(place), with_kwargs=True) for place, layer in enumerate(layers)
    ]
    with removed_after(hooks):
        read(making)
    assert making.text is not None, "the options are Calibrated"
    return [1 - total / making.text.size for total in totals]


def _entering(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """The hidden states that a layer is called with."""
    states: Tensor = args[0] if args else kwargs["hidden_states"]
    return states


def _logits_without(making: Making[Options], gone: set[int]) -> Tensor:
    """On the witness, with the layers passing on what they are given."""

    def skip(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
        before = _entering(args, kwargs)
        return (before, *output[1:]) if isinstance(output, tuple) else before

    layers = stack(making.model)
    hooks = [layers[place].register_forward_hook(skip, with_kwargs=True) for place in sorted(gone)]
    with removed_after(hooks):
        return logits(making.model, making.witness)
