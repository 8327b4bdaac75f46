"""Results that somebody already has: a run folder of ours, or what lm-eval's own command logged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from audit import registry, tables
from audit.bounded import reason_of
from audit.errors import ConfigError, StoreError
from audit.harness.logged import TaskResult, as_version, find_logged
from audit.records import AuditLog, Cell, Metric, Run, Sample, Variant
from audit.store import read_log

if TYPE_CHECKING:
    import pandas as pd

Side = Literal["before", "after"]


@dataclass(frozen=True)
class Existing:
    """One model's results, task by task; nothing is read before it is asked for."""

    given: str
    """What the user named, with the variant that was taken."""
    name: str
    """The variant's name, or the model's."""
    tasks: tuple[str, ...]
    read: Callable[[str], TaskResult]
    """The samples of a task; raises StoreError where they can't be read."""
    note: str = ""
    """What a reader must know about this side."""
    engine: str | None = None
    """What answered, as in `Provenance`; None: the files don't say."""


def open_existing(given: str, side: Side) -> Existing:
    """The results at `folder`, `folder:variant` or a single file.

    Raises ConfigError naming the path where there are none, or where the user has to choose among several.
    """
    path, variant = _split(given)
    if (path / "audit.json").is_file() or path.name == "audit.json":
        return _of_run_folder(path, variant, side)
    if variant is not None:
        raise ConfigError(f"{path} holds no audit.json, so it has no variant '{variant}'. Name {path} alone.")
    run = find_logged(path)
    return Existing(given=given, name=run.model, tasks=tuple(run.files), read=run.read)


def _split(given: str) -> tuple[Path, str | None]:
    """Path and variant; a path that exists has none, whatever colons it holds."""
    if Path(given).exists():
        return Path(given), None
    folder, colon, variant = given.rpartition(":")
    if colon and Path(folder).exists():
        return Path(folder), variant
    raise ConfigError(
        f"There is no {given}. Name a run folder (runs/x, or runs/x:int4 for one of its variants), or a "
        "folder or samples_<task>_<date>.jsonl that lm-eval wrote with --log_samples."
    )


def _of_run_folder(path: Path, wanted: str | None, side: Side) -> Existing:
    log = read_log(path)
    root = path if path.is_dir() else path.parent
    measured = {run.variant for run in log.runs if run.cells}
    variants = [variant for variant in log.variants if variant.name in measured]
    if not variants:
        raise StoreError(f"{root} holds no finished results. Let its run finish: shrinkproof run.")
    name = wanted or _meant(variants, root, side)
    if name not in measured:
        raise ConfigError(f"{root}: {registry.unknown('variant', name, measured)}")
    cells = _cells([run for run in log.runs if run.variant == name])
    lower, declared = _lower_is_better(log), _declared(log)

    def read(task: str) -> TaskResult:
        return TaskResult(
            name=task,
            version=as_version(cells[task][0].task_version),
            num_fewshot=cells[task][0].num_fewshot,
            lower_is_better=lower,
            declared=declared,
            samples=_samples(root, cells[task]),
        )

    return Existing(
        given=f"{path}:{name}", name=name, tasks=tuple(cells), read=read,
        note=_stopped_early(name, cells, log, root), engine=log.provenance.engine,
    )  # fmt: skip


def _meant(variants: Sequence[Variant], root: Path, side: Side) -> str:
    """The variant that a run folder's bare name stands for: only where there is nothing to choose."""
    names = [variant.name for variant in variants]
    originals = [variant.name for variant in variants if variant.level is None]
    products = [variant.name for variant in variants if variant.level and not variant.level.is_control]
    if names == originals or (len(products) == 1 and side == "before" and originals):
        return originals[0]
    if len(products) == 1 and side == "after":
        return products[0]
    example = products[0] if products and side == "after" else names[0]
    raise ConfigError(f"{root} holds {', '.join(names)}. Name the one that is meant: {root}:{example}")


def _cells(runs: Sequence[Run]) -> dict[str, list[Cell]]:
    """The cells of each task; of a task that stands in several suites, those of the first."""
    found: dict[str, list[Cell]] = {}
    for run in runs:
        new = [cell for cell in run.cells if cell.task not in found]
        for cell in new:
            found.setdefault(cell.task, []).append(cell)
    return found


def _stopped_early(name: str, cells: Mapping[str, Sequence[Cell]], log: AuditLog, root: Path) -> str:
    """What to know about a variant that its audit asked less than another one."""
    asked = [_cells([run for run in log.runs if run.variant == variant.name]) for variant in log.variants]
    if all(len(cells[task]) >= len(other.get(task, ())) for task in cells for other in asked):
        return ""
    return (
        f"{name} was stopped early, as soon as its audit was decided: the items that it was not asked are "
        f"unpaired, and its verdict is that of `shrinkproof gate {root}`"
    )


def _lower_is_better(log: AuditLog) -> frozenset[str]:
    metrics = [metric for suite in log.config.suites for metric in suite.metrics]
    return frozenset(metric.harness_metric for metric in metrics if not metric.higher_is_better)


def _declared(log: AuditLog) -> dict[str, Metric]:
    """Metrics of which an item's value alone does not tell what it is."""
    metrics = [metric for suite in log.config.suites for metric in suite.metrics]
    return {one.harness_metric: one for one in metrics if one.kind in ("score", "perplexity", "ratio")}


def _samples(root: Path, cells: Sequence[Cell]) -> pd.DataFrame:
    """The samples of the cells, without the groups and pairs of the suite that they were scored for."""
    import pandas as pd

    frames = []
    for cell in cells:
        try:
            frames.append(tables.frame(root / cell.path))
        except Exception as error:  # pyarrow raises whatever its readers met
            raise StoreError(
                f"{root / cell.path} can't be read: {reason_of(error)}. Make the run again: shrinkproof run."
            ) from error
    whole = pd.concat(frames, ignore_index=True)
    newer = {
        name: field.default
        for name, field in Sample.model_fields.items()
        if not field.is_required() and name not in whole
    }
    return whole.assign(group=None, pair=None, **newer)
