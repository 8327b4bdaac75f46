"""What this page can't show, and all that was not measured."""

from __future__ import annotations

from collections.abc import Iterator

from audit.records import (
    DIVERGENCE,
    AuditLog,
    Estimate,
    Forgetting,
    Forgotten,
    NotMeasured,
    Record,
)
from reports import looks, reading
from reports.applies import applies
from reports.disclaimer import DISCLAIMER, OF_A_MODEL
from reports.room import only
from reports.section import Section
from reports.tables import Cell, Column, Table
from reports.templating import draw
from reports.wording import count, listed

EXAMPLES = 3
"""Places shown of each reason for a gap."""
SMALLER_PACKS = (
    "Memory was short: {n} cell(s) were computed in smaller packs, which moves log-likelihoods by rounding "
    "alone."
)
POST_HOC = "The rules were changed after the items were scored: the verdicts are exploratory."
FEWER_ITEMS = (
    "Suites that stopped early have fewer items, in their groups too. Their intervals are not adjusted for "
    "looking early and may look narrower than they should: read the verdict, not the bar."
)
FEW_LARGE_LOSSES = (
    "Scores, perplexities and divergences are judged by Student's t, corrected for skewness. With few very "
    "large losses among many small gains it still passes too often until there are many items: in our "
    "simulations with an error near 0.08 at 50 items and 0.07 at 200, where 0.05 is meant "
    "(docs/error-rates.md)."
)
CLUSTERS = (
    "Clusters are taken as independent of each other. With few of them the bounds are wide; a dependence "
    "that the cluster key doesn't name is not seen."
)


def section(log: AuditLog) -> Section:
    """The disclaimer, the suites' own limits, and every reason for a missing number."""
    html = draw(
        "limits.html.j2",
        log=log,
        disclaimer=DISCLAIMER,
        of_a_model=OF_A_MODEL,
        suites=_stated(log),
        missing=_missing(log),
        absent=absent(log),
        consequences=_consequences(log),
    )
    return Section("limits", "Limits and gaps", html)


def _stated(log: AuditLog) -> list[tuple[str, str]]:
    """The suites' own limits, those that share them together."""
    by_limits: dict[str, list[str]] = {}
    for suite in log.config.suites:
        if suite.limits:
            by_limits.setdefault(suite.limits, []).append(suite.title)
    return [(", ".join(titles), limits) for limits, titles in by_limits.items()]


def _consequences(log: AuditLog) -> list[str]:
    """What follows from how this audit was decided."""
    wholes = [one for one in log.comparisons if one.group is None]
    kinds = {reading.kind_of(log, one.suite, one.metric) for one in wholes}
    lines = [POST_HOC] if reading.post_hoc(log) else []
    if looks.stopped_early(log):
        lines.append(FEWER_ITEMS)
    lines += [
        f"Of the official tasks for {suite.family}, these have no data here and were not asked: "
        f"{listed(list(dict.fromkeys(suite.absent)))}."
        for suite in log.config.suites
        if suite.absent
    ]
    lines += [
        f"{count(n)} item(s) met in {task} have nothing to perturb and were left out."
        for task, n in _left_out(log).items()
    ]
    lines += _of_items(log)
    lines += [line for suite in log.config.suites for line in suite.lacking]
    if squeezed := sum(cell.pack_tokens is not None for run in log.all_runs for cell in run.cells):
        lines.append(SMALLER_PACKS.format(n=count(squeezed)))
    if reported := [reading.rule_title(log, rule) for rule in log.config.rules if not rule.blocks]:
        lines.append(f"Reported, without a say in any release: {listed(reported)}.")
    if kinds - {"binary"} or any(rule.metric == DIVERGENCE for rule in log.config.rules):
        lines.append(FEW_LARGE_LOSSES)
    if any(isinstance(one.estimate, Estimate) and one.estimate.n_clusters for one in wholes):
        lines.append(CLUSTERS)
    return [*lines, *_independent(log)]


def _independent(log: AuditLog) -> list[str]:
    """Which rules take every item by itself, and what that makes of their bounds."""
    clustered = {suite.name for suite in log.config.suites if suite.cluster_by}
    alone = [
        reading.rule_title(log, rule)
        for rule in log.config.rules
        if rule.suite not in clustered and rule.cluster is None and rule.metric != DIVERGENCE
    ]
    if not alone:
        return []
    return [
        f"No cluster is named for {listed(alone)}: items are taken as independent. Where they share a "
        "template, a passage or a subject, they are not quite, and the bounds are narrower than they should "
        "be, those of a pass too."
    ]


def _left_out(log: AuditLog) -> dict[str, int]:
    """Of each task in the form that it was asked, the items that its perturbation can't change."""
    cells = [(run.suite, cell) for run in log.runs for cell in run.cells]
    return {f"{cell.task} ({suite})": cell.n_left_out for suite, cell in cells if cell.n_left_out}


