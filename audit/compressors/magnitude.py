"""Magnitude pruning: in each linear layer the smallest weights become zero.

Unstructured, layer by layer at one ratio, as the baseline of the SparseGPT and Wanda papers (Frantar &
Alistarh 2023; Sun et al. 2024); or 2:4, the pattern that sparse tensor cores take (Mishra et al. 2021). The
checkpoint stays dense: the zeros are stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from audit.errors import CompressionError
from audit.loading import linear_layers, saved
from audit.making import Made, Making
from audit.records import Written

if TYPE_CHECKING:
    from torch import Tensor

TITLE = "magnitude pruning, layer by layer: unstructured or 2:4 (torch.nn.utils.prune)"
LIBRARY = "torch"
PRESETS: dict[str, dict[str, bool | int | float | str]] = {
    **{f"magnitude-{percent}": {"sparsity": percent / 100} for percent in (30, 50, 70)},
    "magnitude-24": {"pattern": "2:4"},
}
HALF = 0.5


class Options(Written):
    """Settings of magnitude pruning."""

    sparsity: Annotated[float, Field(gt=0, lt=1)] = HALF
    """Share of the weights of each layer that become zero."""
    pattern: Literal["unstructured", "2:4"] = "unstructured"
    """2:4: the two smallest of each four weights that follow one another in a row."""

    @model_validator(mode="after")
    def _the_pattern_has_that_sparsity(self) -> Self:
        if self.pattern == "2:4" and self.sparsity != HALF:
            raise ValueError(f"2:4 keeps half of the weights, and sparsity is {self.sparsity}: leave it out")
        return self


def compress(making: Making[Options]) -> Made:
    """Prune the linear layers but the output head; see `Compressor.compress`.

    Raises CompressionError where the rows of a layer don't fall into fours.
    """
    from torch.nn.utils import prune

    options, layers = making.options, dict(linear_layers(making.model))
    for name, module in layers.items():
        if options.pattern == "2:4" and module.in_features % 4:
            raise CompressionError(
                f"2:4 takes rows of whole fours, and {name} has {module.in_features} inputs. "
                "Prune it with pattern: unstructured."
            )
    for module in layers.values():
        if options.pattern == "2:4":
            kept = _largest_two_of_four(module.weight.detach())
            prune.custom_from_mask(module, "weight", kept)  # type: ignore[no-untyped-call]
        else:
            prune.l1_unstructured(module, "weight", amount=options.sparsity)  # type: ignore[no-untyped-call]
        prune.remove(module, "weight")  # type: ignore[no-untyped-call]
    return saved(making)


def _largest_two_of_four(weight: Tensor) -> Tensor:
    """1 where a weight stays, in the weight's shape."""
    import torch

    fours = weight.abs().reshape(-1, 4)
    kept = torch.zeros_like(fours).scatter_(1, fours.topk(2, dim=1).indices, 1)
    return kept.reshape(weight.shape)
