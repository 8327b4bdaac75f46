"""Which comparisons a reader should see first, where there is no room for all."""

from __future__ import annotations

from math import inf

from audit.records import AuditLog, Comparison
from reports import reading
from reports.held import held

_CONTROL = 4


def urgency(log: AuditLog, comparison: Comparison) -> tuple[int, float]:
    """Sorting key: failed rules, then undecided ones, then those that block nothing, then what passed or is
    not judged, then controls; within each the largest drop in margins first."""
    verdict = reading.verdict_on(log, comparison)
    if any(level.name == comparison.variant for level in reading.controls(log)):
        return _CONTROL, 0.0
    if verdict is None:
        return 3, inf
    ranks = {"fail": 0, "inconclusive": 1, "pass": 3}
    rank = ranks[verdict.decision]
    return (rank if verdict.rule.blocks else max(rank, 2)), -held(log, verdict).size
