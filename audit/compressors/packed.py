"""The checkpoint of integers that vLLM serves (compressed-tensors).

`pack-quantized`: integers of 2 to 8 bits lie densely in int32 words, with a scale for each group.
`int-quantized`: int8 as it is, where activations are rounded as well. Embeddings, norms and the
output head stay as they are (the head is often tied to the embeddings). Rounding and packing run on the CPU,
so that the artefact is the same whatever the audit computes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from audit.errors import CompressionError
from audit.loading import logits, stored_dtype
from audit.making import Made, Making

if TYPE_CHECKING:
    from compressed_tensors.quantization import QuantizationArgs
    from torch import Tensor, dtype
    from torch.nn import Linear


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


def round_to_nearest(module: Linear, wanted: QuantizationArgs, stored: dtype) -> tuple[Tensor, Tensor]:
    """Round the module's weight; its scale, in `stored`, and its zero point."""
    from compressed_tensors.quantization.utils import calculate_qparams

    weight = module.weight.detach().cpu()
    grouped = weight.reshape(module.out_features, -1, wanted.group_size or module.in_features)
    scale, zero_point = calculate_qparams(grouped.amin(-1), grouped.amax(-1), wanted)
    scale = scale.to(stored)
    round_to(module, weight, scale, zero_point, wanted)
    return scale, zero_point


def saved(
    making: Making[Any], wanted: QuantizationArgs, found: Mapping[str, tuple[Tensor, Tensor]],
    activations: QuantizationArgs | None = None,
) -> Made:  # fmt: skip
    """Pack the rounded modules that `found` names, each with its scale and zero point, and save the model.

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
    scheme = QuantizationScheme(targets=["Linear"], weights=wanted, input_activations=activations)
    before_saving = logits(model, making.witness)
    model.cpu()
    apply_quantization_config(
        model,
        QuantizationConfig(
            config_groups={"linear": scheme},
            ignore=[name for name, _ in model.named_modules() if name not in found],
            quantization_status=QuantizationStatus.FROZEN,
        ),
    )
    for name, (scale, zero_point) in found.items():
        module = model.get_submodule(name)
        module.get_parameter("weight_scale").data = scale
        if not wanted.symmetric:
            module.get_parameter("weight_zero_point").data.copy_(zero_point)
    packer = ModelCompressor.from_pretrained_model(
        model, "int-quantized" if activations else "pack-quantized"
    )
    packer.compress_model(model)
    model.to(stored_dtype(model))  # type: ignore[arg-type]  # transformers' decorator hides torch's overloads
    for name, (scale, _) in found.items():
        model.get_submodule(name).get_parameter("weight_scale").data = scale
    model.save_pretrained(making.out)
    packer.update_config(str(making.out))
    return Made(before_saving)
