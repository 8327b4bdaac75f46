"""Finds things in an audit log: the questions that several sections ask."""

from __future__ import annotations

from datetime import date

from audit.records import (
    DIVERGENCE,
    AuditLog,
    Budget,
    BudgetVerdict,
    Comparison,
    Decision,
    Level,
    Metric,
    NotMeasured,
    Registration,
    Rule,
    Suite,
    Variant,
    Verdict,
    together,
)
from audit.scale import Kind
from reports.index import index


def model_title(log: AuditLog) -> str:
    """The original's name for a headline: the hub's name, or the last part of the folder's."""
    model = log.config.model
    return model.name if model.revision else model.name.rstrip("/").rpartition("/")[2] or model.name


def log_sha256(log: AuditLog) -> str:
    """Of `audit.json`, which is the log's one byte form."""
    return index(log).sha256


def day(log: AuditLog) -> date | NotMeasured:
    """When the audit ended."""
    try:
        return date.fromisoformat(log.provenance.finished[:10])
    except ValueError:
        return NotMeasured(f"the log says that it ended at '{log.provenance.finished}', which is no date")


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
    return list(index(log).verdicts[level.name])


def budgets_of(log: AuditLog, level: Level) -> list[BudgetVerdict]:
    """The verdicts on a level's artefact, in the order of the budgets."""
    return [verdict for verdict in log.budgets if verdict.variant == level.name]


def verdict_on(log: AuditLog, comparison: Comparison) -> Verdict | None:
    """The verdict that a comparison of a whole suite led to, one that blocks before one that doesn't.

    None for a metric that no rule judges.
    """
    found = index(log).on[comparison.variant, comparison.suite, comparison.metric]
    return next((verdict for verdict in found if verdict.rule.blocks), next(iter(found), None))


def comparison_of(log: AuditLog, verdict: Verdict) -> Comparison | None:
    """The comparison that a verdict judged, of a divergence that of the suite's first metric.

    None when it could not be made.
    """
    metric = verdict.metric
    if metric == DIVERGENCE:
        metric = next((s.metrics[0].name for s in log.config.suites if s.name == verdict.rule.suite), metric)
    found = index(log).comparisons[verdict.rule.suite, verdict.variant]
    return next((one for one in found if one.group is None and one.metric == metric), None)


def held_out(log: AuditLog, level: Level | None = None) -> AuditLog | None:
    """What was found on the items held out, as a log of those alone.

    None where nothing was confirmed, or of another level than that.
    """
    found = index(log).held_out
    return found if found and level in (None, *found.config.levels) else None


def decision_on(log: AuditLog, level: Level) -> Decision:
    """One word for a level, by the rules and budgets that block, on the items held out too.

    Passes only in a finished audit, when each of them was judged and passed: over all levels the same as
    the audit's own decision. Of what a search proposed only the winner can pass, which was confirmed.
    """
    decisions = [verdict.decision for verdict in verdicts_of(log, level) if verdict.rule.blocks]
    decisions += [verdict.decision for verdict in budgets_of(log, level) if verdict.budget.blocks]
    if alone := held_out(log, level):
        decisions += [verdict.decision for verdict in alone.verdicts if verdict.rule.blocks]
    missing = [*unjudged(log, level), *unweighed(log, level)]
    return together(decisions, whole=log.status == "finished" and not missing and not unconfirmed(log, level))


def unconfirmed(log: AuditLog, level: Level) -> bool:
    """Whether a search proposed the level and did not confirm it on items held out."""
    winner = log.search.winner if log.search else None
    return level.searched and log.config.search is not None and winner != level.name


def unjudged(log: AuditLog, level: Level) -> list[Rule]:
    """Rules that block, without a verdict on a level."""
    judged = [verdict.rule for verdict in verdicts_of(log, level)]
    return [rule for rule in log.config.rules if rule.blocks and rule not in judged]


def unweighed(log: AuditLog, level: Level) -> list[Budget]:
    """Budgets that block, without a verdict on a level; the control has none."""
    weighed = [verdict.budget for verdict in budgets_of(log, level)]
    if level.is_control:
        return []
    return [budget for budget in log.config.budgets if budget.blocks and budget not in weighed]


def post_hoc(log: AuditLog) -> bool:
    """Whether the rules are others than those that were registered before the first item was scored."""
    registered = log.registered
    return isinstance(registered, Registration) and registered.policy_sha256 != log.config.policy_sha256


def spared(comparison: Comparison) -> int:
    """Planned pairs of a whole suite that were not asked; those without a partner were asked."""
    if comparison.n_planned is None:
        return 0
    return max(comparison.n_planned - comparison.n_pairs - comparison.n_unpaired_before, 0)


def metric_name(log: AuditLog, rule: Rule) -> str:
    """The metric that a rule judges: the suite's first where it names none."""
    firsts = [suite.metrics[0].name for suite in log.config.suites if suite.name == rule.suite]
    return rule.metric or next(iter(firsts), "the suite's first")


def kind_of(log: AuditLog, suite: str, metric: str) -> Kind:
    """The kind of a metric; right or wrong where the config doesn't list it."""
    if metric == DIVERGENCE:
        return "kl"
    return next((one.kind for one in _metrics(log, suite) if one.name == metric), "binary")


def two_sided(log: AuditLog, suite: str, metric: str) -> bool:
    """Whether a change of the metric either way is damage."""
    return any(one.two_sided for one in _metrics(log, suite) if one.name == metric)


def higher_is_better(log: AuditLog, suite: str, metric: str) -> bool:
    """Whether more of the metric is better."""
    return any(one.higher_is_better for one in _metrics(log, suite) if one.name == metric)


def rule_title(log: AuditLog, rule: Rule) -> str:
    """The suite's title, and the metric where several rules are about the suite."""
    title = suite_title(log, rule.suite)
    if sum(other.suite == rule.suite for other in log.config.rules) < 2 and rule.metric != DIVERGENCE:
        return title
    metric = metric_name(log, rule)
    return f"{title} ({'KL divergence' if metric == DIVERGENCE else metric})"


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


def _metrics(log: AuditLog, suite: str) -> tuple[Metric, ...]:
    """The metrics of a suite by its name."""
    return next((one.metrics for one in log.config.suites if one.name == suite), ())


def _of(log: AuditLog, suite: Suite, level: Level) -> list[Comparison]:
    """All comparisons of one suite and level."""
    return list(index(log).comparisons[suite.name, level.name])
