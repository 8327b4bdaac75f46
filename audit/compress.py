"""ModelRef × Level → Variant: make each artefact, count it, and prove that it loads as it was saved."""

from __future__ import annotations

import shutil
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from audit import candidates, claims, engine, registry, weights
from audit.calibration import Calibrated, described, draw
from audit.earlier import Recipe, surroundings
from audit.errors import CompressionError
from audit.examine import check_finite, counted_in, seen, witness
from audit.loading import (
    evaluated_as,
    load_as_saved,
    load_model,
    load_to_compress,
    load_tokenizer,
    logits,
    resolve_device,
    resolve_dtype,
)
from audit.making import Making
from audit.memory import FLOAT32, check_room, enough_for
from audit.progress import Progress, Silent
from audit.provenance import own_version, packages
from audit.records import AuditConfig, Level, NotMeasured, Variant
from audit.server import check_same
from audit.store import Store

MANY_ZEROS = 0.05
"""Sparsity from which a reader must be told that a dense file stores its zeros."""
RELOAD_TOLERANCE = 1e-3
"""Largest difference of a logit before saving and after loading; a broken reload is off by whole units."""


def compress(config: AuditConfig, store: Store, progress: Progress | None = None) -> tuple[Variant, ...]:
    """The original and every level as Variants; what the run folder already holds is not made again."""
    progress = progress or Silent()
    engine.check(config)
    for level in config.levels:
        if not level.is_candidate:
            registry.check_options(level)
    probed = candidates.check(config)
    progress.stage("loading the original")
    with enough_for(f"loading the original ({config.model.name})"):
        original = _original(config)
    made: dict[str | None, Variant] = {None: original}
    for level in config.levels:
        variant, source = store.variant(level.name), made[level.after]
        if variant is not None and level.endpoint is not None:
            check_same(variant.probed, probed[level.name], level.endpoint)
        if variant is None or variant.parent != source.digest:
            variant = _earlier(config, level, original, source, store)
        if variant is None:
            with (
                enough_for(f"level '{level.name}'"),
                store.scratch(level.name) as scratch,
                store.new_variant(level.name) as folder,
            ):
                if level.endpoint is not None:
                    variant = candidates.served(level, level.endpoint, original, probed[level.name])
                elif level.artefact is not None:
                    progress.stage(f"checking: {level.name}")
                    variant = candidates.taken(config, level, level.artefact, original)
                else:
                    progress.stage(f"compressing: {level.name}")
                    last = _through(config, level, original, source, scratch, progress)
                    variant = _make(config, level, original, last, folder, scratch, progress)
                    variant = variant.model_copy(update={"parent": source.digest})
                store.add_variant(variant, folder)
        made[level.name] = _as_asked(config, store.located(variant))
    return tuple(made.values())


def _through(
    config: AuditConfig, level: Level, original: Variant, source: Variant, scratch: Path, progress: Progress
) -> Variant:
    """What the level is made from: the last of the links on the way to it, which are made here."""
    for place, link in enumerate(level.through):
        folder = scratch / f"link-{place}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        source = _make(config, link, original, source, folder, scratch, progress)
    return source


def _original(config: AuditConfig) -> Variant:
    """The model as it came: counted, loaded once to see that it computes numbers."""
    folder = Path(config.model.path)
    model = load_model(folder, dtype=_computed_in(config), **_how(config))
    check_finite(logits(model, witness(model)), f"the original ({config.model.name})")
    counted = counted_in(folder, model)
    return Variant(
        name="original",
        level=None,
        path=str(folder),
        files=config.model.files,
        digest=config.model.digest,
        companions_sha256=weights.companions_digest(folder),
        parent=None,
        **counted.fields(),
        **seen(model)._asdict(),
        evaluated_as=evaluated_as(folder, _computed_in(config), config.engine),
        made_by="as it came",
        reload_error=0.0,
        seconds=NotMeasured("the original was not made here"),
    )


