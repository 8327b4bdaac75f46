"""Candidates against each other: who is better than whom, on the items that both were asked.

Each candidate's verdict is about the original. A buyer asks another question, and a table sorted by drops
answers it wrongly: the first of many near equals is first by luck. So every pair is tested by itself (the
same paired tests as against the original), p adjusted over all pairs of a suite's metric (Holm 1979), and
the intervals of a metric hold together (Bonferroni). The work grows with the square of the candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from audit.adjusting import adjusted
from audit.compare import compare_pairs
from audit.effects import ALPHA
from audit.records import AuditConfig, Comparison, Duel, Run
from audit.statistics.correction import holm
from audit.store import Reader


def duels(runs: Sequence[Run], config: AuditConfig, read: Reader) -> tuple[Duel, ...]:
    """Every pair of candidates on every suite and metric; none with fewer than two candidates.

    `read` gives the named columns of a cell's samples. A difference above 0 is a loss of `variant` against
    `against`.
    """
    names = [level.name for level in config.levels if level.is_candidate]
    pairs = list(combinations(names, 2))
    alpha = ALPHA / max(len(pairs), 1)
    found = compare_pairs(runs, config.suites, read, config.seed, pairs=pairs, in_detail=False, alpha=alpha)
    duels = sorted((_duel(*one) for one in found), key=lambda one: names.index(one.against))
    return adjusted(duels, holm, lambda one: (one.suite, one.metric))


def _duel(against: str, comparison: Comparison) -> Duel:
    return Duel(**{name: getattr(comparison, name) for name in Comparison.model_fields}, against=against)
