"""Comparisons × Rules → Verdicts: non-inferiority with a margin fixed before the run.

Read in this order: is the pairing whole, does the probe measure anything on the original, is the variant
above the accuracy floor where a suite needs that, is the drop below the margin, and were all milder
levels passed. Whatever can't be read is inconclusive with its reason, never a pass and never left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.records import (
    Comparison,
    Decision,
    Flips,
    Metric,
    NotMeasured,
    Rule,
    Suite,
    Variant,
    Verdict,
)
from audit.statistics import noninferiority, power
from audit.statistics.noninferiority import Bounds

FLOOR_SUITE = "accuracy"
"""Suite that shows whether a variant can still answer; without it, every suite that needs no such proof."""


@dataclass(frozen=True)
class _Evidence:
    """All that verdicts rest on, by name."""

    comparisons: dict[tuple[str, str, str], Comparison]
    """Whole-suite comparisons by variant, suite and metric."""
    suites: dict[str, Suite]

    def metric(self, rule: Rule) -> Metric | None:
        """The metric that the rule is about; None: the audit has no such suite or metric."""
        suite = self.suites.get(rule.suite)
        if suite is None:
            return None
        named = [metric for metric in suite.metrics if rule.metric in (None, metric.name)]
        return named[0] if named else None


def judge(
    comparisons: Sequence[Comparison],
    rules: Sequence[Rule],
    variants: Sequence[Variant],
    suites: Sequence[Suite],
) -> tuple[Verdict, ...]:
    """One verdict per compressed variant and rule, in the order of `variants` (mildest first) and `rules`."""
    evidence = _Evidence(
        {(one.variant, one.suite, one.metric): one for one in comparisons if one.group is None},
        {suite.name: suite for suite in suites},
    )
    levels = [variant for variant in variants if variant.level is not None]
    by_rule = [_claim_in_sequence(rule, levels, evidence) for rule in rules]
    return tuple(verdict for of_level in zip(*by_rule, strict=True) for verdict in of_level)


def _claim_in_sequence(rule: Rule, levels: Sequence[Variant], evidence: _Evidence) -> list[Verdict]:
    """Verdicts of one rule, mildest level first; after the first that does not pass, none is a pass.

    Each level is tested at the full alpha and the family-wise error stays at alpha, because the claims
    stop (fixed sequence). The control takes no part unless it does not pass.
    """
    verdicts: list[Verdict] = []
    stopped_by: str | None = None
    unrepeatable: str | None = None
    for variant in levels:
        verdict = _judge_one(rule, variant.name, evidence)
        control = variant.level is not None and variant.level.is_control
        if unrepeatable:
            verdict = _withheld(verdict, f"the measurement does not repeat: {unrepeatable}")
        elif stopped_by and verdict.decision == "pass" and not control:
            verdict = _withheld(verdict, f"levels are claimed mildest first and {stopped_by!r} did not pass")
        elif verdict.decision != "pass":
            stopped_by = stopped_by or variant.name
            if control and not _repeats(evidence.comparisons.get((variant.name, rule.suite, verdict.metric))):
                unrepeatable = f"the control {variant.name!r} did not pass ({verdict.because})"
        verdicts.append(verdict)
    return verdicts


def _repeats(comparison: Comparison | None) -> bool:
    """Whether the control answered as the original did; one that was not measured does not deny it."""
    if comparison is None:
        return True
    flips = comparison.flips
    flipped = isinstance(flips, Flips) and flips.lost + flips.gained > 0
    return not (flipped or comparison.n_unpaired_before or comparison.n_unpaired_after)


def _withheld(verdict: Verdict, reason: str) -> Verdict:
    """The same evidence, but not claimed."""
    return verdict.model_copy(
        update={
            "decision": "inconclusive",
            "because": f"not claimed: {reason}; by itself: {verdict.because}",
            "n_to_decide": NotMeasured(reason),
        }
    )


def _judge_one(rule: Rule, variant: str, evidence: _Evidence) -> Verdict:
    """The verdict of one rule on one variant, seen by itself."""
    metric = evidence.metric(rule)
    name = metric.name if metric else rule.metric or "first metric"
    comparison = evidence.comparisons.get((variant, rule.suite, name))
    if rule.suite not in evidence.suites:
        reason: str | None = f"this audit has no suite {rule.suite!r}"
    elif metric is None:
        reason = f"suite {rule.suite!r} has no metric {name!r}"
    elif comparison is None:
        reason = f"suite {rule.suite!r} was not measured on {variant!r}"
    else:
        reason = (
            _incomplete(comparison)
            or _probe_is_blind(comparison, metric)
            or _below_floor(evidence.suites[rule.suite], variant, evidence)
        )
    if comparison is not None and reason is None and isinstance(comparison.flips, Flips):
        return _decide(rule, comparison, comparison.flips)
    reason = reason or "the flips were not counted"
    return Verdict(
        variant=variant,
        rule=rule,
        metric=name,
        decision="inconclusive",
        because=reason,
        p_value=NotMeasured(reason),
        n_to_decide=NotMeasured(reason),
    )


def _incomplete(comparison: Comparison) -> str | None:
    """Why the pairing is not whole."""
    if isinstance(comparison.flips, NotMeasured):
        return comparison.flips.reason
    if comparison.n_unpaired_before or comparison.n_unpaired_after:
        return (
            f"without a partner: {comparison.n_unpaired_before} of the original and "
            f"{comparison.n_unpaired_after} of the variant, beside {comparison.n_pairs} pairs"
        )
    return None


def _probe_is_blind(comparison: Comparison, metric: Metric) -> str | None:
    """Why the original's own result is no yardstick: it is not above guessing."""
    if not metric.higher_is_better or isinstance(comparison.before_lower, NotMeasured):
        return None
    floor = _guessing(comparison)
    if comparison.before_lower > floor:
        return None
    return (
        "the probe measures nothing on this model: the original's lower bound "
        f"{_percent(comparison.before_lower)} is not above chance {_percent(floor)}"
    )


