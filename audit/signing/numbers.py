"""Whether the log's numbers follow from its answers, and its verdicts from its numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from audit.budgets import weigh
from audit.compare import compare
from audit.errors import ShrinkproofError
from audit.judge import judge
from audit.records import AuditLog, Comparison, Decision
from audit.recovery import recoveries
from audit.signing.checked import Checked, Finding
from audit.signing.statement import LOG

_COUNTED = ("n_pairs", "n_unpaired_before", "n_unpaired_after", "before", "after")
"""Counts and rates; what is estimated from them may be computed otherwise by another version."""


def recomputed(log: AuditLog, root: Path) -> Iterator[Checked]:
    """Each comparison and verdict that does not follow from what it rests on.

    It is a lie if this version computed the log, and else not known. A stopped audit may have answers that it
    did not come to compare or judge.
    """
    try:
        found = [*_numbers(log, root), *(_verdicts(log) if log.status == "finished" else ())]
    except (ShrinkproofError, OSError, ValueError, KeyError, TypeError) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        found = [Checked(f"{LOG}, comparisons", "not checked", f"can't be computed again: {why}")]
    yield from found or [Checked(f"{LOG}, comparisons", "holds")]


def _numbers(log: AuditLog, root: Path) -> Iterator[Checked]:
    read = cache(lambda path: pd.read_parquet(root / path))
    again = compare(log.runs, log.config.suites, lambda cell: read(cell.path), log.config.seed)
    found = {_place(one): one for one in again}
    for i, said in enumerate(log.comparisons):
        follows = found.pop(_place(said), None)
        if follows is None:
            yield _unlike(log, f"comparisons.{i}", "is about what no answers are about")
            continue
        for name in _COUNTED:
            here, there = getattr(said, name), getattr(follows, name)
            if not _same(here, there):
                of = ", ".join(map(str, filter(None, _place(said))))
                because = f"says {here}, and the answers give {there} ({of})"
                yield _unlike(log, f"comparisons.{i}.{name}", because)
                break
    if log.status == "finished":
        claims = recoveries(log.runs, log.config, lambda cell: read(cell.path))
        if [(one.variant, one.outcome) for one in log.recoveries] != [
            (one.variant, one.outcome) for one in claims
        ]:
            yield _unlike(log, "recoveries", "are not what the answers give of the cards' claims")
    for place in found if log.status == "finished" else ():
        of = ", ".join(map(str, filter(None, place)))
        yield _unlike(log, "comparisons", f"has none of {of}, and there are answers")


def _verdicts(log: AuditLog) -> Iterator[Checked]:
    again = judge(log.comparisons, log.config.rules, log.variants, log.config.suites)
    weighed = weigh(log.variants, log.config, log.efficiency)
    said: dict[str, list[tuple[str, Decision]]] = {
        "verdicts": [(one.variant, one.decision) for one in log.verdicts],
        "budgets": [(one.variant, one.decision) for one in log.budgets],
    }
    follows: dict[str, list[tuple[str, Decision]]] = {
        "verdicts": [(one.variant, one.decision) for one in again],
        "budgets": [(one.variant, one.decision) for one in weighed],
    }
    for place, ours in follows.items():
        if len(said[place]) != len(ours):
            yield _unlike(log, place, f"are {len(said[place])}, and the numbers give {len(ours)}")
            continue
        for i, (one, other) in enumerate(zip(said[place], ours, strict=True)):
            if one != other:
                because = f"says {one[1]}, and the numbers give {other[1]} ({other[0]})"
                yield _unlike(log, f"{place}.{i}.decision", because)


def _unlike(log: AuditLog, where: str, because: str) -> Checked:
    theirs, ours = log.provenance.shrinkproof_version, version("shrinkproof")
    finding: Finding = "lies" if theirs == ours else "not checked"
    by = "" if theirs == ours else f"; version {theirs} computed it, and this is {ours}"
    return Checked(f"{LOG}, {where}", finding, because + by)


def _place(one: Comparison) -> tuple[str, str, str, str | None]:
    return one.variant, one.suite, one.metric, one.group


def _same(one: object, other: object) -> bool:
    """On another machine sums may differ in their last digits; a reason is worded by the version."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
    return one == other or (type(one) is type(other) and not isinstance(one, int | float))
