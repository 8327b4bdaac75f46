"""The later release's answers against the earlier's, item by item: what only looks lost, and what is."""

from __future__ import annotations

from pathlib import Path

from audit.adjusting import adjusted
from audit.compare import compare
from audit.records import AuditLog, Comparison, NotMeasured, Run, Suite
from audit.statistics.correction import benjamini_hochberg
from audit.store import read_samples, without_answers

_EARLIER = "earlier: "
"""Before the name of a variant of the earlier run, where both runs' stand together."""


def release_against_release(
    before: tuple[AuditLog, Path], after: tuple[AuditLog, Path]
) -> tuple[Comparison, ...] | NotMeasured:
    """Each variant of both runs, the original too, against its earlier self, on what both were asked.

    Takes each run's log and folder. NotMeasured where the answers don't lie there any more.
    """
    for log, folder in (before, after):
        if missing := without_answers(log, folder):
            return NotMeasured(missing)
    earlier = [_located(run, before[1], _EARLIER) for run in before[0].runs]
    later = [_located(run, after[1]) for run in after[0].runs]
    names = {run.variant for run in earlier}
    against = {run.variant: _EARLIER + run.variant for run in later if _EARLIER + run.variant in names}
    found = compare(
        [*earlier, *later], _alike(before[0], after[0]), read_samples, after[0].config.seed,
        in_detail=False, against=against,
    )  # fmt: skip
    order = [variant.name for variant in after[0].variants]
    return adjusted(sorted(found, key=lambda one: order.index(one.variant)), benjamini_hochberg)


def _alike(before: AuditLog, after: AuditLog) -> list[Suite]:
    """The suites that both have asked and scored by the same metrics."""
    theirs = {suite.name: suite.metrics for suite in before.config.suites}
    asked = {run.suite for run in before.runs if run.cells} & {run.suite for run in after.runs if run.cells}
    return [
        suite
        for suite in after.config.suites
        if suite.name in asked and theirs.get(suite.name) == suite.metrics
    ]


def _located(run: Run, folder: Path, prefix: str = "") -> Run:
    """A run whose cells say where they lie. In which part an item was asked is no matter between two runs."""
    cells = tuple(
        cell.model_copy(update={"path": str((folder / cell.path).absolute()), "part": 1})
        for cell in run.cells
    )
    return run.model_copy(update={"variant": prefix + run.variant, "cells": cells})
