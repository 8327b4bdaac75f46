"""The story of a search: propose, hold against the original, audit the promising, confirm the best."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from audit.budgets import weigh
from audit.compare import compare
from audit.errors import ConfigError
from audit.evaluate import register
from audit.forgetting import forgotten
from audit.harness import tasks_of
from audit.judge import judge
from audit.progress import Progress, Silent
from audit.recording import recorded
from audit.records import AuditConfig, AuditLog, NotMeasured, Run, Search, Spent, Trial
from audit.search.audits import Audits, candidates
from audit.search.outcome import outcome
from audit.search.proxies import Proposer
from audit.store import Store, read_log

UNCONFIRMED = NotMeasured(
    "no level within the goal passes every rule, so none was tried on the items held out"
)

FIRST = 12
"""Levels that are proposed before the first is audited: what is known then spares the others much."""


def search(
    config: AuditConfig, *, progress: Progress | None = None, command: str = "audit.search(config)"
) -> AuditLog:
    """Search as `config.search` says, or go on where the run folder `config.out` left off.

    The log is written to `audit.json` in that folder; its levels are those that were audited, the largest
    first. Raises ShrinkproofError on unusable input; what was finished by then stays in the folder.
    """
    plan, progress = config.search, progress or Silent()
    if plan is None or not config.holdout:
        raise ConfigError(
            "a search confirms what it finds on items held out: it takes a goal, and a holdout above 0."
        )
    with Store.open(config) as store, recorded(config, store, command) as audit:
        progress.stage("loading the tasks")
        tasks = tasks_of(config)
        register(tasks, config, store)  # the proxies read prompts of these items, and choose by them
        proposer = Proposer(config, store, tasks, progress)
        audits = Audits(config, plan, store, tasks, progress)
        audits.controls()
        trials = audits.choose(proposer.propose(min(FIRST, plan.trials)), beyond=False)
        trials = audits.choose(proposer.propose(plan.trials, candidates(trials)), beyond=False)
        trials = audits.confirm(trials)
        if not any(one.held_out == "pass" for one in trials):
            trials = audits.choose(trials, beyond=True)
        audited = sorted(audits.audited.values(), key=_mildest_first)
        levels = (*config.levels, *(one.level for one in audited))
        audit.config = config = config.model_copy(update={"levels": levels})
        names = ["original", *(level.name for level in levels)]
        audit.variants = tuple(audits.variants[name] for name in names)
        audit.runs = tuple(run for name in names for run in audits.runs[name])
        store.note_runs(audit.runs)
        audit.comparisons = compare(audit.runs, config.suites, store.read, config.seed)
        audit.forgetting = forgotten(audit.runs, config, store.read)
        audit.verdicts = judge(audit.comparisons, config.rules, audit.variants, config.suites)
        audit.efficiency = tuple(audits.efficiency[name] for name in names if name in audits.efficiency)
        audit.budgets = weigh(audit.variants, config, audit.efficiency)
        audit.confirmation = audits.confirmations[-1] if audits.confirmations else UNCONFIRMED
        audit.search = _summary(proposer, trials, audits)
    return read_log(Path(config.out))


def _mildest_first(trial: Trial) -> tuple[float, int]:
    quantity = 0.0 if isinstance(trial.quantity, NotMeasured) else trial.quantity
    return -quantity, trial.number


def _summary(proposer: Proposer, trials: Sequence[Trial], audits: Audits) -> Search:
    found, prepared = outcome(trials, audits.plan.goal), proposer.prepared
    held_out: list[Run] = []
    for one in audits.confirmations:
        held_out += [run for run in one.runs if run not in held_out]
    return Search(
        text=prepared.text, n_tokens=prepared.n_tokens, sampler=proposer.sampler,
        n_combinations=proposer.n_combinations, trials=tuple(trials),
        sensitivities=prepared.sensitivities, preparation=prepared.spent,
        original=_spent(audits.runs["original"]), held_out=_spent(held_out),
        unlucky=tuple(audits.confirmations[:-1]),
        winner=found.winner, beyond=found.beyond, decision=found.decision, because=found.because,
    )  # fmt: skip


def _spent(runs: Sequence[Run]) -> Spent:
    cells = [cell for run in runs for cell in run.cells]
    tokens = sum(cell.tokens for cell in cells if isinstance(cell.tokens, int))
    return Spent(tokens=tokens, seconds=sum(cell.seconds for cell in cells))
