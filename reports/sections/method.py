"""How it was measured and decided, in plain words, with the rules that were fixed before."""

from __future__ import annotations

from audit.records import AuditLog, Interval
from reports import reading
from reports.section import Section
from reports.tables import Cell, Column, Table
from reports.templating import draw
from reports.wording import points


def section(log: AuditLog) -> Section:
    """The method, and the table of rules."""
    html = draw(
        "method.html.j2",
        log=log,
        products=[level.name for level in reading.products(log)],
        needing=[suite.title for suite in log.config.suites if suite.needs_competence],
        methods=_methods(log),
        scorers=sorted({cell.scorer for run in log.runs for cell in run.cells}),
        rules=_rules(log),
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
        Column("Margin, points", numeric=True),
        Column("Alpha, one-sided", numeric=True),
        Column("Why this margin", wide=True),
    )
    rows: list[list[Cell]] = [
        [
            reading.suite_title(log, rule.suite),
            rule.metric or "the suite's first",
            points(rule.margin),
            f"{rule.alpha:g}",
            rule.because,
        ]
        for rule in log.config.rules
    ]
    return Table("The rules, fixed before the run", columns, rows)


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
            ", ".join(
                f"{task.name} ({'as the task says' if task.num_fewshot is None else task.num_fewshot})"
                for task in suite.tasks
            ),
            metric.name,
            metric.per,
            f"{metric.unit}; {'higher' if metric.higher_is_better else 'lower'} is better",
            metric.source,
        ]
        for suite in log.config.suites
        for metric in suite.metrics
    ]
    return Table("What was counted", columns, rows)
