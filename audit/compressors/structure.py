"""What the methods share that make tensors smaller: finding what can go, and cutting it out.

Every layer loses as much, because a config has one number for all of them; `from_pretrained` then loads the
result as any other checkpoint. What a model can lose is told by the shapes of its modules, not by its name,
and before anything is saved the cut model must compute what the whole one does with the same parts switched
off: an architecture that only looks alike is refused.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import Field

from audit.errors import CompressionError
from audit.loading import logits, saved
from audit.making import Made, Making
from audit.records import Written

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch.nn import Linear, Module, ModuleList
    from transformers import PretrainedConfig, PreTrainedModel

SAME = 1e-3
"""Largest difference of a logit between cut and switched off, as a share of the largest logit: rounding is a
hundredth of it, an architecture that was misread is above it."""


class Part(NamedTuple):
    """A place in one layer that is made of equal units: channels, or groups of heads."""

    units: int
    inward: tuple[Linear, ...]
    """Their rows fall into `units` equal blocks, one behind another."""
    outward: Linear
    """The same of its columns."""


Finder = Callable[["PreTrainedModel"], list[Part]]
"""The parts of a model, one for each layer. CompressionError where the config or the modules are of another
kind."""

Scorer = Callable[[Making[Any], Sequence[Part]], "list[Tensor]"]
"""[units] for each part: what a unit is worth."""


class Width(Written):
    """How much of each layer's width goes."""

    share: Annotated[float, Field(gt=0, lt=1)]
    """At least this share of the units of each layer goes."""


def stack(model: PreTrainedModel) -> ModuleList:
    """The decoder layers. Raises CompressionError where it is not plain which modules they are."""
    from torch.nn import ModuleList

    count = model.config.get_text_config().num_hidden_layers
    found = [one for one in model.modules() if isinstance(one, ModuleList) and len(one) == count]
    if len(found) != 1:
        raise refused(model, f"{len(found)} lists of modules have the length num_hidden_layers ({count})")
    return found[0]


def keep_layers(config: PretrainedConfig, kept: Sequence[int]) -> None:
    """Let the config say that only these layers are there; lists with an entry for each layer are cut."""
    text: Any = config.get_text_config()
    there = text.num_hidden_layers
    for name, value in list(vars(text).items()):
        if "layer" in name and isinstance(value, list) and len(value) == there:
            setattr(text, name, [value[layer] for layer in kept])
    text.num_hidden_layers = len(kept)


def refused(model: PreTrainedModel, reason: str) -> CompressionError:
    """The error for an architecture that a method can't cut."""
    return CompressionError(
        f"this method can't cut a model of type {model.config.model_type}: {reason}. "
        "Use a method that leaves the shapes as they are, such as magnitude."
    )


def remaining(whole: int, share: float, multiple_of: int = 1) -> int:
    """How many of `whole` stay when at least `share` goes and a multiple stays; possibly none.

    >>> remaining(1536, 0.25, 64), remaining(3, 0.33), remaining(3, 0.9)
    (1152, 2, 0)
    """
    # The small number: 0.1 of 10 leaves 9, though (1 - 0.9) * 10 is a hair under 1
    return math.floor((1 - share) * whole + 1e-9) // multiple_of * multiple_of


def why_not(model: PreTrainedModel, changes: dict[str, int]) -> str | None:
    """What transformers has against the model's config with these changes."""
    from huggingface_hub.errors import StrictDataclassError

    config = copy.deepcopy(model.config)
    _set(config, changes)
    try:
        if hasattr(config, "validate"):  # most configs
            config.validate()
    except (StrictDataclassError, ValueError) as error:
        return " ".join(str(error).split())
    return None


def prune(making: Making[Any], finder: Finder, score: Scorer, stay: int, changes: dict[str, int]) -> Made:
    """Keep the `stay` best units of every part and save the smaller model.

    `changes` are what the config says then. Raises CompressionError, before any work, where the modules do
    not follow it.
    """
    import torch

    model = making.model
    _check_follows(model, finder, changes)
    parts = finder(model)
    best = [_best(values, stay) for values in score(making, parts)]
    with torch.no_grad():
        for part, kept in zip(parts, best, strict=True):
            _switch_off(part, kept)
        off = logits(model, making.witness)
        for part, kept in zip(parts, best, strict=True):
            _cut(part, kept)
    _set(model.config, changes)
    return saved_if_same(making, off)


