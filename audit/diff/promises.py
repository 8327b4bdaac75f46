"""Rules and budgets of two runs side by side: what was kept then, what is kept now.

Each run's own verdicts stand. Where the terms of a promise were changed, the later numbers are held against
the earlier terms as well, so that a pass by looser terms is not taken for one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from audit.budgets import weigh
from audit.changes import Promised
from audit.confirm import rejudged
from audit.judge import judge
from audit.records import (
    DIVERGENCE,
    AuditLog,
    Budget,
    BudgetVerdict,
    Confirmation,
    Decision,
    Rule,
    Verdict,
)

_Key = tuple[str, ...]
"""Level and subject of a promise, and its place among those of the same subject."""
_HELD_OUT = "held out"
"""Ends the key of what was judged once more, on the items held out."""


def promises(before: AuditLog, after: AuditLog) -> Iterator[Promised]:
    """Every promise of either run, in the later one's order."""
    terms, found = (_promised(before), _promised(after)), (_judged(before), _judged(after))
    changed = {
        key for key in terms[0].keys() & terms[1].keys() if _terms(terms[0][key]) != _terms(terms[1][key])
    }
    again = _by_earlier_terms(before, after) if changed else {}
    levels = {level.name for level in after.config.levels}
    mute = {level.name for level in after.config.levels if level.computed_in}  # as the audit's own decision
    for key in dict.fromkeys([*terms[1], *terms[0]]):
        old, new = (side.get(key) for side in terms)
        if new is None and _HELD_OUT in key and isinstance(after.confirmation, Confirmation):
            continue  # another one was chosen, and is asked them in its place
        yield Promised(
            level=key[0],
            before=old,
            after=new,
            found_before=found[0].get(key),
            found_after=found[1].get(key),
            by_earlier_terms=again.get(key) if key in changed else None,
            has_say=key[0] not in mute and any(one.blocks for one in (old, new) if one),
            level_stays=key[0] in levels,
            held_out=_HELD_OUT in key,
        )


def _promised(log: AuditLog) -> dict[_Key, Rule | Budget]:
    """All that is promised of each level, judged or not."""
    found: dict[_Key, Rule | Budget] = {}
    for level in log.config.levels:
        budgets = () if level.is_control else log.config.budgets
        found |= dict(_numbered(log, level.name, (*log.config.rules, *budgets)))
    return found | {key: _promise(verdict) for key, verdict in _judged(log).items()}


def _judged(log: AuditLog) -> dict[_Key, Verdict | BudgetVerdict]:
    found: dict[_Key, Verdict | BudgetVerdict] = {}
    for level in log.config.levels:
        verdicts = [one for one in _all(log) if one.variant == level.name]
        keys = (key for key, _ in _numbered(log, level.name, map(_promise, verdicts)))
        found |= dict(zip(keys, verdicts, strict=True))
    if isinstance(log.confirmation, Confirmation):
        best, again = log.confirmation.variant, log.confirmation.verdicts
        keys = ((*key, _HELD_OUT) for key, _ in _numbered(log, best, map(_promise, again)))
        found |= dict(zip(keys, again, strict=True))
    return found


def _all(log: AuditLog) -> tuple[Verdict | BudgetVerdict, ...]:
    return (*log.verdicts, *log.budgets)


def _numbered(
    log: AuditLog, level: str, promised: Iterable[Rule | Budget]
) -> Iterator[tuple[_Key, Rule | Budget]]:
    seen: Counter[_Key] = Counter()
    for promise in promised:
        subject = (level, *_subject(log, promise))
        seen[subject] += 1
        yield (*subject, str(seen[subject])), promise


def _subject(log: AuditLog, promise: Rule | Budget) -> _Key:
    """What a promise is about, whatever it says of that."""
    if isinstance(promise, Budget):
        return "budget", promise.quantity, str(promise.context or "")
    return "rule", promise.suite, promise.metric or _first_metric(log, promise.suite)


def _first_metric(log: AuditLog, name: str) -> str:
    return next((suite.metrics[0].name for suite in log.config.suites if suite.name == name), "")


def _promise(verdict: Verdict | BudgetVerdict) -> Rule | Budget:
    return verdict.rule if isinstance(verdict, Verdict) else verdict.budget


def _terms(promise: Rule | Budget) -> dict[str, object]:
    """What decides: neither the reason given for it, nor whether the first metric is named."""
    return promise.model_dump(exclude={"because", "metric"})


def _by_earlier_terms(before: AuditLog, after: AuditLog) -> dict[_Key, Decision]:
    """What the later run's numbers are by the earlier run's promises, where it has what they are about."""
    metrics = {
        suite.name: {None, DIVERGENCE, *(one.name for one in suite.metrics)} for suite in after.config.suites
    }
    rules = tuple(rule for rule in before.config.rules if rule.metric in metrics.get(rule.suite, ()))
    config = after.config.model_copy(
        update={
            "rules": rules,
            "budgets": before.config.budgets,
            "device_profile": before.config.device_profile,
        }
    )
    verdicts = judge(after.comparisons, rules, after.variants, after.config.suites)
    budgets = weigh(after.variants, config, after.efficiency)
    confirmation = rejudged(after.confirmation, after.variants, config)
    found = {"verdicts": verdicts, "budgets": budgets, "confirmation": confirmation}
    held = after.model_copy(update={"config": config, **found})
    return {key: verdict.decision for key, verdict in _judged(held).items()}
