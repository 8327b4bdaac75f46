"""What the gate asked of each level and what came of it: the cases that machine-readable formats list."""

from __future__ import annotations

from dataclasses import dataclass, replace

from audit.records import (
    DIVERGENCE,
    AuditLog,
    Budget,
    BudgetVerdict,
    Decision,
    Level,
    NotMeasured,
    Rule,
    Verdict,
)
from reports import budgets, reading
from reports.gaps import gap
from reports.held import held
from reports.marks import REPORTED
from reports.units import Unit
from reports.wording import rate

HELD_OUT = "on items held out"
BUDGETS = "budgets"
"""In the place of a suite's name, where the promise is about the artefact itself."""


@dataclass(frozen=True)
class Case:
    """One rule or budget on one level."""

    level: Level
    promise: Rule | Budget
    suite: str
    """Its name, or `BUDGETS`."""
    title: str
    """The metric and its margin, or the quantity and its limit."""
    decision: Decision
    """Inconclusive where there is no verdict."""
    because: str
    evidence: str
    """The numbers, in a phrase."""
    judged: bool
    """Whether there is a verdict."""
    mute: str
    """Why it has no say in any release; empty where it blocks."""
    held_out: bool = False
    """Whether it is about the items held out, after one about the others."""

    @property
    def opposes(self) -> bool:
        """Whether it keeps the audit from passing."""
        return not self.mute and self.decision != "pass"


def cases(log: AuditLog, level: Level) -> list[Case]:
    """The rules in the order of the verdicts, those without a verdict, and the same of the budgets."""
    verdicts, weighed = reading.verdicts_of(log, level), reading.budgets_of(log, level)
    judged = {verdict.rule for verdict in verdicts}
    found = [_of_rule(log, level, verdict) for verdict in verdicts]
    found += [_without(log, level, rule) for rule in log.config.rules if rule not in judged]
    found += [_of_budget(log, level, verdict) for verdict in weighed]
    if not level.is_control:
        known = {verdict.budget for verdict in weighed}
        found += [_without(log, level, budget) for budget in log.config.budgets if budget not in known]
    if alone := reading.held_out(log, level):
        again = cases(alone, level)
        found += [replace(one, title=f"{one.title}, {HELD_OUT}", held_out=True) for one in again]
    return found


def trouble(log: AuditLog, found: list[Case]) -> str:
    """What keeps the audit from passing beside all its cases; empty where nothing does."""
    if log.status == "stopped":
        return f"the audit stopped before its end: {log.error or 'the log gives no reason'}"
    if log.decision != "pass" and not any(one.opposes for one in found):
        if isinstance(log.confirmation, NotMeasured) and log.config.holdout:
            return f"nothing was confirmed: {log.confirmation}"
        return "no rule or budget that blocks was judged"
    return ""


def promise_title(log: AuditLog, promise: Rule | Budget) -> str:
    """The metric and its margin, or the quantity and its limit, on one line."""
    if isinstance(promise, Budget):
        kept = "one of" if promise.at_most is None else "at most"
        context = "" if promise.context is None else f" with {promise.context} tokens"
        return f"{budgets.title(promise)}{context}, {kept} {budgets.limit(promise)}"
    metric = reading.metric_name(log, promise)
    both = reading.two_sided(log, promise.suite, metric)
    unit = Unit(reading.kind_of(log, promise.suite, metric), promise.margin, two_sided=both)
    name = "KL divergence" if metric == DIVERGENCE else metric
    ceiling = "" if promise.ceiling is None else f", bad outcomes below {rate(promise.ceiling, 1)}"
    return f"{name}, margin {unit.margin(promise.margin)}{unit.name}{ceiling}"


def _of_rule(log: AuditLog, level: Level, verdict: Verdict) -> Case:
    return Case(
        level=level,
        promise=verdict.rule,
        suite=verdict.rule.suite,
        title=promise_title(log, verdict.rule),
        decision=verdict.decision,
        because=verdict.because,
        evidence=gap(held(log, verdict)),
        judged=True,
        mute=_mute(level, verdict.rule),
    )


def _of_budget(log: AuditLog, level: Level, verdict: BudgetVerdict) -> Case:
    return Case(
        level=level,
        promise=verdict.budget,
        suite=BUDGETS,
        title=promise_title(log, verdict.budget),
        decision=verdict.decision,
        because=verdict.because,
        evidence=budgets.against(verdict),
        judged=True,
        mute=_mute(level, verdict.budget),
    )


def _without(log: AuditLog, level: Level, promise: Rule | Budget) -> Case:
    """A promise that nobody judged: it is never taken for kept."""
    made = reading.variant_of(log, level) is not None
    return Case(
        level=level,
        promise=promise,
        suite=promise.suite if isinstance(promise, Rule) else BUDGETS,
        title=promise_title(log, promise),
        decision="inconclusive",
        because="not judged" if made else "not judged: the level was not made",
        evidence="there is no verdict",
        judged=False,
        mute=_mute(level, promise),
    )


def _mute(level: Level, promise: Rule | Budget) -> str:
    # As `AuditLog.decision` counts: a control in another precision measures noise, and blocks nothing.
    if level.computed_in:
        return f"a control computed in {level.computed_in}, which has no say"
    return "" if promise.blocks else REPORTED
