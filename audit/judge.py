"""Comparisons × Rules → Verdicts: non-inferiority with a margin fixed before the run.

A suite passes when all of its rules do, a level when all suites do (intersection-union, no correction),
and levels are claimed mildest first (fixed sequence). Whatever can't be read is inconclusive with its
reason, never a pass and never left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from audit.claims import said
from audit.decision import rule_on, unreadable
from audit.evidence import Evidence, below_floor, floor_suites, unread
from audit.records import (
    DIVERGENCE,
    Comparison,
    Derivation,
    Flips,
    NotMeasured,
    Rule,
    Suite,
    Variant,
    Verdict,
)
from audit.statistics.correction import holm
from audit.statistics.proportions import lower_bound

MOST_NOISE = 0.01
"""Share of a control's answers that the order of the arithmetic may flip, near ties: shown to be more, the
measurement does not repeat."""
ALPHA = 0.05
"""Error of showing that."""


def judge(
    comparisons: Sequence[Comparison],
    rules: Sequence[Rule],
    variants: Sequence[Variant],
    suites: Sequence[Suite],
) -> tuple[Verdict, ...]:
    """One verdict per compressed variant and rule, in the order of `variants` (mildest first) and `rules`."""
    evidence = _evidence(comparisons, variants, suites)
    levels = [variant for variant in variants if variant.level is not None]
    by_rule = [_claim_in_sequence(rule, levels, evidence) for rule in rules]
    verdicts = [verdict for of_level in zip(*by_rule, strict=True) for verdict in of_level]
    return _with_damage_adjusted(verdicts, {variant.name for variant in levels if variant.is_control})


def settled(
    comparisons: Sequence[Comparison], rules: Sequence[Rule], suites: Sequence[Suite]
) -> frozenset[str]:
    """Names of the suites of which one variant needs no more items: all their rules are decided.

    A suite that can't be read below the accuracy floor is settled when the floor is; one without a rule
    never is, since nothing about it is decided.
    """
    if not comparisons:
        return frozenset()
    evidence = _evidence(comparisons, (), suites)
    (variant,) = {comparison.variant for comparison in comparisons}
    open_suites = {
        rule.suite
        for rule in rules
        if unread(rule, variant, evidence)
        or not rule_on(evidence.known(rule, variant), rule, evidence.metric(rule)).settled
    }
    done = {suite.name for suite in suites} & {rule.suite for rule in rules} - open_suites
    floor_is_known = done >= {suite.name for suite in floor_suites(suites)}
    lost = {suite.name for suite in suites if floor_is_known and below_floor(suite, variant, evidence)}
    return frozenset(done | lost)


def _evidence(
    comparisons: Sequence[Comparison], variants: Sequence[Variant], suites: Sequence[Suite]
) -> Evidence:
    return Evidence(
        {(one.variant, one.suite, one.metric): one for one in comparisons if one.group is None},
        {suite.name: suite for suite in suites},
        tuple(variant.name for variant in variants if variant.is_control),
    )


def _claim_in_sequence(rule: Rule, levels: Sequence[Variant], evidence: Evidence) -> list[Verdict]:
    """Verdicts of one rule, mildest level first; after the first that does not pass, none is a pass.

    Each level is tested at the full alpha and the family-wise error stays at alpha, because the claims
    stop (fixed sequence); a candidate is a claim of its own, and so is what a search proposed. The control
    takes no part unless it does not pass; where it shows that the measurement does not repeat, nothing is
    claimed of any level, wherever the control stands.
    """
    alone = [_judge_one(rule, variant.name, evidence) for variant in levels]
    own = [verdict for verdict, variant in zip(alone, levels, strict=True) if _repeats_exactly(variant)]
    unrepeatable = next((one for one in own if not _repeats(one, evidence)), None)
    verdicts: list[Verdict] = []
    stopped_by: str | None = None
    for verdict, variant in zip(alone, levels, strict=True):
        control, candidate, doubt = variant.is_control, variant.is_candidate, doubtful(variant)
        if unrepeatable and not control:
            reason = f"the control {unrepeatable.variant!r} did not pass ({unrepeatable.because})"
            verdict = _withheld(verdict, "noise", f"the measurement does not repeat: {reason}")
        elif doubt and verdict.decision == "pass":
            verdict = _withheld(verdict, "integrity", doubt)
        elif candidate or (variant.level and variant.level.searched):
            pass
        elif stopped_by and verdict.decision == "pass" and not control:
            reason = f"levels are claimed mildest first and {stopped_by!r} did not pass"
            verdict = _withheld(verdict, "order", reason)
        elif verdict.decision != "pass" and (not control or verdict in own):
            stopped_by = stopped_by or verdict.variant
        verdicts.append(verdict)
    return verdicts


def doubtful(variant: Variant) -> str:
    """Why nothing may be claimed of an artefact, whatever was measured: it is not what it is said to be."""
    if variant.false_claims:
        one = variant.false_claims[0]
        return f"{one.source} claims {said(one, one.value)}, and its files hold {said(one, one.found)}"
    if isinstance(variant.derivation, Derivation) and not variant.derivation.derived:
        return (
            "its weights are not those of the original (median correlation "
            f"{variant.derivation.median:.3f} over {variant.derivation.matrices} matrices)"
        )
    return ""


def _repeats_exactly(variant: Variant) -> bool:
    """Whether it is the original in its own precision, which has to repeat; in another one it is noise."""
    return variant.level is not None and variant.level.is_control and variant.level.computed_in is None


def _repeats(control: Verdict, evidence: Evidence) -> bool:
    """Whether the control answered as the original did, or nearly; one not measured does not deny it."""
    comparison = evidence.comparison(control.rule, control.variant)
    if control.decision == "pass" or comparison is None:
        return True
    if control.decision == "fail" or comparison.n_unpaired_before or comparison.n_unpaired_after:
        return False
    if isinstance(comparison.flips, Flips):
        flipped = comparison.flips.lost + comparison.flips.gained
        return lower_bound(flipped, comparison.n_pairs, ALPHA) <= MOST_NOISE
    return comparison.difference == 0 or isinstance(comparison.difference, NotMeasured)


def _withheld(verdict: Verdict, kind: Literal["order", "noise", "integrity"], reason: str) -> Verdict:
    """The same evidence, but not claimed."""
    return verdict.model_copy(
        update={
            "decision": "inconclusive",
            "withheld": kind,
            "because": f"not claimed: {reason}; by itself: {verdict.because}",
            "n_to_decide": NotMeasured(reason),
        }
    )


def _judge_one(rule: Rule, variant: str, evidence: Evidence) -> Verdict:
    """The verdict of one rule on one variant, seen by itself."""
    reason = unread(rule, variant, evidence)
    ruling = (
        unreadable(reason) if reason else rule_on(evidence.known(rule, variant), rule, evidence.metric(rule))
    )
    return Verdict(
        variant=variant, rule=rule, metric=rule.metric or evidence.first_metric(rule.suite),
        decision=ruling.decision, because=ruling.because + _noise(rule, variant, evidence),
        p_value=ruling.p_value, p_worse=ruling.p_worse, n_to_decide=ruling.n_to_decide,
        bounds=ruling.bounds,
    )  # fmt: skip


def _noise(rule: Rule, variant: str, evidence: Evidence) -> str:
    """Whether a drop is no larger than what the original shows against itself."""
    floor, comparison = evidence.floor(rule), evidence.comparison(rule, variant)
    if floor is None or comparison is None or comparison is floor or rule.metric == DIVERGENCE:
        return ""
    drop, noise, flips = comparison.difference, floor.difference, floor.flips
    if isinstance(drop, NotMeasured) or isinstance(noise, NotMeasured) or abs(drop) > abs(noise):
        return ""
    if isinstance(flips, NotMeasured) or flips.lost + flips.gained == 0:
        return ""
    return (
        f"; inside the noise floor: the original against itself, computed otherwise, lost {flips.lost} and "
        f"gained {flips.gained} of {floor.n_pairs}"
    )


def _with_damage_adjusted(verdicts: Sequence[Verdict], controls: set[str]) -> tuple[Verdict, ...]:
    """The verdicts with Holm's p-values of a drop above 0, over all levels and rules: claims of damage."""
    p_values = {
        place: verdict.p_worse
        for place, verdict in enumerate(verdicts)
        if verdict.variant not in controls and not isinstance(verdict.p_worse, NotMeasured)
    }
    adjusted = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    return tuple(
        verdict.model_copy(update={"p_worse_adjusted": adjusted[place]}) if place in adjusted else verdict
        for place, verdict in enumerate(verdicts)
    )
