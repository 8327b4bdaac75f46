"""Calibration text: what a method looks at while it compresses."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from audit import tables
from audit.bounded import check_file, json_of, reason_of
from audit.errors import ConfigError
from audit.records import Calibration, Record

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerBase


class Calibrated(Record):
    """Settings of every method that looks at text."""

    calibration: Path
    """UTF-8 text with blank lines between documents, or JSON lines or parquet with the key `text`: a file,
    relative to the config, or org/name@revision:file of a data set on the hub. None given: the config's."""
    samples: Annotated[int, Field(ge=1)] = 128
    """Stretches of text."""
    sequence_length: Annotated[int, Field(ge=2)] = 512
    """Tokens of each."""
    seed: int = 0
    """Of the draw of the stretches."""


def draw(options: Calibrated, tokenizer: PreTrainedTokenizerBase) -> NDArray[np.int64]:
    """[samples, sequence_length] token ids: stretches of the documents one after another, none twice.

    Raises ConfigError where the file can't be read or holds too little text.
    """
    end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    ids = [token for text in _documents(options.calibration) for token in [*tokenizer(text).input_ids, *end]]
    whole = len(ids) // options.sequence_length
    if whole < options.samples:
        raise ConfigError(
            f"calibration: {options.calibration} holds {len(ids):,} tokens, {whole} stretches of "
            f"{options.sequence_length}; {options.samples} are asked for. Give more text, or lower `samples` "
            "or `sequence_length`."
        )
    stretches = np.array(ids[: whole * options.sequence_length], dtype=np.int64).reshape(whole, -1)
    return stretches[np.random.default_rng(options.seed).permutation(whole)[: options.samples]]


def described(options: Calibrated, tokens: NDArray[np.int64]) -> Calibration:
    """What was drawn, for the log."""
    return Calibration(
        source=options.calibration.name,
        sha256=hashlib.sha256(tokens.astype("<i8").tobytes()).hexdigest(),
        samples=options.samples,
        sequence_length=options.sequence_length,
        seed=options.seed,
    )


def _documents(path: Path) -> list[str]:
    if path.suffix == ".parquet":
        return _of_parquet(path)
    try:
        check_file(path)
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"calibration: {path} can't be read: {reason_of(error)}. Name another file."
        ) from None
    if path.suffix != ".jsonl":
        return [part for part in text.split("\n\n") if part.strip()]
    try:
        return [str(json_of(line)["text"]) for line in text.splitlines() if line.strip()]
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"calibration: {path}: every line must be a JSON object with the key `text` ({error!r})."
        ) from None


def _of_parquet(path: Path) -> list[str]:
    try:
        return [str(text) for text in tables.frame(path, ["text"])["text"]]
    except Exception as error:  # pyarrow raises whatever its readers met
        raise ConfigError(
            f"calibration: {path} must be parquet with the column `text`: {reason_of(error)}"
        ) from None
