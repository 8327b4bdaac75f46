"""Rounding what goes into a linear layer, as a runtime with 8-bit activations does.

Simulated in floating point: a rounded number is the integer times its scale, and the sums of products differ
from the runtime's int32 sums by float32's rounding alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

LARGEST_CODE = 127
INT8_PER_TOKEN = {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "token", "dynamic": True}
"""The one rounding of activations that is simulated, in the words of compressed-tensors."""


def per_token(values: Tensor) -> Tensor:
    """Each row of the last dimension at the nearest of 255 levels between ± its largest magnitude.

    As vLLM's kernel: the scale is the largest magnitude over 127, ties go to the even code. (The forward of
    compressed-tensors divides by 127.5 and clips the largest; and it takes the rows of two-dimensional
    activations for tokens of one number each.)
    """
    exact = values.float()
    scale = exact.abs().amax(dim=-1, keepdim=True).clamp(min=1e-12) / LARGEST_CODE
    return ((exact / scale).round() * scale).to(values.dtype)


def round_inputs(modules: Iterable[Module]) -> None:
    """Have each module see its input rounded, token by token."""
    for module in modules:
        module.register_forward_pre_hook(_rounded)


@contextlib.contextmanager
def unrounded(model: Module) -> Iterator[None]:
    """The model without that rounding while the block runs.

    What the order of sums moves by a hair, rounding moves by a whole code: whether two ways to compute are
    the same can only be seen without it.
    """
    hooks = [
        (module, key)
        for module in model.modules()
        for key, hook in module._forward_pre_hooks.items()
        if hook is _rounded
    ]
    for module, key in hooks:
        del module._forward_pre_hooks[key]
    try:
        yield
    finally:
        for module, key in hooks:
            module._forward_pre_hooks[key] = _rounded


def _rounded(module: Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """The hook."""
    return (per_token(inputs[0]), *inputs[1:])


def are_rounded(quantization: Mapping[str, Any]) -> bool:
    """Whether a checkpoint's `quantization_config` has activations rounded, or keys and values."""
    groups = _groups(quantization)
    return bool(quantization.get("kv_cache_scheme")) or any(
        group.get(which) for group in groups for which in ("input_activations", "output_activations")
    )


def not_simulated(quantization: Mapping[str, Any]) -> str:
    """What a `quantization_config` has rounded otherwise than to int8 token by token; empty: nothing."""
    for group in _groups(quantization):
        wanted = group.get("input_activations") or INT8_PER_TOKEN
        differs = [
            f"{key} {wanted.get(key)}" for key in INT8_PER_TOKEN if wanted.get(key) != INT8_PER_TOKEN[key]
        ]
        if differs:
            return f"activations: {', '.join(differs)}"
        if group.get("output_activations"):
            return "what comes out of layers"
    return "keys and values" if quantization.get("kv_cache_scheme") else ""


def rounded_layers(model: Module, quantization: Mapping[str, Any]) -> Iterator[Module]:
    """The modules of `model` whose inputs the `quantization_config` has rounded, each once."""
    seen: set[Module] = set()
    for group in _groups(quantization):
        if group.get("input_activations"):
            from compressed_tensors.utils import match_named_modules

            for _, module in match_named_modules(model, group["targets"], quantization.get("ignore") or []):
                if module not in seen:
                    seen.add(module)
                    yield module


def _groups(quantization: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list((quantization.get("config_groups") or {}).values())
