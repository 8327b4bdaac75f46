"""GPTQ's and AWQ's packed checkpoints, dequantised: their kernels need a GPU, their numbers don't.

Weights are computed in the dtype of the scales, as the kernels do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit import weights
from audit.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

_PARTS = (".qweight", ".qzeros", ".scales", ".g_idx")
_AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)
"""Which of eight columns lies in each nibble of a word, lowest first (AutoAWQ's `gemm` layout)."""


def dequantised(folder: Path, quantization: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors of the checkpoint, each packed matrix as a plain `weight` [outputs, inputs].

    Raises ModelError for a layout that is none of GPTQ's two and AWQ's one.
    """
    unpack = _unpacker(folder, quantization)
    stored = weights.tensors(folder)
    packed = {name.removesuffix(".qweight") for name in stored if name.endswith(".qweight")}
    plain = {
        name: tensor.load()
        for name, tensor in stored.items()
        if not (name.rpartition(".")[0] in packed and name.endswith(_PARTS))
    }
    for stem in packed:
        parts = {part: stored[f"{stem}.{part}"].load() for part in ("qweight", "qzeros", "scales")}
        if f"{stem}.g_idx" in stored:
            parts["g_idx"] = stored[f"{stem}.g_idx"].load()
        plain[f"{stem}.weight"] = unpack(parts)
    return plain


def _unpacker(folder: Path, quantization: Mapping[str, Any]) -> Callable[[Mapping[str, Tensor]], Tensor]:
    bits = int(quantization.get("bits") or quantization.get("w_bit") or 0)
    if quantization["quant_method"] == "awq":
        layout = quantization.get("version", "gemm")
        if (layout, bits) != ("gemm", 4):
            raise ModelError(
                f"{folder}: AWQ's layout {layout!r} of {bits} bits is not known; 'gemm' of 4 is."
            )
        return _of_awq
    layout = quantization.get("checkpoint_format", "gptq")
    if layout not in ("gptq", "gptq_v2") or bits not in (2, 3, 4, 8):
        raise ModelError(
            f"{folder}: GPTQ's layout {layout!r} of {bits} bits is not known; 'gptq' and 'gptq_v2' of 2, "
            "3, 4 and 8 are."
        )
    return lambda parts: _of_gptq(parts, bits, 1 if layout == "gptq" else 0)


def _of_gptq(parts: Mapping[str, Tensor], bits: int, zero_offset: int) -> Tensor:
    """scale * (code - zero), the codes of a column in a stream of bits (AutoGPTQ's `qlinear`).

    The first layout stores zeros less one.
    """
    import torch

    scales = parts["scales"]
    codes = _stream(parts["qweight"].T.contiguous(), bits).T  # [inputs, outputs]
    zeros = _stream(parts["qzeros"], bits)[:, : scales.shape[1]] + zero_offset  # [groups, outputs]
    inputs = codes.shape[0]
    group = parts.get("g_idx")
    if group is None:
        group = torch.arange(inputs) // -(-inputs // scales.shape[0])
    group = group.long()
    return _scaled(codes - zeros[group], scales[group])


def _of_awq(parts: Mapping[str, Tensor]) -> Tensor:
    """scale * (code - zero), eight columns to a word in AutoAWQ's order."""
    codes, zeros = (_in_order(_stream(parts[one], 4)) for one in ("qweight", "qzeros"))
    spread = codes.shape[0] // zeros.shape[0]
    return _scaled(codes - zeros.repeat_interleave(spread, 0), parts["scales"].repeat_interleave(spread, 0))


def _scaled(codes: Tensor, scales: Tensor) -> Tensor:
    """[outputs, inputs] weights of [inputs, outputs] codes, in the dtype of the scales."""
    return (codes.float() * scales.float()).to(scales.dtype).T.contiguous()


def _in_order(codes: Tensor) -> Tensor:
    import torch

    back = torch.tensor(_AWQ_ORDER).argsort()
    return codes.reshape(len(codes), -1, 8)[:, :, back].reshape(len(codes), -1)


def _stream(words: Tensor, bits: int) -> Tensor:
    """[rows, 32 * words / bits] unsigned codes out of [rows, words] int32, the lowest bits first."""
    import torch

    if 32 % bits == 0:
        places = torch.arange(0, 32, bits, dtype=torch.int32)
        codes: Tensor = (words.unsqueeze(-1) >> places) & (2**bits - 1)
        return codes.reshape(len(words), -1)
    stream = (words.unsqueeze(-1) >> torch.arange(32, dtype=torch.int32)) & 1  # codes lie across words
    grouped = stream.reshape(len(words), -1, bits)
    return (grouped << torch.arange(bits, dtype=torch.int32)).sum(-1, dtype=torch.int32)
