"""Wanda (Sun et al. 2024): the smallest products of a weight and its input's norm, row by row, become zero.

By llm-compressor; stored dense, with its zeros.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from audit.calibration import Calibrated
from audit.compressors.llm_compressor import left_out, treated
from audit.loading import logits, save, stored_dtype

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

TITLE = "Wanda pruning over calibration text (llm-compressor)"
LIBRARY = "llmcompressor"
PRESETS: dict[str, dict[str, bool | int | float | str]] = {}


class Options(Calibrated):
    """Settings of Wanda."""

    sparsity: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Share of the weights of each layer that become zero."""
    pattern: Literal["unstructured", "2:4"] = "unstructured"
    """2:4: two of each four weights of a row, whatever `sparsity` is."""


def compress(model: PreTrainedModel, options: Options, out: Path, witness: Tensor) -> Tensor:
    """Prune the linear layers but the output head; see `Compressor.compress`."""
    from llmcompressor.modifiers.pruning import WandaPruningModifier

    modifier = WandaPruningModifier(
        sparsity=0.5 if options.pattern == "2:4" else options.sparsity,
        mask_structure="2:4" if options.pattern == "2:4" else "0:0",
        targets=["Linear"],
        ignore=left_out(model),
    )
    for _, module, other in treated(model, modifier, options):
        module.weight.detach().copy_(other.weight.detach().to(stored_dtype(model)))
    before_saving = logits(model, witness)
    save(model, out)
    return before_saving
