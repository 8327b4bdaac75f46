"""What a training has come to, on disk. After a kill the file is whole, or the one before it is."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.compressors.training import Losses

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer
    from transformers import PreTrainedModel


class Checkpoint:
    """Weights, optimiser and losses of the steps so far; the random numbers follow from the step."""

    def __init__(self, folder: Path, setup: str) -> None:
        """`setup` is the digest of all that determines the training: a file of another one is no use."""
        self._path = folder / "training.safetensors"
        self._setup = setup
        self.seconds_before = 0.0
        """What the starts before this one took, up to what they kept."""
        self._started = time.monotonic()

    def load(self, model: PreTrainedModel, optimiser: Optimizer) -> list[Losses]:
        """Put back what was kept; the losses of the steps done by then, none where nothing fits."""
        import torch
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self._path, framework="pt") as file:
                said = file.metadata()
                if said.get("setup") != self._setup:
                    return []
                found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no mapping
        except (FileNotFoundError, SafetensorError):
            return []
        self.seconds_before = float(said["seconds"])
        with torch.no_grad():
            for name, weights in model.named_parameters():
                weights.copy_(found[f"weights.{name}"])
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in found.items():
            kind, _, rest = name.partition(".")
            if kind == "optimiser":
                index, _, key = rest.partition(".")
                state.setdefault(int(index), {})[key] = tensor
        optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
        return [Losses(*pair) for pair in found["losses"].tolist()]

    def save(self, model: PreTrainedModel, optimiser: Optimizer, losses: list[Losses]) -> None:
        """Keep all of it, in the place of what was kept before."""
        import torch
        from safetensors.torch import save_file

        kept: dict[str, Any] = {f"weights.{name}": tensor for name, tensor in model.named_parameters()}
        for index, state in optimiser.state_dict()["state"].items():
            kept |= {f"optimiser.{index}.{key}": tensor for key, tensor in state.items()}
        kept["losses"] = torch.tensor(losses, dtype=torch.float64)
        half = self._path.with_suffix(".half")
        save_file(
            {name: tensor.detach().contiguous() for name, tensor in kept.items()},
            half,
            metadata={
                "setup": self._setup,
                "seconds": str(self.seconds_before + time.monotonic() - self._started),
            },
        )
        _flush(half)
        half.replace(self._path)
        _flush(self._path.parent)


def _flush(path: Path) -> None:
    """Push a file, or the names in a folder, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
