"""How the audits of this model have gone: drops by release, each as its own audit found it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from audit.records import AuditLog, History, NotMeasured, PastResult
from audit.results import results_of
from reports import reading
from reports.badge import WORDS
from reports.room import MANY
from reports.section import Section
from reports.tables import Cell, Column, Table
from reports.templating import draw
from reports.trend import Course, Point, trend
from reports.units import Unit
from reports.wording import anchor, listed, plural, short

LEVELS = 8
"""That one plot can show; the table has all."""
NOW = "this audit"


@dataclass(frozen=True)
class Audit:
    """One audit of the course, the last of them this one."""

    title: str
    release: str
    day: str
    policy_sha256: str
    version: str
    results: dict[tuple[str, str, str], PastResult]
    """By level, suite and metric; of several rules on one metric the first."""


@dataclass(frozen=True)
class Plot:
    """One metric of one suite."""

    id: str
    title: str
    figure: Any
    spoken: str
    reading: str
    table: Table


def section(log: AuditLog) -> Section:
    """A plot and a table for each suite that earlier audits measured too; nothing without a history."""
    if log.history is None:
        return Section("trend", "Earlier audits", draw("trend.html.j2", history=None).strip())
    audits = _audits(log, log.history)
    order = [suite.name for suite in log.config.suites]
    asked = {(one.suite, one.metric): one.kind for one in audits[-1].results.values()}
    keys = sorted(asked, key=lambda key: order.index(key[0]))
    plots = [plot for key in keys if (plot := _plot(log, audits, *key, asked[key]))]
    html = draw(
        "trend.html.j2",
        history=log.history,
        audits=plural(len(log.history.audits), "earlier audit"),
        left_out=log.history.n_found - len(log.history.audits),
        plots=plots,
        fold=len(plots) >= MANY,
        skipped=plural(log.history.n_skipped, "run"),
    )
    return Section("trend", "Earlier audits", html, plots=bool(plots))


def _audits(log: AuditLog, history: History) -> list[Audit]:
    past = [
        Audit(
            title=f"{one.finished[:10]}, {_release(one.release)}",
            release=one.release,
            day=one.finished[:10],
            policy_sha256=one.policy_sha256,
            version=one.shrinkproof_version,
            results=_firsts(one.results),
        )
        for one in history.audits
    ]
    model, found = log.config.model, log.provenance
    now = Audit(
        title=f"{NOW}, {_release(model.revision or model.digest)}",
        release=model.revision or model.digest,
        day=found.finished[:10],
        policy_sha256=log.config.policy_sha256,
        version=found.shrinkproof_version,
        results=_firsts(results_of(log)),
    )
    return [*past, now]


def _release(digest: str) -> str:
    return digest[:8]


def _firsts(results: Sequence[PastResult]) -> dict[tuple[str, str, str], PastResult]:
    found: dict[tuple[str, str, str], PastResult] = {}
    for one in results:
        found.setdefault((one.level, one.suite, one.metric), one)
    return found


def _plot(log: AuditLog, audits: list[Audit], suite: str, metric: str, kind: Any) -> Plot | None:
    """None where no earlier audit measured it."""
    levels = [level.name for level in reading.products(log)]
    courses = {level: [audit.results.get((level, suite, metric)) for audit in audits] for level in levels}
    courses = {level: found for level, found in courses.items() if any(found[:-1])}
    if not courses:
        return None
    now = next((one for audit in audits[-1:] for one in audit.results.values() if one.suite == suite), None)
    margins = sorted({one.margin for found in courses.values() if (one := found[-1])})
    unit = Unit(kind, min(margins, default=None), two_sided=reading.two_sided(log, suite, metric))
    asked = now.asked_sha256 if now else ""
    drawn = list(courses)[:LEVELS]
    title = reading.suite_title(log, suite)
    several = len({key[2] for key in audits[-1].results if key[1] == suite}) > 1
    title = f"{title}, {metric}" if several else title
    return Plot(
        id=f"plot-trend-{anchor(suite)}-{anchor(metric)}",
        title=title,
        figure=trend(
            [_course(level, courses[level], audits, asked, unit) for level in drawn],
            [audit.title for audit in audits],
            margins,
            unit,
        ),
        spoken=f"{title}: drop of {listed(drawn)} in {len(audits)} audits, {unit.spoken}. Table below.",
        reading=f"{_now(courses, unit)} {_apart(audits, courses, asked)}",
        table=_table(title, audits, courses, asked, unit),
    )


def _course(
    level: str, found: Sequence[PastResult | None], audits: list[Audit], asked: str, unit: Unit
) -> Course:
    points = [
        Point(
            audit=place,
            drop=one.drop,
            interval=one.interval,
            comparable=one.asked_sha256 == asked,
            told=f"{level}, {audits[place].title}: {_said(one, unit)}",
        )
        for place, one in enumerate(found)
        if one is not None
    ]
    return Course(level, points)


def _said(one: PastResult, unit: Unit) -> str:
    drop, interval = unit.drop(one.drop), unit.interval(one.interval)
    if isinstance(drop, NotMeasured):
        return str(drop)
    reach = "" if isinstance(interval, NotMeasured) else f" ({interval})"
    return f"{drop}{unit.name}{reach}, {plural(one.n_pairs, 'pair')}, {WORDS[one.decision].lower()}"


def _now(courses: dict[str, list[PastResult | None]], unit: Unit) -> str:
    """Where each level stands now, and between what it stood before."""
    said = []
    for level, found in list(courses.items())[:LEVELS]:
        known = [one.drop for one in found[:-1] if one and not isinstance(one.drop, NotMeasured)]
        now = found[-1].drop if found[-1] else NotMeasured("not audited now")
        if isinstance(now, NotMeasured) or not known:
            continue
        ends = dict.fromkeys(unit.drop(end) for end in (min(known), max(known)))
        said.append(f"{level} {unit.drop(now)}{unit.name}, before {' to '.join(ends)}")
    return f"{'; '.join(said)}." if said else ""


def _apart(audits: list[Audit], courses: dict[str, list[PastResult | None]], asked: str) -> str:
    """Which of the audits can't be held against this one, and why."""
    said = []
    others = [
        audit.title
        for place, audit in enumerate(audits[:-1])
        if any(one.asked_sha256 != asked for found in courses.values() if (one := found[place]))
    ]
    if others:
        said.append(f"Hollow marks asked or counted otherwise than this audit: {listed(others)}.")
    rules = [one.title for one in audits[:-1] if one.policy_sha256 != audits[-1].policy_sha256]
    if rules:
        said.append(f"Judged by other rules, so that a pass is not the same pass: {listed(rules)}.")
    versions = sorted({one.version for one in audits if one.version != audits[-1].version})
    if versions:
        said.append(f"Written by other versions of Shrinkproof: {listed(versions)}.")
    return " ".join(said) or "All of them asked the same items and judged by the same rules."


def _table(
    title: str, audits: list[Audit], courses: dict[str, list[PastResult | None]], asked: str, unit: Unit
) -> Table:
    columns = (
        Column("Audit"),
        Column("Release"),
        Column("Items"),
        Column("Rules"),
        *(Column(level, numeric=True) for level in courses),
    )
    rows: list[list[Cell]] = []
    for place, audit in enumerate(audits):
        found = [of_level[place] for of_level in courses.values()]
        alike = {one.asked_sha256 == asked for one in found if one}
        rows.append(
            [
                NOW if place == len(audits) - 1 else audit.day,
                short(audit.release),
                "the same" if alike == {True} else "others" if alike else "not asked",
                "the same" if audit.policy_sha256 == audits[-1].policy_sha256 else "others",
                *("not audited" if one is None else _said(one, unit) for one in found),
            ]
        )
    return Table(f"{title}: drops by audit, with the interval and decision of each", columns, rows)
