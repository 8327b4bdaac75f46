"""What became of the promises."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from audit.records.answers import Run
from audit.records.base import Decision, NotMeasured, Record, Share
from audit.records.comparisons import Comparison
from audit.records.estimates import Interval
from audit.records.promises import Budget, Rule


class Verdict(Record):
    """One rule on one variant."""

    variant: str
    rule: Rule
    metric: str
    decision: Decision
    because: str
    """One sentence that a reader can check against the comparison."""
    withheld: Literal["order", "noise", "integrity", "tasks"] | None = None
    """Why what the numbers say by themselves is not claimed. `order`: levels are claimed mildest first, and
    a milder one did not pass; `noise`: the control shows that the measurement does not repeat;
    `integrity`: the artefact is not what it is said to be; `tasks`: the two sides were not asked the same."""
    p_value: Share | NotMeasured
    """Of H0: drop ≥ margin, one-sided."""
    p_worse: Share | NotMeasured = NotMeasured("no drop was tested")
    """Of H0: drop ≤ 0, one-sided, over all the looks up to the one that decided (Liu & Anderson 2008, with
    Pocock's spending): is the variant detectably worse?"""
    p_worse_adjusted: Share | NotMeasured = NotMeasured("no drop was tested")
    """Holm's, over all levels and rules of the audit: what a claim of damage rests on."""
    n_to_decide: int | NotMeasured
    """Items that would give 80 % power at zero drop and the flips seen."""
    bounds: Interval | NotMeasured = NotMeasured("the log was written before they were kept")
    """Of the drop, at the look that decided and with the error that it may spend: the upper one against the
    margin is the verdict. Its confidence is that of both together."""


class Confirmation(Record):
    """The best variant on items that nobody chose it by.

    The best of many is partly the luckiest of many, so its own numbers flatter it (the winner's curse).
    """

    variant: str
    chosen: str
    """How, in a phrase."""
    runs: tuple[Run, ...]
    """Of the original and of it, on the items held out."""
    comparisons: tuple[Comparison, ...]
    """Of those alone."""
    verdicts: tuple[Verdict, ...]
    """Of every rule, on those alone."""
    shared_by: Annotated[int, Field(ge=1)] = 1
    """Variants that may be tried on these items, one after another: each gets that part of a rule's error
    (Bonferroni)."""

    def rules(self, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        """Those of the config, each with the error that one variant may spend."""
        return tuple(rule.model_copy(update={"alpha": rule.alpha / self.shared_by}) for rule in rules)


class BudgetVerdict(Record):
    """One budget on one variant."""

    variant: str
    budget: Budget
    value: float | str | NotMeasured
    """What the artefact has of it: a number, or its format; of a latency, the unfavourable end of the
    interval of the ratio."""
    decision: Decision
    because: str
