"""Round-to-nearest weight quantisation of the linear layers, packed by compressed-tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from audit.compressors import packed
from audit.loading import linear_layers, stored_dtype
from audit.making import Made, Making
from audit.records import Record

if TYPE_CHECKING:
    from torch import Tensor

TITLE = "round-to-nearest weight quantisation, packed (compressed-tensors)"
LIBRARY = "compressed-tensors"
PRESETS = {
    "int8": {"bits": 8},
    "int4": {"bits": 4, "group_size": 64},
    "int3": {"bits": 3, "group_size": 64},
    "int2": {"bits": 2, "group_size": 64},
}


class Options(Record):
    """Settings of round-to-nearest."""

    bits: Annotated[int, Field(ge=2, le=8)]
    """Width of a weight."""
    group_size: Annotated[int, Field(ge=0)] = 0
    """Weights of a row that share a scale; 0: the whole row (one scale per output channel)."""
    symmetric: bool = True
    """Without a zero point."""


def compress(making: Making[Options]) -> Made:
    """Quantise the linear layers but the output head; see `Compressor.compress`."""
    from compressed_tensors.quantization.utils import calculate_qparams

    model, options = making.model, making.options
    wanted = packed.arguments(options.bits, options.group_size, options.symmetric)
    layers = dict(linear_layers(model))
    packed.check_groups(layers, options.group_size)
    found: dict[str, tuple[Tensor, Tensor]] = {}
    for name, module in layers.items():
        weight = module.weight.detach().cpu()
        grouped = weight.reshape(module.out_features, -1, options.group_size or module.in_features)
        scale, zero_point = calculate_qparams(grouped.amin(-1), grouped.amax(-1), wanted)
        scale = scale.to(stored_dtype(model))
        packed.round_to(module, weight, scale, zero_point, wanted)
        found[name] = scale, zero_point
    return packed.saved(making, wanted, found)
