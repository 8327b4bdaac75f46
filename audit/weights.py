"""What a checkpoint folder holds, read from its files and not from its name."""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from audit.errors import ModelError
from audit.records import NotMeasured

_BITS = {
    "F64": 64, "F32": 32, "F16": 16, "BF16": 16, "F8_E4M3": 8, "F8_E5M2": 8,
    "I64": 64, "I32": 32, "I16": 16, "I8": 8, "U64": 64, "U32": 32, "U16": 16, "U8": 8, "BOOL": 8,
}  # fmt: skip
_FLOATS = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
"""Torch's names."""
_PICKLES = (".bin", ".pt", ".pth", ".ckpt")
_BLOCK_BYTES = 16 << 20
_MAX_HEADER_BYTES = 100 << 20  # the limit of the safetensors format itself


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

    def _digest(self) -> bytes:
        digest, left = hashlib.sha256(), self.bits // 8
        with self.file.open("rb") as stream:
            stream.seek(self.offset)
            while left:
                block = stream.read(min(left, _BLOCK_BYTES))
                digest.update(block)
                left -= len(block)
        return digest.digest()


class Contents(NamedTuple):
    """Counted over the tensors of a checkpoint; the fields are those of a `Variant` of the same names."""

    size_bytes: int
    parameters: int
    bits_per_weight: float
    compressed_parameters: int | NotMeasured
    """Weights whose stored tensors differ from the original's."""
    compressed_bits_per_weight: float | NotMeasured
    """Bits of those tensors alone, scales included, over their weights."""
    stored_as: str
    format: str
    """Of the files, as a runtime names it."""


def companions(folder: Path) -> list[Path]:
    """The files beside the weights that settings, tokenizer and chat template are read from, sorted."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_file()
        and path.suffix in {".json", ".jinja", ".txt", ".model"}
        and not path.name.endswith(".index.json")
        and path.name != "variant.json"
    )


def companions_digest(folder: Path) -> str:
    """sha256 over the names and sha256 of the companions."""
    named = [(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in companions(folder)]
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()


def weight_files(folder: Path, *, allow_pickle: bool = False) -> list[Path]:
    """The weight files of a model folder, sorted; refuses pickles unless they are allowed."""
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder} is no model folder: it has no config.json. Name a folder that has one.")
    safe = sorted(folder.glob("*.safetensors"))
    if safe:
        return safe
    pickles = sorted(path for path in folder.iterdir() if path.suffix in _PICKLES)
    if pickles and allow_pickle:
        return pickles
    if pickles:
        raise ModelError(
            f"{folder} has its weights only in pickle files ({pickles[0].name}), which can run code when "
            "loaded. Convert them to safetensors, or accept the risk with --allow-pickle."
        )
    raise ModelError(f"{folder} has no weights: no *.safetensors file beside config.json. Copy them there.")


def digest(files: list[Path]) -> str:
    """sha256 over the files' names and contents: renaming the folder changes nothing."""
    total = hashlib.sha256()
    for path in files:
        with path.open("rb") as stream:
            inner = hashlib.file_digest(stream, "sha256")
        total.update(f"{path.name}\0{inner.hexdigest()}\n".encode())
    return total.hexdigest()


def contents(folder: Path, original: Path | None = None) -> Contents:
    """Count bytes, parameters and bits over the safetensors files of a checkpoint folder.

    `original` is the folder that it was made from (None: it is the original): what is stored otherwise
    than there is what was compressed.
    """
    tensors = _tensors(folder)
    packed = {name.removesuffix("_packed") for name in tensors if name.endswith(".weight_packed")}
    parts = {name for name in tensors if next(_stems(name, packed), None)}
    packed_weights = sum(_logical_size(tensors[f"{stem}_shape"]) for stem in packed)
    plain = {name: tensor for name, tensor in tensors.items() if name not in parts}
    parameters = packed_weights + sum(tensor.size for tensor in plain.values())
    changed = _changed(plain, original)
    touched = (
        NotMeasured("the original lies in pickle files")
        if changed is None
        else packed_weights + sum(tensor.size for tensor in changed)
    )
    bits_touched = sum(tensors[name].bits for name in parts) + sum(tensor.bits for tensor in changed or ())
    return Contents(
        size_bytes=sum(path.stat().st_size for path in weight_files(folder)),
        parameters=parameters,
        bits_per_weight=sum(tensor.bits for tensor in tensors.values()) / parameters,
        compressed_parameters=touched,
        compressed_bits_per_weight=_ratio(bits_touched, touched),
        stored_as=_stored_as(folder, sorted({tensor.dtype for tensor in plain.values()})),
        format=_format(folder),
    )


def _tensors(folder: Path) -> dict[str, StoredTensor]:
    return {tensor.name: tensor for path in weight_files(folder) for tensor in _header(path)}


