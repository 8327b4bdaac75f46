"""The control: the original saved, loaded and measured again. What it loses is the noise floor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from audit.loading import logits, save
from audit.records import Record

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

TITLE = "the original again, saved and reloaded: the control"
LIBRARY = "transformers"
PRESETS: dict[str, dict[str, bool | int | float | str]] = {"control": {}}


class Options(Record):
    """How it is measured again."""

    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    """Compute in this; None: as the original is computed. Another one is noise, and blocks no level."""


def compress(model: PreTrainedModel, options: Options, out: Path, witness: Tensor) -> Tensor:
    """Save the model as it is; see `Compressor.compress`."""
    before_saving = logits(model, witness)
    save(model, out)
    return before_saving
