"""8-bit weights and 8-bit activations, as vLLM serves them (compressed-tensors, `int-quantized`).

Weights: int8, symmetric, one scale for each output channel, rounded to nearest. Activations: int8,
symmetric, one scale for each token, found as it comes, so no calibration text is needed. The rounding of
the activations is part of every evaluation (see `audit.activations`).
"""

from __future__ import annotations

from audit import activations
from audit.compressors import packed
from audit.loading import linear_layers
from audit.making import Made, Making
from audit.records import Written

TITLE = "8-bit weights and activations (W8A8), round-to-nearest (compressed-tensors)"
LIBRARY = "compressed-tensors"
PRESETS: dict[str, dict[str, bool | int | float | str]] = {"w8a8": {}}


class Options(Written):
    """None: the format leaves no choice."""


def compress(making: Making[Options]) -> Made:
    """Quantise the linear layers but the output head; see `Compressor.compress`.

    The scales are stored in float32 whatever the original is in: a runtime multiplies sums of integers by
    them, and rounds nothing but the result.
    """
    import torch
    from compressed_tensors.quantization import QuantizationArgs

    layers = dict(linear_layers(making.model))
    wanted = packed.arguments(bits=8, group_size=0, symmetric=True)
    found = {name: packed.round_to_nearest(module, wanted, torch.float32) for name, module in layers.items()}
    activations.round_inputs(layers.values())
    return packed.saved(making, found, QuantizationArgs(**activations.INT8_PER_TOKEN))
