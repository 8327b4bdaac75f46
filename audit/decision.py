"""One rule on one comparison: pass, fail or inconclusive, at the look that decides."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from scipy.special import ndtri
from scipy.stats import binom

from audit.records import (
    Comparison,
    Decision,
    Divergence,
    Estimate,
    Interval,
    Look,
    Metric,
    NotMeasured,
    Rule,
)
from audit.rounding import rounded
from audit.scale import Scale
from audit.statistics import drop, power, proportions, sequential
from audit.statistics.noninferiority import Bounds

ENOUGH_EQUAL = 59
"""Equal pairs that leave at most 5 % of all pairs to differ, at an error of 5 % (Clopper & Pearson 1934)."""
POWER = 0.8
"""Of the number of items that would decide."""


@dataclass(frozen=True)
class Ruling:
    """What a rule says of a comparison by itself."""

    decision: Decision
    because: str
    settled: bool
    """Whether more items could change nothing, or so unlikely that they are not worth their time."""
    p_value: float | NotMeasured
    p_worse: float | NotMeasured
    n_to_decide: int | NotMeasured
    bounds: Interval | NotMeasured
    """Of the drop, at the look that decided and with the error that it may spend."""


def rule_on(comparison: Comparison, rule: Rule, metric: Metric | None) -> Ruling:
    """The ruling on a comparison that could be made; `metric` is None for the divergence."""
    planned = comparison.n_planned or comparison.n_pairs
    if planned < rule.min_pairs:
        return unreadable(f"{planned} pairs, where the rule asks for {rule.min_pairs}")
    if rule.ceiling is not None and (metric is None or metric.kind != "binary"):
        return unreadable("a ceiling is for the share of bad outcomes, and these are not right or wrong")
    if metric is None:
        return _on_divergence(comparison, rule)
    if metric.largest_drop is not None and rule.margin >= metric.largest_drop:
        return unreadable(
            f"no drop can reach the margin {rule.margin:g}: the largest is {metric.largest_drop:g}"
        )
    looks = [look for look in comparison.looks if look.n_pairs >= rule.min_pairs]
    if not looks:
        return unreadable(f"{comparison.n_pairs} pairs so far, where the rule asks for {rule.min_pairs}")
    return _ruling(_Case(rule, Scale(metric.kind), looks, planned, metric.two_sided))


def unreadable(reason: str) -> Ruling:
    """Inconclusive, whatever the numbers would say."""
    missing = NotMeasured(reason)
    return Ruling("inconclusive", reason, False, missing, missing, missing, missing)


@dataclass(frozen=True)
class _Case:
    """A rule and what it sees."""

    rule: Rule
    scale: Scale
    looks: Sequence[Look]
    planned: int
    two_sided: bool = False
    """Whether a change either way is damage."""

    @property
    def margin(self) -> float:
        """On the scale of the drop."""
        return self.scale.margin(self.rule.margin)

    @cached_property
    def standing(self) -> sequential.Standing:
        """Where the looks leave the rule."""
        seen = [self._evidence(look) for look in self.looks]
        return sequential.stand(seen, self.planned, self.margin, self.rule.alpha)

    @cached_property
    def too_bad(self) -> Look | None:
        """The first look that fails the rule by its ceiling, if nothing was decided before."""
        seen = zip(self.looks, self.standing.nominal, strict=True)
        reached = (look for look, alpha in seen if _at_ceiling(look, self.rule, alpha, self.planned))
        first = next(reached, None)
        return first if first is not None and first.n_pairs <= self.standing.n else None

    @property
    def at(self) -> Look:
        """The look that decided, or the last one."""
        return self.too_bad or next(look for look in self.looks if look.n_pairs == self.standing.n)

    @property
    def alpha(self) -> float:
        """Error that this look may spend."""
        return self.standing.nominal[self.looks.index(self.at)]

    def kept_p(self, look: Look) -> float | NotMeasured:
        """p-value of H0: the margin is lost; of two sides, on either."""
        return (drop.equivalence_p if self.two_sided else drop.noninferiority_p)(look, self.margin)

    def worse_p(self, look: Look) -> float | NotMeasured:
        """p-value of H0: no damage; of two sides, two-sided of H0: no change."""
        return (drop.changed_p if self.two_sided else drop.worse_p)(look)

    @property
    def worse_over_looks(self) -> float | NotMeasured:
        """`worse_p` at the look that decided, for all the looks up to it.

        Spent after Pocock: a level that is ruined is told at the first look, where O'Brien and Fleming leave
        next to nothing to spend.
        """
        seen = self.looks[: self.looks.index(self.at) + 1]
        p_values = [self.worse_p(look) for look in seen]
        if isinstance(p_values[-1], NotMeasured):
            return p_values[-1]
        known = [1.0 if isinstance(p, NotMeasured) else p for p in p_values]
        return sequential.p_value_over_looks(known, [look.n_pairs / self.planned for look in seen], "pocock")

    @property
    def bounds(self) -> Interval | NotMeasured:
        """Those that decide."""
        found = drop.bounds(self.at, self.alpha)
        if isinstance(found, NotMeasured):
            return found
        confidence = 1 - 2 * self.alpha
        return Interval(lower=found.lower, upper=found.upper, confidence=confidence, method=found.method)

    def damage(self, look: Look) -> float:
        """The drop, of two sides its size; 0 where it was not measured."""
        seen = drop.value(look)
        if isinstance(seen, NotMeasured):
            return 0.0
        return abs(seen) if self.two_sided else seen

    def _evidence(self, look: Look) -> sequential.Evidence:
        """A look as the sequential test takes it: a pass has to keep to the margin and to the ceiling.

        What has no p-value proves nothing: 1.
        """
        p_values = self.kept_p(look), _ceiling_p(look, self.rule), self.worse_p(look)
        margin_p, ceiling_p, worse_p = (1.0 if isinstance(p, NotMeasured) else p for p in p_values)
        return sequential.Evidence(
            look.n_pairs, max(margin_p, ceiling_p), worse_p, self.damage(look), drop.standard_error(look)
        )

    @property
    def needed(self) -> int | NotMeasured:
        """Pairs that would give `POWER` at zero drop, with the flips, the spread and the bad share seen."""
        for_margin, for_ceiling = self._needed_for_margin, _needed_for_ceiling(self.at, self.rule)
        if isinstance(for_margin, NotMeasured):
            return for_margin
        return for_ceiling if isinstance(for_ceiling, NotMeasured) else max(for_margin, for_ceiling)

    @property
    def _needed_for_margin(self) -> int | NotMeasured:
        look = self.at
        # Both sides are kept as often as promised if each is missed half as often
        chance = (1 + POWER) / 2 if self.two_sided else POWER
        if isinstance(look.lost, int) and isinstance(look.gained, int):
            flips = (look.lost + look.gained) / look.n_pairs
            independent = power.items_for_noninferiority(flips, self.margin, self.rule.alpha, chance)
            effect = look.estimate.design_effect if isinstance(look.estimate, Estimate) else 1.0
            return math.ceil(independent * (1.0 if isinstance(effect, NotMeasured) else max(effect, 1.0)))
        if isinstance(look.estimate, NotMeasured):
            return look.estimate
        times = power.data_for_noninferiority(look.estimate, self.margin, self.rule.alpha, chance)
        return math.ceil(look.n_pairs * times)


def _ceiling_p(look: Look, rule: Rule) -> float | NotMeasured:
    """One-sided exact p-value of H0: the share of bad outcomes reaches the ceiling; 0 without one."""
    if rule.ceiling is None:
        return 0.0
    if isinstance(look.bad_after, NotMeasured):
        return look.bad_after
    return float(binom.cdf(look.bad_after, look.n_pairs, rule.ceiling))


def _at_ceiling(look: Look, rule: Rule, alpha: float, planned: int) -> bool:
    """Whether the share of bad outcomes reaches the ceiling: seen at the planned end, shown before it."""
    if rule.ceiling is None or not isinstance(look.bad_after, int):
        return False
    if look.n_pairs >= planned:
        return look.bad_after >= rule.ceiling * look.n_pairs
    return float(binom.sf(look.bad_after - 1, look.n_pairs, rule.ceiling)) < alpha


def _needed_for_ceiling(look: Look, rule: Rule) -> int | NotMeasured:
    """Items with which a share of bad outcomes as seen is shown to lie below the ceiling; 1 without one.

    By the normal approximation, and no fewer than it takes where none is bad.
    """
    if rule.ceiling is None or not isinstance(look.bad_after, int):
        return 1
    share, ceiling = look.bad_after / look.n_pairs, rule.ceiling
    if share >= ceiling:
        return NotMeasured(
            f"{rounded(100 * share, 2)} % are bad: more items of this kind only reach the ceiling"
        )
    none_bad = math.log(rule.alpha) / math.log1p(-ceiling)
    under_null = float(ndtri(1 - rule.alpha)) * math.sqrt(ceiling * (1 - ceiling))
    as_seen = float(ndtri(POWER)) * math.sqrt(share * (1 - share))
    return math.ceil(max(none_bad, ((under_null + as_seen) / (ceiling - share)) ** 2))


def _ruling(case: _Case) -> Ruling:
    last = case.looks[-1]
    p_value = case.kept_p(last)
    if isinstance(p_value, NotMeasured):
        return _without_error(case, last, p_value)
    decision = _decision(case)
    return Ruling(
        decision,
        _because(decision, case),
        settled=case.too_bad is not None or case.standing.outcome != "go on",
        p_value=case.kept_p(case.at),
        p_worse=case.worse_over_looks,
        n_to_decide=case.needed if decision == "inconclusive" else NotMeasured("decided"),
        bounds=case.bounds,
    )


def _decision(case: _Case) -> Decision:
    """Pass where both the margin and the ceiling are kept, fail where either is not."""
    if case.too_bad is not None:
        return "fail"
    outcome = case.standing.outcome
    if outcome == "fail" and case.rule.ceiling is not None:
        # A drop inside the margin, however detectable, is none: it is the ceiling that is not yet shown
        kept = case.kept_p(case.at)
        return "inconclusive" if isinstance(kept, float) and kept < case.alpha else "fail"
    if outcome == "pass" or outcome == "fail":
        return outcome
    return "fail" if outcome == "futile" and case.damage(case.at) >= case.margin else "inconclusive"


def _without_error(case: _Case, last: Look, reason: NotMeasured) -> Ruling:
    """Where no sampling error can be estimated: of equal pairs, or of pairs that all differ alike."""
    complete, seen, estimate = last.n_pairs >= case.planned, drop.value(last), last.estimate
    if isinstance(seen, NotMeasured):
        return Ruling("inconclusive", reason.reason, complete, reason, reason, reason, reason)
    # With a design effect items do differ, and only cancel each other within every cluster
    alike = isinstance(estimate, Estimate) and isinstance(estimate.design_effect, NotMeasured)
    clusters = estimate.n_clusters if isinstance(estimate, Estimate) else None
    n, what = (last.n_pairs, "pairs") if clusters is None else (clusters, "clusters")
    if seen == 0 and alike and n < ENOUGH_EQUAL:
        few = f"all {n} {what} are equal, but {ENOUGH_EQUAL} would have to be"
        return Ruling("inconclusive", few, complete, reason, reason, ENOUGH_EQUAL, reason)
    if seen == 0 and alike:
        because = f"every one of {n} {what} is equal"
        missing = NotMeasured(because)
        return Ruling("pass", because, complete, missing, missing, NotMeasured("decided"), missing)
    if case.damage(last) >= case.margin:
        shown, margin = case.scale.pair(seen, case.margin)
        against = f"not within ±{margin}" if case.two_sided else f"≥ margin {margin}"
        because = f"{last.n_pairs} pairs lose alike: drop {shown}{case.scale.unit} {against}"
        return Ruling("fail", because, complete, reason, reason, NotMeasured("decided"), reason)
    return Ruling("inconclusive", reason.reason, complete, reason, reason, reason, reason)


def _because(decision: Decision, case: _Case) -> str:
    """The numbers that led to a decision."""
    counts = _counted(case.at) + _where(case)
    bounds, seen = drop.bounds(case.at, case.alpha), drop.value(case.at)
    if isinstance(bounds, NotMeasured) or isinstance(seen, NotMeasured):
        return f"{counts}: {bounds}"
    if case.two_sided:
        reason = f"{counts}: {_of_two_sides(case, bounds, seen)}{_of_ceiling(case)}"
        return reason + (f"; {_hint(case)}" if decision == "inconclusive" else "")
    scale, margin = case.scale, case.margin
    upper, against = scale.pair(bounds.upper, margin)
    lower, _ = scale.pair(bounds.lower, 0.0)
    start = f"{counts}: drop {scale.pair(seen, margin)[0]}{scale.unit}, upper bound {upper}"
    if bounds.upper >= margin:
        reason = f"{start} ≥ margin {against}"
        if bounds.lower > 0 and decision == "fail":
            reason += f" and lower bound {lower} > 0"
        elif decision == "fail":
            reason += " and so is the drop itself"
        else:
            reason += f", lower bound {lower} ≤ 0" if bounds.lower <= 0 else f", lower bound {lower} > 0"
    else:
        worse = f"; non-inferior, detectably worse: lower bound {lower} > 0" if bounds.lower > 0 else ""
        reason = f"{start} < margin {against}{worse}"
    reason += _of_ceiling(case)
    return reason + (f"; {_hint(case)}" if decision == "inconclusive" else "")


def _of_two_sides(case: _Case, bounds: Bounds, seen: float) -> str:
    """How a change either way stands to the margin."""
    scale, margin = case.scale, case.margin
    outer = max(bounds.lower, bounds.upper, key=abs)
    against = scale.pair(abs(outer), margin)[1]
    ends = [scale.pair(end, math.copysign(margin, end))[0] for end in (bounds.lower, bounds.upper)]
    start = f"change {scale.pair(seen, math.copysign(margin, seen))[0]}{scale.unit}"
    changed = case.worse_p(case.at)
    told = isinstance(changed, float) and changed < case.alpha
    if -margin < bounds.lower and bounds.upper < margin:
        so = "; equivalent, detectably changed" if told else ""
        return f"{start}, bounds {ends[0]} and {ends[1]} within ±{against}, either way is damage{so}"
    so = " and 0 is ruled out" if told else " and so is the change itself" if abs(seen) >= margin else ""
    return f"{start}, bounds {ends[0]} and {ends[1]} not within ±{against}, either way is damage{so}"


def _counted(look: Look) -> str:
    if isinstance(look.lost, int):
        return f"lost {look.lost}, gained {look.gained} of {look.n_pairs}"
    return f"{look.n_pairs} pairs"


def _where(case: _Case) -> str:
    """Which of several looks this is, and what it may spend."""
    if case.planned == case.looks[0].n_pairs:
        return ""
    share = f"at {case.at.n_pairs} of {case.planned} planned"
    return f" ({share}, error {case.alpha:.2g})"


def _of_ceiling(case: _Case) -> str:
    """How the variant's own bad outcomes stand to the ceiling."""
    ceiling, bad, n = case.rule.ceiling, case.at.bad_after, case.at.n_pairs
    if ceiling is None or isinstance(bad, NotMeasured):
        return ""
    if case.too_bad:
        share, against = case.scale.pair(bad / n, ceiling)
        return f"; {bad} bad of {n}, {share} % ≥ ceiling {against} %"
    bound = proportions.upper_bound(bad, n, case.alpha)
    upper, against = case.scale.pair(bound, ceiling)
    return f"; {bad} bad of {n}, upper bound {upper} % {'<' if bound < ceiling else '≥'} ceiling {against} %"


