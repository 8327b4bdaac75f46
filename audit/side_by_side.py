"""Two existing results → what changed from one to the other, by the pairing, tests and rule of an audit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from audit import engine, registry
from audit.adjusting import adjusted
from audit.compare import ORIGINAL, compare
from audit.errors import ConfigError
from audit.existing import Existing, open_existing
from audit.harness.logged import PERPLEXITIES, TaskResult
from audit.judge import judge
from audit.records import (
    Cell,
    Comparison,
    Decision,
    Level,
    Metric,
    NotMeasured,
    Record,
    Rule,
    Run,
    Suite,
    Task,
    Variant,
    Verdict,
)
from audit.scale import Kind
from audit.statistics.correction import benjamini_hochberg
from audit.store import write_file

ALL_TASKS = "all tasks"
"""Name of the comparison that is judged."""
PREFERRED = "acc"
"""The metric that is taken where nobody names one."""
AFTER = "after"
"""Name of the second result in comparisons and verdicts."""


class Source(Record):
    """One side, as it was found."""

    given: str
    """What the user named, with the variant that was taken."""
    name: str
    """The variant's name, or the model's."""
    tasks_only_here: tuple[str, ...]
    """Left out, because the other side has not been asked."""
    note: str = ""
    """What a reader must know about this side."""


class SideBySide(Record):
    """Two existing results, compared item by item."""

    schema_version: Literal[1] = 1
    before: Source
    after: Source
    metric: str
    """lm-eval's name of it."""
    kind: Kind
    """What its values are: see `Metric`."""
    other_metrics: tuple[str, ...]
    """What else could have been compared on these tasks."""
    whole: Comparison
    """Over all tasks: what the verdict is about."""
    rule: Rule
    verdict: Verdict
    tasks: tuple[Comparison, ...]
    """Task by task, in the order of the first result; exploratory, p adjusted over them all
    (Benjamini-Hochberg)."""
    task_verdicts: tuple[Verdict, ...]
    """Each task by itself under the same rule; exploratory: none of them releases anything."""

    @property
    def decision(self) -> Decision:
        """The verdict over all tasks."""
        return self.verdict.decision

    def to_json(self) -> bytes:
        """Its one byte form."""
        return self.model_dump_json(indent=1).encode() + b"\n"

    def write(self, path: Path) -> None:
        """Write its JSON, whole or not at all; raises a ShrinkproofError where that can't be."""
        write_file(path, self.to_json())


@dataclass(frozen=True)
class _Both:
    """The tasks that both results hold, in the order of the first."""

    before: Mapping[str, TaskResult]
    after: Mapping[str, TaskResult]

    def sides(self) -> list[tuple[str, TaskResult, TaskResult]]:
        return [(name, task, self.after[name]) for name, task in self.before.items()]


def compare_existing(
    before: str,
    after: str,
    *,
    metric: str | None = None,
    tasks: Sequence[str] = (),
    margin: float | None = None,
    alpha: float | None = None,
) -> SideBySide:
    """Compare the results at two paths, and judge the drop over all tasks against the margin.

    `tasks` restricts it to some; without `metric`, `acc` or else the first of 0 and 1. Raises ConfigError
    where the two can't be paired, or StoreError where a file can't be read, naming the way out.
    """
    sides = open_existing(before, "before"), open_existing(after, "after")
    names = _common_tasks(*sides, tasks)
    both = _Both(*({name: side.read(name) for name in names} for side in sides))
    _check_alike(both)
    metrics = _metrics(both)
    chosen = _chosen(metric, metrics, both)
    rule = _rule(margin, alpha, chosen)
    whole, *parts = _compared(both, chosen)
    _check_paired(parts, both)
    engines = {side.engine for side in sides}
    sources = [_source(side, () if tasks else set(side.tasks) - set(names), engines) for side in sides]
    return SideBySide(
        before=sources[0],
        after=sources[1],
        metric=chosen.name,
        kind=chosen.kind,
        other_metrics=tuple(name for name in metrics if name != chosen.name),
        whole=whole,
        rule=rule,
        verdict=_claimed(_judged([whole], chosen, rule)[0], sources),
        tasks=tuple(parts),
        task_verdicts=_judged(parts, chosen, rule),
    )


