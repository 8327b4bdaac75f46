"""The checkpoint of integers that vLLM serves (compressed-tensors).

`pack-quantized`: integers of 2 to 8 bits lie densely in int32 words, with a scale for each group.
`int-quantized`: int8 as it is, where activations are rounded as well. Embeddings, norms and the
output head stay as they are (the head is often tied to the embeddings). Rounding and packing run on the CPU,
so that the artefact is the same whatever the audit computes on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from audit.errors import CompressionError
from audit.loading import before_saving, stored_dtype
from audit.making import Made, Making

if TYPE_CHECKING:
    from compressed_tensors.quantization import QuantizationArgs
    from torch import Tensor, dtype
    from torch.nn import Linear

WORD = 32
"""Bits of the integers that codes lie in."""
SHAPE = 2 * 64
"""Bits of the shape that stands beside packed codes."""


class Rounded(NamedTuple):
    """By what a module's weight was rounded."""

    scale: Tensor
    """In the dtype that it is stored in."""
    zero_point: Tensor
    wanted: QuantizationArgs


def arguments(bits: int, group_size: int, symmetric: bool) -> QuantizationArgs:
    """Of the weights; `group_size` 0 is one scale for each row."""
    from compressed_tensors.quantization import QuantizationArgs

    return QuantizationArgs(
        num_bits=bits,
        type="int",
        symmetric=symmetric,
        strategy="group" if group_size else "channel",
        group_size=group_size or None,
    )


def check_groups(layers: Mapping[str, Linear], group_size: int) -> None:
    """Raises CompressionError where a layer's rows don't fall into whole groups."""
    for name, module in layers.items():
        width = module.weight.shape[1]
        if group_size and width % group_size:
            fits = [size for size in (128, 64, 32, 16, 8) if width % size == 0]
            raise CompressionError(
                f"group_size {group_size} doesn't divide the {width} inputs of {name}. "
                f"Use one of {', '.join(map(str, fits)) or 'none'}, or 0 for one scale per channel."
            )


def round_to(
    module: Linear, weight: Tensor, scale: Tensor, zero_point: Tensor, wanted: QuantizationArgs
) -> None:
    """Give the module what `weight` is rounded to.

    `scale` is in the dtype that it is stored in: what is computed with is then what will be loaded.
    """
    from compressed_tensors.quantization.lifecycle.forward import fake_quantize

    rounded = fake_quantize(weight.cpu(), scale, None if wanted.symmetric else zero_point, wanted)
    module.weight.detach().copy_(rounded)


def round_to_nearest(module: Linear, wanted: QuantizationArgs, stored: dtype) -> Rounded:
    """Round the module's weight; the scale is in `stored`."""
    import torch
    from compressed_tensors.quantization.utils import calculate_qparams

    weight = module.weight.detach().cpu()
    grouped = weight.reshape(module.out_features, -1, wanted.group_size or module.in_features)
    scale, zero_point = calculate_qparams(grouped.amin(-1), grouped.amax(-1), wanted)
    # What is too small for the dtype would be 0, and 0 over 0 is no weight
    kind = torch.finfo(stored)
    scale = scale.to(stored)
    scale[scale == 0] = kind.tiny * kind.eps
    round_to(module, weight, scale, zero_point, wanted)
    return Rounded(scale, zero_point, wanted)


def saved(
    making: Making[Any], found: Mapping[str, Rounded], activations: QuantizationArgs | None = None
) -> Made:
    """Pack the rounded modules that `found` names, and save the model.

    `activations`: how a runtime has to round what goes into those modules; None: not at all.
    """
    from compressed_tensors.compressors import ModelCompressor
    from compressed_tensors.quantization import (
        QuantizationConfig,
        QuantizationScheme,
        QuantizationStatus,
        apply_quantization_config,
    )

    model = making.model
    packed = {
        f"{name}.weight": _bits_on_disk(one, model.get_submodule(name), packed=not activations)
        for name, one in found.items()
    }
    logits = before_saving(making, packed)
    model.cpu()
    apply_quantization_config(
        model,
        QuantizationConfig(
            config_groups={
                name: QuantizationScheme(targets=targets, weights=wanted, input_activations=activations)
                for name, targets, wanted in _groups(found)
            },
            ignore=[name for name, _ in model.named_modules() if name not in found],
            quantization_status=QuantizationStatus.FROZEN,
        ),
    )
    for name, one in found.items():
        module = model.get_submodule(name)
        module.get_parameter("weight_scale").data = one.scale
        if not one.wanted.symmetric:
            module.get_parameter("weight_zero_point").data.copy_(one.zero_point)
    packer = ModelCompressor.from_pretrained_model(
        model, "int-quantized" if activations else "pack-quantized"
    )
    packer.compress_model(model)
    model.to(stored_dtype(model))  # type: ignore[arg-type]  # transformers' decorator hides torch's overloads
    for name, one in found.items():
        model.get_submodule(name).get_parameter("weight_scale").data = one.scale
    model.save_pretrained(making.out)
    packer.update_config(str(making.out))
    return Made(logits)


def _groups(found: Mapping[str, Rounded]) -> list[tuple[str, list[str], QuantizationArgs]]:
    """The modules that are rounded alike, named one by one where there are several such groups."""
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for name, one in found.items():
        alike[one.wanted.model_dump_json()].append(name)
    if len(alike) == 1:
        return [("linear", ["Linear"], next(iter(found.values())).wanted)]
    return [(f"group {place}", names, found[names[0]].wanted) for place, names in enumerate(alike.values())]


def _bits_on_disk(one: Rounded, module: Any, *, packed: bool) -> int:
    """What the checkpoint holds in the place of the module's weight."""
    rows: int = module.out_features
    width: int = module.in_features
    bits: int = one.wanted.num_bits
    scales = one.scale.numel() * _bits_of(one.scale.dtype)
    if not packed:
        return rows * width * bits + scales
    codes = rows * WORD * -(-width * bits // WORD)
    if one.wanted.symmetric:
        return codes + scales + SHAPE
    groups = one.scale.shape[-1]
    return codes + scales + SHAPE + groups * WORD * -(-rows * bits // WORD)


def _bits_of(kind: dtype) -> int:
    """Of one number of a floating-point dtype."""
    import torch

    return torch.finfo(kind).bits
