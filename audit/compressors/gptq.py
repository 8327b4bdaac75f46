"""GPTQ (Frantar et al. 2023): weights rounded one column after another, the rest making up for the error.

By llm-compressor; the checkpoint is packed as round-to-nearest's is.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from audit.compressors import packed
from audit.compressors.llm_compressor import Rounding, left_out, treated
from audit.loading import linear_layers, stored_dtype
from audit.making import Made, Making

TITLE = "GPTQ weight quantisation over calibration text, packed (llm-compressor)"
LIBRARY = "llmcompressor"
PRESETS = {f"gptq-{bits}": {"bits": bits, "group_size": 64} for bits in (8, 4, 3)}


class Options(Rounding):
    """Settings of GPTQ."""

    damping: Annotated[float, Field(gt=0, lt=1)] = 0.01
    """Added to the Hessian's diagonal, as a share of its mean."""


def compress(making: Making[Options]) -> Made:
    """Quantise the linear layers but the output head; see `Compressor.compress`."""
    from compressed_tensors.quantization import QuantizationScheme
    from llmcompressor.modifiers.quantization import GPTQModifier

    model, options = making.model, making.options
    wanted = packed.arguments(options.bits, options.group_size, options.symmetric)
    packed.check_groups(dict(linear_layers(model)), options.group_size)
    scheme: Any = QuantizationScheme(targets=["Linear"], weights=wanted)
    modifier = GPTQModifier(
        config_groups={"linear": scheme}, ignore=left_out(model), dampening_frac=options.damping
    )
    found: dict[str, packed.Rounded] = {}
    for name, module, other in treated(making, modifier):
        scale = other.get_parameter("weight_scale").detach().cpu().to(stored_dtype(model))
        zero_point = other.get_parameter("weight_zero_point").detach().cpu()
        packed.round_to(module, other.weight.detach(), scale, zero_point, wanted)
        found[name] = packed.Rounded(scale, zero_point, wanted)
    return packed.saved(making, found)
