"""The control: the original saved, loaded and measured again. What it loses is the noise floor."""

from __future__ import annotations

from typing import Literal

from audit.loading import saved
from audit.making import Made, Making
from audit.records import Written

TITLE = "the original again, saved and reloaded: the control"
LIBRARY = "transformers"
PRESETS: dict[str, dict[str, bool | int | float | str]] = {"control": {}}


class Options(Written):
    """How it is measured again."""

    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    """Compute in this; None: as the original is computed. Another one is noise, and blocks no level."""


def compress(making: Making[Options]) -> Made:
    """Save the model as it is; see `Compressor.compress`."""
    return saved(making)
