"""What GPTQ, Wanda and SparseGPT share: llm-compressor's one shot over a copy of the model.

The copy, because it wraps the modules' forward, unties embeddings and replaces `save_pretrained`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.calibration import Calibrated, draw
from audit.loading import linear_layers, load_tokenizer

if TYPE_CHECKING:
    from torch.nn import Linear
    from transformers import PreTrainedModel


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