def _of_items(log: AuditLog) -> list[str]:
    """What is odd about the items, as the original was asked them all, and about whose answers."""
    original = reading.original(log)
    name = "" if original is None else original.name
    cut, repeated, tied = (_counted(log, field) for field in ("n_cut", "n_repeated", "n_tied"))
    lines = [
        f"{count(n)} item(s) of {suite} are longer than the model takes: their beginning was cut off, as "
        "lm-eval does."
        for (variant, suite), n in cut.items()
        if variant == name
    ]
    lines += [
        f"{count(n)} item(s) of {suite} ask what another one asks. Each counts, as in lm-eval, though copies "
        "are not independent: the bounds are narrower than they should be."
        for (variant, suite), n in repeated.items()
        if variant == name
    ]
    ties = ", ".join(f"{variant} on {count(n)} of {suite}" for (variant, suite), n in tied.items())
    if ties:
        lines.append(
            "Where several choices are equally likely, the first of them counts as the answer, as in "
            f"lm-eval: {ties}."
        )
    return lines


def _counted(log: AuditLog, field: str) -> dict[tuple[str, str], int]:
    """The items that a field of the cells counts, by variant and suite, where there are any."""
    found = {(run.variant, run.suite): sum(getattr(cell, field) for cell in run.cells) for run in log.runs}
    return {place: n for place, n in found.items() if n}


def _missing(log: AuditLog) -> Table | None:
    """Every number that could not be had, gathered by its reason."""
    places: dict[str, list[str]] = {}
    for place, gap in unmeasured(log):
        places.setdefault(gap.reason, []).append(place)
    if not places:
        return None
    columns = (Column("Reason", wide=True), Column("Numbers", numeric=True), Column("Where", wide=True))
    rows: list[list[Cell]] = [
        [reason, count(len(where)), _where(where)]
        for reason, where in sorted(places.items(), key=lambda one: -len(one[1]))
    ]
    return only(Table("Numbers that could not be had", columns, rows))


def _where(places: list[str]) -> str:
    """A few of the places; the log has them all."""
    more = len(places) - EXAMPLES
    return "; ".join(places[:EXAMPLES]) + (f"; and {count(more)} more" if more > 0 else "")


def unmeasured(log: AuditLog) -> Iterator[tuple[str, NotMeasured]]:
    """Every number of a log that could not be had and was meant to be there, with its place."""
    yield from _within(log.provenance, "provenance")
    if isinstance(log.registered, NotMeasured):
        yield "registration", log.registered
    for variant in log.variants:
        yield from _within(variant, variant.name)
    for efficiency in log.efficiency:
        yield from _within(efficiency, efficiency.variant)
    for weighed in log.budgets:
        yield from _within(weighed, f"{weighed.variant}, budget on {weighed.budget.quantity}")
    for comparison in log.comparisons:
        group = "" if comparison.group is None else f", group {comparison.group}"
        place = f"{comparison.variant}, {comparison.suite}, {comparison.metric}{group}"
        yield from _within(comparison, place)
    for forgetting in log.forgetting:
        yield from _forgotten(forgetting)
    controls = {level.name for level in reading.controls(log)}
    for verdict in log.verdicts:
        if verdict.variant in controls:
            continue  # it is no product: of its drops none is claimed
        yield from _within(verdict, f"{verdict.variant}, {verdict.rule.suite}, {verdict.metric}, verdict")


def _forgotten(one: Forgetting) -> Iterator[tuple[str, NotMeasured]]:
    """The gaps of what was forgotten, its groups and tasks included."""
    place = f"{one.variant}, {one.suite}, forgetting"
    yield from _within(one, place)
    if isinstance(one.found, Forgotten):
        for part in one.found.parts:
            yield from _within(part, f"{place}, {part.by} {part.name}")


def _within(record: Record, place: str) -> Iterator[tuple[str, NotMeasured]]:
    """The gaps of one record and of the records in it."""
    for name in type(record).model_fields:
        value = getattr(record, name)
        where = f"{place}: {name.replace('_', ' ')}"
        if isinstance(value, NotMeasured):
            if applies(record, name):
                yield where, value
        elif isinstance(value, Record):
            yield from _within(value, where)


def absent(log: AuditLog) -> list[str]:
    """What the config asked for and the log does not hold."""
    lines = [] if reading.original(log) else ["the original: not prepared"]
    for level in log.config.levels:
        if reading.variant_of(log, level) is None:
            lines.append(f"{level.name}: not made")
        lines += [
            f"{level.name}, {suite.title}: not compared"
            for suite in log.config.suites
            if not reading.wholes(log, suite, level)
        ]
    titles = {suite.name: suite.title for suite in log.config.suites}
    lines += [
        f"{run.variant}, {titles[run.suite]}: part {one.part} of {one.task} not scored: {one.reason}"
        for run in log.all_runs
        for one in run.unscored
    ]
    return lines
