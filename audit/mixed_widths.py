"""compressed-tensors' checkpoints whose modules are packed in several ways, dequantised module by module.

transformers takes one way for all of them when it dequantises, and fails or errs on the others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit import weights
from audit.errors import ModelError
from audit.layouts import quantised

if TYPE_CHECKING:
    from torch import Tensor


def is_mixed(quantization: Mapping[str, Any]) -> bool:
    """Whether a `quantization_config` of compressed-tensors packs weights in more than one way."""
    ways = [group.get("weights") for group in (quantization.get("config_groups") or {}).values()]
    return any(way != ways[0] for way in ways)


def dequantised(folder: Path, quantization: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors of the checkpoint, each packed matrix as a plain `weight` in the dtype of its scales.

    Raises ModelError for a matrix that no group of the config is about.
    """
    from compressed_tensors.compressors import BaseCompressor
    from compressed_tensors.quantization import QuantizationScheme

    groups = [QuantizationScheme.model_validate(one) for one in quantization["config_groups"].values()]
    stored = weights.tensors(folder)
    packed = {one.codes.rpartition(".")[0]: one.parts for one in quantised(stored, None)}
    taken = {part for parts in packed.values() for part in parts}
    plain = {name: tensor.load() for name, tensor in stored.items() if name not in taken}
    for module, parts in packed.items():
        scheme = min(groups, key=lambda one: _distance(one.targets, module))
        if _distance(scheme.targets, module) == len(_NEAR):
            raise ModelError(f"{folder}: {module} is packed, and no group of config.json is about it.")
        held = {part.removeprefix(f"{module}."): stored[part].load() for part in parts}
        compressor: Any = BaseCompressor.get_value_from_registry(scheme.format or quantization["format"])
        plain[f"{module}.weight"] = compressor.decompress(held, scheme)["weight"]
    return plain


def _distance(targets: Sequence[str], module: str) -> int:
    """How a group names the module: 0 by its name, 1 by a pattern, 2 by its class, 3 not at all."""
    return min((place for place, near in enumerate(_NEAR) for one in targets if near(one, module)), default=3)


_NEAR: tuple[Callable[[str, str], bool], ...] = (
    lambda target, module: target == module,
    lambda target, module: target.startswith("re:") and re.match(target[3:], module) is not None,
    lambda target, module: target == "Linear",
)
