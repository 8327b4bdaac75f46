"""SparseGPT (Frantar & Alistarh 2023): weights become zero column by column, the rest making up for it.

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

TITLE = "SparseGPT pruning over calibration text (llm-compressor)"
LIBRARY = "llmcompressor"
PRESETS: dict[str, dict[str, bool | int | float | str]] = {}


class Options(Calibrated):
    """Settings of SparseGPT."""

    sparsity: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Share of the weights of each layer that become zero."""
    pattern: Literal["unstructured", "2:4"] = "unstructured"
    """2:4: two of each four weights of a row, whatever `sparsity` is."""


def compress(model: PreTrainedModel, options: Options, out: Path, witness: Tensor) -> Tensor:
    """Prune the linear layers but the output head; see `Compressor.compress`."""
    from llmcompressor.modifiers.pruning import SparseGPTModifier

    modifier = SparseGPTModifier(
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
