"""Keys and values of rows of different lengths, each of which grows by one token a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicLayer

GROWTH = 64
"""Positions added to the buffers at a time."""


@dataclass
class Lengths:
    """What the layers of a cache have in common."""

    of_rows: list[int] = field(default_factory=list)
    """[rows in use]"""
    written: torch.Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))
    """[rows in use] the positions that the coming forward writes."""

    @property
    def longest(self) -> int:
        """Positions of the longest row."""
        return max(self.of_rows, default=0)


class RowCache(Cache):
    """The rows in use are the first of the buffers; a forward passes one token of each."""

    def __init__(self, rows: int, like: Sequence[Any]) -> None:
        """Room for `rows` rows, of heads and widths as in the layers of a cache that was filled."""
        self.lengths = Lengths()
        self.row_layers = [RowLayer(self.lengths, rows, layer.keys, layer.values) for layer in like]
        super().__init__(layers=[*self.row_layers])

    @torch.inference_mode()
    def admit(self, layers: Sequence[Any], places: torch.Tensor) -> None:
        """A further row, filled from those places of a one-row cache."""
        slot = len(self.lengths.of_rows)
        self.lengths.of_rows.append(len(places))
        for mine, theirs in zip(self.row_layers, layers, strict=True):
            mine.fill(slot, theirs, places)

    @torch.inference_mode()
    def release(self, slot: int) -> None:
        """Give a row's place to the last row."""
        last = len(self.lengths.of_rows) - 1
        if slot != last:
            for layer in self.row_layers:
                layer.keys[slot] = layer.keys[last]
                layer.values[slot] = layer.values[last]
        self.lengths.of_rows[slot] = self.lengths.of_rows[last]
        self.lengths.of_rows.pop()

    def extend(self) -> torch.Tensor:
        """Make each row longer by the token that the coming forward writes; its positions, [rows in use]."""
        device = self.row_layers[0].keys.device
        self.lengths.written = torch.tensor(self.lengths.of_rows, device=device)
        self.lengths.of_rows = [length + 1 for length in self.lengths.of_rows]
        return self.lengths.written


class RowLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """One layer's buffers, [rows, heads, capacity, width of a head]."""

    keys: Any
    values: Any

    def __init__(self, lengths: Lengths, n_rows: int, keys: torch.Tensor, values: torch.Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.lengths = lengths
        self.keys = keys.new_zeros(n_rows, keys.shape[1], 0, keys.shape[3])
        self.values = values.new_zeros(n_rows, values.shape[1], 0, values.shape[3])
        self.dtype, self.device = keys.dtype, keys.device
        self.is_initialized = True

    def fill(self, slot: int, layer: Any, places: torch.Tensor) -> None:
        """Write a prompt's keys and values into a row."""
        self._make_room(len(places))
        for mine, theirs in ((self.keys, layer.keys), (self.values, layer.values)):
            mine[slot, :, : len(places)] = theirs[0].index_select(-2, places.to(theirs.device))
            # A masked place still weighs 0 × its value, which must not be the NaN of a row before
            mine[slot, :, len(places) :] = 0

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write one token of each row; what to attend to, as wide as the longest row."""
        width, n_rows = self.lengths.longest, len(key_states)
        self._make_room(width)
        row, position = torch.arange(n_rows, device=self.device), self.lengths.written.to(self.device)
        self.keys[row, :, position] = key_states[:, :, 0]
        self.values[row, :, position] = value_states[:, :, 0]
        return self.keys[:n_rows, :, :width], self.values[:n_rows, :, :width]

    def get_seq_length(self) -> int:
        """Positions before the coming token, in the longest row."""
        return max(self.lengths.longest - 1, 0)

    def _make_room(self, positions: int) -> None:
        missing = positions - self.keys.shape[-2]
        if missing > 0:
            room = (0, 0, 0, -(-missing // GROWTH) * GROWTH)
            self.keys = torch.nn.functional.pad(self.keys, room)
            self.values = torch.nn.functional.pad(self.values, room)
