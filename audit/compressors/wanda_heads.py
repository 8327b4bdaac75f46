"""Groups of attention heads removed by Wanda-sp (An et al. 2024): those that send least on over real text."""

from __future__ import annotations

from audit.calibration import Calibrated
from audit.compressors.heads import prune_heads
from audit.compressors.structure import Width, activity
from audit.making import Made, Making

TITLE = "attention heads removed by weights and activations over calibration text: smaller tensors and cache"
LIBRARY = "torch"
PRESETS = {"wanda-heads-33": {"share": 0.33}}


class Options(Calibrated, Width):
    """Which text, and how many groups of heads go."""


def compress(making: Making[Options]) -> Made:
    """Remove the groups of heads that do least on the text; see `Compressor.compress`."""
    return prune_heads(making, activity)
