"""The entries of a safetensors file, read from its header; nothing is loaded."""

from __future__ import annotations

import hashlib
import itertools
import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from audit.bounded import json_of
from audit.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

_BITS = {
    "F64": 64, "F32": 32, "F16": 16, "BF16": 16, "F8_E4M3": 8, "F8_E5M2": 8,
    "I64": 64, "I32": 32, "I16": 16, "I8": 8, "U64": 64, "U32": 32, "U16": 16, "U8": 8, "BOOL": 8,
}  # fmt: skip
_INTEGERS = {"I64": "q", "I32": "i"}
_BLOCK_BYTES = 16 << 20
_MAX_HEADER_BYTES = 100 << 20  # the limit of the format itself


class StoredTensor(NamedTuple):
    """One entry of a safetensors header."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    """First byte of the data in the file."""
    file: Path

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def bits(self) -> int:
        """Bits on disk."""
        return self.size * _BITS[self.dtype]

    def equals(self, other: StoredTensor) -> bool:
        """Whether both hold the same bytes as the same type and shape."""
        same = (self.dtype, self.shape) == (other.dtype, other.shape)
        return same and self._digest() == other._digest()

    def load(self) -> Tensor:
        """Its values."""
        from safetensors import safe_open

        with safe_open(self.file, framework="pt") as stream:
            return cast("Tensor", stream.get_tensor(self.name))

    def integers(self) -> tuple[int, ...]:
        """The values of a small tensor of integers."""
        return struct.unpack(f"<{self.size}{_INTEGERS[self.dtype]}", self._bytes())

    def _bytes(self) -> bytes:
        with self.file.open("rb") as stream:
            stream.seek(self.offset)
            return stream.read(self.bits // 8)

    def _digest(self) -> bytes:
        digest, left = hashlib.sha256(), self.bits // 8
        with self.file.open("rb") as stream:
            stream.seek(self.offset)
            while left:
                block = stream.read(min(left, _BLOCK_BYTES))
                digest.update(block)
                left -= len(block)
        return digest.digest()


def stored_tensors(path: Path) -> Iterator[StoredTensor]:
    """The entries of a safetensors file: 8 bytes of length, then JSON."""
    places: list[tuple[int, int, str]] = []
    with path.open("rb") as stream:
        first = stream.read(8)
        length = struct.unpack("<Q", first)[0] if len(first) == 8 else 0
        if not 0 < length <= min(_MAX_HEADER_BYTES, path.stat().st_size):
            raise ModelError(f"{path} is no whole safetensors file: its header is cut. Copy it again.")
        try:
            header: dict[str, Any] = json_of(stream.read(length))
            header.pop("__metadata__", None)
            for name, entry in header.items():
                begin, end = entry["data_offsets"]
                if entry["dtype"] not in _BITS:
                    raise ModelError(f"{path}: tensor {name} has the unknown dtype {entry['dtype']}.")
                if 8 + length + end > path.stat().st_size:
                    raise ModelError(f"{path} is cut: tensor {name} ends past the file. Copy it again.")
                found = StoredTensor(name, entry["dtype"], tuple(entry["shape"]), 8 + length + begin, path)
                if not all(type(one) is int and one >= 0 for one in (begin, end, *found.shape)):
                    raise ModelError(f"{path}: tensor {name} has a shape or a place that is no number.")
                if found.bits != 8 * (end - begin):
                    raise ModelError(
                        f"{path}: tensor {name} says {list(found.shape)} of {found.dtype} and takes "
                        f"{end - begin:,} bytes, which don't fit. Copy it again."
                    )
                places.append((begin, end, name))
                yield found
            for (_, end, name), (begin, _, after) in itertools.pairwise(sorted(places)):
                if begin < end:
                    raise ModelError(f"{path}: tensors {name} and {after} overlap. Copy it again.")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(
                f"{path} has an unreadable safetensors header ({error}). Copy it again."
            ) from None
