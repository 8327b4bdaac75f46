"""MLP channels removed by magnitude: the rows of gate and up and the column of down that belong together.

Needs no text, and does far more harm than `wanda_channels`. Cut in plain torch: torch-pruning 1.6 chooses the
same channels, but has to trace the model to find what these few lines know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from audit.compressors.structure import (
    Part,
    Scorer,
    Width,
    magnitudes,
    prune,
    refused,
    remaining,
    stack,
)
from audit.errors import CompressionError
from audit.making import Made, Making

if TYPE_CHECKING:
    from transformers import PreTrainedModel

TITLE = "MLP channels removed by magnitude: smaller tensors"
LIBRARY = "torch"
PRESETS: dict[str, dict[str, bool | int | float | str]] = {
    "channels-25": {"share": 0.25},
    "channels-50": {"share": 0.5},
}


class Channels(Width):
    """How many channels go."""

    multiple_of: Annotated[int, Field(ge=1)] = 64
    """The channels that stay are a multiple of this, so that groups of a quantisation fit; more go for it."""


Options = Channels


def compress(making: Making[Options]) -> Made:
    """Remove the channels with the smallest weights; see `Compressor.compress`."""
    return prune_channels(making, magnitudes)


def prune_channels(making: Making[Any], score: Scorer) -> Made:
    """Remove the channels that score least, as the options say, which are `Channels`."""
    options: Channels = making.options
    whole = mlps(making.model)[0].units
    stay = remaining(whole, options.share, options.multiple_of)
    if not stay:
        raise CompressionError(
            f"share {options.share} leaves none of the {whole} channels of a layer in multiples of "
            f"{options.multiple_of}. Use a smaller share, or a smaller `multiple_of`."
        )
    return prune(making, mlps, score, stay, {"intermediate_size": stay})


def mlps(model: PreTrainedModel) -> list[Part]:
    """The MLP of each layer: linear modules into `intermediate_size` channels, and last one out of them."""
    from torch.nn import Linear

    config = model.config.get_text_config()
    hidden, width = config.hidden_size, getattr(config, "intermediate_size", None)
    if not isinstance(width, int):
        raise refused(model, f"its config has no one intermediate_size for all layers ({width})")
    parts = []
    for place, layer in enumerate(stack(model)):
        mlp = getattr(layer, "mlp", None)
        linear = [one for one in mlp.children() if isinstance(one, Linear)] if mlp is not None else []
        shapes = [(one.in_features, one.out_features) for one in linear]
        if (
            mlp is None
            or len(linear) < 2
            or shapes != [(hidden, width)] * (len(linear) - 1) + [(width, hidden)]
        ):
            raise refused(
                model,
                f"layer {place} has no `mlp` of linear modules into {width} channels and one out of them",
            )
        if sum(one.numel() for one in mlp.parameters()) != sum(
            weights.numel() for one in linear for weights in one.parameters()
        ):
            raise refused(model, f"the `mlp` of layer {place} holds more than linear modules")
        parts.append(Part(width, tuple(linear[:-1]), linear[-1]))
    return parts