def _changed(plain: dict[str, StoredTensor], original: Path | None) -> list[StoredTensor] | None:
    """The plain tensors that the original does not hold byte for byte; None if that can't be seen."""
    if original is None:
        return []
    if is_pickle(original):
        return None
    theirs = _tensors(original)
    return [tensor for name, tensor in plain.items() if name not in theirs or not tensor.equals(theirs[name])]


def _ratio(bits: int, weights: int | NotMeasured) -> float | NotMeasured:
    if isinstance(weights, NotMeasured):
        return weights
    return bits / weights if weights else NotMeasured("nothing was compressed")


def pickled_contents(folder: Path, parameters: int) -> Contents:
    """The same for weights in pickle files, whose tensors only loading can count."""
    size_bytes = sum(path.stat().st_size for path in weight_files(folder, allow_pickle=True))
    return Contents(
        size_bytes=size_bytes,
        parameters=parameters,
        bits_per_weight=8 * size_bytes / parameters,
        compressed_parameters=0,
        compressed_bits_per_weight=NotMeasured("nothing was compressed"),
        stored_as="pickle, dense",
        format="pickle",
    )


def float_dtypes(folder: Path) -> frozenset[str]:
    """In what the floating-point tensors of a checkpoint folder are stored, by torch's names."""
    dtypes = {tensor.dtype for tensor in _tensors(folder).values()}
    return frozenset(_FLOATS.get(dtype, dtype.lower()) for dtype in dtypes if dtype.startswith(("F", "BF")))


def is_pickle(folder: Path) -> bool:
    """Whether the folder's weights lie in pickle files only."""
    return not any(folder.glob("*.safetensors"))


def _stems(name: str, packed: set[str]) -> Iterator[str]:
    stem = name.rpartition("_")[0]
    while stem:
        if stem in packed:
            yield stem
        stem = stem.rpartition("_")[0]


def _header(path: Path) -> Iterator[StoredTensor]:
    """The entries of a safetensors file: 8 bytes of length, then JSON."""
    with path.open("rb") as stream:
        first = stream.read(8)
        length = struct.unpack("<Q", first)[0] if len(first) == 8 else 0
        if not 0 < length <= min(_MAX_HEADER_BYTES, path.stat().st_size):
            raise ModelError(f"{path} is no whole safetensors file: its header is cut. Copy it again.")
        try:
            header: dict[str, Any] = json.loads(stream.read(length))
            header.pop("__metadata__", None)
            for name, entry in header.items():
                begin, end = entry["data_offsets"]
                if entry["dtype"] not in _BITS:
                    raise ModelError(f"{path}: tensor {name} has the unknown dtype {entry['dtype']}.")
                if 8 + length + end > path.stat().st_size:
                    raise ModelError(f"{path} is cut: tensor {name} ends past the file. Copy it again.")
                yield StoredTensor(name, entry["dtype"], tuple(entry["shape"]), 8 + length + begin, path)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(
                f"{path} has an unreadable safetensors header ({error}). Copy it again."
            ) from None


def _logical_size(shape_tensor: StoredTensor) -> int:
    """Number of weights of a packed tensor, out of its stored `weight_shape` (int64)."""
    with shape_tensor.file.open("rb") as stream:
        stream.seek(shape_tensor.offset)
        width = _BITS[shape_tensor.dtype] // 8
        raw = stream.read(width * shape_tensor.shape[0])
    kind = {8: "q", 4: "i"}[width]
    return math.prod(struct.unpack(f"<{shape_tensor.shape[0]}{kind}", raw))


def _stored_as(folder: Path, plain: list[str]) -> str:
    dense = ", ".join(_FLOATS.get(dtype, dtype.lower()) for dtype in plain)
    quantization = _quantization(folder)
    if not quantization:
        return f"{dense}, dense"
    groups = list(quantization.get("config_groups", {}).values())
    if not groups:
        return f"{quantization.get('quant_method', 'unknown quantisation')}; the rest {dense}"
    weights = groups[0]["weights"]
    spread = f"groups of {weights['group_size']}" if weights.get("group_size") else "one scale per channel"
    symmetry = "symmetric" if weights.get("symmetric") else "asymmetric"
    return (
        f"int{weights['num_bits']}, {symmetry}, {spread}, {quantization['format']} "
        f"({quantization['quant_method']}); embeddings and norms {dense}"
    )


def _format(folder: Path) -> str:
    """What a runtime has to know beyond safetensors: the method that the weights were packed by."""
    quantization = _quantization(folder)
    if not quantization:
        return "safetensors"
    return str(quantization.get("quant_method", "safetensors, quantised by an unnamed method"))


def _quantization(folder: Path) -> dict[str, Any]:
    """How the config says that the weights were quantised; empty where they were not."""
    found: dict[str, Any] | None = json.loads((folder / "config.json").read_text()).get("quantization_config")
    return found or {}
