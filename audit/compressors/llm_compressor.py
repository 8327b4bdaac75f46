"""What GPTQ, Wanda and SparseGPT share: llm-compressor's one shot over a copy of the model.

The copy, because it wraps the modules' forward, unties embeddings and replaces `save_pretrained`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from audit.calibration import Calibrated, draw
from audit.loading import linear_layers, load_tokenizer, logits, save, stored_dtype

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Linear
    from transformers import PreTrainedModel


class Pruning(Calibrated):
    """Settings of Wanda and of SparseGPT."""

    sparsity: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Share of the weights of each layer that become zero."""
    pattern: Literal["unstructured", "2:4"] = "unstructured"
    """2:4: two of each four weights of a row, whatever `sparsity` is."""


def prune(
    model: PreTrainedModel, modifier: type[Any], options: Pruning, out: Path, witness: Tensor
) -> Tensor:
    """Prune the linear layers but the output head by llm-compressor's class; see `Compressor.compress`."""
    chosen = modifier(
        sparsity=0.5 if options.pattern == "2:4" else options.sparsity,
        mask_structure="2:4" if options.pattern == "2:4" else "0:0",
        targets=["Linear"],
        ignore=left_out(model),
    )
    for _, module, other in treated(model, chosen, options):
        module.weight.detach().copy_(other.weight.detach().to(stored_dtype(model)))
    before_saving = logits(model, witness)
    save(model, out)
    return before_saving


def treated(
    model: PreTrainedModel, modifier: Any, options: Calibrated
) -> Iterator[tuple[str, Linear, Linear]]:
    """Name, module, and the same module of a copy that `modifier` was applied to."""
    from datasets import Dataset
    from llmcompressor import oneshot

    tokens = draw(options, load_tokenizer(Path(str(model.name_or_path))))
    rows = [{"input_ids": row.tolist(), "attention_mask": [1] * len(row)} for row in tokens]
    twin = copy.deepcopy(model)
    oneshot(
        model=twin, dataset=Dataset.from_list(rows), recipe=modifier, shuffle_calibration_samples=False,
        max_seq_length=options.sequence_length, num_calibration_samples=options.samples,
    )  # fmt: skip
    others = dict(twin.named_modules())
    for name, module in linear_layers(model):
        yield name, module, others[name]


def left_out(model: PreTrainedModel) -> list[str]:
    """Names of the linear modules that stay as they are: the output head."""
    import torch

    chosen = {name for name, _ in linear_layers(model)}
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and name not in chosen
    ]
