"""What GPTQ, AWQ, Wanda and SparseGPT share: llm-compressor's one shot over a copy of the model.

The copy, because it wraps the modules' forward, unties embeddings and replaces `save_pretrained`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from audit.calibration import Calibrated
from audit.loading import linear_layers, saved, stored_dtype
from audit.making import Made, Making
from audit.memory import FLOAT32, check_room

if TYPE_CHECKING:
    from torch.nn import Linear
    from transformers import PreTrainedModel


class Rounding(Calibrated):
    """Settings of GPTQ and of AWQ."""

    bits: Annotated[int, Field(ge=2, le=8)]
    """Width of a weight."""
    group_size: Annotated[int, Field(ge=0)] = 128
    """Weights of a row that share a scale; 0: the whole row."""
    symmetric: bool = True
    """Without a zero point."""


class Pruning(Calibrated):
    """Settings of Wanda and of SparseGPT."""

    sparsity: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Share of the weights of each layer that become zero."""
    pattern: Literal["unstructured", "2:4"] = "unstructured"
    """2:4: two of each four weights of a row, whatever `sparsity` is."""


def pruning_presets(method: str) -> dict[str, dict[str, bool | int | float | str]]:
    """Short names of levels, as those of magnitude pruning."""
    presets: dict[str, dict[str, bool | int | float | str]] = {
        f"{method}-{percent}": {"sparsity": percent / 100} for percent in (30, 50, 70)
    }
    return presets | {f"{method}-24": {"pattern": "2:4"}}


def prune(making: Making[Pruning], modifier: type[Any]) -> Made:
    """Prune the linear layers but the output head by llm-compressor's class; see `Compressor.compress`."""
    model, options = making.model, making.options
    chosen = modifier(
        sparsity=0.5 if options.pattern == "2:4" else options.sparsity,
        mask_structure="2:4" if options.pattern == "2:4" else "0:0",
        targets=["Linear"],
        ignore=left_out(model),
    )
    for _, module, other in treated(making, chosen):
        module.weight.detach().copy_(other.weight.detach().to(stored_dtype(model)))
    return saved(making)


def treated(making: Making[Any], modifier: Any) -> Iterator[tuple[str, Linear, Linear]]:
    """Name, module, and the same module of a copy that `modifier` was applied to."""
    others = dict(applied(making, modifier).named_modules())
    for name, module in linear_layers(making.model):
        yield name, module, others[name]


def applied(making: Making[Any], recipe: Any) -> PreTrainedModel:
    """A copy of the model that the recipe, a modifier or several, was applied to."""
    from datasets import Dataset
    from llmcompressor import oneshot

    assert making.text is not None, "the options are Calibrated"
    check_room(
        FLOAT32 * making.model.num_parameters(), str(making.model.device), "a second copy of the model"
    )
    rows = [{"input_ids": row.tolist(), "attention_mask": [1] * len(row)} for row in making.text]
    twin = copy.deepcopy(making.model)
    oneshot(
        model=twin, dataset=Dataset.from_list(rows), recipe=recipe, shuffle_calibration_samples=False,
        max_seq_length=making.text.shape[1], num_calibration_samples=len(making.text),
    )  # fmt: skip
    return twin


def left_out(model: PreTrainedModel) -> list[str]:
    """Names of the linear modules that stay as they are: the output head."""
    import torch

    chosen = {name for name, _ in linear_layers(model)}
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and name not in chosen
    ]
