"""Round-to-nearest weight quantisation of the linear layers, packed by compressed-tensors."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import Field, field_validator

from audit.compressors import packed
from audit.errors import CompressionError
from audit.loading import linear_layers, stored_dtype
from audit.making import Made, Making
from audit.records import Written

TITLE = "round-to-nearest weight quantisation, packed (compressed-tensors)"
LIBRARY = "compressed-tensors"
PRESETS = {
    "int8": {"bits": 8},
    "int4": {"bits": 4, "group_size": 64},
    "int3": {"bits": 3, "group_size": 64},
    "int2": {"bits": 2, "group_size": 64},
}
_EXCEPTION = re.compile(r"[^\s=,]+=[2-8]")

Bits = Annotated[int, Field(ge=2, le=8)]


class Options(Written):
    """Settings of round-to-nearest."""

    bits: Bits
    """Width of a weight."""
    group_size: Annotated[int, Field(ge=0)] = 0
    """Weights of a row that share a scale; 0: the whole row (one scale per output channel)."""
    symmetric: bool = True
    """Without a zero point."""
    exceptions: str = ""
    """Other widths for some modules: patterns of their names with `=` and bits, spaces between, as in
    `*.layers.0.*=8 *.down_proj=6`. The first that a name fits counts."""

    @field_validator("exceptions")
    @classmethod
    def _are_patterns_with_bits(cls, given: str) -> str:
        for one in given.split():
            if not _EXCEPTION.fullmatch(one):
                raise ValueError(f"{one!r} is none: write a pattern, `=` and 2 to 8, as in *.down_proj=6")
        return given

    def bits_of(self, name: str) -> int:
        """The width of a module's weights.

        >>> options = Options(bits=4, exceptions="*.layers.0.*=8 *.down_proj=6")
        >>> names = ("layers.0.mlp.down_proj", "layers.10.mlp.down_proj", "layers.9.self_attn.v_proj")
        >>> [options.bits_of(f"model.{name}") for name in names]
        [8, 6, 4]
        """
        patterns = (one.rpartition("=")[::2] for one in self.exceptions.split())
        return next((int(bits) for pattern, bits in patterns if fnmatchcase(name, pattern)), self.bits)


def compress(making: Making[Options]) -> Made:
    """Quantise the linear layers but the output head; see `Compressor.compress`."""
    model, options = making.model, making.options
    layers = dict(linear_layers(model))
    packed.check_groups(layers, options.group_size)
    _check_exceptions(options, layers)
    stored = stored_dtype(model)
    return packed.saved(
        making,
        {
            name: packed.round_to_nearest(
                module, packed.arguments(options.bits_of(name), options.group_size, options.symmetric), stored
            )
            for name, module in layers.items()
        },
    )


def _check_exceptions(options: Options, layers: Iterable[str]) -> None:
    """Raises CompressionError where a pattern fits no layer."""
    for one in options.exceptions.split():
        pattern = one.rpartition("=")[0]
        if not any(fnmatchcase(name, pattern) for name in layers):
            some = ", ".join(list(layers)[:3])
            raise CompressionError(f"exceptions: no linear layer is named {pattern!r}. There are {some}, …")
