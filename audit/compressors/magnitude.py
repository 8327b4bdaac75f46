"""Unstructured magnitude pruning: in each linear layer the smallest weights become zero.

Layer by layer at one ratio, as the baseline of the SparseGPT and Wanda papers (Frantar & Alistarh
2023; Sun et al. 2024). The checkpoint stays dense: the zeros are stored.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from audit.loading import linear_layers, saved
from audit.making import Made, Making
from audit.records import Record

TITLE = "unstructured magnitude pruning, layer by layer (torch.nn.utils.prune)"
LIBRARY = "torch"
PRESETS = {f"magnitude-{percent}": {"sparsity": percent / 100} for percent in (30, 50, 70)}


class Options(Record):
    """Settings of magnitude pruning."""

    sparsity: Annotated[float, Field(gt=0, lt=1)]
    """Share of the weights of each layer that become zero."""


def compress(making: Making[Options]) -> Made:
    """Prune the linear layers but the output head; see `Compressor.compress`."""
    from torch.nn.utils import prune

    share = making.options.sparsity
    for _, module in linear_layers(making.model):
        prune.l1_unstructured(module, "weight", amount=share)  # type: ignore[no-untyped-call]
        prune.remove(module, "weight")  # type: ignore[no-untyped-call]
    return saved(making)
