"""What margins allow, where they allow more than the standard policy does."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from audit.errors import ConfigError
from audit.policy import Policy, load_policy
from audit.records import DIVERGENCE, AuditLog, Rule
from reports import reading
from reports.units import Unit
from reports.wording import listed

STANDARD = "standard"
"""The ready policy that others are held against: a convention for a general assistant, and no law."""


def wide(log: AuditLog) -> str:
    """What the wide ones allow, in a sentence for each size; empty where none is.

    Shares and perplexities only: of other metrics the policy's margin is in no unit that it was meant for.
    """
    titles: dict[str, list[str]] = {}
    for rule in log.config.rules:
        usual = _usual(log, rule)
        if usual is not None and rule.margin > usual:
            titles.setdefault(_allowed(log, rule, usual), []).append(reading.rule_title(log, rule))
    return " ".join(f"{listed(list(dict.fromkeys(named)))}: {what}" for what, named in titles.items())


def _usual(log: AuditLog, rule: Rule) -> float | None:
    """The standard policy's margin for what a rule is about; None where it has none to compare."""
    metric = reading.metric_name(log, rule)
    if metric == DIVERGENCE or reading.kind_of(log, rule.suite, metric) not in ("binary", "perplexity"):
        return None
    try:
        return _standard().complete(Rule(suite=rule.suite, metric=metric), log.config.suites).margin
    except ConfigError:  # the config lists no such suite or metric
        return None


def _allowed(log: AuditLog, rule: Rule, usual: float) -> str:
    metric = reading.metric_name(log, rule)
    kind, both = reading.kind_of(log, rule.suite, metric), reading.two_sided(log, rule.suite, metric)
    unit = Unit(kind, rule.margin, two_sided=both)
    most, least = (f"{100 * one:.3g}" for one in (rule.margin, usual))
    if kind == "perplexity":
        return (
            f"a margin of {unit.margin(rule.margin)}{unit.name} lets a level pass whose perplexity is up to "
            f"{most} % higher; the standard policy allows {least} %."
        )
    change = "changes" if both else "loses"
    return (
        f"a margin of {unit.margin(rule.margin)}{unit.name} lets a level pass that {change} up to {most} of "
        f"100 items on balance; the standard policy allows {least}."
    )


@lru_cache(maxsize=1)
def _standard() -> Policy:
    return load_policy(STANDARD, Path())
