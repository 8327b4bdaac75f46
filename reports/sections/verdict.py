"""May each level ship? The first thing on the page."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from audit.records import AuditLog, Comparison, Decision, Interval, Level, NotMeasured, Verdict
from reports import reading
from reports.badge import badge
from reports.section import Section
from reports.tables import Cell, Column, Table
from reports.templating import draw
from reports.wording import count, interval_points, listed, mebibytes, plural, points, rate

STRICTNESS: dict[Decision, str] = {
    "pass": "The audit as a whole passes, since every rule passes on every level.",
    "fail": "The audit as a whole fails as soon as one rule fails on one level.",
    "inconclusive": "The audit as a whole passes only when every rule passes on every level.",
}
"""Why the audit's one word is what it is."""


@dataclass(frozen=True)
class Ruling:
    """One rule that a level did not pass."""

    suite: str
    decision: Decision
    gap: str
    """How far the drop lies over the margin, in numbers."""
    because: str


@dataclass(frozen=True)
class Answer:
    """May this level ship?"""

    level: str
    decision: Decision
    sentence: str
    artefact: str
    open: list[Ruling]
    passed: list[str]


def section(log: AuditLog) -> Section:
    """The verdict section."""
    answers = [_answer(log, level) for level in reading.products(log)]
    html = draw(
        "verdict.html.j2",
        log=log,
        badge=badge,
        overall=_overall(answers, log),
        strictness=STRICTNESS[log.decision],
        answers=answers,
        matrix=_matrix(log) if log.verdicts else None,
        controls=[_control(log, level) for level in reading.controls(log)],
    )
    return Section("verdict", "Verdict", html)


def _overall(answers: list[Answer], log: AuditLog) -> str:
    """The audit's decision in one sentence."""
    if log.status == "stopped":
        return "The audit stopped before its end. What it had finished is shown; it supports no release."
    passed = [answer.level for answer in answers if answer.decision == "pass"]
    if len(passed) == len(answers) and answers:
        return f"Every level passes every rule: {listed(passed)} may ship under the rules below."
    if not passed:
        return "No level passes every rule: none may ship under the rules below."
    return (
        f"{len(passed)} of {plural(len(answers), 'level')} may ship under the rules below: {listed(passed)}. "
        "The others may not."
    )


def _answer(log: AuditLog, level: Level) -> Answer:
    verdicts = reading.verdicts_of(log, level)
    return Answer(
        level=level.name,
        decision=reading.decision_on(log, level),
        sentence=_sentence(log, level),
        artefact=_artefact(log, level),
        open=[_ruling(log, verdict) for verdict in verdicts if verdict.decision != "pass"],
        passed=[reading.suite_title(log, v.rule.suite) for v in verdicts if v.decision == "pass"],
    )


def _sentence(log: AuditLog, level: Level) -> str:
    """May this level ship, in one sentence."""
    verdicts, missing = reading.verdicts_of(log, level), reading.unjudged(log, level)
    rules = plural(len(verdicts) + len(missing), "rule")
    failed = [verdict for verdict in verdicts if verdict.decision == "fail"]
    if failed:
        worst = max(failed, key=lambda verdict: _excess(log, verdict))
        title = reading.suite_title(log, worst.rule.suite)
        verb = "fails" if len(failed) == 1 else "fail"
        return f"No. {len(failed)} of {rules} {verb}; worst in {title}: {_gap(log, worst)}."
    if missing:
        verb = "was" if len(missing) == 1 else "were"
        return f"Not shown. {len(missing)} of {rules} {verb} not judged."
    undecided = [verdict for verdict in verdicts if verdict.decision == "inconclusive"]
    if undecided:
        verb = "is" if len(undecided) == 1 else "are"
        return f"Not shown. {len(undecided)} of {rules} {verb} undecided; an undecided rule releases nothing."
    if not verdicts:
        return "Not shown. No rule was set for this audit."
    if log.status == "stopped":
        return f"Not shown. All {rules} pass, but the audit stopped before its end."
    closest = max(verdicts, key=lambda verdict: _upper_excess(log, verdict))
    spare = points(-_upper_excess(log, closest))
    title = reading.suite_title(log, closest.rule.suite)
    return (
        f"Yes: shown to lose less than each margin. All {rules} pass; the closest call is {title}, "
        f"with {spare} points to spare."
    )


def _artefact(log: AuditLog, level: Level) -> str:
    """What the level is on disk, in a few words."""
    variant, original = reading.variant_of(log, level), reading.original(log)
    if variant is None:
        return "not made: the audit stopped before it"
    size = mebibytes(variant.size_bytes)
    if original is None:
        return f"{variant.stored_as}; {size}"
    return f"{variant.stored_as}; {size}, {rate(variant.size_bytes / original.size_bytes, 0)} of the original"


