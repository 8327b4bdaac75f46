"""What a log holds toward a clause: for each kind of evidence where it stands, or why there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from audit.records import (
    AuditLog,
    Comparison,
    EvidenceKey,
    Flips,
    Interval,
    NotMeasured,
    Registration,
    Speed,
)
from reports import reading
from reports.wording import count, listed, plural, short

UNJUSTIFIED = "nobody justified it"
"""Stands in a rule's reason where there is none."""


@dataclass(frozen=True)
class Found:
    """Evidence that the log holds."""

    says: str
    """What it is, in numbers."""
    section: str
    """Id of the section that shows it."""


Evidence = Found | NotMeasured


def evidence(log: AuditLog) -> dict[EvidenceKey, Evidence]:
    """All kinds of evidence, each looked for in a log."""
    return {key: look(log) for key, look in LOOKS.items()}


def _policy(log: AuditLog) -> Evidence:
    if not isinstance(log.registered, Registration):
        return log.registered
    if reading.post_hoc(log):
        return NotMeasured("the rules were changed after the items were scored")
    promises = [plural(len(log.config.rules), "rule")]
    promises += [plural(len(log.config.budgets), "budget")] if log.config.budgets else []
    digest = short(log.registered.policy_sha256)
    return Found(
        f"{listed(promises)}, hashed ({digest}…) before any level was scored, by this machine's own clock",
        "method",
    )


def _verdicts(log: AuditLog) -> Evidence:
    judged = [one for one in log.verdicts if one.variant in _products(log)]
    if not judged:
        return NotMeasured("no level was judged")
    counts = [
        f"{sum(one.decision == decision for one in judged)} {decision}"
        for decision in ("pass", "fail", "inconclusive")
    ]
    return Found(f"{plural(len(judged), 'verdict')}: {listed(counts)}", "verdict")


def _rationale(log: AuditLog) -> Evidence:
    if not log.config.rules:
        return NotMeasured("there is no rule")
    if without := unjustified(log):
        return NotMeasured(f"{plural(len(without), 'margin')} without a reason: {listed(without)}")
    return Found(f"a reason in words for each of {plural(len(log.config.rules), 'margin')}", "method")


def unjustified(log: AuditLog) -> list[str]:
    """The titles of the rules whose margin came by default."""
    return [reading.rule_title(log, rule) for rule in log.config.rules if UNJUSTIFIED in rule.because.lower()]


def _family(name: str) -> Callable[[AuditLog], Evidence]:
    """Whether suites of one family were measured."""

    def look(log: AuditLog) -> Evidence:
        suites = [suite for suite in log.config.suites if (suite.family or suite.name) == name]
        if not suites:
            return NotMeasured(f"no suite of {name} was in this audit")
        measured = [
            one for one in _wholes(log) if one.suite in {suite.name for suite in suites}
            and not isinstance(one.difference, NotMeasured)
        ]  # fmt: skip
        if not measured:
            return NotMeasured(f"{listed([suite.title for suite in suites])}: not measured on any level")
        titles = [suite.title for suite in suites if suite.name in {one.suite for one in measured}]
        levels = len({one.variant for one in measured})
        pairs = max(one.n_pairs for one in measured)
        return Found(
            f"{listed(titles)}: up to {plural(pairs, 'pair')} of answers at {plural(levels, 'level')}",
            "drops",
        )

    return look


def _groups(log: AuditLog) -> Evidence:
    found = {(c.suite, c.group) for c in log.comparisons if c.group is not None and _measured(c)}
    if not found:
        return NotMeasured("no suite was read by groups")
    suites = len({suite for suite, _ in found})
    return Found(f"{plural(len(found), 'group')} of items in {plural(suites, 'suite')}, worst first", "probe")


def _intervals(log: AuditLog) -> Evidence:
    wholes = _wholes(log)
    given = sum(isinstance(one.interval, Interval) for one in wholes)
    if not given:
        return NotMeasured("no drop has an interval")
    return Found(f"{count(given)} of {plural(len(wholes), 'drop')} with an interval", "drops")


def _power(log: AuditLog) -> Evidence:
    judged = [one for one in log.verdicts if one.variant in _products(log)]
    if not judged:
        return NotMeasured("no level was judged")
    undecided = sum(one.decision == "inconclusive" for one in judged)
    return Found(
        f"what the items could decide, suite by suite; {plural(undecided, 'verdict')} left open", "power"
    )


def _error_rates(log: AuditLog) -> Evidence:
    return NotMeasured(
        "the decision rule's false passes and power are simulated and published with the tool "
        "(docs/error-rates.md); none were measured for this audit"
    )