def _source(side: Existing, only_here: Iterable[str], engines: set[str | None]) -> Source:
    note = side.note
    if len(engines) > 1 and engines != {engine.BUILT_IN, None}:
        whose = f"{side.name} was answered by {side.engine or 'what its files do not say'}"
        note = "; ".join(filter(None, [note, f"{whose}: what differs may be the engine's doing"]))
    return Source(given=side.given, name=side.name, tasks_only_here=tuple(sorted(only_here)), note=note)


def _common_tasks(before: Existing, after: Existing, wanted: Sequence[str]) -> list[str]:
    """The tasks of both, or those wanted."""
    common = [name for name in before.tasks if name in after.tasks]
    if not common:
        raise ConfigError(
            f"{before.given} and {after.given} have no task in common. The first has "
            f"{', '.join(before.tasks)}; the second has {', '.join(after.tasks)}."
        )
    for name in wanted:
        if name not in common:
            raise ConfigError(f"--task: in both results: {registry.unknown('task', name, common)}")
    return [name for name in common if not wanted or name in wanted]


def _check_alike(both: _Both) -> None:
    """Raises ConfigError where the files themselves say that a task was not the same on both sides."""
    for name, before, after in both.sides():
        for what, one, other in (
            ("version", before.version, after.version),
            ("number of few-shot examples", before.num_fewshot, after.num_fewshot),
        ):
            if None not in (one, other) and one != other:
                raise ConfigError(
                    f"task '{name}' has another {what} before than after: {one} and {other}. "
                    f"Evaluate one of them again as the other, or leave it out by --task."
                )


def _metrics(both: _Both) -> dict[str, bool]:
    """The metrics that every task has on both sides, each with whether all its values are 0 or 1."""
    found: dict[str, bool] = {}
    for place, (_, before, after) in enumerate(both.sides()):
        of_task = _binary(before.samples), _binary(after.samples)
        shared = {key: value and of_task[1][key] for key, value in of_task[0].items() if key in of_task[1]}
        if place == 0:
            found = shared
        found = {key: value and shared[key] for key, value in found.items() if key in shared}
    return found


def _binary(samples: pd.DataFrame) -> dict[str, bool]:
    """Each metric of a table of samples in the order of its rows, with whether all its values are 0 or 1.

    Without those whose items have no number of their own, such as BLEU.
    """
    samples = samples[samples.groupby("metric")["weight"].transform("max") > 0]
    right_or_wrong = samples["outcome"].isin((0, 1)) & (samples["weight"] == 1)
    binary = right_or_wrong.groupby(samples["metric"], sort=False).all()
    return {str(metric): bool(one) for metric, one in binary.items()}


def _chosen(wanted: str | None, metrics: Mapping[str, bool], both: _Both) -> Metric:
    """The metric to compare, checked against what the tasks have."""
    fit = [name for name, binary in metrics.items() if binary]
    wanted = wanted and wanted.removesuffix(",none")  # as lm-eval's results name what no filter changed
    name = wanted or (PREFERRED if PREFERRED in fit else next(iter(fit), None))
    if name in registry.names("audit.corpus_statistics") and name not in metrics and metrics:
        return _of_corpus(name, metrics)
    if name is None or name not in metrics:
        raise ConfigError(_no_metric(wanted, both))
    sides = [task for _, *tasks in both.sides() for task in tasks]
    declared = next((task.declared[name] for task in sides if name in task.declared), None)
    kind = declared.kind if declared else _kind(name, metrics[name])
    lower = {
        kind == "perplexity" or name in before.lower_is_better | after.lower_is_better
        for _, before, after in both.sides()
    }
    if len(lower) > 1:
        raise ConfigError(
            f"--metric {name}: higher is better in some of the tasks, lower in others. Restrict it by --task."
        )
    return Metric(
        name=name, harness_metric=name, kind=kind, higher_is_better=not lower.pop(),
        two_sided=declared is not None and declared.two_sided, range=declared and declared.range,
        source="lm-evaluation-harness",
    )  # fmt: skip


