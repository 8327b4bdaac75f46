"""Wanda (Sun et al. 2024): the smallest products of a weight and its input's norm, row by row, become zero.

By llm-compressor; stored dense, with its zeros.
"""

from __future__ import annotations

from audit.compressors.llm_compressor import Pruning as Options
from audit.compressors.llm_compressor import prune, pruning_presets
from audit.making import Made, Making

__all__ = ["LIBRARY", "PRESETS", "TITLE", "Options", "compress"]

TITLE = "Wanda pruning over calibration text (llm-compressor)"
LIBRARY = "llmcompressor"
PRESETS = pruning_presets("wanda")


def compress(making: Making[Options]) -> Made:
    """Prune the linear layers but the output head; see `Compressor.compress`."""
    from llmcompressor.modifiers.pruning import WandaPruningModifier

    return prune(making, WandaPruningModifier)
