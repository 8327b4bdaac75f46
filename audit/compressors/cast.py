"""Rounding every weight to a 16-bit floating-point number: half the bytes, and usually no loss."""

from __future__ import annotations

from typing import Literal

from audit.loading import before_saving
from audit.making import Made, Making
from audit.records import Written

TITLE = "16-bit floating-point weights"
LIBRARY = "torch"
PRESETS: dict[str, dict[str, bool | int | float | str]] = {
    "bf16": {"dtype": "bfloat16"},
    "fp16": {"dtype": "float16"},
}


class Options(Written):
    """Which of the two."""

    dtype: Literal["bfloat16", "float16"]
    """bfloat16 keeps float32's range at 8 bits of precision; float16 has 11 bits and a smaller range."""


def compress(making: Making[Options]) -> Made:
    """Round the weights and save them so; see `Compressor.compress`.

    The logits are those of the rounded weights computed in float32. The weights alone are rounded before:
    the buffers (rotary frequencies) stay.
    """
    import torch

    model, dtype = making.model, getattr(torch, making.options.dtype)
    with torch.no_grad():
        for weights in model.parameters():
            weights.copy_(weights.to(dtype))
    bits = torch.finfo(dtype).bits
    logits = before_saving(making, {name: bits * one.numel() for name, one in model.named_parameters()})
    model.to(dtype)
    model.save_pretrained(making.out)
    return Made(logits)