def _of_corpus(name: str, metrics: Mapping[str, bool]) -> Metric:
    """A statistic of all items, of which those that carry the preferred or the first metric are taken."""
    return Metric(
        name=name, harness_metric=PREFERRED if PREFERRED in metrics else next(iter(metrics)), kind="corpus",
        statistic=name, source="audit.corpus_statistics",
        higher_is_better=getattr(registry.corpus_statistic(name), "higher_is_better", True),
    )  # fmt: skip


def _kind(metric: str, binary: bool) -> Literal["binary", "score", "perplexity"]:
    """What lm-eval logs of an item under that name."""
    if metric.partition(",")[0] in PERPLEXITIES:
        return "perplexity"
    return "binary" if binary else "score"


def _no_metric(wanted: str | None, both: _Both) -> str:
    """What every task has, where one metric for all was not to be had."""
    tables = {
        name: [metric for metric in _binary(before.samples) if metric in _binary(after.samples)]
        for name, before, after in both.sides()
    }
    what = f"no metric '{wanted}' in every task" if wanted else "no metric of 0 and 1 that every task has"
    shown = "; ".join(f"{name}: {', '.join(metrics) or 'none'}" for name, metrics in tables.items())
    return f"There is {what} on both sides ({shown}). Name one by --metric, and its tasks by --task."


def _compared(both: _Both, metric: Metric) -> list[Comparison]:
    """The comparison over all tasks, then task by task."""
    names = list(both.before)
    suites = [_suite(ALL_TASKS, names, metric), *(_suite(name, [name], metric) for name in names)]
    tables = {
        f"{side}/{name}": task.samples
        for side, tasks in ((ORIGINAL, both.before), (AFTER, both.after))
        for name, task in tasks.items()
    }
    runs = [
        Run(
            variant=side,
            suite=suite.name,
            cells=tuple(_cell(task.name, f"{side}/{task.name}") for task in suite.tasks),
        )
        for suite in suites
        for side in (ORIGINAL, AFTER)
    ]
    comparisons = compare(runs, suites, lambda cell, columns: tables[cell.key][list(columns)])
    whole, *parts = (one for one in comparisons if one.group is None)
    return [whole, *adjusted(parts, benjamini_hochberg)]


def _suite(name: str, tasks: Sequence[str], metric: Metric) -> Suite:
    return Suite(
        name=name,
        title=name,
        question="What changed from the one to the other?",
        tasks=tuple(Task(name=task) for task in tasks),
        metrics=(metric,),
    )


def _cell(task: str, key: str) -> Cell:
    """What `compare` asks for a table by; of the rest it reads the divergence alone."""
    return Cell(
        task=task, key=key, path="", sha256="", n_items=0, task_version="", num_fewshot=0, scorer="",
        divergence=NotMeasured("answers alone were read"), seconds=0, started="",
    )  # fmt: skip


def _check_paired(comparisons: Sequence[Comparison], both: _Both) -> None:
    """Raises ConfigError for a task of which fewer than half of the items have a partner."""
    unlike = [one.suite for one in comparisons if not _mostly_paired(one)]
    if not unlike:
        return
    alike = [one.suite for one in comparisons if one.suite not in unlike]
    without = f" The others pair: {' '.join(f'--task {name}' for name in alike)}." if alike else ""
    name = unlike[0]
    raise ConfigError(_difference(name, both.before[name].samples, both.after[name].samples) + without)


