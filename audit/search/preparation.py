"""What a search looks at before it proposes: the original on the text, and which parts it hangs on most."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from audit.compressors import packed
from audit.harness import LoadedTask
from audit.loading import linear_layers, load_to_compress, load_tokenizer, stored_dtype
from audit.progress import Progress
from audit.records import AuditConfig, Record, SearchPlan, Sensitivity, Spent
from audit.search.text import text_of
from audit.search.yardstick import Yardstick
from audit.search_space import WIDEST, Shape

if TYPE_CHECKING:
    from torch.nn import Linear
    from transformers import PreTrainedModel

FILE = "prepared.json"
STRETCHES = 1
"""Of the text, those that each part is looked at on."""
WORST = 1e6
"""Nats, in the place of no number."""


class Prepared(Record):
    """What is known before the first trial."""

    text: str
    n_tokens: int
    layers: int
    """Of the original."""
    parameters: int
    sensitivities: tuple[Sensitivity, ...]
    spent: Spent

    @property
    def shape(self) -> Shape:
        """What the choices need to know."""
        return Shape(self.layers, tuple((one.modules, one.weights) for one in self.sensitivities))


def prepare(
    config: AuditConfig, tasks: Sequence[LoadedTask], folder: Path, device: str, progress: Progress
) -> tuple[Prepared, Yardstick]:
    """What is known, and the yardstick; the former is kept in `folder` and not measured again."""
    plan, started = config.search, time.monotonic()
    assert plan is not None, "it is the config of a search"
    trust = {
        "trust_remote_code": config.model.trust_remote_code, "allow_pickle": config.model.allow_pickle,
    }  # fmt: skip
    progress.stage("reading the text that levels are held against the original on")
    path = Path(config.model.path)
    tokenizer = load_tokenizer(path, trust_remote_code=config.model.trust_remote_code)
    text, told = text_of(config, tasks, tokenizer)
    model = load_to_compress(path, device=device, **trust)
    yardstick = Yardstick(text, model)
    kept = _kept(folder / FILE)
    if kept is None:
        tokens = yardstick.tokens
        found: tuple[Sensitivity, ...] = ()
        if "rtn" in plan.methods and any(plan.raised):
            progress.stage("measuring which parts of the model the divergence hangs on")
            found, more = sensitivities(model, yardstick, plan)
            tokens += more
        kept = Prepared(
            text=f"{told}, sha256 {yardstick.sha256[:12]}…", n_tokens=yardstick.tokens,
            layers=model.config.get_text_config().num_hidden_layers, parameters=model.num_parameters(),
            sensitivities=found, spent=Spent(tokens=tokens, seconds=time.monotonic() - started),
        )  # fmt: skip
        (folder / FILE).write_text(kept.model_dump_json(indent=1))
    return kept, yardstick


def _kept(path: Path) -> Prepared | None:
    try:
        return Prepared.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def sensitivities(
    model: PreTrainedModel, yardstick: Yardstick, plan: SearchPlan
) -> tuple[tuple[Sensitivity, ...], int]:
    """Each attention and each MLP rounded alone, those first whose rounding costs most for their weights.

    And how many tokens that took. A part is all linear layers of one module, which runtimes fuse, so they
    keep one width. The model is given back as it was.
    """
    parts: defaultdict[str, list[Linear]] = defaultdict(list)
    for name, module in linear_layers(model):
        parts[name.rpartition(".")[0]].append(module)
    found: list[Sensitivity] = []
    tokens = 0
    for name, modules in parts.items():
        weights = sum(one.weight.numel() for one in modules)
        with _rounded(modules, model, plan):
            seen = yardstick.reading(model, stretches=STRETCHES)
        tokens += seen.tokens
        divergence = seen.divergence if math.isfinite(seen.divergence) else WORST
        found.append(Sensitivity(modules=f"{name}.*", weights=weights, divergence=divergence))
    return tuple(sorted(found, key=lambda one: (-one.divergence / one.weights, one.modules))), tokens


@contextmanager
def _rounded(modules: Sequence[Linear], model: PreTrainedModel, plan: SearchPlan) -> Iterator[None]:
    """These modules in the width that is the middle one of the plan's, while the block runs."""
    narrow = sorted(bits for bits in plan.bits if bits < WIDEST) or [WIDEST - 1]
    bits = narrow[(len(narrow) - 1) // 2]
    before = [one.weight.detach().clone() for one in modules]
    for one in modules:
        group = next((size for size in plan.group_sizes if size and one.in_features % size == 0), 0)
        packed.round_to_nearest(one, packed.arguments(bits, group, symmetric=True), stored_dtype(model))
    yield
    for one, weight in zip(modules, before, strict=True):
        one.weight.detach().copy_(weight)
