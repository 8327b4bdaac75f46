"""NF4 and FP4 (Dettmers et al. 2023, QLoRA): 4-bit codes that lie as normally distributed weights do.

By bitsandbytes: each block of the flattened weight is divided by its largest magnitude and rounded to the
nearest of 16 fixed numbers. It needs no text. Quantised on the CPU, so that the artefact is the same
whatever the audit computes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from audit.compressors.llm_compressor import left_out
from audit.loading import before_saving, linear_layers, stored_dtype
from audit.making import Made, Making
from audit.records import Written

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch.nn import Linear

TITLE = "4-bit NormalFloat (NF4) or FP4, packed (bitsandbytes)"
LIBRARY = "bitsandbytes"
PRESETS: dict[str, dict[str, bool | int | float | str]] = {"nf4": {}}


class Options(Written):
    """Settings of bitsandbytes' 4-bit quantisation."""

    quant_type: Literal["nf4", "fp4"] = "nf4"
    """The 16 numbers: quantiles of a normal distribution, or 4-bit floating point."""
    block_size: Literal[32, 64, 128, 256, 512, 1024, 2048, 4096] = 64
    """Weights that share a scale; blocks run on from row to row."""
    double_quant: bool = False
    """Whether the scales are quantised to 8 bits themselves: about 0.4 bits less a weight at 64."""


def compress(making: Making[Options]) -> Made:
    """Quantise the linear layers but the output head; see `Compressor.compress`."""
    from transformers import BitsAndBytesConfig

    model, options, dtype = making.model, making.options, stored_dtype(making.model)
    quantised = {name: _quantised(module, options, dtype) for name, module in linear_layers(model)}
    for name, module in linear_layers(model):
        module.weight.detach().copy_(_dequantised(quantised[name]))
    logits = before_saving(making, {f"{name}.weight": _bits_on_disk(one) for name, one in quantised.items()})
    config = BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True,
        bnb_4bit_quant_type=options.quant_type,
        bnb_4bit_use_double_quant=options.double_quant,
        bnb_4bit_compute_dtype=dtype,
        llm_int8_skip_modules=left_out(model),
    )
    model.cpu()
    model.to(dtype)  # type: ignore[arg-type]  # transformers' decorator hides torch's overloads
    for name, replaced in quantised.items():
        model.set_submodule(name, replaced)
    model.config.quantization_config = config
    model.save_pretrained(making.out)
    return Made(logits)


def _quantised(module: Linear, options: Options, dtype: torch.dtype) -> Any:
    """The module with its weight, which is exact in `dtype`, in 4 bits."""
    from bitsandbytes.nn import Linear4bit, Params4bit

    replaced = Linear4bit(
        module.in_features, module.out_features, bias=module.bias is not None, compute_dtype=dtype,
        compress_statistics=options.double_quant, quant_type=options.quant_type, device="meta",
    )  # fmt: skip
    replaced.weight = Params4bit(
        module.weight.detach().cpu().to(dtype), requires_grad=False, blocksize=options.block_size,
        compress_statistics=options.double_quant, quant_type=options.quant_type, module=replaced,
    ).to("cpu")  # fmt: skip
    if module.bias is not None:
        replaced.bias = module.bias
    return replaced


def _bits_on_disk(module: Any) -> int:
    """Codes, scales, and what says how to read them."""
    weight = module.weight
    parts: list[Tensor] = [weight.data, *weight.quant_state.as_dict(packed=True).values()]
    return 8 * sum(part.nbytes for part in parts)


def _dequantised(module: Any) -> Tensor:
    """In the dtype that was quantised, as the kernels do."""
    from bitsandbytes.functional import dequantize_4bit

    weight: Tensor = dequantize_4bit(module.weight.data, module.weight.quant_state)
    return weight
