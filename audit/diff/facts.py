"""What two runs rest on: models, artefacts, tasks, settings, libraries, machines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from audit.changes import Fact, Value
from audit.records import AuditLog, Level, NotMeasured, Speed, Suite

_Facts = dict[str, Value]


def changed_facts(before: AuditLog, after: AuditLog) -> Iterator[Fact]:
    """What differs: of the audit, then of the original, the suites and the levels."""
    sides = _by_subject(before), _by_subject(after)
    for of in dict.fromkeys([*sides[1], *sides[0]]):
        old, new = (side.get(of) for side in sides)
        if old is None or new is None:
            yield Fact(of, "in the audit", *("no" if side is None else "yes" for side in (old, new)))
            continue
        for what in dict.fromkeys([*new, *old]):
            if old.get(what) != new.get(what):
                yield Fact(of, what, old.get(what), new.get(what))


def _by_subject(log: AuditLog) -> Mapping[str, _Facts]:
    suites = {suite.name: _of_suite(log, suite) for suite in log.config.suites}
    levels = {level.name: _of_artefact(log, level.name, level) for level in log.config.levels}
    return {"audit": _of_audit(log), "original": _of_artefact(log, "original", None), **suites, **levels}


def _of_audit(log: AuditLog) -> _Facts:
    config, source, registered = log.config, log.provenance, log.registered
    return {
        "status": log.status,
        "policy": config.policy,
        "policy sha256": config.policy_sha256,
        "items sha256": registered if isinstance(registered, NotMeasured) else registered.items_sha256,
        "items per task": "all" if config.limit is None else config.limit,
        "seed": config.seed,
        "looks": config.looks,
        "dtype": config.dtype,
        "Shrinkproof": source.shrinkproof_version,
        "Python": source.python,
        "platform": source.platform,
        "processor": source.processor,
        "device": source.device,
        "threads": source.threads,
        "executor": source.executor,
        "engine": source.engine,
        **source.packages,
    }


def _of_suite(log: AuditLog, suite: Suite) -> _Facts:
    cells = [cell for run in log.runs if run.suite == suite.name for cell in run.cells]
    asked = dict.fromkeys(f"{cell.task} {cell.task_version}, {cell.num_fewshot}-shot" for cell in cells)
    data = dict.fromkeys(f"{name} {digest}" for cell in cells for name, digest in cell.data.items())
    settings = {
        name: value
        for name, value in suite.model_dump(mode="json", exclude=_NO_SETTING).items()
        if value != Suite.model_fields[name].default
    }
    return {
        "tasks": ", ".join(task.name for task in suite.tasks),
        "asked": "; ".join(asked),
        "data": "; ".join(data),
        "settings": ", ".join(f"{name}: {value}" for name, value in settings.items()),
    }


_NO_SETTING = {
    "name", "family", "title", "question", "limits", "tasks", "metrics", "include_path", "data_dir", "items",
    "absent", "lacking", "needs",
}  # fmt: skip
"""Fields of a suite that are words for a reader, places on a disk, or told by others."""


def _of_artefact(log: AuditLog, name: str, level: Level | None) -> _Facts:
    facts: _Facts = {} if level is None else {"method": _method(level)}
    found = next((variant for variant in log.variants if variant.name == name), None)
    if found is None:
        return facts | {"made": "no"}
    return facts | {
        "digest": found.digest,
        "size_bytes": found.size_bytes,
        "bits_per_weight": found.bits_per_weight,
        "sparsity": found.sparsity,
        "stored as": found.stored_as,
        "computed": found.evaluated_as,
        "made by": found.made_by,
        **_speed(log, name),
    }


def _method(level: Level) -> str:
    if level.is_candidate:
        return "somebody's artefact"
    options = ", ".join(f"{key}: {value}" for key, value in level.options.items() if key not in level.files)
    after = f", after {level.after}" if level.after else ""
    return f"{level.method}{f' ({options})' if options else ''}{after}"


def _speed(log: AuditLog, name: str) -> _Facts:
    """Against the original in the same run; the machine's own speed is no matter."""
    found = next((one for one in log.efficiency if one.variant == name), None)
    if found is None or name == "original":
        return {}
    phases = (("prefill_latency_ratio", found.prefill), ("decode_latency_ratio", found.decode))
    ratios: _Facts = {
        what: speed.latency_ratio if isinstance(speed, Speed) else speed for what, speed in phases
    }
    return ratios | {"peak_memory_bytes": found.peak_memory_bytes}
