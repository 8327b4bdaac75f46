"""How formats lay a quantised weight out over several tensors: which these are, and how many weights."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, Field, ValidationError

from audit.errors import ModelError
from audit.stored_tensors import StoredTensor

_BESIDE = {
    # compressed-tensors (int-quantized, float-quantized), DeepSeek's FP8, bitsandbytes' LLM.int8
    "weight_scale", "weight_zero_point", "weight_g_idx", "weight_scale_inv", "input_scale",
    "input_zero_point", "SCB", "weight_format",
}  # fmt: skip
"""What stands beside a `weight` of eight bits and belongs to it."""
_GPTQ = {"qweight", "qzeros", "scales", "g_idx"}
"""Also AWQ's."""
_EIGHT_BITS = {"I8", "U8", "F8_E4M3", "F8_E5M2"}


class Quantised(NamedTuple):
    """One quantised weight matrix."""

    size: int
    """Number of weights."""
    codes: str
    """Name of the stored tensor with the integers (or small floats) that the weights were rounded to."""
    parts: tuple[str, ...]
    """Names of all stored tensors that it consists of."""


def quantised(tensors: Mapping[str, StoredTensor], bits: int | None) -> Iterator[Quantised]:
    """The quantised weight matrices among the tensors of a checkpoint.

    `bits` is what its config says of GPTQ and AWQ, whose tensors alone don't tell. Layouts:
    compressed-tensors' `weight_packed` beside `weight_shape`; GPTQ's and AWQ's `qweight`; bitsandbytes'
    4-bit `weight` with its `quant_state`; any 8-bit `weight` with its scale. Raises ModelError where what is
    needed is missing.
    """
    modules: dict[str, dict[str, str]] = defaultdict(dict)
    for name in tensors:
        stem, _, last = name.rpartition(".")
        modules[stem][last] = name
    for name, tensor in tensors.items():
        stem, _, last = name.rpartition(".")
        beside = modules[stem]
        if last == "weight_packed":
            parts = tuple(beside[one] for one in beside if one.startswith(("weight_", "input_")))
            yield Quantised(_packed_size(tensors, stem), name, parts)
        elif last == "qweight":
            if bits is None:
                raise ModelError(f"{tensor.file.parent}: {name} is packed, but config.json names no bits.")
            parts = tuple(beside[one] for one in beside if one in _GPTQ)
            yield Quantised(tensor.size * 32 // bits, name, parts)
        elif last == "weight" and f"{name}.quant_state" in modules:
            parts = (name, *modules[name].values(), *modules[f"{name}.quant_state"].values())
            yield Quantised(2 * tensor.size, name, parts)
        elif last == "weight" and tensor.dtype in _EIGHT_BITS and _BESIDE & set(beside):
            parts = (name, *(beside[one] for one in beside if one in _BESIDE))
            yield Quantised(tensor.size, name, parts)


def _packed_size(tensors: Mapping[str, StoredTensor], stem: str) -> int:
    """Weights of a `weight_packed`: two in a byte where it holds bytes (FP4), else as its shape says."""
    packed, shape = tensors[f"{stem}.weight_packed"], f"{stem}.weight_shape"
    if shape in tensors:
        return math.prod(tensors[shape].integers())
    if packed.dtype == "U8":
        return 2 * packed.size
    raise ModelError(f"{packed.file.parent}: {packed.name} is stored without its {shape}. Copy it again.")


class _Rounded(BaseModel):
    """How a group's weights or activations were rounded, as far as it is read here."""

    num_bits: Annotated[int, Field(ge=1, le=64)] | None = None
    group_size: int | None = None


class _Group(BaseModel):
    weights: _Rounded | None = None
    input_activations: _Rounded | None = None


class _Quantization(BaseModel):
    config_groups: dict[str, _Group] | None = None
    sparsity_config: dict[str, Any] | None = None
    quant_method: str | None = None
    format: str | None = None
    num_bits: Annotated[int, Field(ge=1, le=64)] | None = None
    bits: Annotated[int, Field(ge=1, le=64)] | None = None
    w_bit: Annotated[int, Field(ge=1, le=64)] | None = None
    group_size: int | None = None


def check_quantization(quantization: Mapping[str, Any]) -> None:
    """Raises ValueError naming the key of a `quantization_config` whose value can't be meant."""
    try:
        _Quantization.model_validate(quantization)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise ValueError(f"{key}: {first['msg']} (given {first['input']!r:.80})") from None


def named_bits(quantization: Mapping[str, Any]) -> int | None:
    """The bits of a weight that a config's `quantization_config` names; None: it names none, or several."""
    groups = [group.get("weights") or {} for group in (quantization.get("config_groups") or {}).values()]
    if len({weights.get("num_bits") for weights in groups}) > 1:
        return None
    weights = groups[0] if groups else quantization
    found = weights.get("num_bits") or weights.get("bits") or weights.get("w_bit")
    if found is None and quantization.get("load_in_4bit"):
        return 4
    if found is None and quantization.get("load_in_8bit"):
        return 8
    return None if found is None else int(found)
