"""Checkpoints as GPTQ's and AWQ's own tools pack them, written with loops over single codes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

BITS = 4
AWQ_COLUMNS = (0, 2, 4, 6, 1, 3, 5, 7)
"""AutoAWQ's WQLinear_GEMM: column of the i-th nibble."""


def rounded(weight: Tensor, group_size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Codes [inputs, outputs], zeros and float16 scales [groups, outputs] of round-to-nearest, asymmetric."""
    rows = weight.float().T.reshape(-1, group_size, weight.shape[0])
    low, high = rows.amin(1).clamp(max=0), rows.amax(1).clamp(min=0)
    scales = ((high - low) / (2**BITS - 1)).half()
    zeros = (-low / scales.float()).round().clamp(1, 2**BITS - 1).int()
    codes = (rows / scales.float().unsqueeze(1)).round().int() + zeros.unsqueeze(1)
    return codes.clamp(0, 2**BITS - 1).reshape(-1, weight.shape[0]), zeros, scales


def words(codes: list[int]) -> int:
    """Eight codes of four bits in one signed word, the first in the lowest bits."""
    word = sum(code << (BITS * place) for place, code in enumerate(codes))
    return word - (1 << 32) if word >= 1 << 31 else word


def gptq(codes: Tensor, zeros: Tensor, scales: Tensor, group_size: int) -> dict[str, Tensor]:
    """AutoGPTQ: eight inputs to a word down the rows; eight outputs to a word of zeros, each less one."""
    inputs, outputs = codes.shape
    down = [
        [words(codes[at : at + 8, column].tolist()) for column in range(outputs)]
        for at in range(0, inputs, 8)
    ]
    across = [[words((row[at : at + 8] - 1).tolist()) for at in range(0, outputs, 8)] for row in zeros]
    return {
        "qweight": torch.tensor(down, dtype=torch.int32),
        "qzeros": torch.tensor(across, dtype=torch.int32),
        "scales": scales,
        "g_idx": torch.arange(inputs, dtype=torch.int32) // group_size,
    }


def awq(codes: Tensor, zeros: Tensor, scales: Tensor, group_size: int) -> dict[str, Tensor]:
    """AutoAWQ: eight outputs to a word, in its order; zeros as they are."""

    def across(rows: Tensor) -> Tensor:
        return torch.tensor(
            [
                [words([int(row[at + column]) for column in AWQ_COLUMNS]) for at in range(0, len(row), 8)]
                for row in rows
            ],
            dtype=torch.int32,
        )

    return {"qweight": across(codes), "qzeros": across(zeros), "scales": scales}


def write(source: Path, target: Path, method: str, group_size: int = 32) -> dict[str, Tensor]:
    """Pack every linear layer of the Llama in `source`; returns the weights that the codes stand for."""
    shutil.copytree(source, target)
    tensors, meant = load_file(source / "model.safetensors"), {}
    for name in [name for name in tensors if name.endswith("_proj.weight")]:
        codes, zeros, scales = rounded(tensors.pop(name), group_size)
        pack = gptq if method == "gptq" else awq
        parts = pack(codes, zeros, scales, group_size)
        tensors |= {name.replace("weight", part): tensor.contiguous() for part, tensor in parts.items()}
        spread = codes - zeros.repeat_interleave(group_size, 0)
        meant[name] = (spread * scales.float().repeat_interleave(group_size, 0)).half().T
    save_file(tensors, target / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((target / "config.json").read_text())
    config["quantization_config"] = {
        "quant_method": method, "bits": BITS, "group_size": group_size, "sym": False, "desc_act": False,
        "version": "gemm",
    }  # fmt: skip
    (target / "config.json").write_text(json.dumps(config))
    return meant
