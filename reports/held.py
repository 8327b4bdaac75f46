"""A verdict's drop, held against its margin, in the unit that a reader counts in."""

from __future__ import annotations

import math
from dataclasses import dataclass

from audit.records import (
    DIVERGENCE,
    AuditLog,
    Comparison,
    Divergence,
    Estimate,
    Interval,
    Look,
    NotMeasured,
    Verdict,
)
from audit.statistics import estimates
from audit.statistics.drop import value as drop_of
from audit.statistics.sequential import boundaries
from reports import reading
from reports.units import Unit

ALPHA = 0.05
"""One-sided error of each end of the interval of a divergence, as of the intervals in the log."""
CONFIDENCE = 0.9
_SAME = 1e-6
"""Relative difference of two errors that are the same: a confidence is 1 less twice the error."""
DAMAGE = 0.05
"""Holm-adjusted p-value below which a level is called detectably worse."""


@dataclass(frozen=True)
class Held:
    """What a rule looked at, beside the limit that it set."""

    verdict: Verdict
    unit: Unit
    drop: float | NotMeasured
    interval: Interval | NotMeasured
    """The 90 % interval: of what size the drop is."""
    bounds: Interval | NotMeasured
    """Those that decide, wider where a look may spend less error; of a log that holds none, the interval."""
    early: Look | None = None
    """The look that they are of, where more items were asked after it: the drop over those is another one."""

    @property
    def drop_then(self) -> float | NotMeasured:
        """The drop over the items that the bounds are of."""
        return self.drop if self.early is None else drop_of(self.early)

    @property
    def margin(self) -> str:
        """The margin as a number, without its unit."""
        return self.unit.margin(self.verdict.rule.margin)

    @property
    def excess(self) -> float | NotMeasured:
        """The drop less the margin, on the reader's scale."""
        return self.drop if isinstance(self.drop, NotMeasured) else self._over(self.drop)

    @property
    def reach(self) -> float | NotMeasured:
        """The upper bound that decides less the margin, on the reader's scale: negative is room to spare."""
        return self.bounds if isinstance(self.bounds, NotMeasured) else self._over(self.bounds.upper)

    @property
    def in_margins(self) -> float | NotMeasured:
        """The drop over the margin; of a change either way its size."""
        if isinstance(self.drop, NotMeasured):
            return self.drop
        return (abs(self.drop) if self.unit.two_sided else self.drop) / self._limit

    @property
    def ends_in_margins(self) -> tuple[float, float] | NotMeasured:
        """Both ends of the interval over the margin; of a change either way those of its size."""
        return self._in_margins(self.interval)

    def _in_margins(self, interval: Interval | NotMeasured) -> tuple[float, float] | NotMeasured:
        if isinstance(interval, NotMeasured):
            return interval
        lower, upper = interval.lower / self._limit, interval.upper / self._limit
        if not self.unit.two_sided:
            return lower, upper
        return (0.0 if lower <= 0 <= upper else min(abs(lower), abs(upper))), max(abs(lower), abs(upper))

    @property
    def strain(self) -> float:
        """The deciding upper bound in margins, to rank rules of any unit by; unknown is the most."""
        ends = self._in_margins(self.bounds)
        return float("inf") if isinstance(ends, NotMeasured) else ends[1]

    @property
    def size(self) -> float:
        """The drop in margins; unknown is the least."""
        seen = self.in_margins
        return float("-inf") if isinstance(seen, NotMeasured) else seen

    @property
    def unread(self) -> bool:
        """Whether the rule could not be read, so that its numbers decide nothing."""
        return self.verdict.decision == "inconclusive" and isinstance(self.verdict.p_value, NotMeasured)

    @property
    def detectably_worse(self) -> bool:
        """Whether there is a drop above 0, after Holm's correction over all levels and rules."""
        adjusted = self.verdict.p_worse_adjusted
        return not isinstance(adjusted, NotMeasured) and adjusted < DAMAGE

    @property
    def worse_alone(self) -> bool:
        """Whether the rule shows a drop above 0 by itself, and all levels and rules together don't."""
        adjusted, bounds = self.verdict.p_worse_adjusted, self.bounds
        if isinstance(adjusted, NotMeasured) or isinstance(bounds, NotMeasured) or self.unread:
            return False
        return adjusted >= DAMAGE and (bounds.lower > 0 or (self.unit.two_sided and bounds.upper < 0))

    @property
    def _limit(self) -> float:
        return self.unit.limit(self.verdict.rule.margin)

    def _over(self, drop: float) -> float:
        return self.unit.scale.shown(drop) - self.unit.scale.shown(self._limit)


def held(log: AuditLog, verdict: Verdict) -> Held:
    """The evidence of a verdict."""
    suite, metric = verdict.rule.suite, verdict.metric
    both = reading.two_sided(log, suite, metric)
    unit = Unit(reading.kind_of(log, suite, metric), verdict.rule.margin, two_sided=both)
    comparison = reading.comparison_of(log, verdict)
    if comparison is None:
        gap = NotMeasured("it was not compared with the original")
        return Held(verdict, unit, gap, gap, gap)
    if verdict.metric != DIVERGENCE:
        bounds = deciding(verdict, comparison)
        early = early_look(verdict, comparison)
        return Held(verdict, unit, comparison.difference, comparison.interval, bounds, early)
    estimate = divergence_estimate(comparison)
    drop = estimate if isinstance(estimate, NotMeasured) else estimate.value
    interval = divergence_interval(comparison)
    return Held(verdict, unit, drop, interval, interval)


def deciding(verdict: Verdict, comparison: Comparison) -> Interval | NotMeasured:
    """The bounds that a verdict rests on; in a log without them the comparison's interval."""
    return comparison.interval if isinstance(verdict.bounds, NotMeasured) else verdict.bounds


def early_look(verdict: Verdict, comparison: Comparison) -> Look | None:
    """The look whose error a verdict's bounds spend, where it was not the last; None where it was.

    None too in a log without bounds, or with those of other looks.
    """
    looks = [look for look in comparison.looks if look.n_pairs >= verdict.rule.min_pairs]
    if isinstance(verdict.bounds, NotMeasured) or comparison.n_planned is None or len(looks) < 2:
        return None
    error = (1 - verdict.bounds.confidence) / 2
    nominal = boundaries([one.n_pairs / comparison.n_planned for one in looks], verdict.rule.alpha).nominal
    early = zip(looks[:-1], nominal[:-1], strict=True)
    return next((look for look, spent in early if math.isclose(spent, error, rel_tol=_SAME)), None)


def divergence_estimate(comparison: Comparison) -> Estimate | NotMeasured:
    """The mean divergence with its sampling error."""
    found = comparison.divergence
    return found.estimate if isinstance(found, Divergence) else found


def divergence_interval(comparison: Comparison) -> Interval | NotMeasured:
    """Of the mean divergence, which is never below 0."""
    estimate = divergence_estimate(comparison)
    if isinstance(estimate, NotMeasured):
        return estimate
    lower, upper = estimates.lower_bound(estimate, ALPHA), estimates.upper_bound(estimate, ALPHA)
    if isinstance(lower, NotMeasured) or isinstance(upper, NotMeasured):
        return NotMeasured("nothing varies: an error can't be estimated")
    return Interval(
        lower=max(lower, 0.0), upper=max(upper, 0.0), confidence=CONFIDENCE, method=estimate.method
    )
