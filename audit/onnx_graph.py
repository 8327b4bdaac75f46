"""What an ONNX file holds, counted over its initialisers; its operators tell codes from weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from audit.errors import ModelError, first_line

if TYPE_CHECKING:
    import torch

_BITS = {
    "FLOAT": 32, "FLOAT16": 16, "BFLOAT16": 16, "DOUBLE": 64, "INT8": 8, "UINT8": 8, "INT4": 4, "UINT4": 4,
    "INT2": 2, "UINT2": 2, "INT16": 16, "UINT16": 16, "INT32": 32, "UINT32": 32, "INT64": 64, "UINT64": 64,
    "BOOL": 8, "FLOAT4E2M1": 4, "FLOAT8E4M3FN": 8, "FLOAT8E4M3FNUZ": 8, "FLOAT8E5M2": 8, "FLOAT8E5M2FNUZ": 8,
}  # fmt: skip
_FLOATS = {"FLOAT": "float32", "FLOAT16": "float16", "BFLOAT16": "bfloat16", "DOUBLE": "float64"}
_CODES = {"INT8", "UINT8", "INT4", "UINT4", "INT2", "UINT2", "FLOAT4E2M1", "FLOAT8E4M3FN", "FLOAT8E5M2"}
_ANGLES = {"GroupQueryAttention", "RotaryEmbedding"}
"""Operators that hold tables of sines and cosines, which are no weights."""


class Tensor(NamedTuple):
    """An initialiser."""

    name: str
    kind: str
    """ONNX's name of what its numbers are stored in."""
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Numbers stored."""
        return math.prod(self.shape)

    @property
    def bits(self) -> int:
        """All its numbers'."""
        return self.size * _BITS.get(self.kind, 8)


class Packed(NamedTuple):
    """A quantised matrix."""

    weights: int
    codes: Tensor
    parts: frozenset[str]
    """Names of all that it is stored in: codes, scales, zero points."""
    operator: str


class Graph(NamedTuple):
    """What is stored in a file and the files beside it."""

    tensors: tuple[Tensor, ...]
    packed: tuple[Packed, ...]
    plain: tuple[Tensor, ...]
    """Floating-point weights that are in no packed matrix."""

    @property
    def parts(self) -> frozenset[str]:
        """Names of all that packed matrices are stored in."""
        return frozenset[str]().union(*(one.parts for one in self.packed))

    @property
    def dtypes(self) -> list[str]:
        """Of the plain ones, by torch's names."""
        return sorted({_FLOATS.get(one.kind, one.kind.lower()) for one in self.plain})


def data_files(file: Path) -> list[Path]:
    """The files beside an ONNX file that its tensors lie in, by the names that exporters give them."""
    return sorted(path for path in file.parent.glob(f"{file.name}[._]data*") if path.is_file())


def read(file: Path) -> Graph:
    """The graph's initialisers. Raises ModelError where it is no ONNX file, or a part of it is missing."""
    import onnx

    try:
        model = onnx.load(str(file), load_external_data=False)
    except Exception as error:  # protobuf's own, which is no public class
        reason = first_line(error)
        raise ModelError(f"{file} is no whole ONNX file ({reason}). Copy it again.") from None
    _check_places(model, file)
    graph = model.graph
    held: dict[str, Tensor] = {}
    for one in graph.initializer:
        if not isinstance(one.name, str) or one.data_type not in onnx.TensorProto.DataType.values():
            raise ModelError(f"{file}: its tensor {one.name!r:.80} has a name or a type that is none.")
        if min(one.dims, default=0) < 0:
            raise ModelError(f"{file}: its tensor {one.name} has the shape {list(one.dims)}. Copy it again.")
        kind = onnx.TensorProto.DataType.Name(one.data_type)
        held[one.name] = Tensor(one.name, kind, tuple(one.dims))
    nodes = list(_nodes(graph))
    try:
        packed = {found.codes.name: found for node in nodes if (found := _packed(node, held))}
    except ModelError as error:
        raise ModelError(f"{file} can't be counted: {error}. Save the model again.") from None
    parts = frozenset[str]().union(*(one.parts for one in packed.values()))
    angles = {name for node in nodes if node.op_type in _ANGLES for name in node.input}
    plain = [
        one for one in held.values() if one.kind in _FLOATS and one.shape and one.name not in parts | angles
    ]
    return Graph(tuple(held.values()), tuple(packed.values()), tuple(plain))