def _repeatability(log: AuditLog) -> Evidence:
    names = {level.name for level in reading.controls(log)}
    flips = [
        one.flips
        for one in log.comparisons
        if one.variant in names and one.group is None and isinstance(one.flips, Flips)
    ]
    if not names:
        return NotMeasured("the original was not measured again as a control")
    if not flips:
        return NotMeasured("the control was not compared")
    changed = sum(one.lost + one.gained for one in flips)
    return Found(f"the original measured again: {plural(changed, 'answer')} changed", "verdict")


def _second_opinion(log: AuditLog) -> Evidence:
    found = sum(bool(one.sensitivity) for one in _wholes(log))
    if not found:
        return NotMeasured("no drop was computed by a second method")
    return Found(f"{plural(found, 'drop')} computed by other statistical methods too", "drops")


def _samples(log: AuditLog) -> Evidence:
    cells = [cell for run in log.runs for cell in run.cells]
    if not cells:
        return NotMeasured("nothing was scored")
    return Found(f"every answer, in {plural(len(cells), 'file')} with their sha256", "provenance")


def _digests(log: AuditLog) -> Evidence:
    unseen = [one.name for one in log.variants if not one.files]
    if not log.variants:
        return NotMeasured("no artefact was prepared")
    if unseen:
        return NotMeasured(f"no file was seen of {listed(unseen)}")
    files = sum(len(one.files) for one in log.variants)
    return Found(f"sha256 of {plural(files, 'weight file')}, the original's among them", "compressed")


def _change(log: AuditLog) -> Evidence:
    changed = sum(one.n_changed for one in _wholes(log))
    if not any(_measured(one) for one in _wholes(log)):
        return NotMeasured("nothing was compared")
    return Found(
        f"the same items asked before and after; {plural(changed, 'changed answer')} counted", "changed"
    )


def _settings(log: AuditLog) -> Evidence:
    tasks = {cell.task for run in log.runs for cell in run.cells}
    if not tasks:
        return NotMeasured("nothing was scored")
    return Found(
        f"versions and shots of {plural(len(tasks), 'task')}, and the seed of all draws", "provenance"
    )


def _provenance(log: AuditLog) -> Evidence:
    versions = plural(len(log.provenance.packages), "package")
    return Found(f"versions of {versions}, the machine, the command and the dates", "provenance")


def _limits(_: AuditLog) -> Evidence:
    return Found("the limits of each suite, and all that was not measured", "limits")


def _efficiency(log: AuditLog) -> Evidence:
    timed = [one.variant for one in log.efficiency if isinstance(one.decode, Speed)]
    if not log.efficiency:
        return NotMeasured("memory and speed were not asked for")
    if not timed:
        return NotMeasured("no level has a speed of its own")
    return Found(f"speed beside the original's, of {listed(timed)}", "efficiency")


def _impact_ratio(log: AuditLog) -> Evidence:
    metrics = {
        (suite.name, metric.name)
        for suite in log.config.suites
        for metric in suite.metrics
        if metric.statistic == "impact_ratio"
    }
    if not any((one.suite, one.metric) in metrics and _measured(one) for one in _wholes(log)):
        return NotMeasured("no impact ratio was computed: it takes a suite on the user's own data")
    return Found(f"impact ratios in {plural(len(metrics), 'suite')}", "drops")


def _wholes(log: AuditLog) -> list[Comparison]:
    """The comparisons over whole suites, of the levels that somebody could ship."""
    products = _products(log)
    return [one for one in log.comparisons if one.group is None and one.variant in products]


def _measured(one: Comparison) -> bool:
    return not isinstance(one.difference, NotMeasured)


def _products(log: AuditLog) -> set[str]:
    return {level.name for level in reading.products(log)}


LOOKS: dict[EvidenceKey, Callable[[AuditLog], Evidence]] = {
    "policy": _policy,
    "verdicts": _verdicts,
    "rationale": _rationale,
    "accuracy": _family("accuracy"),
    "bias": _family("bias"),
    "robustness": _family("robustness"),
    "safety": _family("safety"),
    "forgetting": _family("forgetting"),
    "groups": _groups,
    "intervals": _intervals,
    "power": _power,
    "error-rates": _error_rates,
    "repeatability": _repeatability,
    "second-opinion": _second_opinion,
    "samples": _samples,
    "digests": _digests,
    "change": _change,
    "settings": _settings,
    "provenance": _provenance,
    "limits": _limits,
    "efficiency": _efficiency,
    "impact-ratio": _impact_ratio,
}
