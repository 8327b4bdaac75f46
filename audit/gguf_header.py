"""Whether what a GGUF file announces can lie in it: its readers take it at its word and may never end."""

from __future__ import annotations

import math
import mmap
import struct
from pathlib import Path

from audit.errors import ModelError

_SCALARS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of a value by the number of its type."""
_STRING, _ARRAY = 8, 9
_MOST_NESTED = 4
_MOST_DIMENSIONS = 8
_MOST_PER_BYTE = 8
"""Weights: no format stores one in less than a bit."""


def check(file: Path) -> None:
    """Raises ModelError naming what does not fit."""
    size = file.stat().st_size
    try:
        with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            _Header(data, size).check()
    except (ValueError, struct.error) as error:
        raise ModelError(f"{file} is no whole GGUF file ({error}). Copy it again.") from None


class _Header:
    """A place in the file that only moves forward, by what each step takes: it comes to an end."""

    def __init__(self, data: mmap.mmap, size: int) -> None:
        self._data, self._size, self._at, self._order = data, size, 4, "<"

    def check(self) -> None:
        if self._data[:4] != b"GGUF":
            raise ValueError("it does not begin with GGUF")
        if self._number("I") & 0xFFFF == 0:  # a version in the other order of bytes
            self._order = ">"
        tensors, values = self._number("Q"), self._number("Q")
        for _ in range(values):
            self._string()
            self._value(self._number("I"), 0)
        for _ in range(tensors):
            name = self._string()
            dimensions = self._number("I")
            if dimensions > _MOST_DIMENSIONS:
                raise ValueError(f"tensor {name} has {dimensions:,} dimensions")
            count = math.prod(self._number("Q") for _ in range(dimensions))
            self._number("I")
            if count > _MOST_PER_BYTE * self._size or self._number("Q") > self._size:
                raise ValueError(f"tensor {name} of {count:,} weights ends past the file")

    def _value(self, kind: int, depth: int) -> None:
        if kind == _STRING:
            self._string()
        elif kind == _ARRAY:
            inside, count = self._number("I"), self._number("Q")
            if inside in _SCALARS:
                self._step(count * _SCALARS[inside])
                return
            if depth == _MOST_NESTED:
                raise ValueError("its arrays lie too deep in each other")
            for _ in range(count):
                self._value(inside, depth + 1)
        elif kind in _SCALARS:
            self._step(_SCALARS[kind])
        else:
            raise ValueError(f"it has a value of the unknown type {kind}")

    def _string(self) -> str:
        length = self._number("Q")
        begin = self._at
        self._step(length)
        return self._data[begin : min(self._at, begin + 80)].decode(errors="replace")

    def _number(self, form: str) -> int:
        found: int = struct.unpack_from(self._order + form, self._data, self._at)[0]
        self._at += struct.calcsize(form)
        return found

    def _step(self, count: int) -> None:
        if count > self._size - self._at:
            raise ValueError(f"a value of {count:,} bytes ends past the file")
        self._at += count