def _mostly_paired(comparison: Comparison) -> bool:
    """Whether half of the items have a partner, on the side that has fewer."""
    pairs = comparison.n_pairs
    fewer = pairs + min(comparison.n_unpaired_before, comparison.n_unpaired_after)
    return 0 < fewer <= 2 * pairs


def _difference(task: str, before: pd.DataFrame, after: pd.DataFrame) -> str:
    """Which part of the items differs, and what usually makes it differ."""
    shares = {}
    for what, keys in (
        ("documents", ["doc_hash"]),
        ("prompts", ["doc_hash", "prompt_hash"]),
        ("targets", ["doc_hash", "target_hash"]),
    ):
        one, other = (set(map(tuple, side[keys].to_numpy())) for side in (before, after))
        shares[what] = len(one & other), min(len(one), len(other))
    what = next((what for what, (shared, n) in shares.items() if 2 * shared < n), "items")
    shared, n = shares.get(what, shares["documents"])
    causes = {
        "documents": "another data set, split, or choice of items",
        "prompts": "other few-shot examples (seed), chat template, system prompt or wording of the task",
        "targets": "other right answers: another version of the task or of its data",
        "items": "prompts and targets both, in part",
    }
    return (
        f"task '{task}' was not asked alike: fewer than half of its items pair. Its {what} differ, "
        f"{shared} of {n} are the same ({causes[what]}). Evaluate both sides with the same settings."
    )


def _rule(margin: float | None, alpha: float | None, metric: Metric) -> Rule:
    """The rule over all tasks as the user gave it; raises ConfigError where it does not fit the metric."""
    if metric.kind in ("score", "ratio", "corpus") and margin is None:
        raise ConfigError(
            f"--metric {metric.name} is no share of right answers: say by --margin what drop of its mean is "
            "too much, in its own unit."
        )
    rule = Rule(suite=ALL_TASKS, metric=metric.name)
    because = rule.because if margin is None else "given with the comparison, without a reason"
    margin = rule.margin if margin is None else margin
    alpha = rule.alpha if alpha is None else alpha
    most = 1 if metric.kind == "binary" else math.inf
    if not 0 < margin < most:
        between = "it is a share between 0 and 1; three points are 0.03" if most == 1 else "it is above 0"
        raise ConfigError(f"--margin {margin:g}: {between}.")
    if not 0 < alpha < 0.5:
        raise ConfigError(f"--alpha {alpha:g}: it is the error of a false pass, between 0 and 0.5.")
    return rule.model_copy(update={"margin": margin, "alpha": alpha, "because": because})


def _judged(comparisons: Sequence[Comparison], metric: Metric, rule: Rule) -> tuple[Verdict, ...]:
    """One verdict per comparison, each under the same rule."""
    rules = [rule.model_copy(update={"suite": one.suite}) for one in comparisons]
    suites = [_suite(one.suite, [one.suite], metric) for one in comparisons]
    return judge(comparisons, rules, [_unknown_variant()], suites)


def _unknown_variant() -> Variant:
    """What `judge` takes for a level of an audit; of what somebody else made, nothing else is known."""
    known: dict[str, Any] = {"name": AFTER, "level": Level(name=AFTER, method="not known")}
    return Variant.model_construct(**known)


def _claimed(verdict: Verdict, sources: Sequence[Source]) -> Verdict:
    """A pass is claimed only where both sides were asked the same tasks, or the user chose among them."""
    missing = [
        f"{', '.join(one.tasks_only_here)} only in {one.given}" for one in sources if one.tasks_only_here
    ]
    if verdict.decision != "pass" or not missing:
        return verdict
    reason = f"tasks are missing ({'; '.join(missing)}); choose by --task what to judge"
    because = f"not claimed: {reason}; by itself: {verdict.because}"
    return verdict.model_copy(update={"decision": "inconclusive", "withheld": "tasks", "because": because})
