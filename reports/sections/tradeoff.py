"""What each level costs in bytes and time, against the worst that it lost."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from audit.records import AuditLog, Interval, NotMeasured, Speed
from reports import dominance, looks, reading
from reports.badge import badge
from reports.marks import aside
from reports.pareto import Point, beats, front
from reports.scatter import Axis, Spot, scatter
from reports.section import Section
from reports.standing import Standing, standings
from reports.tables import Cell, Column, Table
from reports.templating import draw
from reports.wording import count, listed, mebibytes, rate, signed
from reports.worst import Worst

_ALPHA = 0.05
"""Of each end of the intervals that a log holds."""


@dataclass(frozen=True)
class Plot:
    """One scatter plot."""

    id: str
    figure: dict[str, Any]
    spoken: str
    """The plot for those who can't see it."""


def section(log: AuditLog) -> Section:
    """Both plots, what is in them, and their numbers."""
    levels = standings(log)
    best = front({one.name: one.point for one in levels if one.point is not None and one.passes})
    size, speed = _size_plot(log, levels, best), _speed_plot(levels)
    html = draw(
        "tradeoff.html.j2",
        size=size,
        speed=speed,
        fastest=_fastest(levels),
        intervals=_intervals(levels),
        findings=[*_found(log, levels, best), *dominance.told(levels), *_open(levels, best)],
        in_time=dominance.told_in_time(levels),
        cautions=_cautions(log),
        table=_table(log, levels, best) if levels else None,
        unplaced=[line for one in levels for line in _unplaced(one)],
        partial=[one for one in levels if isinstance(one.worst, Worst) and one.worst.left_out],
        no_speed=_no_speed(log),
    )
    title = "Size and speed against loss" if speed else "Size against loss"
    return Section("tradeoff", title, html, plots=bool(size or speed))


def _size_plot(log: AuditLog, levels: list[Standing], best: list[str]) -> Plot | None:
    """Bytes against loss; None where no level has both."""
    spots = [
        _at(one, one.worst, one.size_bytes / 2**20, None)
        for one in levels
        if isinstance(one.size_bytes, int) and isinstance(one.worst, Worst)
    ]
    if not spots:
        return None
    original = reading.original(log)
    whole = None if original is None or isinstance(original.size_bytes, NotMeasured) else original.size_bytes
    axis = Axis("size on disk, MiB (left is smaller)", whole / 2**20 if whole else None, "original")
    by_name = {spot.label: spot for spot in spots}
    figure = scatter(spots, axis, [by_name[name] for name in best])
    return Plot("plot-tradeoff-size", figure, _spoken("size on disk", spots, best))


def _speed_plot(levels: list[Standing]) -> Plot | None:
    """Decode time against loss; None where none was measured."""
    spots = []
    for one in levels:
        if isinstance(one.decode, NotMeasured) or isinstance(one.worst, NotMeasured):
            continue
        ends = (one.decode.interval.lower, one.decode.interval.upper)
        spots.append(_at(one, one.worst, one.decode.latency_ratio, ends))
    if not spots:
        return None
    axis = Axis("decode time, original = 1 (left is faster)", 1.0, "original")
    return Plot("plot-tradeoff-speed", scatter(spots, axis), _spoken("decode time", spots, []))


def _at(one: Standing, lost: Worst, x: float, x_ends: tuple[float, float] | None) -> Spot:
    return Spot(one.name, x, x_ends, lost.in_margins, one.ends, one.decision, _told(one, lost))


def _told(one: Standing, lost: Worst) -> str:
    """A level's numbers in a line."""
    size = one.size_bytes if isinstance(one.size_bytes, NotMeasured) else mebibytes(one.size_bytes)
    smaller = "" if isinstance(one.times_smaller, NotMeasured) else f" ({_smaller(one.times_smaller)})"
    speed = "" if isinstance(one.decode, NotMeasured) else f", decode time {one.decode.latency_ratio:.3f}"
    least = "at least " if lost.left_out else ""
    drop = lost.held.drop
    phrase = drop if isinstance(drop, NotMeasured) else lost.held.unit.phrase(drop)
    return f"{size}{smaller}{speed}; {least}{_margins(lost.in_margins)}: {phrase} in {lost.rule}"


