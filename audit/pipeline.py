"""The whole product on one screen: compress, evaluate, compare, judge, weigh, and the log of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from audit.budgets import weigh
from audit.compare import compare
from audit.compress import compress
from audit.confirm import confirm, rejudged
from audit.contests import contests
from audit.duels import duels
from audit.efficiency import measure
from audit.evaluate import as_answered, evaluate
from audit.forgetting import forgotten
from audit.history import past_audits
from audit.judge import judge, settled
from audit.policy import under_policy
from audit.progress import Progress
from audit.recording import recorded
from audit.records import AuditConfig, AuditLog, Run, Variant
from audit.recovery import asked_whole, recoveries
from audit.store import Store, read_log


def run_audit(
    config: AuditConfig, *, progress: Progress | None = None, command: str = "audit.run_audit(config)"
) -> AuditLog:
    """Run the audit of `config`, or go on with it where the run folder `config.out` left off.

    The log is written to `audit.json` in that folder. Raises ShrinkproofError on unusable input;
    what was finished by then stays in the folder.
    """
    with Store.open(config) as store, recorded(config, store, command) as audit:
        audit.history = past_audits(config)
        audit.variants = compress(config, store, progress)

        def decided(runs: Sequence[Run]) -> frozenset[str]:
            so_far = compare(runs, config.suites, store.read, config.seed, in_detail=False)
            claimed = asked_whole(runs[-1].variant, config)
            return settled(so_far, config.rules, config.suites) - claimed

        audit.runs = evaluate(audit.variants, config, store, progress, decided)
        audit.variants = as_answered(audit.variants, audit.runs, config)
        audit.comparisons = compare(audit.runs, config.suites, store.read, config.seed)
        audit.links = compare(
            audit.runs, config.suites, store.read, config.seed, in_detail=False, against=config.links
        )
        audit.duels = duels(audit.runs, config, store.read)
        audit.contests = contests(audit.runs, config, store.read)
        audit.recoveries = recoveries(audit.runs, config, store.read)
        audit.forgetting = forgotten(audit.runs, config, store.read)
        audit.verdicts = judge(audit.comparisons, config.rules, audit.variants, config.suites)
        audit.efficiency = measure(audit.variants, config, store, progress)
        audit.budgets = weigh(audit.variants, config, audit.efficiency)
        audit.confirmation = confirm(audit.variants, audit.verdicts, audit.budgets, config, store, progress)
    return read_log(Path(config.out))


def make_variants(config: AuditConfig, *, progress: Progress | None = None) -> tuple[Variant, ...]:
    """The original and every level of it, made, checked, and kept in the run folder for `run_audit`."""
    with Store.open(config) as store:
        return compress(config, store, progress)


def gate(run: Path, policy: str | None = None) -> AuditLog:
    """The log of a finished run, judged again from its comparisons: under its own rules, or post hoc."""
    log = read_log(run)
    config = log.config if policy is None else under_policy(log.config, policy)
    verdicts = judge(log.comparisons, config.rules, log.variants, config.suites)
    budgets = weigh(log.variants, config, log.efficiency)
    confirmation = rejudged(log.confirmation, log.variants, config)
    found = {"verdicts": verdicts, "budgets": budgets, "confirmation": confirmation}
    return log.model_copy(update={"config": config, **found})
