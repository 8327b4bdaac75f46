"""Round-to-nearest weight quantisation of the linear layers, packed by compressed-tensors.

The checkpoint is the `pack-quantized` format that vLLM serves: integers of 2 to 8 bits packed
densely into int32 words, a scale for each group. Embeddings, norms and the output head stay as
they are (the head is often tied to the embeddings).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from audit.errors import CompressionError
from audit.loading import linear_layers, logits
from audit.records import Record

if TYPE_CHECKING:
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

    _quantise(model, options)
    before_saving = logits(model, witness)
    packer = ModelCompressor.from_pretrained_model(model, "pack-quantized")
    packer.compress_model(model)
    model.save_pretrained(out)
    packer.update_config(str(out))
    return before_saving


def _quantise(model: PreTrainedModel, options: Options) -> None:
    """Attach scales to the linear layers; from here on the model computes with rounded weights."""
    from compressed_tensors.quantization import (
        QuantizationArgs,
        QuantizationConfig,
        QuantizationScheme,
        QuantizationStatus,
        apply_quantization_config,
    )
    from compressed_tensors.quantization.utils import calculate_qparams, is_module_quantized

    arguments = QuantizationArgs(
        num_bits=options.bits,
        type="int",
        symmetric=options.symmetric,
        strategy="group" if options.group_size else "channel",
        group_size=options.group_size or None,
    )
    scheme = QuantizationScheme(targets=["Linear"], weights=arguments)
    layers = dict(linear_layers(model))
    _check_groups(layers, options.group_size)
    apply_quantization_config(
        model,
        QuantizationConfig(
            config_groups={"linear": scheme},
            ignore=[name for name, _ in model.named_modules() if name not in layers],
            quantization_status=QuantizationStatus.FROZEN,
        ),
    )
    for module in layers.values():
        if is_module_quantized(module):
            width = options.group_size or module.in_features
            grouped = module.weight.detach().reshape(module.out_features, -1, width)
            scale, zero_point = calculate_qparams(grouped.amin(-1), grouped.amax(-1), arguments)
            module.get_parameter("weight_scale").data.copy_(scale)
            if not options.symmetric:
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
