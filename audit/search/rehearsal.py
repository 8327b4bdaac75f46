"""A level in memory: compressed by its own method, counted as its files would hold it, and not saved."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from audit import registry
from audit.calibration import Calibrated, draw
from audit.examine import witness
from audit.kv_cache import cache_shape
from audit.loading import load_model, load_to_compress, load_tokenizer, stored_dtype
from audit.making import Making, Rehearsed
from audit.progress import Silent
from audit.records import AuditConfig, Budget, Level, NotMeasured

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ENTRY, PARTS = 80, 3
"""Bytes of a tensor's entry in a file's header beside its name; tensors that a packed weight is stored as."""


class Rehearsal(NamedTuple):
    """A compressed model."""

    model: PreTrainedModel
    """In float32, with the weights that its files would hold."""
    bits: int
    """Of all stored tensors."""
    header_bytes: int
    """About what the file says of them."""

    def quantity(self, goal: Budget, parameters: int) -> float | NotMeasured:
        """What it has of the goal's quantity, counted on its tensors.

        Of a latency that is its weights over `parameters`, those of the original: what decoding has to read.
        """
        size = self.bits / 8 + self.header_bytes
        if goal.quantity == "size_bytes":
            return size
        weights = sum(one.numel() for one in self.model.parameters())
        if goal.quantity == "bits_per_weight":
            return self.bits / weights
        if goal.quantity == "decode_latency_ratio":
            return weights / parameters
        cache = cache_shape(self.model.config)
        return cache if isinstance(cache, NotMeasured) else size + cache.bytes_at(goal.context or 0)


def rehearse(levels: Sequence[Level], config: AuditConfig, device: str) -> Rehearsal:
    """What the links make of the original, one after another.

    Raises CompressionError or ModelError where one can't be made.
    """
    original = Path(config.model.path)
    trust = {
        "trust_remote_code": config.model.trust_remote_code, "allow_pickle": config.model.allow_pickle,
    }  # fmt: skip
    model = load_to_compress(original, device=device, **trust)
    packed: dict[str, int] = {}
    for level in levels:
        model, bits = _applied(level, model, original, device)
        packed |= bits
    stored = stored_dtype(model).itemsize * 8
    of_each = {name: packed.get(name, stored * one.numel()) for name, one in model.named_parameters()}
    header = sum((len(name) + ENTRY) * (PARTS if name in packed else 1) for name in of_each)
    return Rehearsal(model, sum(of_each.values()), header)


def _applied(
    level: Level, model: PreTrainedModel, original: Path, device: str
) -> tuple[PreTrainedModel, dict[str, int]]:
    """The model after one link, and bits on disk of the weights that are packed by it."""
    options = registry.check_options(level)
    text = draw(options, load_tokenizer(original)) if isinstance(options, Calibrated) else None
    with tempfile.TemporaryDirectory() as folder:
        out, scratch = Path(folder, "out"), Path(folder, "scratch")
        out.mkdir()
        scratch.mkdir()
        making = Making(model, options, out, witness(model), text, scratch, Silent(), rehearsal=True)
        try:
            registry.compressor(level.method).compress(making)
        except Rehearsed as ready:
            return making.model, dict(ready.packed)
        return load_model(out, dtype="float32", device=device), {}  # a method that knows no rehearsal