def _make(
    config: AuditConfig, level: Level, original: Variant, source: Variant, folder: Path, scratch: Path,
    progress: Progress,
) -> Variant:  # fmt: skip
    """What `level` makes of `source`: the original, or the link before it in a chain."""
    method = registry.compressor(level.method)
    started = time.monotonic()
    if not isinstance(source.parameters, NotMeasured):
        whose = f"level '{level.name}', which {level.method} makes in float32,"
        check_room(FLOAT32 * source.parameters, _how(config)["device"], whose)
    model = load_to_compress(Path(source.path), **_how(config))
    probe = witness(model)
    options = registry.check_options(level)
    text, calibration = None, None
    if isinstance(options, Calibrated):
        text = draw(options, load_tokenizer(Path(source.path)))
        calibration = described(options, text)
    made = method.compress(Making(model, options, folder, probe, text, scratch, progress))
    del model
    check_finite(made.logits, f"level '{level.name}'")
    _copy_tokenizer(Path(original.path), folder)
    reloaded = load_as_saved(folder, **_how(config))
    reload_error = float((logits(reloaded, probe) - made.logits).abs().max())
    if reload_error > RELOAD_TOLERANCE:
        raise CompressionError(
            f"level '{level.name}' does not load as it was saved: a logit differs by {reload_error:.3g} "
            f"(allowed {RELOAD_TOLERANCE}). The checkpoint is not kept; tell the maker of {level.method}."
        )
    counted = weights.contents(folder, Path(original.path))
    found = seen(reloaded)
    promises = claims.checked(
        level.claims, counted.nominal_bits, found.sparsity, found.two_of_four, counted.size_bytes
    )
    false = next((claim for claim in promises if not claim.holds), None)
    if false:
        raise CompressionError(
            f"level '{level.name}' is not what it was to be: {claims.said(false, false.value)} were asked "
            f"for, and its files hold {claims.said(false, false.found)}. It is not kept; tell the maker of "
            f"{level.method}."
        )
    computed_in = level.computed_in or _computed_in(config)
    dense = counted.stored_as.endswith("dense")
    if dense and not isinstance(found.sparsity, NotMeasured) and found.sparsity > MANY_ZEROS:
        counted = counted._replace(stored_as=f"{counted.stored_as}, zeros stored")
    files = weights.digests(weights.weight_files(folder))
    return Variant(
        name=level.name,
        level=level,
        path=str(folder),
        files=files,
        digest=weights.digest(files),
        companions_sha256=weights.companions_digest(folder),
        parent=source.digest,
        **counted.fields(),
        calibration=calibration,
        training=made.training,
        removed_layers=made.removed_layers,
        **found._asdict(),
        claims=promises,
        evaluated_as=evaluated_as(folder, computed_in, config.engine),
        made_by=_maker(level),
        reload_error=reload_error,
        seconds=made.seconds_before + time.monotonic() - started,
    )


def _earlier(
    config: AuditConfig, level: Level, original: Variant, source: Variant, store: Store
) -> Variant | None:
    """The baseline's, if it made the same of the same by the same.

    A control is made here, since it is to show that saving and loading repeats; candidates are read again.
    """
    if level.is_candidate or level.is_control:
        return None
    wanted = Recipe(
        level=level,
        parent=source.digest,
        companions=original.companions_sha256,
        made_by=_maker(level),
        surroundings=surroundings(own_version(), resolve_device(config.device), packages()),
    )
    return store.earlier_variant(wanted)


def _as_asked(config: AuditConfig, variant: Variant) -> Variant:
    """The variant as this audit evaluates it: the run that made it may have done so otherwise."""
    level = variant.level
    if level is None or level.endpoint is not None:
        return variant
    how = evaluated_as(Path(variant.path), level.computed_in or _computed_in(config), config.engine)
    return variant.model_copy(update={"evaluated_as": how})


def _maker(level: Level) -> str:
    library = registry.compressor(level.method).LIBRARY
    return f"{level.method} ({library} {version(library)})"


def _computed_in(config: AuditConfig) -> str:
    return resolve_dtype(config.dtype, resolve_device(config.device))


def _how(config: AuditConfig) -> dict[str, Any]:
    return {
        "device": "cpu" if config.may_exceed_a_gpu else resolve_device(config.device),
        "trust_remote_code": config.model.trust_remote_code,
        "allow_pickle": config.model.allow_pickle,
    }


def _copy_tokenizer(source: Path, target: Path) -> None:
    """Everything beside the weights and the config: the tokenizer must be the original's, byte for byte."""
    if source.is_file():
        load_tokenizer(source).save_pretrained(target)
    for path in weights.companions(source):
        if not (target / path.name).exists():
            shutil.copy2(path, target / path.name)
