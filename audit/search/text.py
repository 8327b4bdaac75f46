"""The text of the proxy: the calibration text, or prompts of the suites that nothing is confirmed on."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audit.calibration import Calibrated, draw
from audit.errors import ConfigError
from audit.harness import LoadedTask, prompts
from audit.records import AuditConfig

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerBase

LENGTH = 128
"""Tokens of a stretch."""


def text_of(
    config: AuditConfig, tasks: Sequence[LoadedTask], tokenizer: PreTrainedTokenizerBase
) -> tuple[NDArray[np.int64], str]:
    """[stretches, LENGTH] token ids of what the config names, and what it is.

    Raises ConfigError where there is too little of it.
    """
    plan, seed = config.search, config.seed
    assert plan is not None, "it is the config of a search"
    stretches = -(-plan.tokens // LENGTH)
    if plan.calibration is not None:
        path = Path(plan.calibration)
        options = Calibrated(calibration=path, samples=stretches, sequence_length=LENGTH, seed=seed)
        return draw(options, tokenizer), f"the calibration text {path.name}"
    texts = sorted({text for task in tasks for text in prompts(task, config.limit, tokenizer)})
    random.Random(seed).shuffle(texts)
    ids: list[int] = []
    end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    for text in texts:
        if len(ids) >= stretches * LENGTH:
            break
        ids += [*tokenizer(text).input_ids, *end]
    whole = min(len(ids) // LENGTH, stretches)
    if whole < 2:
        raise ConfigError(
            f"search: the prompts of the suites hold {len(ids)} tokens, and {2 * LENGTH} are the "
            "least. Add `calibration: FILE`."
        )
    return np.array(ids[: whole * LENGTH], dtype=np.int64).reshape(whole, LENGTH), (
        f"prompts of the suites, of items that are not held out ({len(texts)} of them)"
    )
