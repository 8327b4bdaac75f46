"""SparseGPT (Frantar & Alistarh 2023): weights become zero column by column, the rest making up for it.

By llm-compressor; stored dense, with its zeros.
"""

from __future__ import annotations

from audit.compressors.llm_compressor import Pruning as Options
from audit.compressors.llm_compressor import prune, pruning_presets
from audit.making import Made, Making

__all__ = ["LIBRARY", "PRESETS", "TITLE", "Options", "compress"]

TITLE = "SparseGPT pruning over calibration text (llm-compressor)"
LIBRARY = "llmcompressor"
PRESETS = pruning_presets("sparsegpt")


def compress(making: Making[Options]) -> Made:
    """Prune the linear layers but the output head; see `Compressor.compress`."""
    from llmcompressor.modifiers.pruning import SparseGPTModifier

    return prune(making, SparseGPTModifier)