def _smaller(times: float) -> str:
    return f"{times:.2f}× smaller" if times >= 1 else f"{1 / times:.2f}× larger"


def _margins(value: float) -> str:
    """A number of margins."""
    return f"{_ratio(value)} of the margin"


def _ratio(value: float) -> str:
    return f"{value:.1e}" if abs(value) >= 1e4 else f"{signed(value, 2)}×"


def _spoken(what: str, spots: list[Spot], best: list[str]) -> str:
    parts = [f"{spot.label}: {spot.told}, {spot.kind}" for spot in spots]
    on = f" On the front: {listed(best)}." if best else ""
    return (
        f"The worst drop of each level, in margins, against its {what}. {'; '.join(parts)}.{on} Table below."
    )


def _intervals(levels: list[Standing]) -> str:
    """The confidence of the bars."""
    found = {
        rate(one.worst.held.interval.confidence, 0)
        for one in levels
        if isinstance(one.worst, Worst) and isinstance(one.worst.held.interval, Interval)
    }
    return f"{listed(sorted(found))} interval" if found else "interval, which could not be had"


def _found(log: AuditLog, levels: list[Standing], best: list[str]) -> list[str]:
    """What there is to see."""
    sized = [one for one in levels if one.passes and isinstance(one.size_bytes, int)]
    lines = ["No level passes."] if not any(one.passes for one in levels) else []
    if sized:
        one = min(sized, key=lambda level: (level.size_bytes, level.name))
        lines = [f"The smallest level that passes is {one.name}{_beside(log, one.times_smaller)}."]
    if best:
        lines.append(f"On the front: {listed(best)}.")
    if ties := [listed(names) for names in _ties(levels)]:
        lines.append(f"Equal in both: {'; '.join(ties)}.")
    return lines


def _beside(log: AuditLog, times: float | NotMeasured) -> str:
    """How much smaller than the original a level is, and what the original is stored as."""
    original = reading.original(log)
    if isinstance(times, NotMeasured) or original is None:
        return ""
    return f" ({_smaller(times)} than the original, which is stored here as {original.stored_as})"


def _fastest(levels: list[Standing]) -> str:
    """The quickest of those that pass and were measured."""
    timed = [
        (one.decode.latency_ratio, one.name) for one in levels if one.passes and isinstance(one.decode, Speed)
    ]
    if not timed:
        return "No level that passes has a speed of its own."
    ratio, name = min(timed)
    return f"Of those that pass, {name} decodes fastest: it takes {ratio:.3f} of the original's time."


def _ties(levels: list[Standing]) -> list[list[str]]:
    points: dict[Point, list[str]] = {}
    for one in levels:
        if one.point is not None:
            points.setdefault(one.point, []).append(one.name)
    return [names for names in points.values() if len(names) > 1]


def _open(levels: list[Standing], best: list[str]) -> list[str]:
    """Where the intervals leave open who lost less."""
    ranked = {one.name: one for one in levels if one.point is not None and one.passes}
    off = [
        one.name
        for one in ranked.values()
        if one.name not in best
        and any(_beats(rival, one) and _overlap(rival, one) for rival in ranked.values())
    ]
    steps = [
        f"{smaller} and {larger}"
        for smaller, larger in pairwise(best)
        if _overlap(ranked[smaller], ranked[larger])
    ]
    lines = []
    if off:
        verb = "is" if len(off) == 1 else "are"
        lines.append(f"{listed(off)} {verb} off the front by point estimates alone: the intervals overlap.")
    if steps:
        lines.append(f"The intervals of neighbours on the front overlap: {'; '.join(steps)}.")
    return lines


def _beats(one: Standing, other: Standing) -> bool:
    return one.point is not None and other.point is not None and beats(one.point, other.point)


