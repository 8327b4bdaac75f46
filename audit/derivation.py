"""Whether a model's weights come from those of the original: correlated matrix by matrix.

Rounding and pruning leave a weight near what it was: of normally distributed weights, Pearson's correlation
is .89 after rounding to 2 bits in groups of 64, and .66 with the smaller nine of ten gone. Matrices of a
thousand weights or more that were trained independently correlate within .11, at most. Weights that were
rotated (QuaRot, SpinQuant) or permuted look unrelated, though derived.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from audit import onnx_graph, weights
from audit.records import Derivation, NotMeasured

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

UNRELATED = 0.2
"""Median correlation up to which weights count as unrelated."""
FEWEST_WEIGHTS = 1024
"""Smaller matrices correlate by chance."""
ENOUGH_WEIGHTS = 1 << 16
"""To find a matrix among others of its shape."""


def derivation(model: PreTrainedModel, original: Path) -> Derivation | NotMeasured:
    """How the matrices of a loaded model correlate with the original's in the folder `original`.

    Each with its namesake; where layers are missing, with the layer that it is most like.
    """
    if reason := weights.unseen(original):
        return NotMeasured(reason)
    theirs = weights.tensors(original)
    mine = {name: one for name, one in model.named_parameters() if _is_told(one)}
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
    return _told(found)


def derivation_of_graph(file: Path, original: Path) -> Derivation | NotMeasured:
    """The same of an ONNX file, whose matrices bear other names: each with what of its shape it is most like.

    Only the first rows are held against each other: so many weights correlate within .02 by chance.
    """
    if reason := weights.unseen(original):
        return NotMeasured(reason)
    first_rows: dict[tuple[int, ...], list[Tensor]] = {}
    for one in weights.tensors(original).values():
        if len(one.shape) == 2:
            first_rows.setdefault(one.shape, []).append(_first_rows(one.load()).clone())
    found: dict[str, float] = {}
    for name, matrix in onnx_graph.matrices(file):
        alike = first_rows.get(tuple(matrix.shape), []) if _is_told(matrix) else []
        if alike:
            found[name] = max(_correlation(_first_rows(matrix), one) for one in alike)
    return _told(found)


def _told(found: Mapping[str, float]) -> Derivation | NotMeasured:
    """What the correlations of the matrices, by name, say together."""
    if not found:
        return NotMeasured("no matrix has the shape of one of the original's")
    median, least = statistics.median(found.values()), min(found, key=lambda name: found[name])
    return Derivation(
        median=median, least=found[least], least_in=least, matrices=len(found), derived=median > UNRELATED
    )


def _is_told(matrix: Tensor) -> bool:
    """Whether it is a matrix, and large enough to be told from others."""
    return matrix.dim() == 2 and matrix.numel() >= FEWEST_WEIGHTS


def _first_rows(matrix: Tensor) -> Tensor:
    return matrix[: -(-ENOUGH_WEIGHTS // matrix.shape[1])]


def _correlation(one: Tensor, other: Tensor) -> float:
    """Pearson's; 0 where one of them does not vary."""
    import torch

    both = torch.stack([one.detach().flatten().float().cpu(), other.flatten().float()])
    return float(torch.corrcoef(both)[0, 1].nan_to_num())
