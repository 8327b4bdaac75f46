"""Which levels another one beats, and by which: in bytes and loss, and in time where it was measured."""

from __future__ import annotations

from reports.pareto import Point, beaten_by, front
from reports.standing import Standing
from reports.tables import Cell
from reports.wording import listed, plural

FEW = 6
"""So many are named in a sentence; the table names all."""


def told(levels: list[Standing]) -> list[str]:
    """Who is beaten in size and loss by whom, passing or not."""
    found = _beaten(_points(levels))
    return [f"In both, by the numbers alone, told apart or not: {found}."] if found else []


def told_in_time(levels: list[Standing]) -> str:
    """The front of bytes, loss and time; empty where no two levels that pass have all three."""
    points = in_time(levels)
    if len(points) < 2:
        return ""
    found = _beaten(points)
    off = f" In all three: {found}." if found else ""
    return f"On the front of bytes, loss and time together: {listed(front(points))}.{off}"


def in_time(levels: list[Standing]) -> dict[str, Point]:
    """Bytes, loss and time of those that pass and have all three."""
    known = {one.name: one.point_in_time for one in levels if one.passes}
    return {name: point for name, point in known.items() if point is not None}


def on_front(one: Standing, levels: list[Standing], best: list[str]) -> Cell:
    """Whether a level is on the front of bytes and loss, and else why not."""
    if one.point is None:
        return "not ranked"
    if one.name in best:
        return "yes"
    better = beaten_by(one.name, _points(levels))
    reasons = [*([] if one.passes else ["does not pass"]), *([f"beaten by {better}"] if better else [])]
    return f"no: {', '.join(reasons)}"


def on_front_in_time(one: Standing, levels: list[Standing]) -> Cell:
    """The same of bytes, loss and time."""
    points = in_time(levels)
    if one.name not in points:
        return "not ranked" if one.passes else "no: does not pass"
    better = beaten_by(one.name, points)
    return f"no: beaten by {better}" if better else "yes"


def _points(levels: list[Standing]) -> dict[str, Point]:
    return {one.name: one.point for one in levels if one.point is not None}


def _beaten(points: dict[str, Point]) -> str:
    """Each that is beaten, and by whom; of many, how many."""
    found = [f"{name} is beaten by {one}" for name in points if (one := beaten_by(name, points))]
    return "; ".join(found) if len(found) <= FEW else f"{plural(len(found), 'level')} (see the table)"
