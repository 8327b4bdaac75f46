"""MLP channels removed by Wanda-sp (An et al. 2024): those that send least on over real text."""

from __future__ import annotations

from audit.calibration import Calibrated
from audit.compressors.channels import Channels, prune_channels
from audit.compressors.structure import activity
from audit.making import Made, Making

TITLE = "MLP channels removed by weights and activations over calibration text: smaller tensors"
LIBRARY = "torch"
PRESETS = {"wanda-channels-25": {"share": 0.25}, "wanda-channels-50": {"share": 0.5}}


class Options(Calibrated, Channels):
    """Which text, and how many channels go."""


def compress(making: Making[Options]) -> Made:
    """Remove the channels that do least on the text; see `Compressor.compress`."""
    return prune_channels(making, activity)
