"""What a compressor is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from audit.records import Record, Training

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor
    from transformers import PreTrainedModel

    from audit.progress import Progress

Settings = TypeVar("Settings", bound=Record)


@dataclass(frozen=True)
class Making(Generic[Settings]):
    """One level that is to be made."""

    model: PreTrainedModel
    """In float32; `model.config.dtype` is what its files are in, and `audit.loading.save` stores it so."""
    options: Settings
    """Of the method's own `Options`."""
    out: Path
    """Empty folder, where the checkpoint goes."""
    witness: Tensor
    """Token ids, [1, n]."""
    text: NDArray[np.int64] | None
    """[samples, sequence_length] token ids, drawn as the options of a method that looks at text say."""
    scratch: Path
    """A folder that outlives a kill, where a long method keeps what it can go on from. Removed when the level
    is done."""
    progress: Progress
    rehearsal: bool = False
    """Whether only the model in memory is wanted: `Rehearsed` is raised where it would be saved."""


class Rehearsed(Exception):  # noqa: N818  # it is no error
    """The model is as its files would hold it, and is not saved."""

    def __init__(self, packed: Mapping[str, int]) -> None:
        """`packed`: bits on disk of each weight, by its name, that is stored otherwise than before."""
        super().__init__()
        self.packed = packed


class Made(NamedTuple):
    """What only the method can tell about the checkpoint that it saved."""

    logits: Tensor
    """On the witness, taken before saving: the caller loads the checkpoint again, in float32, and must get
    the same."""
    training: Training | None = None
    """How a student was trained; None: nothing was."""
    seconds_before: float = 0.0
    """What starts that were killed took, as far as this one goes on from them."""
    removed_layers: tuple[int, ...] = ()
    """Whole layers that went, counted from 0."""
