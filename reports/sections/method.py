"""How it was measured and decided, in plain words, with the rules that were fixed before."""

from __future__ import annotations

from audit.records import DIVERGENCE, AuditLog, Interval, Rule, Suite
from reports import controls, reading
from reports.marks import REPORTED
from reports.section import Section
from reports.tables import Cell, Column, Table
from reports.templating import draw
from reports.units import Unit
from reports.wording import count, rate


def section(log: AuditLog) -> Section:
    """The method, and the table of rules."""
    html = draw(
        "method.html.j2",
        log=log,
        otherwise=controls.otherwise(log),
        products=[one.name for one in reading.products(log) if not one.is_candidate],
        candidates=[one.name for one in reading.products(log) if one.is_candidate],
        needing=[suite.title for suite in log.config.suites if suite.needs_competence],
        methods=_methods(log),
        scorers=sorted({cell.scorer for run in log.runs for cell in run.cells}),
        rules=_rules(log),
        post_hoc=reading.post_hoc(log),
        kinds={metric.kind for suite in log.config.suites for metric in suite.metrics},
        metrics=_metrics(log),
    )
    return Section("method", "Method", html)


def _methods(log: AuditLog) -> list[str]:
    """The ways in which this audit's numbers were computed, as the log names them."""
    named = {comparison.method for comparison in log.comparisons}
    named |= {c.interval.method for c in log.comparisons if isinstance(c.interval, Interval)}
    return sorted(named)


def _rules(log: AuditLog) -> Table:
    columns = (
        Column("Suite"),
        Column("Metric"),
        Column("Margin", numeric=True),
        Column("Alpha, one-sided", numeric=True),
        Column("Ceiling"),
        Column("Fewest pairs", numeric=True),
        Column("Clusters"),
        Column("Blocks?"),
        Column("Why this margin", wide=True),
    )
    when = "changed after the items were scored" if reading.post_hoc(log) else "fixed before the run"
    rows = [_rule_row(log, rule) for rule in log.config.rules]
    return Table(f"The rules, {when} (policy: {log.config.policy})", columns, rows)


def _rule_row(log: AuditLog, rule: Rule) -> list[Cell]:
    metric = reading.metric_name(log, rule)
    both = reading.two_sided(log, rule.suite, metric)
    unit = Unit(reading.kind_of(log, rule.suite, metric), rule.margin, two_sided=both)
    clusters = [suite.cluster_by for suite in log.config.suites if suite.name == rule.suite]
    return [
        reading.suite_title(log, rule.suite),
        "KL divergence" if metric == DIVERGENCE else metric,
        f"{unit.margin(rule.margin)}{unit.name}",
        f"{rule.alpha:g}",
        "none" if rule.ceiling is None else f"{rate(rule.ceiling)} bad at most",
        count(rule.min_pairs),
        rule.cluster or next(iter(clusters), None) or "none",
        "yes" if rule.blocks else REPORTED,
        rule.because,
    ]


def _metrics(log: AuditLog) -> Table:
    columns = (
        Column("Suite"),
        Column("Tasks (shots)", wide=True),
        Column("Metric"),
        Column("Counts once per"),
        Column("Unit", wide=True),
        Column("Source", wide=True),
    )
    rows: list[list[Cell]] = [
        [
            suite.title,
            _asked(log, suite),
            metric.name,
            metric.per,
            f"{metric.unit}; {'higher' if metric.higher_is_better else 'lower'} is better",
            metric.source,
        ]
        for suite in log.config.suites
        for metric in suite.metrics
    ]
    return Table("What was counted", columns, rows)


def _asked(log: AuditLog, suite: Suite) -> str:
    """The tasks with their shots, and what their items were perturbed by."""
    asked = {cell.task: cell.num_fewshot for run in log.runs if run.suite == suite.name for cell in run.cells}
    tasks = ", ".join(
        f"{task.name} ({_shots(asked.get(task.name, task.num_fewshot))})" for task in suite.tasks
    )
    if not suite.perturb:
        return tasks
    return f"{tasks}; clean and perturbed ({', '.join(suite.perturb)}; severity {suite.severity})"


def _shots(number: int | None) -> str:
    return "as many as the task says" if number is None else count(number)
