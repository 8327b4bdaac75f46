"""Whether a model's weights come from those of the original: correlated matrix by matrix.

Rounding and pruning leave a weight near what it was: of normally distributed weights, Pearson's correlation
is .89 after rounding to 2 bits in groups of 64, and .66 with the smaller nine of ten gone. Matrices of a
thousand weights or more that were trained independently correlate within .11, at most. Weights that were
rotated (QuaRot, SpinQuant) or permuted look unrelated, though derived.
"""

from __future__ import annotations

import statistics
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from audit import weights
from audit.records import Derivation, NotMeasured

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

UNRELATED = 0.2
"""Median correlation up to which weights count as unrelated."""
FEWEST_WEIGHTS = 1024
"""Smaller matrices correlate by chance."""


def derivation(model: PreTrainedModel, original: Path) -> Derivation | NotMeasured:
    """How the matrices of a loaded model correlate with the original's in the folder `original`.

    Each with its namesake; where layers are missing, with the layer that it is most like.
    """
    if weights.is_pickle(original):
        return NotMeasured("the original lies in pickle files")
    theirs = weights.tensors(original)
    mine = {
        name: one
        for name, one in model.named_parameters()
        if one.dim() == 2 and one.numel() >= FEWEST_WEIGHTS
    }
    in_place, in_theirs = Counter(map(weights.any_layer, mine)), Counter(map(weights.any_layer, theirs))
    found: dict[str, float] = {}
    for name, matrix in mine.items():
        place = weights.any_layer(name)
        complete = in_place[place] == in_theirs[place]
        alike = [name] if complete else [one for one in theirs if weights.any_layer(one) == place]
        values = [
            _correlation(matrix, theirs[one].load())
            for one in alike
            if one in theirs and theirs[one].shape == tuple(matrix.shape)
        ]
        if values:
            found[name] = max(values)
    if not mine:
        return NotMeasured(
            "its matrices are not in memory: they lie in a graph that another runtime computes"
        )
    if not found:
        return NotMeasured("no matrix has the shape of one of the original's")
    median, least = statistics.median(found.values()), min(found, key=lambda name: found[name])
    return Derivation(
        median=median, least=found[least], least_in=least, matrices=len(found), derived=median > UNRELATED
    )


def _correlation(one: Tensor, other: Tensor) -> float:
    """Pearson's; 0 where one of them does not vary."""
    import torch

    both = torch.stack([one.detach().flatten().float().cpu(), other.flatten().float()])
    return float(torch.corrcoef(both)[0, 1].nan_to_num())
