"""What a search may propose: choices that follow from one another, and the levels that they stand for."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

from audit import registry
from audit.errors import ConfigError
from audit.records import Budget, Level, SearchPlan

Choice = str | int | float | bool
Chosen = dict[str, Choice]
"""By the names of the axes, in the order in which they were chosen."""

ROUNDED = ("rtn", "gptq", "awq")
"""Quantisers with a width, groups and a zero point."""
QUANTISERS = (*ROUNDED, "nf4", "w8a8", "cast")
CUTTERS = ("channels", "wanda_channels", "heads", "wanda_heads", "layers")
ZEROS = ("magnitude", "wanda", "sparsegpt")
"""Methods whose zeros are stored: they make nothing smaller by themselves."""
NONE = "none"
WIDEST = 8
FIXED: Mapping[str, Chosen] = {"nf4": {}, "w8a8": {}, "cast": {"dtype": "bfloat16"}}
"""Options of quantisers that leave no choice here."""


class Shape(NamedTuple):
    """What the choices need to know of the model."""

    layers: int
    sensitive: tuple[tuple[str, int], ...]
    """Patterns of modules and their numbers of weights, those first that the divergence hangs on most."""


def usual(goal: Budget, *, calibrated: bool) -> tuple[str, ...]:
    """The methods of a plan that names none: those that take seconds, and of those that cut the milder."""
    if goal.quantity.endswith("_latency_ratio"):
        return ("layers", "wanda_channels", "wanda_heads") if calibrated else ("channels", "heads")
    return ("rtn", "layers", "wanda_channels") if calibrated else ("rtn",)


def check(plan: SearchPlan) -> None:
    """Raises ConfigError for a plan with nothing to choose, or with what can't be chosen."""
    for method in plan.methods:
        if method in ZEROS:
            raise ConfigError(
                f"search: methods: '{method}' stores its zeros and makes nothing smaller. Name a method that "
                f"cuts ({', '.join(CUTTERS)}) or quantises ({', '.join(QUANTISERS)})."
            )
        if method not in (*QUANTISERS, *CUTTERS):
            raise ConfigError(f"search: {registry.unknown('method', method, (*QUANTISERS, *CUTTERS))}")
        _check_installed(method)
        if "calibration" in registry.compressor(method).Options.model_fields and plan.calibration is None:
            raise ConfigError(
                f"search: '{method}' looks at text, and none is named. Add `calibration: FILE`."
            )
    if plan.goal.quantity.endswith("_latency_ratio") and (slow := set(plan.methods) - set(CUTTERS)):
        raise ConfigError(
            f"search: levels made by {', '.join(sorted(slow))} are not computed as they are stored and "
            f"have no speed of their own. For --speed name methods that cut: {', '.join(CUTTERS)}."
        )
    if bad := [bits for bits in plan.bits if not 2 <= bits <= WIDEST]:
        raise ConfigError(f"search: bits: {bad[0]} is no width; 2 to {WIDEST} are.")
    if bad_size := [size for size in plan.group_sizes if size < 0]:
        raise ConfigError(f"search: group_sizes: {bad_size[0]} is no number of weights.")
    if any(by < 1 for by in plan.raised_by):
        raise ConfigError(f"search: raised_by: {list(plan.raised_by)}: at least one bit more.")
    if any(not 0 < share < 1 for share in plan.shares):
        raise ConfigError(f"search: shares: {list(plan.shares)}: each above 0 and below 1.")


def next_axis(plan: SearchPlan, chosen: Mapping[str, Choice]) -> tuple[str, tuple[Choice, ...]] | None:
    """What is to be chosen next, and between what; None where a level is all told."""
    return next((axis for axis in _axes(plan, chosen) if axis[0] not in chosen), None)


def combinations(plan: SearchPlan) -> Iterator[Chosen]:
    """All that the plan allows."""
    yield from _from(plan, {})


def _from(plan: SearchPlan, chosen: Chosen) -> Iterator[Chosen]:
    axis = next_axis(plan, chosen)
    if axis is None:
        yield chosen
        return
    name, choices = axis
    for choice in choices:
        yield from _from(plan, {**chosen, name: choice})


def choose(plan: SearchPlan, pick: Callable[[str, Sequence[Choice]], Choice]) -> Chosen:
    """One combination, axis by axis."""
    chosen: Chosen = {}
    while axis := next_axis(plan, chosen):
        name, choices = axis
        chosen[name] = pick(name, choices)
    return chosen


