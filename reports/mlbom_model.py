"""A model, original or compressed, as a component of a bill of materials."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from audit.records import AuditLog, Comparison, Forgotten, Interval, Level, NotMeasured, Variant
from reports import reading
from reports.mlbom_data import Component, data_refs, properties
from reports.proof import contradictions
from reports.sections.compressed import method
from reports.sections.limits import unmeasured
from reports.sections.verdict import sentence
from reports.wording import visible

KIND = "machine-learning-model"


def model(log: AuditLog, variant: Variant) -> Component:
    """The model with its weight files, its parent, and its card."""
    return {
        **_name(log, variant),
        "bom-ref": _ref(variant),
        "description": visible(method(variant)),
        **({"pedigree": _pedigree(log, variant)} if variant.level else {}),
        "components": [_file(variant, name, sha) for name, sha in sorted(variant.files.items())],
        "modelCard": _card(log, variant),
        "properties": properties(_facts(log, variant)),
    }


def _ref(variant: Variant) -> str:
    return f"model/{visible(variant.name)}" if variant.level else "original"


def _name(log: AuditLog, variant: Variant) -> Component:
    """Type and name; of an original of the hub its package URL as well."""
    title = visible(reading.model_title(log))
    if variant.level is not None:
        return {"type": KIND, "name": f"{title} {visible(variant.name)}"}
    source = log.config.model
    if source.revision is None:
        return {"type": KIND, "name": title}
    name = source.name.partition("@")[0]
    purl = f"pkg:huggingface/{quote(name)}@{quote(source.revision.lower())}"
    return {"type": KIND, "name": title, "version": visible(source.revision), "purl": purl}


def _file(variant: Variant, name: str, sha256: str) -> Component:
    return {
        "type": "file",
        "bom-ref": f"{_ref(variant)}/{visible(name)}",
        "name": visible(name),
        "hashes": [{"alg": "SHA-256", "content": sha256}],
    }


def _pedigree(log: AuditLog, variant: Variant) -> Component:
    """What it was made from. An ancestor has no reference, since it is a component of its own."""
    parent = variant.parent
    if parent is None or isinstance(parent, NotMeasured):
        return {"notes": visible(str(parent or "no parent is stated"))}
    said = "as its maker says" if variant.is_candidate else "made here"
    known = next((one for one in log.variants if one.digest == parent), None)
    name = _name(log, known) if known else {"type": KIND, "name": "a model that this audit did not see"}
    return {"ancestors": [name | {"properties": properties({"digest": parent})}], "notes": said}


def _facts(log: AuditLog, variant: Variant) -> dict[str, object]:
    """What the files show."""
    level = variant.level
    decision: dict[str, object] = {"decision": reading.decision_on(log, level)} if level else {}
    return decision | {
        "digest": variant.digest,
        "stored-as": variant.stored_as,
        "format": variant.format,
        "size-bytes": variant.size_bytes,
        "parameters": variant.parameters,
        "bits-per-weight": variant.bits_per_weight,
        "compressed-bits-per-weight": variant.compressed_bits_per_weight,
        "sparsity": variant.sparsity,
        "evaluated-as": variant.evaluated_as,
        "made-by": variant.made_by,
    }


def _card(log: AuditLog, variant: Variant) -> Component:
    card: Component = {
        "modelParameters": {
            "task": "text-generation",
            "datasets": data_refs(log, variant),
            "inputs": [{"format": "text"}],
            "outputs": [{"format": "text"}],
        },
        "considerations": _considerations(log, variant),
    }
    if variant.level is not None:
        card["quantitativeAnalysis"] = {"performanceMetrics": list(_metrics(log, variant.level))}
    return card


def _metrics(log: AuditLog, level: Level) -> Iterator[dict[str, Any]]:
    """Each metric's own value, and its drop with the interval, over whole suites and their groups."""
    for suite in log.config.suites:
        for one in (*reading.wholes(log, suite, level), *reading.groups(log, suite, level)):
            place = one.suite if one.group is None else f"{one.suite}: {one.group}"
            yield _metric(one.metric, place, one.after)
            yield _metric(_drop_name(log, one), place, one.difference, one.interval)
    for known in log.forgetting:
        if known.variant == level.name and isinstance(known.found, Forgotten):
            for part in (known.found.whole, *known.found.parts):
                place = known.suite if part.by == "all" else f"{known.suite}: {part.by} {part.name}"
                yield _metric("share of known facts forgotten", place, part.rate, part.interval)


def _drop_name(log: AuditLog, one: Comparison) -> str:
    if reading.kind_of(log, one.suite, one.metric) == "perplexity":
        return f"{one.metric}: ln(after / original)"
    return f"{one.metric}: drop from the original"


def _metric(
    name: str, place: str, value: float | NotMeasured, interval: Interval | NotMeasured | None = None
) -> dict[str, Any]:
    found: dict[str, Any] = {"type": visible(name), "value": visible(str(value)), "slice": visible(place)}
    if isinstance(interval, Interval):
        found["confidenceInterval"] = {
            "lowerBound": str(interval.lower),
            "upperBound": str(interval.upper),
        }
    return found


def _considerations(log: AuditLog, variant: Variant) -> dict[str, list[str]]:
    """What the numbers can't show, and what could not be had of this model."""
    limits = [f"{suite.title}: {suite.limits}" for suite in log.config.suites if suite.limits]
    own = (f"{variant.name}:", f"{variant.name},")
    gaps = dict.fromkeys(str(gap) for place, gap in unmeasured(log) if place.startswith(own))
    notes = [log.config.model.note] if variant.level is None and log.config.model.note else []
    lines = [*notes, *contradictions(variant), *limits, *gaps]
    found = {"technicalLimitations": [visible(line) for line in lines]}
    if variant.level is not None:
        found["performanceTradeoffs"] = [visible(sentence(log, variant.level))]
    return found