def _hint(case: _Case) -> str:
    """What would decide."""
    if case.standing.outcome == "futile":
        chance = f"{100 * (case.standing.conditional_power or 0.0):.0f} %"
        return f"stopped: even if no further answer is lost on balance, its chance to pass is {chance}"
    needed = case.needed
    if isinstance(needed, NotMeasured):
        return needed.reason
    if needed > case.at.n_pairs:
        also = "" if case.rule.ceiling is None else " and are bad"
        return (
            f"about {needed} items would decide (80 % power) if there is no drop and as many answers "
            f"flip{also}"
        )
    return "enough to pass a model without a drop: telling a small drop from a large one takes more"


def _on_divergence(comparison: Comparison, rule: Rule) -> Ruling:
    """The mean KL divergence is never below 0, so only its upper bound can speak: it has to be < margin."""
    moved = comparison.divergence
    estimate = moved.estimate if isinstance(moved, Divergence) else moved
    if isinstance(estimate, NotMeasured):
        return unreadable(estimate.reason)
    n, planned = comparison.n_pairs, comparison.n_planned or comparison.n_pairs
    missing = NotMeasured("a divergence has no gains")
    look = Look(n_pairs=n, lost=missing, gained=missing, bad_after=missing, estimate=estimate)
    case = _Case(rule, Scale("kl"), [look], planned)
    p_value, bounds = drop.noninferiority_p(look, rule.margin), drop.bounds(look, rule.alpha)
    if isinstance(p_value, NotMeasured):
        return _without_error(case, look, p_value)
    if isinstance(bounds, NotMeasured):
        return _without_error(case, look, bounds)
    upper, margin = case.scale.pair(bounds.upper, rule.margin)
    decision: Decision = "inconclusive"
    if bounds.upper < rule.margin:
        decision = "pass"
    elif estimate.value >= rule.margin:
        decision = "fail"
    sign = "<" if decision == "pass" else "≥"
    shown = case.scale.pair(estimate.value, rule.margin)[0]
    because = f"KL {shown} nats a position, upper bound {upper} {sign} margin {margin}"
    needed = case.needed if decision == "inconclusive" else NotMeasured("decided")
    return Ruling(decision, because, n >= planned, p_value, missing, needed, case.bounds)
