"""What each variant costs to run: load time, peak memory, and speed and energy beside the original's.

Measured only where it is asked for, since it takes minutes; what the run folder holds is not measured again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit import weights
from audit.energy import meter
from audit.footprint import Footprint, Request, footprint
from audit.loading import cpu_threads, load_model, resolve_device, resolve_dtype
from audit.progress import Progress, Silent
from audit.provenance import processor
from audit.records import AuditConfig, Conditions, Efficiency, NotMeasured, Variant
from audit.speed import Costs, Pass, interleaved, metered, one_pass
from audit.store import Store

if TYPE_CHECKING:
    from transformers import PreTrainedModel

BATCH = 1
PROMPT_TOKENS = 256
DECODE_TOKENS = 32
ROUNDS = 8
"""The fewest of which one that is disturbed moves neither end of the ratio's interval."""


def measure(
    variants: Sequence[Variant], config: AuditConfig, store: Store, progress: Progress | None = None
) -> tuple[Efficiency, ...]:
    """One for each variant, the original first; none where neither the config nor a budget asks for it."""
    if not config.measures_efficiency:
        return ()
    bench = _Bench(variants[0], config)
    return tuple(_have(variant, bench, store, progress or Silent()) for variant in variants)


def simulated(variant: Variant) -> str:
    """Why a variant was computed otherwise than it is stored; empty where it was not."""
    if variant.evaluated_as.startswith("dequantised"):
        return f"it was computed {variant.evaluated_as}: a simulated level has no memory or speed of its own"
    if variant.level is not None and variant.level.endpoint is not None:
        return "it runs behind an endpoint, on a machine that was not seen"
    if variant.format == "onnx":
        return (
            "onnxruntime computes it, and torch the original: beside each other, runtimes would be compared"
        )
    if variant.format == "pickle":
        return "in what its weights are stored is not read from pickle files"
    stored = sorted(weights.float_dtypes(Path(variant.path)))
    if stored != [variant.evaluated_as]:
        return (
            f"it is stored in {' and '.join(stored)} and was computed in {variant.evaluated_as} (see dtype): "
            "neither memory nor speed are the artefact's own"
        )
    return ""


def _have(variant: Variant, bench: _Bench, store: Store, progress: Progress) -> Efficiency:
    """A variant's, out of the run folder or measured now; what went wrong is tried again the next time."""
    if reason := simulated(variant):
        return _none(variant, bench.conditions, reason)
    found = store.efficiency(variant.name)
    if found and (found.digest, found.conditions) == (variant.digest, bench.conditions):
        return found
    progress.stage(f"measuring memory and speed: {variant.name}")
    measured = bench.measure(variant)
    if not isinstance(measured.load_seconds, NotMeasured):
        store.add_efficiency(measured)
    return measured


def _none(variant: Variant, conditions: Conditions, reason: str) -> Efficiency:
    """Nothing, and why."""
    names = ("load_seconds", "peak_memory_bytes", "runtime_bytes", "prefill", "decode", "energy")
    gaps = dict.fromkeys(names, NotMeasured(reason))
    return Efficiency.model_validate(
        {"variant": variant.name, "digest": variant.digest, "conditions": conditions, **gaps}
    )


class _Bench:
    """The original, loaded when it is first needed, and the conditions that hold for all."""

    def __init__(self, original: Variant, config: AuditConfig) -> None:
        self._original, self._config = original, config
        self._device = resolve_device(config.device)
        self.conditions = _conditions(original, config, self._device)
        self._meter = meter(self._device)
        self._loaded: PreTrainedModel | None = None

    def measure(self, variant: Variant) -> Efficiency:
        """Memory and load time in a process of its own, then speed beside the original's."""
        taken = footprint(
            Request(
                folder=variant.path, device=self._device, conditions=self.conditions,
                **_trust(self._config, variant),
            )
        )  # fmt: skip
        costs = self._beside_original(variant)
        names = Footprint.model_fields
        return Efficiency(
            variant=variant.name, digest=variant.digest, conditions=self.conditions, **costs._asdict(),
            **{name: taken if isinstance(taken, NotMeasured) else getattr(taken, name) for name in names},
        )  # fmt: skip

    def _beside_original(self, variant: Variant) -> Costs:
        if variant == self._original:
            return Costs(*[NotMeasured("the original's are measured beside each level's")] * 3)
        if reason := simulated(self._original):
            return Costs(*[NotMeasured(f"the original is no yardstick: {reason}")] * 3)
        self._loaded = self._loaded or self._load(self._original)
        original, compressed = (self._pass(model) for model in (self._loaded, self._load(variant)))
        with cpu_threads(self.conditions.threads):
            return interleaved(original, compressed, self.conditions, self._meter)

    def _pass(self, model: PreTrainedModel) -> Callable[[], Pass]:
        make_pass = partial(one_pass, model, self.conditions)
        return make_pass if isinstance(self._meter, NotMeasured) else partial(metered, make_pass, self._meter)

    def _load(self, variant: Variant) -> PreTrainedModel:
        dtype, device = self.conditions.dtype, self._device
        return load_model(Path(variant.path), dtype=dtype, device=device, **_trust(self._config, variant))


def _trust(config: AuditConfig, variant: Variant) -> dict[str, Any]:
    """What is trusted of a candidate is said of it alone."""
    source = (variant.level and variant.level.artefact) or config.model
    return {"trust_remote_code": source.trust_remote_code, "allow_pickle": source.allow_pickle}


def _conditions(original: Variant, config: AuditConfig, device: str) -> Conditions:
    """The same for all variants; the prompt is shorter where the model can't take so much."""
    from transformers import AutoConfig

    settings = AutoConfig.from_pretrained(
        original.path, trust_remote_code=config.model.trust_remote_code, local_files_only=True
    ).get_text_config()
    longest = getattr(settings, "max_position_embeddings", None) or PROMPT_TOKENS + DECODE_TOKENS
    with cpu_threads(config.threads) as threads:
        return Conditions(
            device=_name(device), processor=processor(), threads=threads,
            dtype=resolve_dtype(config.dtype, device), batch=BATCH,
            prompt_tokens=max(1, min(PROMPT_TOKENS, longest - DECODE_TOKENS)), decode_tokens=DECODE_TOKENS,
            rounds=ROUNDS,
        )  # fmt: skip


def _name(device: str) -> str:
    """A GPU's name; else torch's name of the device."""
    import torch

    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device
