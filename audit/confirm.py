"""The best variant once more, on items that nobody chose it by.

Of many candidates the one that looks best is partly the luckiest, and of many levels one may pass by chance:
each verdict keeps its own error, the choice among them does not. So a share of the items is held out, and
the chosen one alone is asked them, under the same rules.
"""

from __future__ import annotations

from collections.abc import Sequence

from audit.compare import compare
from audit.errors import StoreError
from audit.evaluate import evaluate_held_out
from audit.harness import LoadedTask
from audit.judge import judge
from audit.progress import Progress
from audit.records import AuditConfig, BudgetVerdict, Confirmation, NotMeasured, Variant, Verdict
from audit.store import Store

UNCHOSEN = NotMeasured("items were held out, and no variant passes every rule and budget to be confirmed")


def confirm(
    variants: Sequence[Variant], verdicts: Sequence[Verdict], budgets: Sequence[BudgetVerdict],
    config: AuditConfig, store: Store, progress: Progress | None = None,
) -> Confirmation | NotMeasured:  # fmt: skip
    """The smallest variant that passes everything that blocks, judged by the items held out alone."""
    if not config.holdout:
        return NotMeasured("no items were held out")
    passing = [one for one in variants if _passes(one, verdicts, budgets, config)]
    if not passing:
        return UNCHOSEN
    best = min(passing, key=_size)
    among = (
        "the only one that passes" if len(passing) == 1 else f"the smallest of the {len(passing)} that pass"
    )
    return confirmed(best, f"{among} every rule and budget", variants[0], config, store, progress)


def confirmed(
    best: Variant, chosen: str, original: Variant, config: AuditConfig, store: Store,
    progress: Progress | None = None, shared_by: int = 1, tasks: Sequence[LoadedTask] | None = None,
) -> Confirmation:  # fmt: skip
    """That variant judged by the items held out alone; `chosen` says how it was chosen.

    `shared_by`: variants that may be tried so, which share the error of each rule. `tasks`: those of the
    config, where they are loaded already.
    """
    runs = evaluate_held_out((original, best), config, store, progress, tasks)
    comparisons = compare(runs, config.suites, store.read, config.seed)
    found = Confirmation(
        variant=best.name, chosen=chosen, runs=runs, comparisons=comparisons, verdicts=(),
        shared_by=shared_by,
    )  # fmt: skip
    return _judged(found, best, config)


def rejudged(
    found: Confirmation | NotMeasured, variants: Sequence[Variant], config: AuditConfig
) -> Confirmation | NotMeasured:
    """The same numbers under the rules of `config`; raises StoreError if they are of none of the variants."""
    if isinstance(found, NotMeasured):
        return found
    for one in variants:
        if one.name == found.variant:
            return _judged(found, one, config)
    raise StoreError(f"the log confirms '{found.variant}', which is none of its variants. Was it edited?")


def _judged(found: Confirmation, best: Variant, config: AuditConfig) -> Confirmation:
    verdicts = judge(found.comparisons, found.rules(config.rules), (best,), config.suites)
    return found.model_copy(update={"verdicts": verdicts})


def _passes(
    variant: Variant, verdicts: Sequence[Verdict], budgets: Sequence[BudgetVerdict], config: AuditConfig
) -> bool:
    """Whether it is a product that passes everything that blocks."""
    decisions = [one.decision for one in verdicts if one.variant == variant.name and one.rule.blocks]
    decisions += [one.decision for one in budgets if one.variant == variant.name and one.budget.blocks]
    blocking = sum(one.blocks for one in config.rules) + sum(one.blocks for one in config.budgets)
    product = variant.level is not None and not variant.is_control
    return product and blocking > 0 and decisions == ["pass"] * blocking


def _size(variant: Variant) -> float:
    """Bytes; of one whose files were not seen, more than any."""
    return float("inf") if isinstance(variant.size_bytes, NotMeasured) else variant.size_bytes
