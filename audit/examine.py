"""What can be seen of a model once it is in memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from audit import weights
from audit.errors import ModelError
from audit.kv_cache import cache_shape
from audit.loading import linear_layers
from audit.records import CacheShape, NotMeasured
from audit.weights import Contents

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

WITNESS_LENGTH = 32


class Seen(NamedTuple):
    """The fields are those of a `Variant` of the same names."""

    sparsity: float | NotMeasured
    two_of_four: float | NotMeasured
    tied: bool | NotMeasured
    kv_cache: CacheShape | NotMeasured


def seen(model: PreTrainedModel) -> Seen:
    """Zeros of the linear layers, the output head left out, and what the config alone does not tell."""
    zeros = total = even = fours = 0
    for _, module in linear_layers(model):
        zero = module.weight == 0
        zeros, total = zeros + int(zero.sum()), total + zero.numel()
        if zero.shape[1] % 4 == 0:
            groups = zero.reshape(-1, 4).sum(1)
            even, fours = even + int((groups >= 2).sum()), fours + len(groups)
    nothing = NotMeasured(
        "no linear layer is in memory" if not total else "no linear layer has rows of whole fours"
    )
    return Seen(
        sparsity=zeros / total if total else nothing,
        two_of_four=even / fours if fours else nothing,
        tied=_is_tied(model),
        kv_cache=cache_shape(model.config),
    )


def counted_in(folder: Path, model: PreTrainedModel, original: Path | None = None) -> Contents:
    """What the files of a loaded model hold; pickles are counted by the model alone."""
    if weights.is_pickle(folder):
        return weights.pickled_contents(folder, model.num_parameters())
    return weights.contents(folder, original)


def witness(model: PreTrainedModel) -> Tensor:
    """Token ids spread over the vocabulary, [1, 32]: the same for every level of a model."""
    import torch

    return torch.linspace(0, model.config.vocab_size - 1, WITNESS_LENGTH).long().unsqueeze(0)


def check_finite(values: Tensor, whose: str) -> None:
    """Raises ModelError where logits are no numbers."""
    if not values.isfinite().all():
        raise ModelError(
            f"{whose} computes NaN or infinite logits, so nothing about it can be measured. "
            "Check the checkpoint, or try dtype: float32."
        )


def _is_tied(model: PreTrainedModel) -> bool | NotMeasured:
    """Whether the output head is the embeddings' own tensor."""
    ends: Any = model  # transformers' own annotations of these two are wrong
    head, embeddings = ends.get_output_embeddings(), ends.get_input_embeddings()
    if embeddings is None:
        return NotMeasured("the embeddings are not in memory")
    return head is not None and bool(head.weight.data_ptr() == embeddings.weight.data_ptr())
