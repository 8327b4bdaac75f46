"""The second and the third fidelity: audits of the promising levels, and of the best on items held out."""

from __future__ import annotations

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
)
from audit.search.order import Candidate, next_audit, why_closed
from audit.store import Store


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

    def choose(self, trials: Sequence[Trial]) -> list[Trial]:
        """The trials with the decisions of those that were audited, and for the others why they were not."""
        for control in self.config.levels:
            self._audit(control)
        found = {one.name: one for one in trials}
        at_most = self.plan.goal.at_most or 0.0
        for _ in range(self.plan.audits):
            chosen = next_audit(candidates(found.values()), at_most)
            if chosen is None:
                break
            found[chosen.name] = self._decided(found[chosen.name])
        known = candidates(found.values())
        enough = f"{self.plan.audits} levels were audited, and no more"
        why = {one.name: why_closed(one, known) or enough for one in known if one.decision is None}
        return [
            one.model_copy(update={"decision": NotMeasured(why[name])}) if name in why else one
            for name, one in found.items()
        ]

    def confirm(self, trials: Sequence[Trial], config: AuditConfig) -> tuple[list[Trial], list[Confirmation]]:
        """The trials, and what the items held out say of the smallest that passes, or of the next ones."""
        found = {one.name: one for one in trials}
        confirmations: list[Confirmation] = []
        for place, one in enumerate(self._passing(trials)[: self.plan.winners]):
            chosen = (
                "the smallest level that passes" if place == 0 else f"number {place + 1} of those that pass"
            )
            self.progress.stage(f"confirming {one.name} on the items held out")
            confirmation = confirmed(
                self.variants[one.name], f"{chosen}, of {len(trials)} levels that a search proposed",
                self.variants["original"], config, self.store, self.progress, shared_by=self.plan.winners,
            )  # fmt: skip
            confirmations.append(confirmation)
            decision = _together(list(confirmation.verdicts))
            found[one.name] = one.model_copy(update={"held_out": decision})
            if decision == "pass":
                break
        return list(found.values()), confirmations

    def _passing(self, trials: Sequence[Trial]) -> list[Trial]:
        """Those within the goal, smallest first."""
        at_most = self.plan.goal.at_most or 0.0
        kept = [one for one in trials if one.decision == "pass" and _number(one.quantity) <= at_most]
        return sorted(kept, key=lambda one: (_number(one.quantity), one.number))

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
    """Those that a proxy is known of."""
    return [
        Candidate(
            one.name, one.quantity, one.divergence,
            None if isinstance(one.decision, NotMeasured) else one.decision,
        )
        for one in trials
        if isinstance(one.quantity, float | int) and isinstance(one.divergence, float)
    ]  # fmt: skip


def _together(verdicts: Sequence[Verdict | BudgetVerdict]) -> Decision:
    """One word for all that blocks."""
    decisions = {
        one.decision
        for one in verdicts
        if (one.rule.blocks if isinstance(one, Verdict) else one.budget.blocks)
    }
    if "fail" in decisions:
        return "fail"
    return "pass" if decisions == {"pass"} else "inconclusive"


def _number(value: float | NotMeasured) -> float:
    return float("inf") if isinstance(value, NotMeasured) else value