def _check_places(model: Any, file: Path) -> None:
    """What is loaded has to be what is hashed: raises ModelError where a tensor lies in another file."""
    beside = {path.name for path in data_files(file)}
    for one in _stored(model):
        for entry in one.external_data:  # whose key may stand twice: readers differ in which holds
            if entry.key == "location" and entry.value not in beside:
                raise ModelError(
                    f"{file} has its tensor {one.name} in {entry.value}: that is not beside it, or has a "
                    f"name that does not begin with {file.name}.data. Copy it there, or save the model again."
                )


def _stored(model: Any) -> Iterator[Any]:
    """All tensors of a model, wherever they stand: in graphs of branches and loops, in attributes, sparse
    ones, functions."""
    import onnx

    left = [model]
    while left:
        message = left.pop()
        if isinstance(message, onnx.TensorProto):
            yield message
            continue
        for field, value in message.ListFields():
            if field.message_type is not None:
                left += value if isinstance(value, Sequence) else [value]


def matrices(file: Path) -> Iterator[tuple[str, torch.Tensor]]:
    """Name and values, [outputs, inputs], of the matrices of products, unpacked one by one.

    Of integer products the codes: their scales are applied further on.
    """
    import onnx
    import torch

    graph = onnx.load(str(file), load_external_data=False).graph
    held = {one.name: one for one in graph.initializer}

    def values(name: str) -> Any:
        return onnx.numpy_helper.to_array(held[name], str(file.parent))

    for node in _nodes(graph):
        name = node.input[1] if len(node.input) > 1 else ""
        if name not in held:
            continue
        if node.op_type == "MatMulNBits":
            settings = _attributes(node)
            if settings["bits"] in (4, 8):
                beside = [values(one) for one in node.input[2:4] if one]
                yield name, torch.from_numpy(_unpacked(values(name), settings, *beside))
        elif node.op_type in ("MatMul", "Gemm", "MatMulInteger") and len(held[name].dims) == 2:
            found = torch.from_numpy(values(name).astype("float32"))
            yield name, found if _attributes(node).get("transB") else found.T


def _unpacked(codes: Any, settings: dict[str, Any], scales: Any, zeros: Any = None) -> Any:
    """The weights of MatMulNBits, (code − zero point) × scale, [N, K]; no point: the middle."""
    import numpy as np

    bits, rows, columns = settings["bits"], settings["N"], settings["K"]

    def opened(packed: Any) -> Any:
        packed = packed.reshape(rows, -1)
        both = (packed & 15, packed >> 4) if bits == 4 else (packed,)
        return np.stack(both, axis=-1).reshape(rows, -1).astype(np.float32)

    scales = scales.astype(np.float32).reshape(rows, -1)
    if zeros is None:
        points = np.full_like(scales, 1 << (bits - 1))
    elif zeros.dtype == np.uint8:
        points = opened(zeros)[:, : scales.shape[1]]
    else:
        points = zeros.astype(np.float32).reshape(rows, -1)
    values = opened(codes).reshape(rows, scales.shape[1], -1)
    return ((values - points[..., None]) * scales[..., None]).reshape(rows, -1)[:, :columns]


def _nodes(graph: Any) -> Iterator[Any]:
    """All, those of branches among them."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in [attribute.g] if attribute.HasField("g") else attribute.graphs:
                yield from _nodes(inner)


def _attributes(node: Any) -> dict[str, Any]:
    """What an operator is set to."""
    import onnx

    return {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}


def _packed(node: Any, held: dict[str, Tensor]) -> Packed | None:
    """The quantised matrix that an operator reads, if it reads one."""
    inputs = [held[name] for name in node.input if name in held]
    codes = next((one for one in inputs if one.kind in _CODES and len(one.shape) > 1), None)
    if codes is None:
        return None
    weights = codes.size
    try:
        settings = _attributes(node)
        if node.op_type == "MatMulNBits":  # its codes lie in bytes, blocks filled up
            weights = _positive(settings["K"]) * _positive(settings["N"])
        elif codes.kind == "UINT8" and "bits" in settings:
            weights = codes.size * 8 // _positive(settings["bits"])
    except (LookupError, TypeError, ValueError) as error:
        raise ModelError(f"the operator {node.name or node.op_type} of {codes.name}: {error}") from None
    return Packed(weights, codes, frozenset(one.name for one in inputs), str(node.op_type))


def _positive(value: Any) -> int:
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"{value!r:.80} is no count")
    return value
