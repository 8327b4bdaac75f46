"""The second and the third fidelity: audits of the promising levels, and of the best on items held out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from audit.budgets import weigh
from audit.compare import compare
from audit.compress import compress
from audit.confirm import confirmed
from audit.efficiency import measure
from audit.evaluate import evaluate
from audit.harness import LoadedTask
from audit.judge import judge, settled
from audit.progress import Progress
from audit.records import (
    AuditConfig,
    BudgetVerdict,
    Confirmation,
    Decision,
    Efficiency,
    Level,
    NotMeasured,
    Run,
    SearchPlan,
    Spent,
    Trial,
    Variant,
    Verdict,
    together,
)
from audit.search.order import Candidate, next_audit, why_closed
from audit.store import Store

STEP_BACK = 0.5
"""Of the divergence of a level that passed by luck, that of those which are looked at after it: one that is
nearly as far from the original is likely to fare as it did."""


@dataclass
class Audits:
    """Of single levels, one after another; every answer is kept in the store, and none is asked twice."""

    config: AuditConfig
    plan: SearchPlan
    store: Store
    tasks: Sequence[LoadedTask]
    progress: Progress
    variants: dict[str, Variant] = field(default_factory=dict)
    """The original's first."""
    runs: dict[str, tuple[Run, ...]] = field(default_factory=dict)
    efficiency: dict[str, Efficiency] = field(default_factory=dict)
    audited: dict[str, Trial] = field(default_factory=dict)
    confirmations: list[Confirmation] = field(default_factory=list)

    def controls(self) -> None:
        """Audit the controls of the config, of which nothing is chosen."""
        for control in self.config.levels:
            self._audit(control)

    def choose(self, trials: Sequence[Trial], *, beyond: bool) -> list[Trial]:
        """The trials with the decisions of those that were audited, and for the others why they were not.

        `beyond`: whether levels beyond the goal are audited too, where none is open within it.
        """
        found = {one.name: self.audited.get(one.name, one) for one in trials}
        at_most = self.plan.goal.at_most or 0.0
        while len(self.audited) < self.plan.audits:
            chosen = next_audit(candidates(found.values()), at_most, beyond=beyond)
            if chosen is None:
                break
            found[chosen.name] = self.audited[chosen.name] = self._decided(found[chosen.name])
        known = candidates(found.values())
        enough = f"{self.plan.audits} levels were audited, and no more"
        why = {one.name: why_closed(one, known) or enough for one in known if one.decision is None}
        return [
            one.model_copy(update={"decision": NotMeasured(why[name])}) if name in why else one
            for name, one in found.items()
        ]

    def confirm(self, trials: Sequence[Trial]) -> list[Trial]:
        """The trials, the smallest that passes within the goal judged by the items held out.

        Where it does not pass there, it counts as one that does not, and what it kept from being audited is
        looked at again, until as many were tried as the plan allows.
        """
        found = list(trials)
        while (chosen := self._best(found)) is not None and len(self.confirmations) < self.plan.winners:
            self.progress.stage(f"confirming {chosen.name} on the items held out")
            place = f"try {len(self.confirmations) + 1} of {self.plan.winners}"
            confirmation = confirmed(
                self.variants[chosen.name],
                f"the smallest that passes, of {len(found)} levels that a search proposed ({place})",
                self.variants["original"], self.config, self.store, self.progress,
                shared_by=self.plan.winners, tasks=self.tasks,
            )  # fmt: skip
            self.confirmations.append(confirmation)
            decision = _together(confirmation.verdicts)
            self.audited[chosen.name] = chosen.model_copy(update={"held_out": decision})
            found = self.choose(found, beyond=False)
            if decision == "pass":
                break
        return found

    def _best(self, trials: Sequence[Trial]) -> Trial | None:
        """The smallest within the goal that passes; after one that did not pass on items held out, of those
        that are half as far from the original as it, where there are any."""
        at_most = self.plan.goal.at_most or 0.0
        kept = [
            one
            for one in trials
            if one.decision == "pass" and not _tried(one) and _number(one.quantity) <= at_most
        ]
        bound = _bound(trials)
        closer = [one for one in kept if _near(one, bound)]
        return min(closer or kept, key=lambda one: (_number(one.quantity), one.number), default=None)

    def _decided(self, trial: Trial) -> Trial:
        """The trial with its level audited on the items that choose."""
        verdicts, budgets = self._audit(trial.level)
        (goal,) = (one for one in budgets if one.budget == self.plan.goal)
        rest = [one for one in budgets if one.budget != self.plan.goal]
        cells = [cell for run in self.runs[trial.name] for cell in run.cells]
        making = self.variants[trial.name].seconds
        seconds = sum(cell.seconds for cell in cells) + (making if isinstance(making, float) else 0.0)
        tokens = sum(cell.tokens for cell in cells if isinstance(cell.tokens, int))
        return trial.model_copy(
            update={
                "decision": _together([*verdicts, *rest]),
                "quantity": goal.value,
                "audit": Spent(tokens=tokens, seconds=seconds),
            }
        )

    def _audit(self, level: Level) -> tuple[tuple[Verdict, ...], tuple[BudgetVerdict, ...]]:
        """Make the level, ask it, and judge it by itself."""
        config, rules, suites = self.config, self.config.rules, self.config.suites
        alone = config.model_copy(update={"levels": (level,)})
        pair = compress(alone, self.store, self.progress)

        def decided(runs: Sequence[Run]) -> frozenset[str]:
            so_far = compare(runs, suites, self.store.read, config.seed, in_detail=False)
            return settled(so_far, rules, suites)

        runs = evaluate(pair, alone, self.store, self.progress, decided, self.tasks)
        efficiency = measure(pair, alone, self.store, self.progress)
        self.variants |= {one.name: one for one in pair}
        self.efficiency |= {one.variant: one for one in efficiency}
        for one in pair:
            self.runs[one.name] = tuple(run for run in runs if run.variant == one.name)
        comparisons = compare(runs, suites, self.store.read, config.seed, in_detail=False)
        verdicts = judge(comparisons, rules, pair, suites)
        return verdicts, weigh(pair, alone, efficiency)