def _overlap(one: Standing, other: Standing) -> bool:
    """Whether the intervals share a point; unknown ones may."""
    if one.ends is None or other.ends is None:
        return True
    return one.ends[0] <= other.ends[1] and other.ends[0] <= one.ends[1]


def _cautions(log: AuditLog) -> list[str]:
    """Where the bar drawn is not what decides."""
    lines = [looks.NOT_ADJUSTED] if looks.stopped_early(log) else []
    if any(rule.blocks and rule.alpha != _ALPHA for rule in log.config.rules):
        lines.append("A rule with another alpha decides on its own bound, which its verdict gives.")
    return lines


def _unplaced(one: Standing) -> list[str]:
    """Why a level stands in no plot."""
    if isinstance(one.size_bytes, NotMeasured):
        return [f"{one.name} has no place by size. Its size: {one.size_bytes}."]
    return (
        [f"{one.name} has no place. Its worst drop: {one.worst}."]
        if isinstance(one.worst, NotMeasured)
        else []
    )


def _no_speed(log: AuditLog) -> str:
    """Why there is no plot of speed; empty where there is one, or nobody asked for it."""
    if not log.efficiency or any(isinstance(one.decode, Speed) for one in log.efficiency):
        return ""
    return "No level has a speed of its own: the table says why."


def _table(log: AuditLog, levels: list[Standing], best: list[str]) -> Table:
    columns = (
        Column("Level"),
        Column("Decision"),
        Column("Bytes", numeric=True),
        Column("Times smaller", numeric=True),
        Column("Bits a weight", numeric=True),
        *([Column("Decode time, original = 1", numeric=True)] if log.efficiency else []),
        Column("Worst rule"),
        Column("Its drop", numeric=True),
        Column("Its margin", numeric=True),
        Column("Drop over margin", numeric=True),
        Column("On the front?"),
        *([Column("With time as well?")] if dominance.in_time(levels) else []),
    )
    rows = [_row(one, levels, best, timed=bool(log.efficiency)) for one in levels]
    return Table("The numbers plotted", columns, rows)


def _row(one: Standing, levels: list[Standing], best: list[str], *, timed: bool) -> list[Cell]:
    size, times, bits = one.size_bytes, one.times_smaller, one.bits
    return [
        one.name,
        badge(one.decision),
        count(size) if isinstance(size, NotMeasured) else f"{size:,}",
        times if isinstance(times, NotMeasured) else f"{times:.2f}×",
        bits if isinstance(bits, NotMeasured) else f"{bits:.2f}",
        *([_time(one.decode)] if timed else []),
        *_loss(one),
        dominance.on_front(one, levels, best),
        *([dominance.on_front_in_time(one, levels)] if dominance.in_time(levels) else []),
    ]


def _time(decode: Speed | NotMeasured) -> Cell:
    if isinstance(decode, NotMeasured):
        return decode
    ends = aside(f"{decode.interval.lower:.3f} to {decode.interval.upper:.3f}")
    return f"{decode.latency_ratio:.3f}" + ends


def _loss(one: Standing) -> list[Cell]:
    """The worst rule, its drop and margin in its unit, and the drop in margins, with intervals."""
    lost = one.worst
    if isinstance(lost, NotMeasured):
        return [lost, "", "", ""]
    unit, evidence = lost.held.unit, lost.held
    drop = (
        evidence.drop if isinstance(evidence.drop, NotMeasured) else f"{unit.drop(evidence.drop)}{unit.name}"
    )
    interval, ends = evidence.interval, one.ends
    reach = str(interval) if isinstance(interval, NotMeasured) else str(unit.interval(interval))
    least = "at least " if lost.left_out else ""
    relative = "no interval" if ends is None else f"{_ratio(ends[0])} to {_ratio(ends[1])}"
    return [
        lost.rule,
        drop if isinstance(drop, NotMeasured) else drop + aside(reach),
        f"{evidence.margin}{unit.name}",
        f"{least}{_ratio(lost.in_margins)}" + aside(relative),
    ]
