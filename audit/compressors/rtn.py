"""Round-to-nearest weight quantisation of the linear layers, packed by compressed-tensors.

The checkpoint is the `pack-quantized` format that vLLM serves: integers of 2 to 8 bits packed
densely into int32 words, a scale for each group. Embeddings, norms and the output head stay as
they are (the head is often tied to the embeddings). Rounding and packing run on the CPU, so that the
artefact is the same whatever the audit computes on.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from audit.errors import CompressionError
from audit.loading import linear_layers, logits, save, stored_dtype
from audit.records import Record

if TYPE_CHECKING:
    import torch
    from compressed_tensors.quantization import QuantizationArgs
    from torch import Tensor
    from torch.nn import Linear
    from transformers import PreTrainedModel

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


def compress(model: PreTrainedModel, options: Options, out: Path, witness: Tensor) -> Tensor:
    """Quantise the linear layers but the output head; see `Compressor.compress`."""
    from compressed_tensors.compressors import ModelCompressor

    arguments = _arguments(options)
    layers = dict(linear_layers(model))
    _check_groups(layers, options.group_size)
    found = {name: _round(module, arguments, stored_dtype(model)) for name, module in layers.items()}
    before_saving = logits(model, witness)
    model.cpu()
    _attach(model, arguments, found)
    packer = ModelCompressor.from_pretrained_model(model, "pack-quantized")
    packer.compress_model(model)
    save(model, out)
    packer.update_config(str(out))
    return before_saving


def _arguments(options: Options) -> QuantizationArgs:
    from compressed_tensors.quantization import QuantizationArgs

    return QuantizationArgs(
        num_bits=options.bits,
        type="int",
        symmetric=options.symmetric,
        strategy="group" if options.group_size else "channel",
        group_size=options.group_size or None,
    )


def _round(module: Linear, arguments: QuantizationArgs, stored: torch.dtype) -> tuple[Tensor, Tensor]:
    """Round the weight, and return its scale and zero point.

    The scale is in the dtype that it is stored in: what is rounded to is then what will be loaded.
    """
    from compressed_tensors.quantization.lifecycle.forward import fake_quantize
    from compressed_tensors.quantization.utils import calculate_qparams

    weight = module.weight.detach().cpu()
    grouped = weight.reshape(module.out_features, -1, arguments.group_size or module.in_features)
    scale, zero_point = calculate_qparams(grouped.amin(-1), grouped.amax(-1), arguments)
    scale = scale.to(stored)
    rounded = fake_quantize(weight, scale, None if arguments.symmetric else zero_point, arguments)
    module.weight.detach().copy_(rounded)
    return scale, zero_point


def _attach(
    model: PreTrainedModel, arguments: QuantizationArgs, found: dict[str, tuple[Tensor, Tensor]]
) -> None:
    """Tell compressed-tensors what was done to which layers: the packer goes by that."""
    from compressed_tensors.quantization import (
        QuantizationConfig,
        QuantizationScheme,
        QuantizationStatus,
        apply_quantization_config,
    )

    apply_quantization_config(
        model,
        QuantizationConfig(
            config_groups={"linear": QuantizationScheme(targets=["Linear"], weights=arguments)},
            ignore=[name for name, _ in model.named_modules() if name not in found],
            quantization_status=QuantizationStatus.FROZEN,
        ),
    )
    for name, (scale, zero_point) in found.items():
        module = model.get_submodule(name)
        module.get_parameter("weight_scale").data = scale
        if not arguments.symmetric:
            module.get_parameter("weight_zero_point").data.copy_(zero_point)


def _check_groups(layers: dict[str, Linear], group_size: int) -> None:
    for name, module in layers.items():
        width = module.weight.shape[1]
        if group_size and width % group_size:
            fits = [size for size in (128, 64, 32, 16, 8) if width % size == 0]
            raise CompressionError(
                f"group_size {group_size} doesn't divide the {width} inputs of {name}. "
                f"Use one of {', '.join(map(str, fits)) or 'none'}, or 0 for one scale per channel."
            )