def _axes(plan: SearchPlan, chosen: Mapping[str, Choice]) -> Iterator[tuple[str, tuple[Choice, ...]]]:
    quantisers = tuple(one for one in plan.methods if one in QUANTISERS)
    cutters = tuple(one for one in plan.methods if one in CUTTERS)
    if cutters:
        yield "cut", (*((NONE,) if quantisers else ()), *cutters)
    cut = chosen.get("cut", NONE)
    if cut != NONE:
        yield "share", plan.shares
    if quantisers:
        # The choices of an axis are the same in all trials, so where one must quantise, it is another axis
        yield ("quantise", quantisers) if cut == NONE else ("then quantise", (NONE, *quantisers))
    quantise = chosen.get("quantise", chosen.get("then quantise", NONE))
    if quantise not in ROUNDED:
        return
    yield "bits", plan.bits
    yield "group_size", plan.group_sizes
    yield "symmetric", plan.symmetric
    if quantise == "rtn" and chosen.get("bits") != WIDEST and cut != "layers":  # which renumbers the layers
        yield "raised", plan.raised
        if chosen.get("raised"):
            yield "raised_by", plan.raised_by


def needs_sensitivities(chosen: Mapping[str, Choice]) -> bool:
    """Whether some modules get more bits than others, so that it must be known which."""
    return bool(chosen.get("raised"))


def links(plan: SearchPlan, chosen: Mapping[str, Choice], shape: Shape) -> tuple[Level, ...]:
    """The level or, of a chain, its links."""
    found: list[Level] = []
    cut, quantise = (str(chosen.get(axis, NONE)) for axis in ("cut", "quantise"))
    quantise = str(chosen.get("then quantise", quantise))
    if cut != NONE:
        share = float(chosen["share"])
        options: Chosen = {"share": share}
        if cut == "layers":
            options = {"remove": max(1, min(round(share * shape.layers), shape.layers - 1))}
        found.append(_level(cut, options, plan, f"{cut}-{'-'.join(f'{one:g}' for one in options.values())}"))
    if quantise in ROUNDED:
        found.append(_rounded(quantise, chosen, shape, plan))
    elif quantise != NONE:
        found.append(_level(quantise, dict(FIXED[quantise]), plan, quantise))
    return tuple(found)


def _rounded(method: str, chosen: Mapping[str, Choice], shape: Shape, plan: SearchPlan) -> Level:
    bits, group, symmetric = int(chosen["bits"]), int(chosen["group_size"]), bool(chosen["symmetric"])
    options: Chosen = {"bits": bits, "group_size": group, "symmetric": symmetric}
    name = (
        f"{'int' if method == 'rtn' else f'{method}-'}{bits}-g{group or 'row'}{'' if symmetric else '-zero'}"
    )
    raised = float(chosen.get("raised", 0))
    if raised:
        wide = min(bits + int(chosen["raised_by"]), WIDEST)
        if wide > bits:
            options["exceptions"] = " ".join(f"{one}={wide}" for one in _most_sensitive(shape, raised))
            name += f"-{100 * raised:g}at{wide}"
    return _level(method, options, plan, name)


def _most_sensitive(shape: Shape, share: float) -> list[str]:
    """Patterns of the modules that come first, until they hold that share of the weights."""
    total = sum(weights for _, weights in shape.sensitive)
    reached = itertools.accumulate((weights for _, weights in shape.sensitive), initial=0)
    enough = math.ceil(share * total)
    return [name for (name, _), before in zip(shape.sensitive, reached, strict=False) if before < enough]


def _level(method: str, options: Chosen, plan: SearchPlan, name: str) -> Level:
    files: dict[str, str] = {}
    if _looks_at_text(method):
        options = {**options, "calibration": str(plan.calibration)}
        files = {"calibration": str(plan.calibration_sha256)}
    level = Level(name=name, method=method, options=options, files=files, searched=True)
    registry.check_options(level)
    return level


def _looks_at_text(method: str) -> bool:
    return "calibration" in registry.compressor(method).Options.model_fields


def _check_installed(method: str) -> None:
    library = registry.compressor(method).LIBRARY
    try:
        version(library)
    except PackageNotFoundError:
        raise ConfigError(
            f"search: '{method}' is made by {library}, which is not installed: pip install "
            f"'shrinkproof[{library}]'."
        ) from None
