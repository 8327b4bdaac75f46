"""Round-to-nearest weight quantisation of the linear layers, packed by compressed-tensors."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from audit.compressors import packed
from audit.loading import linear_layers, stored_dtype
from audit.making import Made, Making
from audit.records import Record

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
    model, options = making.model, making.options
    wanted = packed.arguments(options.bits, options.group_size, options.symmetric)
    layers = dict(linear_layers(model))
    packed.check_groups(layers, options.group_size)
    stored = stored_dtype(model)
    found = {name: packed.round_to_nearest(module, wanted, stored) for name, module in layers.items()}
    return packed.saved(making, wanted, found)
