"""What changed between two audits: promises, answers, and what both rest on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from audit.records import (
    AuditLog,
    Budget,
    BudgetVerdict,
    Comparison,
    Decision,
    NotMeasured,
    Rule,
    Verdict,
)

Change = Literal["worse", "open", "better", "same", "gone"]
_RANK: dict[Decision, int] = {"pass": 0, "inconclusive": 1, "fail": 2}
Value = str | int | float | NotMeasured


@dataclass(frozen=True)
class Promised:
    """One promise on one level, in both runs."""

    level: str
    before: Rule | Budget | None
    after: Rule | Budget | None
    """Its terms; None: not promised in that run."""
    found_before: Verdict | BudgetVerdict | None
    found_after: Verdict | BudgetVerdict | None
    """None: not judged."""
    by_earlier_terms: Decision | None
    """Where the terms were changed: what the later numbers are by the earlier ones."""
    has_say: bool
    """Whether it holds a release back, in either run."""
    level_stays: bool
    """Whether the later run has the level at all."""
    held_out: bool
    """Whether it is about the items held out, after one about the others."""

    @property
    def change(self) -> Change:
        """`worse`: it fails, and did not. `open`: it passed, and now does not, is not promised any more, or
        does by its new terms alone. `gone`: its level is, or nobody promises what did not pass. What is
        promised for the first time is taken to have been kept."""
        before = _decision(self.found_before) if self.before else "pass"
        if self.after is None:
            return "open" if before == "pass" and self.level_stays else "gone"
        after = _decision(self.found_after)
        if (before, after) == ("pass", "pass") and self.by_earlier_terms not in (None, "pass"):
            after = "inconclusive"
        if _RANK[after] <= _RANK[before]:
            return "better" if _RANK[after] < _RANK[before] else "same"
        return "worse" if after == "fail" else "open"


def _decision(found: Verdict | BudgetVerdict | None) -> Decision:
    """What is not judged is not kept."""
    return "inconclusive" if found is None else found.decision


@dataclass(frozen=True)
class Fact:
    """Something that is not the same in both runs."""

    of: str
    """`audit`, `original`, or the name of a suite or level."""
    what: str
    before: Value | None
    after: Value | None
    """None: there is none on that side."""


@dataclass(frozen=True)
class Side:
    """One of the two runs."""

    given: str
    """What the user named."""
    log: AuditLog


@dataclass(frozen=True)
class Diff:
    """What changed from one audit to a later one."""

    before: Side
    after: Side
    promises: tuple[Promised, ...]
    """All of them, in the later run's order; those that only the earlier run has come last."""
    answers: tuple[Comparison, ...] | NotMeasured
    """The later run's answers against the earlier's, paired item by item, by variant (the original first),
    suite and metric: a difference above 0 is a loss since then. p adjusted over them all
    (Benjamini-Hochberg): exploratory."""
    facts: tuple[Fact, ...]
    """Only those that differ."""

    @property
    def decision(self) -> Decision:
        """Fails where a promise that has a say got worse; inconclusive where one was left open."""
        changes = {one.change for one in self.promises if one.has_say}
        return "fail" if "worse" in changes else "inconclusive" if "open" in changes else "pass"
