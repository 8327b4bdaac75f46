"""Finds things in an audit log: the questions that several sections ask."""

from __future__ import annotations

from audit.records import AuditLog, Comparison, Decision, Level, NotMeasured, Rule, Suite, Variant, Verdict


def model_title(log: AuditLog) -> str:
    """The original's name for a headline: the hub's name, or the last part of the folder's."""
    model = log.config.model
    return model.name if model.revision else model.name.rstrip("/").rpartition("/")[2] or model.name


def products(log: AuditLog) -> list[Level]:
    """The levels that somebody could ship, mildest first."""
    return [level for level in log.config.levels if not level.is_control]


def controls(log: AuditLog) -> list[Level]:
    """The levels that only measure the original once more."""
    return [level for level in log.config.levels if level.is_control]


def original(log: AuditLog) -> Variant | None:
    """The variant that everything is compared with; None when the audit stopped before it."""
    return next((variant for variant in log.variants if variant.level is None), None)


def variant_of(log: AuditLog, level: Level) -> Variant | None:
    """The artefact of a level; None when the audit stopped before it."""
    return next((variant for variant in log.variants if variant.name == level.name), None)


def wholes(log: AuditLog, suite: Suite, level: Level) -> list[Comparison]:
    """Comparisons over all items of a suite, one per metric."""
    return [c for c in _of(log, suite, level) if c.group is None]


def groups(log: AuditLog, suite: Suite, level: Level) -> list[Comparison]:
    """Comparisons within the groups of a suite."""
    return [c for c in _of(log, suite, level) if c.group is not None]


def verdicts_of(log: AuditLog, level: Level) -> list[Verdict]:
    """The verdicts on a level, in the order of the rules."""
    return [verdict for verdict in log.verdicts if verdict.variant == level.name]


def verdict_on(log: AuditLog, comparison: Comparison) -> Verdict | None:
    """The verdict that a comparison of a whole suite led to; None for a metric that no rule judges."""
    for verdict in log.verdicts:
        same = (verdict.variant, verdict.rule.suite, verdict.metric)
        if same == (comparison.variant, comparison.suite, comparison.metric):
            return verdict
    return None


def comparison_of(log: AuditLog, verdict: Verdict) -> Comparison | None:
    """The comparison that a verdict judged; None when it could not be made."""
    for comparison in log.comparisons:
        if comparison.group is None and verdict_on(log, comparison) == verdict:
            return comparison
    return None


def decision_on(log: AuditLog, level: Level) -> Decision:
    """One word for a level: passes only in a finished audit, when every rule was judged and passed."""
    verdicts = verdicts_of(log, level)
    decisions = [verdict.decision for verdict in verdicts]
    if "fail" in decisions:
        return "fail"
    if log.status == "finished" and not unjudged(log, level) and set(decisions) == {"pass"}:
        return "pass"
    return "inconclusive"


def unjudged(log: AuditLog, level: Level) -> list[Rule]:
    """Rules without a verdict on a level."""
    judged = [verdict.rule for verdict in verdicts_of(log, level)]
    return [rule for rule in log.config.rules if rule not in judged]


def suite_title(log: AuditLog, name: str) -> str:
    """The title of a suite, or its name when the config doesn't list it."""
    return next((suite.title for suite in log.config.suites if suite.name == name), name)


def above_chance(lower: float | NotMeasured, chance: float | NotMeasured) -> bool | NotMeasured:
    """Whether a rate's lower bound lies above the rate of guessing."""
    if isinstance(lower, NotMeasured):
        return lower
    if isinstance(chance, NotMeasured):
        return chance
    return lower > chance


def _of(log: AuditLog, suite: Suite, level: Level) -> list[Comparison]:
    """All comparisons of one suite and level."""
    return [c for c in log.comparisons if (c.suite, c.variant) == (suite.name, level.name)]
