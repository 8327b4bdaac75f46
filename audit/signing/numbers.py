"""Whether the log's numbers follow from its answers, and its verdicts from its numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

from audit.budgets import weigh
from audit.compare import compare
from audit.errors import ShrinkproofError
from audit.judge import judge
from audit.records import AuditLog, BudgetVerdict, Comparison, Confirmation, Decision, Verdict
from audit.recovery import recoveries
from audit.signing.checked import Checked, Finding
from audit.signing.statement import LOG
from audit.store import Reader, read_columns

_COUNTED = ("n_pairs", "n_unpaired_before", "n_unpaired_after", "before", "after")
"""Counts and rates; what is estimated from them may be computed otherwise by another version."""


def recomputed(log: AuditLog, root: Path) -> Iterator[Checked]:
    """Each comparison and verdict that does not follow from what it rests on.

    It is a lie if this version computed the log, and else not known. A stopped audit may have answers that it
    did not come to compare or judge.
    """
    try:
        found = [*_numbers(log, root), *_recoveries(log, root)]
        found += _verdicts(log) if log.status == "finished" else ()
        if isinstance(log.confirmation, Confirmation):
            found += _confirmed(log, log.confirmation, root)
    except (ShrinkproofError, OSError, ValueError, KeyError, TypeError) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        found = [Checked(f"{LOG}, comparisons", "not checked", f"can't be computed again: {why}")]
    yield from found or [Checked(f"{LOG}, comparisons", "holds")]


def _confirmed(log: AuditLog, found: Confirmation, root: Path) -> Iterator[Checked]:
    """The same of the items held out, as of a log that holds nothing else."""
    held_out = {"runs": found.runs, "comparisons": found.comparisons, "verdicts": found.verdicts}
    best = tuple(one for one in log.variants if one.name == found.variant)
    config = log.config.model_copy(update={"rules": found.rules(log.config.rules)})
    alone = log.model_copy(update={**held_out, "config": config, "variants": best, "budgets": ()})
    yield from _numbers(alone, root, "confirmation.")
    yield from _decisions(alone, "confirmation.verdicts", _said(found.verdicts), _said(_judged(alone)))


def _numbers(log: AuditLog, root: Path, within: str = "") -> Iterator[Checked]:
    again = compare(log.runs, log.config.suites, _reader(root), log.config.seed)
    found = {_place(one): one for one in again}
    for i, said in enumerate(log.comparisons):
        follows = found.pop(_place(said), None)
        if follows is None:
            yield _unlike(log, f"{within}comparisons.{i}", "is about what no answers are about")
            continue
        for name in _COUNTED:
            here, there = getattr(said, name), getattr(follows, name)
            if not _same(here, there):
                of = ", ".join(map(str, filter(None, _place(said))))
                because = f"says {here}, and the answers give {there} ({of})"
                yield _unlike(log, f"{within}comparisons.{i}.{name}", because)
                break
    for place in found if log.status == "finished" else ():
        of = ", ".join(map(str, filter(None, place)))
        yield _unlike(log, f"{within}comparisons", f"has none of {of}, and there are answers")


def _reader(root: Path) -> Reader:
    """Of cells that need not have the digests of their log."""
    return lambda cell, columns: read_columns(root / cell.path, columns)


def _recoveries(log: AuditLog, root: Path) -> Iterator[Checked]:
    """What became of the cards' claims; a stopped audit did not come to them."""
    again = recoveries(log.runs, log.config, _reader(root))
    follows = again if log.status == "finished" else again[: len(log.recoveries)]
    if len(log.recoveries) != len(follows):
        yield _unlike(log, "recoveries", f"are {len(log.recoveries)}, and the cards claim {len(follows)}")
        return
    for i, (said, found) in enumerate(zip(log.recoveries, follows, strict=True)):
        for name in ("n_pairs", "ratio", "outcome"):
            here, there = getattr(said, name), getattr(found, name)
            if here != there and (name == "outcome" or not _same(here, there)):
                because = f"says {here}, and the answers give {there} ({said.variant}, {said.suite})"
                yield _unlike(log, f"recoveries.{i}.{name}", because)
                break


def _verdicts(log: AuditLog) -> Iterator[Checked]:
    weighed = weigh(log.variants, log.config, log.efficiency)
    yield from _decisions(log, "verdicts", _said(log.verdicts), _said(_judged(log)))
    yield from _decisions(log, "budgets", _said(log.budgets), _said(weighed))


def _judged(log: AuditLog) -> tuple[Verdict, ...]:
    return judge(log.comparisons, log.config.rules, log.variants, log.config.suites)


_Said = list[tuple[str, Decision]]


def _said(verdicts: Sequence[Verdict | BudgetVerdict]) -> _Said:
    """Of which variant, and what."""
    return [(one.variant, one.decision) for one in verdicts]


def _decisions(log: AuditLog, place: str, said: _Said, follows: _Said) -> Iterator[Checked]:
    if len(said) != len(follows):
        yield _unlike(log, place, f"are {len(said)}, and the numbers give {len(follows)}")
        return
    for i, (one, other) in enumerate(zip(said, follows, strict=True)):
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
