"""What verdicts rest on, and the gates before the drop is looked at.

In this order: is the pairing whole, does the probe measure anything on the original, and is the variant
above the accuracy floor where a suite needs that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.records import DIVERGENCE, Comparison, Metric, NotMeasured, Rule, Suite
from audit.rounding import rounded

FLOOR_SUITE = "accuracy"
"""Suite that shows whether a variant can still answer; without it, any suite that needs no such proof."""


@dataclass(frozen=True)
class Evidence:
    """All that verdicts rest on, by name."""

    comparisons: dict[tuple[str, str, str], Comparison]
    """Whole-suite comparisons by variant, suite and metric."""
    suites: dict[str, Suite]
    controls: tuple[str, ...] = ()
    """Names of the variants that are the original measured again."""

    def metric(self, rule: Rule) -> Metric | None:
        """The metric that the rule is about; None: the audit has no such suite or metric."""
        suite = self.suites.get(rule.suite)
        if suite is None or rule.metric == DIVERGENCE:
            return None
        named = [metric for metric in suite.metrics if rule.metric in (None, metric.name)]
        return named[0] if named else None

    def comparison(self, rule: Rule, variant: str) -> Comparison | None:
        """The comparison that the rule is about; of the divergence, that of the suite's first metric."""
        suite, metric = self.suites.get(rule.suite), self.metric(rule)
        if suite is not None and rule.metric == DIVERGENCE:
            metric = suite.metrics[0]
        return self.comparisons.get((variant, rule.suite, metric.name)) if metric else None

    def known(self, rule: Rule, variant: str) -> Comparison:
        """The same, where `unread` found no fault."""
        comparison = self.comparison(rule, variant)
        if comparison is None:
            raise LookupError(f"no comparison of {variant} in {rule.suite}")
        return comparison

    def first_metric(self, suite: str) -> str:
        """Name of what is judged where a rule names nothing."""
        return self.suites[suite].metrics[0].name if suite in self.suites else "first metric"

    def floor(self, rule: Rule) -> Comparison | None:
        """The control that is furthest from the original; None where the audit has none."""
        found = [one for name in self.controls if (one := self.comparison(rule, name)) is not None]
        return max(found, key=_distance, default=None)


def _distance(comparison: Comparison) -> float:
    """Size of the drop; below every one where there is none."""
    return -1.0 if isinstance(comparison.difference, NotMeasured) else abs(comparison.difference)


def unread(rule: Rule, variant: str, evidence: Evidence) -> str | None:
    """Why the rule can't be read on the variant; None where it can."""
    suite = evidence.suites.get(rule.suite)
    if suite is None:
        return f"this audit has no suite {rule.suite!r}"
    comparison, metric = evidence.comparison(rule, variant), evidence.metric(rule)
    if metric is None and rule.metric != DIVERGENCE:
        return f"suite {rule.suite!r} has no metric {rule.metric!r}"
    if comparison is None:
        return f"suite {rule.suite!r} was not measured on {variant!r}"
    return (
        _incomplete(comparison)
        or _probe_is_blind(comparison, metric)
        or below_floor(suite, variant, evidence)
    )


def _incomplete(comparison: Comparison) -> str | None:
    """Why the pairing is not whole."""
    if isinstance(comparison.difference, NotMeasured):
        return comparison.difference.reason
    if comparison.n_unpaired_before or comparison.n_unpaired_after:
        return (
            f"without a partner: {comparison.n_unpaired_before} of the original and "
            f"{comparison.n_unpaired_after} of the variant, beside {comparison.n_pairs} pairs"
        )
    return None


def _probe_is_blind(comparison: Comparison, metric: Metric | None) -> str | None:
    """Why the original's own result is no yardstick: it is not above guessing."""
    if metric is None or not metric.higher_is_better or isinstance(comparison.before_lower, NotMeasured):
        return None
    floor = guessing(comparison)
    if comparison.before_lower > floor:
        return None
    return (
        "the probe measures nothing on this model: the original's lower bound "
        f"{_percent(comparison.before_lower)} is not above chance {_percent(floor)}"
    )


def below_floor(suite: Suite, variant: str, evidence: Evidence) -> str | None:
    """Why a suite that needs a competent model can't be read on this variant."""
    if not suite.needs_competence:
        return None
    floors = floor_suites(list(evidence.suites.values()))
    if not floors:
        return f"not read: no suite here shows that the variant can answer at all; add {FLOOR_SUITE!r}"
    reasons = [_below(floor, variant, evidence) for floor in floors]
    return None if None in reasons else f"not read: {reasons[0]}"


def _below(floor: Suite, variant: str, evidence: Evidence) -> str | None:
    comparison = evidence.comparisons.get((variant, floor.name, floor.metrics[0].name))
    reason = "" if comparison is None else sunk(comparison)
    if comparison is None or isinstance(reason, NotMeasured):
        return f"the accuracy floor, suite {floor.name!r}, was not measured"
    return reason and f"below the accuracy floor, in suite {floor.name!r} {reason}"


def sunk(comparison: Comparison) -> str | NotMeasured | None:
    """Why a variant may know nothing; None where it has more than half of what the original knows.

    Beating chance is not enough: a model that knows nothing but likes some answers, the same ones in all
    items, can be right more often than who guesses each item anew.
    """
    chance, most = guessing(comparison), most_to_lose(comparison)
    lower, drop = comparison.after_lower, comparison.interval
    if isinstance(lower, NotMeasured):
        return lower
    if lower <= chance:
        return f"the lower bound {_percent(lower)} is not above chance {_percent(chance)}"
    if isinstance(most, NotMeasured):
        return most
    if isinstance(drop, NotMeasured):
        return drop
    if drop.upper < most:
        return None
    lost, half = 100 * drop.upper, 100 * most
    return (
        f"it may have lost {rounded(lost, 2)} points; half of what the original has above chance is "
        f"{rounded(half, 2)}"
    )


def most_to_lose(comparison: Comparison) -> float | NotMeasured:
    """Half of what the original has above guessing: a variant that may have lost it is called broken."""
    before = comparison.before
    return before if isinstance(before, NotMeasured) else (before - guessing(comparison)) / 2


def floor_suites(suites: Sequence[Suite]) -> list[Suite]:
    """Those that show whether a variant can answer at all."""
    fit = [suite for suite in suites if not suite.needs_competence and _counts_right(suite.metrics[0])]
    return [suite for suite in fit if suite.name == FLOOR_SUITE] or fit


def _counts_right(metric: Metric) -> bool:
    """Whether chance is a floor for it: of harms, a model that never answers has the lowest share."""
    return metric.kind == "binary" and metric.higher_is_better


def guessing(comparison: Comparison) -> float:
    """Rate that guessing reaches; 0 in free generation, where a single right answer is more than luck."""
    return 0.0 if isinstance(comparison.chance, NotMeasured) else comparison.chance


def _percent(share: float) -> str:
    """A share as a percentage."""
    return f"{rounded(100 * share, 2)} %"
