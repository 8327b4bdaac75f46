"""A model over several devices: where accelerate puts its parts, and where its inputs go."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from typing import TYPE_CHECKING, Any

from audit.errors import ModelError
from audit.records import DeviceMap

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


def while_loading(device_map: DeviceMap, device: str) -> dict[str, Any]:
    """What makes transformers spread a plain checkpoint as it reads it, never all of it in main memory."""
    return {
        "device_map": device_map.policy,
        "max_memory": _limits(device_map, device),
        "offload_folder": tempfile.mkdtemp(prefix="shrinkproof-offload-"),
    }


def spread(model: PreTrainedModel, device_map: DeviceMap, device: str) -> None:
    """Move a model that is in main memory, dequantised or rebuilt, to where accelerate puts its parts.

    Raises ModelError where all would have to wait on disk, which accelerate does not do here.
    """
    from accelerate import dispatch_model, infer_auto_device_map
    from accelerate.utils import get_balanced_memory

    whole = sorted(model._no_split_modules or ())
    limits: Any = _limits(device_map, device)
    if device_map.policy != "sequential":
        low_zero = device_map.policy == "balanced_low_0"
        limits = get_balanced_memory(model, limits, no_split_module_classes=whole, low_zero=low_zero)
    model.tie_weights()
    found = infer_auto_device_map(model, limits, no_split_module_classes=whole)
    if set(found.values()) == {"disk"}:
        raise ModelError(
            f"device_map: no device may hold a layer of the model ({limits}). Raise `max_memory`."
        )
    folder = tempfile.mkdtemp(prefix="shrinkproof-offload-")
    dispatch_model(model, found, offload_dir=folder)
    remove_with(model, folder)


def remove_with(model: PreTrainedModel, folder: str) -> None:
    """Remove what a model has on disk once it is gone from memory."""
    weakref.finalize(model, shutil.rmtree, folder, ignore_errors=True)


def input_device(model: PreTrainedModel) -> torch.device:
    """Where its inputs go: the first device that computes. Parts that wait elsewhere are brought to one."""
    import torch

    if model.device.type != "meta":
        return model.device
    placed = getattr(model, "hf_device_map", {}).values()
    return torch.device(next((one for one in placed if one not in ("cpu", "disk")), "cpu"))


def _limits(device_map: DeviceMap, device: str) -> dict[int | str, int | str] | None:
    """By device, what it may hold; None: what is free. No GPU where the CPU is asked for."""
    from accelerate.utils import get_max_memory

    given: dict[int | str, int | str] = {
        int(name) if name.isdigit() else name: most for name, most in device_map.max_memory.items()
    }
    if device == "cpu":
        return {"cpu": given.get("cpu", get_max_memory()["cpu"])}
    return given or None
