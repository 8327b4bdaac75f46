"""Keys and values of rows of different lengths, each of which grows by one token a step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers.cache_utils import Cache, CacheLayerMixin, DynamicLayer

GROWTH = 64
"""Positions added to the buffers at a time."""


class RowCache(Cache):  # type: ignore[misc]  # transformers' modules are not followed by mypy
    """The rows in use are the first `len(lengths)` of the buffers; a forward passes one token of each."""

    layers: list[RowLayer]

    def __init__(self, rows: int, like: Sequence[CacheLayerMixin]) -> None:
        """Room for `rows` rows, of heads and widths as in the layers of a cache that was filled."""
        super().__init__(layers=[RowLayer(self, rows, layer.keys, layer.values) for layer in like])
        self.lengths: list[int] = []
        self.positions = torch.empty(0, dtype=torch.int64)
        """[rows in use] where the coming token of each goes."""

    @property
    def width(self) -> int:
        """Positions of the longest row."""
        return max(self.lengths)

    @torch.inference_mode()
    def admit(self, layers: Sequence[CacheLayerMixin], places: torch.Tensor) -> None:
        """A further row, filled from those places of a one-row cache."""
        slot = len(self.lengths)
        self.lengths.append(len(places))
        for mine, theirs in zip(self.layers, layers, strict=True):
            mine.fill(slot, theirs, places)

    @torch.inference_mode()
    def release(self, slot: int) -> None:
        """Give a row's place to the last row."""
        last = len(self.lengths) - 1
        if slot != last:
            for layer in self.layers:
                layer.keys[slot] = layer.keys[last]
                layer.values[slot] = layer.values[last]
        self.lengths[slot] = self.lengths[last]
        self.lengths.pop()

    def extend(self) -> torch.Tensor:
        """Make each row longer by the token that the coming forward writes; its positions, [rows in use]."""
        device = self.layers[0].keys.device
        self.positions = torch.tensor(self.lengths, device=device)
        self.lengths = [length + 1 for length in self.lengths]
        return self.positions


class RowLayer(DynamicLayer):  # type: ignore[misc]
    """One layer's buffers, [rows, heads, capacity, width of a head]."""

    def __init__(self, rows: RowCache, n_rows: int, keys: torch.Tensor, values: torch.Tensor) -> None:
        super().__init__()
        self.rows = rows
        self.keys = keys.new_zeros(n_rows, keys.shape[1], 0, keys.shape[3])
        self.values = values.new_zeros(n_rows, values.shape[1], 0, values.shape[3])
        self.dtype, self.device = keys.dtype, keys.device
        self.is_initialized = True

    def fill(self, slot: int, layer: CacheLayerMixin, places: torch.Tensor) -> None:
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
        width, n_rows = self.rows.width, len(key_states)
        self._make_room(width)
        row, position = torch.arange(n_rows, device=self.device), self.rows.positions.to(self.device)
        self.keys[row, :, position] = key_states[:, :, 0]
        self.values[row, :, position] = value_states[:, :, 0]
        return self.keys[:n_rows, :, :width], self.values[:n_rows, :, :width]

    def get_seq_length(self) -> int:
        """Positions before the coming token, in the longest row."""
        return self.rows.width - 1 if self.rows.lengths else 0

    def _make_room(self, positions: int) -> None:
        missing = positions - self.keys.shape[-2]
        if missing > 0:
            room = (0, 0, 0, -(-missing // GROWTH) * GROWTH)
            self.keys = torch.nn.functional.pad(self.keys, room)
            self.values = torch.nn.functional.pad(self.values, room)
