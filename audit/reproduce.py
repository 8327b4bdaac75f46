"""A finished run, run again from its log alone: which numbers come out the same?

Nothing is taken from the run or from the cache: the levels are made, the items scored and the statistics
computed anew. What the clock measured (speed, memory, energy) is no claim of the log that could be
repeated on another day, so it is left out.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from audit import registry, weights
from audit.changes import Fact
from audit.diff.facts import changed_facts
from audit.errors import ConfigError, StoreError
from audit.pipeline import run_audit
from audit.progress import Progress
from audit.records import (
    MEASURED_QUANTITIES,
    AuditConfig,
    AuditLog,
    BudgetVerdict,
    Cell,
    ExecutorRef,
    ModelRef,
    Record,
    Suite,
)
from audit.search import search
from audit.store import read_log, read_samples, run_folder, without_answers

TOLERANCE = 1e-3
"""Of a number below 1 in size this far, of a larger one this share of it."""

Area = Literal["artefacts", "answers", "comparisons", "forgetting", "verdicts"]
Side = tuple[AuditLog, Path]
"""A log and the folder of its run."""
Leaf = float | str | bool | None
_NOT_REPEATED = {
    "path", "seconds", "tokens_per_second", "made_by", "because", "rule", "budget", "level", "changed",
    "lost", "contested",
}  # fmt: skip
"""Fields about places, clocks and libraries; sentences about numbers that are held against each other
themselves; what the config says; and texts of items (lists of them), which the answers tell."""


@dataclass(frozen=True)
class Differing:
    """One number that did not come out the same."""

    what: str
    then: Leaf
    now: Leaf


@dataclass(frozen=True)
class Agreement:
    """How far one part of the log was reproduced."""

    area: Area
    unit: str
    """What is counted: `number`, `answer`."""
    exactly: int
    within: int
    """Not exactly, and within the tolerance."""
    differing: tuple[Differing, ...]


@dataclass(frozen=True)
class Reproduction:
    """A run beside its repetition."""

    folder: Path
    """Of the repetition."""
    tolerance: float
    agreements: tuple[Agreement, ...]
    unread: str
    """Why the answers were not held against each other; empty where they were."""
    surroundings: tuple[Fact, ...]
    """Libraries, machine and device, where they were others."""

    @property
    def agrees(self) -> bool:
        """Whether every number came out the same, within the tolerance."""
        return not any(one.differing for one in self.agreements)


def reproduce(
    run: Path, out: Path | None = None, tolerance: float = TOLERANCE, progress: Progress | None = None,
    *, trust: bool = False,
) -> Reproduction:  # fmt: skip
    """Run again what the log of `run` says, into `out` (the run's own name with `-again`), and compare.

    A repetition that was killed goes on where it left off. Raises StoreError where the run is not finished,
    ConfigError where its models are no longer what they were, or where it would run code or send a key
    somewhere because the log says so, unless that is trusted.
    """
    then, folder = read_log(run), run_folder(run)
    if then.status != "finished":
        raise StoreError(
            f"{run} stopped before its end: {then.error}. Finish it by the command that began it."
        )
    installed = tuple(_installed())
    suites = tuple(_where_it_lies_here(suite, installed) for suite in then.config.suites)
    config = then.config.model_copy(update={"suites": suites})
    if not trust and (named := _acts(config, installed)):
        raise ConfigError(
            f"{run} names {', '.join(named)}. If it is your own, or from somebody whose code you would run, "
            "say so by --trust."
        )
    for model in (then.config.model, *(one.artefact for one in then.config.levels if one.artefact)):
        _check_unchanged(model)
    again = out or folder.with_name(f"{folder.resolve().name}-again")
    with tempfile.TemporaryDirectory() as cache:
        here = {
            "out": str(again), "cache": cache, "baseline": None, "history": None, "executor": ExecutorRef(),
        }  # fmt: skip
        config = config.model_copy(update=here)
        command = f"shrinkproof reproduce {run}"
        if config.search is None:
            now = run_audit(config, progress=progress, command=command)
        else:  # which finds its levels again
            given = tuple(level for level in config.levels if not level.searched)
            config = config.model_copy(update={"levels": given})
            now = search(config, progress=progress, command=command)
    unread = without_answers(then, folder)
    agreed = agreements((then, folder), (now, again), tolerance, answers=not unread)
    surroundings = tuple(one for one in changed_facts(then, now) if one.of == "audit")
    return Reproduction(again, tolerance, agreed, unread, surroundings)


def agreements(
    then: Side, now: Side, tolerance: float = TOLERANCE, *, answers: bool = True
) -> tuple[Agreement, ...]:
    """How far two runs of one audit are the same, part by part; without `answers` by the logs alone."""
    found = [_answers((then, now), tolerance)] if answers else []
    return (*found, *(_numbers(area, then[0], now[0], tolerance) for area in _NUMBERS))


def _acts(config: AuditConfig, installed: Sequence[Suite]) -> list[str]:
    """What of a config runs code or is sent keys; suites of installed packages are code of this machine."""
    models = (config.model, *(level.artefact for level in config.levels if level.artefact))
    named = [f"code of {one.name}" for one in models if one.trust_remote_code]
    named += [f"pickles of {one.name}" for one in models if one.allow_pickle]
    known = {one.include_path for one in installed}
    for suite in config.suites:
        folders = (suite.include_path if suite.include_path not in known else None, suite.data_dir)
        named += [f"tasks in {folder}" for folder in folders if folder]
    named += [f"a server at {level.endpoint.url}" for level in config.levels if level.endpoint]
    return list(dict.fromkeys(named))


def _where_it_lies_here(suite: Suite, installed: Sequence[Suite]) -> Suite:
    """A suite of an installed package with the folder of its tasks on this machine; another one as it is.

    Whether those tasks ask the same is told by the answers.
    """
    known = (one.include_path for one in installed if (one.name, one.tasks) == (suite.name, suite.tasks))
    here = next(known, suite.include_path)
    return suite.model_copy(update={"include_path": here}) if suite.include_path else suite


def _installed() -> Iterator[Suite]:
    yield from map(registry.suite, registry.names("audit.suites"))
    for name in registry.names("audit.profiles"):
        for profile in ("quick", "standard", "full"):
            with contextlib.suppress(ConfigError):  # a plugin need not have all three
                yield from registry.profile(f"{name}:{profile}")


def _check_unchanged(model: ModelRef) -> None:
    path = Path(model.path)
    if not path.exists():
        raise ConfigError(f"{model.name}: {path} is not there any more. Put the model back where it lay.")
    held = weights.digest(weights.digests(weights.weight_files(path, allow_pickle=model.allow_pickle)))
    if held != model.digest:
        raise ConfigError(
            f"{model.name}: {path} holds other weights than those of the log (digest {held[:12]}, then "
            f"{model.digest[:12]}). Put those back, or run a new audit."
        )


# Answers


def _answers(sides: tuple[Side, Side], tolerance: float) -> Agreement:
    """Item by item: the same outcome and answer, and log-likelihoods as close as the tolerance."""
    then, now = (dict(_cells(*side)) for side in sides)
    exactly = within = 0
    differing: list[Differing] = []
    for name in dict.fromkeys([*then, *now]):
        if name not in then or name not in now:
            differing.append(Differing(name, *("asked" if name in side else None for side in (then, now))))
            continue
        one, again = (read_samples(cell, root=folder) for cell, folder in (then[name], now[name]))
        same, near, other = _items(one, again, tolerance)
        exactly, within = exactly + same, within + near
        differing += [Differing(f"{name}, {item}", *values) for item, values in other.items()]
    return Agreement("answers", "answer", exactly, within, tuple(differing))


def _cells(log: AuditLog, folder: Path) -> Iterator[tuple[str, tuple[Cell, Path]]]:
    for run in log.all_runs:
        for cell in run.cells:
            yield f"{run.variant}, {run.suite}, {cell.task}, part {cell.part}", (cell, folder)


def _items(
    then: pd.DataFrame, now: pd.DataFrame, tolerance: float
) -> tuple[int, int, dict[str, tuple[Leaf, Leaf]]]:
    """Of two tables of the same cell: how many rows are the same, nearly, and which are not."""
    key = ["doc_id", "doc_hash", "prompt_hash", "metric"]
    both = then.merge(now, on=key, how="outer", suffixes=("_then", "_now"), indicator="where")
    same = near = 0
    other: dict[str, tuple[Leaf, Leaf]] = {}
    for row in both.to_dict("records"):
        item = f"item {row['doc_id']}, {row['metric']}"
        if row["where"] != "both":
            other[item] = ("asked", None) if row["where"] == "left_only" else (None, "asked")
            continue
        answers = tuple(str(row[f"answer_{side}"]) for side in ("then", "now"))
        numbers = [[row[f"outcome_{side}"], *row[f"scores_{side}"]] for side in ("then", "now")]
        if answers[0] != answers[1] or len(numbers[0]) != len(numbers[1]):
            other[item] = (answers[0], answers[1])
        elif numbers[0] == numbers[1]:
            same += 1
        elif all(_near(one, two, tolerance) for one, two in zip(*numbers, strict=True)):
            near += 1
        else:
            other[item] = max(zip(*numbers, strict=True), key=lambda pair: abs(pair[0] - pair[1]))
    return same, near, other


# Numbers

_NUMBERS: Mapping[Area, Sequence[str]] = {
    "artefacts": ("variants",),
    "comparisons": ("comparisons", "links", "duels", "contests", "recoveries"),
    "forgetting": ("forgetting",),
    "verdicts": ("verdicts", "budgets"),
}
"""Fields of the log, by what they are about."""


def _numbers(area: Area, then: AuditLog, now: AuditLog, tolerance: float) -> Agreement:
    found = [dict(leaf for field in _NUMBERS[area] for leaf in _leaves(log, field)) for log in (then, now)]
    exactly = within = 0
    differing: list[Differing] = []
    for what in dict.fromkeys([*found[0], *found[1]]):
        one, other = (side.get(what) for side in found)
        if one == other:
            exactly += 1
        elif isinstance(one, float) and isinstance(other, float) and _near(one, other, tolerance):
            within += 1
        else:
            differing.append(Differing(what, one, other))
    return Agreement(area, "number", exactly, within, tuple(differing))


def _leaves(log: AuditLog, field: str) -> Iterator[tuple[str, Leaf]]:
    """Every value of a field of the log, by a name that says of what it is."""
    seen: Counter[str] = Counter()
    for record in getattr(log, field):
        if isinstance(record, BudgetVerdict) and record.budget.quantity in MEASURED_QUANTITIES:
            continue
        name = f"{field} of {_name(record)}"
        seen[name] += 1
        nth = f" ({seen[name]})" if seen[name] > 1 else ""
        for where, leaf in _walk(record.model_dump(mode="json")):
            yield f"{name}{nth}: {where}", leaf


def _name(record: Record) -> str:
    of = [getattr(record, name, None) for name in ("name", "variant", "against", "suite", "metric", "group")]
    promise = getattr(record, "rule", None) or getattr(record, "budget", None)
    of.append(getattr(promise, "suite", None) or getattr(promise, "quantity", None))
    return ", ".join(str(one) for one in of if one is not None)


def _walk(value: Any, place: str = "") -> Iterator[tuple[str, Leaf]]:
    """The leaves of nested JSON, numbers as float."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key not in _NOT_REPEATED or isinstance(inner, int):
                yield from _walk(inner, f"{place}.{key}" if place else key)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _walk(inner, f"{place}[{number}]")
    else:
        yield place, float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _near(one: float, other: float, tolerance: float) -> bool:
    return abs(one - other) <= tolerance * max(1.0, abs(one))