def candidates(trials: Iterable[Trial]) -> list[Candidate]:
    """Those that a proxy is known of; of those that pass, the ones that are far enough from a lucky one."""
    known = [one for one in trials if isinstance(one.quantity, float) and isinstance(one.divergence, float)]
    bound = _bound(known)
    return [_candidate(one) for one in known if one.decision != "pass" or _tried(one) or _near(one, bound)]


def _bound(trials: Iterable[Trial]) -> float:
    """The divergence up to which a level is looked at, after those that passed by luck."""
    unlucky = [_number(one.divergence) for one in trials if _tried(one) and one.held_out != "pass"]
    return STEP_BACK * min(unlucky, default=math.inf)


def _tried(trial: Trial) -> bool:
    return not isinstance(trial.held_out, NotMeasured)


def _near(trial: Trial, bound: float) -> bool:
    return _number(trial.divergence) <= bound


def _candidate(trial: Trial) -> Candidate:
    quantity, divergence = _number(trial.quantity), _number(trial.divergence)
    if isinstance(trial.decision, NotMeasured):
        return Candidate(trial.name, quantity, divergence)
    if not _tried(trial) or trial.held_out == "pass":
        return Candidate(trial.name, quantity, divergence, trial.decision)
    decision = None if isinstance(trial.held_out, NotMeasured) else trial.held_out
    return Candidate(trial.name, quantity, divergence, decision, STEP_BACK * divergence)


def _together(verdicts: Sequence[Verdict | BudgetVerdict]) -> Decision:
    """One word for all that blocks."""
    return together(
        one.decision
        for one in verdicts
        if (one.rule.blocks if isinstance(one, Verdict) else one.budget.blocks)
    )


def _number(value: float | NotMeasured) -> float:
    return float("inf") if isinstance(value, NotMeasured) else value