def saved_if_same(making: Making[Any], off: Tensor) -> Made:
    """Save the cut model, unless its logits are not `off`: those with the same parts switched off."""
    difference = float(
        (logits(making.model, making.witness) - off).abs().max() / off.abs().max().clamp(min=1)
    )
    if not difference <= SAME:
        raise refused(
            making.model,
            f"without these parts it does not compute what it does with them switched off (logits differ by "
            f"{difference:.2g} of the largest; allowed {SAME})",
        )
    return saved(making)


def magnitudes(making: Making[Any], parts: Sequence[Part]) -> list[Tensor]:
    """Sum of the squares of all weights of a unit: rows and columns that can only go together.

    The group importance of DepGraph (Fang et al. 2023) and the L2 baseline of LLM-Pruner (Ma et al. 2023).
    """
    return [
        sum(
            (_blocks(module, part.units).detach().square().sum((1, 2)) for module in part.inward),
            start=_columns(part).detach().square().sum((0, 2)),
        )
        for part in parts
    ]


def activity(making: Making[Any], parts: Sequence[Part]) -> list[Tensor]:
    """Sum over a unit's columns j of Σᵢ |Wᵢⱼ|·‖Xⱼ‖₂, X being what goes into the outward module.

    Wanda's score (Sun et al. 2024, eq. 1) summed over a structure: Wanda-sp of An et al. (2024, FLAP).
    """
    import torch

    squares = [
        torch.zeros(part.outward.in_features, dtype=torch.float64, device=part.outward.weight.device)
        for part in parts
    ]

    def listener(total: Tensor) -> Callable[[Module, tuple[Tensor]], None]:
        def listen(module: Module, inputs: tuple[Tensor]) -> None:
            total.add_(inputs[0].double().square().flatten(0, -2).sum(0))

        return listen

    hooks = [
        part.outward.register_forward_pre_hook(listener(total))
        for part, total in zip(parts, squares, strict=True)
    ]
    with removed_after(hooks):
        read(making)
    return [
        (part.outward.weight.detach().abs().sum(0) * total.sqrt()).reshape(part.units, -1).sum(1)
        for part, total in zip(parts, squares, strict=True)
    ]


def read(making: Making[Any]) -> None:
    """Run the calibration text through the model, for the hooks that listen; the head is spared."""
    import torch

    assert making.text is not None, "the options are Calibrated"
    with torch.inference_mode():
        for row in making.text:
            making.model.base_model(
                torch.from_numpy(row).unsqueeze(0).to(making.model.device), use_cache=False
            )


@contextmanager
def removed_after(hooks: Sequence[torch.utils.hooks.RemovableHandle]) -> Iterator[None]:
    """Take the hooks off when the block ends."""
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _check_follows(model: PreTrainedModel, finder: Finder, changes: dict[str, int]) -> None:
    """Build the model that the changed config describes, without weights, and look for its parts."""
    import torch

    config = copy.deepcopy(model.config)
    _set(config, changes)
    try:
        with torch.device("meta"):
            finder(type(model)(config))
    except (CompressionError, ValueError):
        raise refused(model, f"its modules don't follow a config that says {changes}") from None


def _set(config: Any, changes: dict[str, int]) -> None:
    for name, value in changes.items():
        setattr(config.get_text_config(), name, value)


def _best(values: Tensor, stay: int) -> Tensor:
    """Indices of the largest, ascending; of equals the first."""
    return values.argsort(descending=True, stable=True)[:stay].sort().values


def _blocks(module: Linear, units: int) -> Tensor:
    """[units, rows of a unit, inputs]."""
    return module.weight.view(units, -1, module.weight.shape[1])


def _columns(part: Part) -> Tensor:
    """[outputs, units, columns of a unit]."""
    return part.outward.weight.view(-1, part.units, part.outward.weight.shape[1] // part.units)


def _switch_off(part: Part, kept: Tensor) -> None:
    import torch

    gone = torch.ones(part.units, dtype=torch.bool, device=kept.device)
    gone[kept] = False
    _columns(part)[:, gone] = 0


def _cut(part: Part, kept: Tensor) -> None:
    from torch.nn import Parameter

    for module in part.inward:
        module.weight = Parameter(_blocks(module, part.units)[kept].flatten(0, 1))
        if module.bias is not None:
            module.bias = Parameter(module.bias.view(part.units, -1)[kept].flatten())
        module.out_features = len(module.weight)
    part.outward.weight = Parameter(_columns(part)[:, kept].flatten(1))
    part.outward.in_features = part.outward.weight.shape[1]
