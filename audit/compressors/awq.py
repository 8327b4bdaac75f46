"""AWQ (Lin et al. 2024): channels that activations make much of are scaled up before weights are rounded.

The scale of each input channel is searched over calibration text, layer by layer, and the layer before takes
its inverse; then weights are rounded to nearest and packed as `rtn`'s are. By llm-compressor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from audit.compressors import packed
from audit.compressors.llm_compressor import Rounding, applied, left_out
from audit.loading import linear_layers, stored_dtype
from audit.making import Made, Making

if TYPE_CHECKING:
    from transformers import PreTrainedModel

TITLE = "AWQ weight quantisation over calibration text, packed (llm-compressor)"
LIBRARY = "llmcompressor"
PRESETS = {"awq-4": {"bits": 4, "group_size": 64}}


class Options(Rounding):
    """Settings of AWQ."""

    grid: Annotated[int, Field(ge=3)] = 20
    """Scales that are tried for each layer."""


def compress(making: Making[Options]) -> Made:
    """Quantise the linear layers but the output head; see `Compressor.compress`."""
    from compressed_tensors.quantization import QuantizationScheme
    from llmcompressor.modifiers.quantization import QuantizationModifier

    model, options = making.model, making.options
    wanted = packed.arguments(options.bits, options.group_size, options.symmetric)
    layers = dict(linear_layers(model))
    packed.check_groups(layers, options.group_size)
    scheme: Any = QuantizationScheme(targets=["Linear"], weights=wanted)
    ignore = left_out(model)
    scaled = applied(
        making, [_search(options.grid), QuantizationModifier(config_groups={"linear": scheme}, ignore=ignore)]
    )
    _take_over(model, scaled)
    found = {
        name: packed.round_to_nearest(module, wanted, stored_dtype(model)) for name, module in layers.items()
    }
    return packed.saved(making, found)


def _search(grid: int) -> Any:
    """llm-compressor's modifier; one that pins no memory where torch has no accelerator to pin it for."""
    import torch
    from llmcompressor.modifiers.transform.awq import AWQModifier
    from llmcompressor.pipelines.cache import IntermediatesCache

    class Unpinned(IntermediatesCache):  # type: ignore[misc]  # llm-compressor ships no types
        def pin_memory(self, *_: Any, **__: Any) -> None:
            """Nothing."""

    class OnTheCpu(AWQModifier):  # type: ignore[misc]
        def _setup_activation_cache_hooks(self) -> None:
            super()._setup_activation_cache_hooks()
            for parent in self._parent_args_cache:
                self._parent_args_cache[parent] = Unpinned(None, self.offload_device)

    return (AWQModifier if torch.accelerator.is_available() else OnTheCpu)(n_grid=grid)


def _take_over(model: PreTrainedModel, scaled: PreTrainedModel) -> None:
    """Give the model the scaled weights; those of norms rounded as they will be stored."""
    others = dict(scaled.named_parameters())
    linear = {f"{name}.weight" for name, _ in linear_layers(model)}
    for name, parameter in model.named_parameters():
        other = others[name].detach().to(parameter.device)
        parameter.detach().copy_(other if name in linear else other.to(stored_dtype(model)))