def _below_floor(suite: Suite, variant: str, evidence: _Evidence) -> str | None:
    """Why a suite that needs a competent model can't be read on this variant."""
    if not suite.needs_competence:
        return None
    floors = [evidence.suites[FLOOR_SUITE]] if FLOOR_SUITE in evidence.suites else []
    floors = floors or [one for one in evidence.suites.values() if not one.needs_competence]
    if not floors:
        return f"not read: no suite here shows that the variant can answer at all; add {FLOOR_SUITE!r}"
    for floor in floors:
        comparison = evidence.comparisons.get((variant, floor.name, floor.metrics[0].name))
        if comparison is None or isinstance(comparison.after_lower, NotMeasured):
            return f"not read: the accuracy floor, suite {floor.name!r}, was not measured"
        if comparison.after_lower <= _guessing(comparison):
            return (
                f"not read: below the accuracy floor, in suite {floor.name!r} the lower bound "
                f"{_percent(comparison.after_lower)} is not above chance {_percent(_guessing(comparison))}"
            )
    return None


def _guessing(comparison: Comparison) -> float:
    """Rate that guessing reaches; 0 in free generation, where a single right answer is more than luck."""
    return 0.0 if isinstance(comparison.chance, NotMeasured) else comparison.chance


def _decide(rule: Rule, comparison: Comparison, flips: Flips) -> Verdict:
    """Pass, fail or inconclusive by the bounds of the drop at the rule's own alpha."""
    lost, gained, n = flips.lost, flips.gained, comparison.n_pairs
    drop = (lost - gained) / n
    bounds = noninferiority.bounds(lost, gained, n, rule.alpha)
    needed = power.items_for_noninferiority(flips.rate, rule.margin, rule.alpha)
    if bounds.upper < rule.margin:
        decision: Decision = "pass"
    elif bounds.lower > 0 or drop >= rule.margin:
        decision = "fail"
    else:
        decision = "inconclusive"
    return Verdict(
        variant=comparison.variant,
        rule=rule,
        metric=comparison.metric,
        decision=decision,
        because=f"lost {lost}, gained {gained} of {n}: " + _reason(decision, drop, bounds, rule, n, needed),
        p_value=noninferiority.p_value(lost, gained, n, rule.margin),
        n_to_decide=needed if decision == "inconclusive" else NotMeasured("decided"),
    )


def _reason(decision: Decision, drop: float, bounds: Bounds, rule: Rule, n: int, needed: int) -> str:
    """The numbers that led to a decision, in points."""
    upper, margin = _points(bounds.upper, rule.margin)
    lower, _ = _points(bounds.lower, 0.0)
    shown, _ = _points(drop, rule.margin)
    start = f"drop {shown} points, upper bound {upper}"
    if decision == "pass":
        worse = f"; non-inferior, detectably worse: lower bound {lower} > 0" if bounds.lower > 0 else ""
        return f"{start} < margin {margin}{worse}"
    if bounds.lower > 0:
        return f"{start} ≥ margin {margin} and lower bound {lower} > 0"
    if decision == "fail":
        return f"{start} ≥ margin {margin} and so is the drop itself"
    hint = (
        f"about {needed} items would decide (80 % power) if there is no drop and as many answers flip"
        if needed > n
        else "enough to pass a model without a drop: telling a small drop from a large one takes more"
    )
    return f"{start} ≥ margin {margin}, lower bound {lower} ≤ 0; {hint}"


def _points(value: float, against: float) -> tuple[str, str]:
    """Two shares in points with as many digits as it takes to tell them apart, at least one."""
    for digits in range(1, 7):
        texts = f"{100 * value:.{digits}f}", f"{100 * against:.{digits}f}"
        if texts[0] != texts[1]:
            break
    return (texts[0], f"{100 * against:.1f}") if value == against else texts


def _percent(share: float) -> str:
    """A share as a percentage."""
    return f"{100 * share:.1f} %"
