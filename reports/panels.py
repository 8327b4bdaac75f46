"""Which metrics of a suite share a plot and a table: those that are counted in one unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.records import AuditLog, Comparison, Metric, Rule, Suite
from reports import reading
from reports.units import Unit
from reports.wording import anchor


@dataclass(frozen=True)
class Panel:
    """Metrics of one unit."""

    metrics: tuple[str, ...]
    unit: Unit
    rules: tuple[Rule, ...]
    """Those about these metrics."""
    id: str
    """Of the suite and, past its first panel, of the metric: unique on a page once prefixed."""
    title: str
    """The suite's title and, where it has several panels, the metrics."""

    def of(self, comparisons: Sequence[Comparison]) -> list[Comparison]:
        """The comparisons that belong here."""
        return [one for one in comparisons if one.metric in self.metrics]

    def label(self, comparison: Comparison) -> str:
        """The level, and the metric where the panel has several."""
        return comparison.variant if len(self.metrics) < 2 else f"{comparison.variant}, {comparison.metric}"


def panels(log: AuditLog, suite: Suite) -> list[Panel]:
    """The panels of a suite: shares together, perplexities together, every other metric by itself."""
    together: dict[str, list[Metric]] = {}
    for metric in suite.metrics:
        alike = metric.kind in ("binary", "perplexity") and not metric.two_sided
        key = f"all of kind {metric.kind}" if alike else metric.name
        together.setdefault(key, []).append(metric)
    return [
        _panel(log, suite, metrics, first=place == 0, only=len(together) == 1)
        for place, metrics in enumerate(together.values())
    ]


def _panel(log: AuditLog, suite: Suite, metrics: list[Metric], *, first: bool, only: bool) -> Panel:
    names = tuple(metric.name for metric in metrics)
    rules = tuple(
        rule
        for rule in log.config.rules
        if rule.suite == suite.name and reading.metric_name(log, rule) in names
    )
    return Panel(
        metrics=names,
        unit=Unit(
            metrics[0].kind,
            min((rule.margin for rule in rules), default=None),
            two_sided=metrics[0].two_sided,
        ),
        rules=rules,
        id=anchor(suite.name) if first else f"{anchor(suite.name)}-{anchor(names[0])}",
        title=suite.title if only else f"{suite.title}, {', '.join(names)}",
    )