def _ruling(log: AuditLog, verdict: Verdict) -> Ruling:
    return Ruling(
        suite=reading.suite_title(log, verdict.rule.suite),
        decision=verdict.decision,
        gap=_gap(log, verdict),
        because=verdict.because,
    )


def _gap(log: AuditLog, verdict: Verdict) -> str:
    """The drop against the margin, in percentage points."""
    comparison = reading.comparison_of(log, verdict)
    margin = points(verdict.rule.margin)
    if isinstance(verdict.p_value, NotMeasured):
        return "its numbers decide nothing here"
    if comparison is None or isinstance(comparison.difference, NotMeasured):
        return f"no drop could be had to hold against the margin of {margin} points"
    drop = f"a drop of {points(comparison.difference)} points"
    if isinstance(comparison.interval, Interval):
        drop += f" ({interval_points(comparison.interval)})"
    if isinstance(comparison.interval, NotMeasured):
        return f"{drop} without an interval, against a margin of {margin}"
    excess, reach = _excess(log, verdict), _upper_excess(log, verdict)
    if excess >= 0:
        return f"{drop}, {points(excess)} over the margin of {margin}"
    if verdict.decision == "fail":
        return f"{drop}: shown to be above zero, and up to {points(reach)} over the margin of {margin}"
    if reach >= 0:
        return f"{drop}, which may lie {points(reach)} over the margin of {margin}"
    return f"{drop}, inside the margin of {margin}"


def _upper(comparison: Comparison) -> float:
    """Upper bound of the drop; without an interval everything is possible, so 1."""
    return comparison.interval.upper if isinstance(comparison.interval, Interval) else 1.0


def _upper_excess(log: AuditLog, verdict: Verdict) -> float:
    """Upper bound of the drop minus the margin: negative is room to spare."""
    comparison = reading.comparison_of(log, verdict)
    return (1.0 if comparison is None else _upper(comparison)) - verdict.rule.margin


def _excess(log: AuditLog, verdict: Verdict) -> float:
    """The drop itself minus the margin; without a drop, the least there is."""
    comparison = reading.comparison_of(log, verdict)
    if comparison is None or isinstance(comparison.difference, NotMeasured):
        return -1.0
    return comparison.difference - verdict.rule.margin


def _matrix(log: AuditLog) -> Table:
    """Every rule on every level at one glance."""
    rules = log.config.rules
    columns = [Column("Level")]
    for rule in rules:
        twice = sum(other.suite == rule.suite for other in rules) > 1
        metric = f" ({rule.metric})" if twice else ""
        columns.append(
            Column(f"{reading.suite_title(log, rule.suite)}{metric}, margin {points(rule.margin)}")
        )
    rows: list[list[Cell]] = []
    for level in reading.products(log):
        judged = {verdict.rule: verdict for verdict in reading.verdicts_of(log, level)}
        rows.append([level.name, *(_matrix_cell(log, judged.get(rule)) for rule in rules)])
    return Table("Decision and upper bound of the drop, in percentage points", columns, rows)


def _matrix_cell(log: AuditLog, verdict: Verdict | None) -> Cell:
    if verdict is None:
        return "not judged"
    comparison = reading.comparison_of(log, verdict)
    if comparison is None or isinstance(comparison.interval, NotMeasured):
        return badge(verdict.decision)
    if isinstance(verdict.p_value, NotMeasured):
        return badge(verdict.decision) + Markup(' <span class="aside">not read</span>')
    bound = f"at most {points(comparison.interval.upper)}"
    return badge(verdict.decision) + Markup(' <span class="aside">{}</span>').format(bound)


def _control(log: AuditLog, level: Level) -> str:
    """What the second measurement of the original showed."""
    flips = pairs = unknown = 0
    for suite in log.config.suites:
        for comparison in reading.wholes(log, suite, level):
            pairs += comparison.n_pairs
            if isinstance(comparison.flips, NotMeasured):
                unknown += 1
            else:
                flips += comparison.flips.lost + comparison.flips.gained
    if pairs == 0 or unknown:
        return f"Control ({level.name}): the second measurement of the original is not complete."
    close = (
        "the measurement repeats itself exactly" if flips == 0 else "the measurement does not repeat itself"
    )
    return (
        f"Control ({level.name}): the original measured twice: "
        f"{plural(flips, 'flip')} in {count(pairs)} scored units; {close}."
    )
