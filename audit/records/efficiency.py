"""What a variant costs to run."""

from __future__ import annotations

from audit.records.base import Inside, NotMeasured, Record
from audit.records.estimates import Interval


class Conditions(Record):
    """Under which speed and memory were measured."""

    device: str
    """`cpu`, or the name of the GPU."""
    processor: str
    threads: int
    """CPU threads of torch."""
    dtype: str
    batch: int
    """Sequences at once."""
    prompt_tokens: int
    """Of each sequence, computed in one forward: the prefill."""
    decode_tokens: int
    """After them, one forward each."""
    rounds: int
    """Interleaved with the original, after one that does not count."""


class Speed(Record):
    """One phase's speed beside the original's, both models in memory and measured in turn."""

    tokens_per_second: float
    """Median over the rounds."""
    original_tokens_per_second: float
    """The original's, in the same rounds."""
    latency_ratio: float
    """The variant's time over the original's: median over the rounds. Above 1 is slower."""
    interval: Interval
    """Of that median."""


class Energy(Record):
    """What a pass of prompt and decoding took beside the original's, by the hardware's own counter."""

    joules_per_token: float
    """Of a token computed or decoded: median over the rounds."""
    original_joules_per_token: float
    """The original's, in the same rounds."""
    ratio: float
    """The variant's energy over the original's: median over the rounds. Above 1 is more."""
    interval: Interval
    """Of that median."""
    source: str
    """What was counted."""


class Efficiency(Record):
    """What a variant costs to run. What is computed otherwise than it is stored has no speed of its own."""

    variant: Inside
    digest: str | NotMeasured
    """The variant's: what was measured."""
    conditions: Conditions
    load_seconds: float | NotMeasured
    """From the folder to a model that computes, in a fresh process; the system may have its files cached."""
    peak_memory_bytes: int | NotMeasured
    """Most that this process held while it loaded the model, computed a prompt and decoded: on a CPU all that
    was resident, with the libraries and with mapped files; on a GPU what was allocated there."""
    runtime_bytes: int | NotMeasured
    """Of those, what it held before the model was loaded."""
    prefill: Speed | NotMeasured
    decode: Speed | NotMeasured
    energy: Energy | NotMeasured = NotMeasured("no counter of energy was asked for")
