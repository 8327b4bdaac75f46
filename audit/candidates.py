"""Somebody's compressed model: taken as it came, checked before anything is asked of it."""

from __future__ import annotations

from pathlib import Path

from audit import claims
from audit.derivation import derivation, derivation_of_graph
from audit.endpoint import check_endpoint
from audit.errors import ModelError
from audit.examine import check_finite, counted_in, seen, witness
from audit.loading import check_loadable, evaluated_as, load_model, logits, resolve_device, resolve_dtype
from audit.records import AuditConfig, Endpoint, Level, ModelRef, NotMeasured, Variant
from audit.same_tokenizer import check_tokenizer


def check(config: AuditConfig) -> dict[str, tuple[float, ...]]:
    """See that every candidate can be loaded here and reads text as the original does, before work begins.

    Returns what those that are served elsewhere say of the probes, by their names.

    Raises ModelError naming the candidate, what it lacks or how it differs, and the way out.
    """
    probed = {}
    for level in config.levels:
        if level.endpoint is not None:
            whose = f"candidate '{level.name}' ({level.endpoint.model})"
            probed[level.name] = check_endpoint(level.endpoint, Path(config.model.path), whose)
        if level.artefact is not None:
            whose = f"candidate '{level.name}' ({level.artefact.name})"
            try:
                check_loadable(Path(level.artefact.path), only_counted=config.engine is not None)
            except ModelError as error:
                raise ModelError(f"{whose}: {error}") from None
            check_tokenizer(Path(level.artefact.path), Path(config.model.path), whose)
    return probed


def taken(config: AuditConfig, level: Level, artefact: ModelRef, original: Variant) -> Variant:
    """The candidate as a Variant: counted in its files, loaded once, held against the original's weights."""
    path, device = Path(artefact.path), resolve_device(config.device)
    computed_in = resolve_dtype(config.dtype, device)
    if config.may_exceed_a_gpu:  # and what accelerate keeps on disk could not be counted
        device = "cpu"
    model = load_model(
        path, dtype=computed_in, device=device, trust_remote_code=artefact.trust_remote_code,
        allow_pickle=artefact.allow_pickle, only_counted=config.engine is not None,
    )  # fmt: skip
    check_finite(logits(model, witness(model)), f"candidate '{level.name}'")
    counted = counted_in(path, model, Path(original.path))
    found = seen(model)
    return Variant(
        name=level.name,
        level=level,
        path=artefact.path,
        files=artefact.files,
        digest=artefact.digest,
        parent=original.digest,
        **counted.fields(),
        **found._asdict(),
        claims=claims.checked(
            level.claims, counted.nominal_bits, found.sparsity, found.two_of_four, counted.size_bytes
        ),
        derivation=derivation_of_graph(path, Path(original.path))
        if counted.format == "onnx"
        else derivation(model, Path(original.path)),
        evaluated_as=evaluated_as(path, computed_in, config.engine),
        made_by=f"as it came: {artefact.name}",
        reload_error=NotMeasured("it was not made here"),
        seconds=NotMeasured("it was not made here"),
    )


def served(level: Level, endpoint: Endpoint, original: Variant, probed: tuple[float, ...]) -> Variant:
    """A candidate whose files nobody here sees."""
    unseen = NotMeasured("it runs behind an endpoint: its files were not seen")
    return Variant(
        name=level.name,
        level=level,
        path="",
        digest=unseen,
        parent=original.digest,
        size_bytes=unseen,
        parameters=unseen,
        bits_per_weight=unseen,
        compressed_parameters=unseen,
        compressed_bits_per_weight=unseen,
        sparsity=unseen,
        stored_as="unknown: served elsewhere",
        format=unseen,
        kept=unseen,
        tied=unseen,
        two_of_four=unseen,
        derivation=unseen,
        kv_cache=unseen,
        evaluated_as=f"whatever runs at {endpoint.url}",
        made_by=f"as it is served: {endpoint.model}",
        probed=probed,
        reload_error=unseen,
        seconds=unseen,
    )
