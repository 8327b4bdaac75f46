"""The plot of drops over audits: what each one found by itself, in the order of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from audit.records import Interval, NotMeasured
from reports.forest import FARTHEST
from reports.look import LOOK
from reports.units import Unit
from reports.wording import visible

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "star", "hexagon")
"""Of levels, which can be told apart without colour."""
DASHES = ("solid", "dot", "dash", "dashdot")
COLOURS = ("var(--link)", "var(--inconclusive)", "var(--ink)", "var(--edge)")
APART = 0.06
"""Between the marks of one audit, so that their bars don't cover each other; audits are 1 apart."""


@dataclass(frozen=True)
class Point:
    """What one audit found of one level."""

    audit: int
    """Its place in time, from 0."""
    drop: float | NotMeasured
    interval: Interval | NotMeasured
    comparable: bool
    """Whether it asked the same items as the latest."""
    told: str
    """Its numbers, for whoever points at it."""


@dataclass(frozen=True)
class Course:
    """One level."""

    label: str
    points: Sequence[Point]


def trend(courses: Sequence[Course], audits: Sequence[str], margins: Sequence[float], unit: Unit) -> Any:
    """A plotly figure as JSON data; only what was asked alike is joined, and what was not is hollow."""
    import plotly.graph_objects as go

    traces = [
        _trace(one, unit, place, (place - (len(courses) - 1) / 2) * APART, comparable=comparable)
        for place, one in enumerate(courses)
        for comparable in (True, False)
        if any(point.comparable is comparable for point in one.points)
    ]
    return go.Figure(data=traces, layout=_layout(audits, margins, unit)).to_plotly_json()


def _trace(course: Course, unit: Unit, place: int, aside: float, *, comparable: bool) -> dict[str, Any]:
    """The points of a level that can be held against the latest one, or those that can't."""
    colour, symbol = COLOURS[place % len(COLOURS)], SYMBOLS[place % len(SYMBOLS)]
    shown = [
        (one, one.drop)
        for one in course.points
        if one.comparable is comparable and not isinstance(one.drop, NotMeasured)
    ]
    return {
        "type": "scatter",
        "mode": "lines+markers" if comparable and len(shown) > 1 else "markers",
        "name": escape(visible(course.label)),
        "legendgroup": f"level {place}",
        "showlegend": comparable or not any(point.comparable for point in course.points),
        "x": [one.audit + aside for one, _ in shown],
        "y": [_y(drop, unit) for _, drop in shown],
        "customdata": [escape(visible(one.told)) for one, _ in shown],
        "hovertemplate": "%{customdata}<extra></extra>",
        "line": {"color": colour, "dash": DASHES[place // len(COLOURS) % len(DASHES)], "width": 1.5},
        "marker": {
            "size": 10,
            "color": colour,
            "symbol": symbol if comparable else f"{symbol}-open",
            "line": {"width": 1.5, "color": colour},
        },
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [_reach(one, drop, unit, up=True) for one, drop in shown],
            "arrayminus": [_reach(one, drop, unit, up=False) for one, drop in shown],
            "color": colour,
            "thickness": 1.5,
            "width": 4,
        },
    }


def _reach(one: Point, drop: float, unit: Unit, *, up: bool) -> float:
    if isinstance(one.interval, NotMeasured):
        return 0.0
    end, middle = _y(one.interval.upper if up else one.interval.lower, unit), _y(drop, unit)
    return max(end - middle if up else middle - end, 0.0)


def _y(drop: float, unit: Unit) -> float:
    return min(unit.scale.shown(drop), FARTHEST)


def _layout(audits: Sequence[str], margins: Sequence[float], unit: Unit) -> dict[str, Any]:
    quiet = {
        "fixedrange": True, "showline": False, "ticks": "", "automargin": True, "gridcolor": "var(--line)",
        "zeroline": False,
    }  # fmt: skip
    limits = sorted({unit.scale.shown(unit.limit(margin)) for margin in margins})
    return {
        **LOOK,
        "height": 340,
        "margin": {"l": 8, "r": 16, "t": 12, "b": 8},
        "xaxis": {
            **quiet,
            "range": [-0.5, len(audits) - 0.5],
            "tickvals": list(range(len(audits))),
            "ticktext": [escape(visible(one)) for one in audits],
        },
        "yaxis": {
            **quiet,
            "zeroline": True,
            "zerolinecolor": "var(--muted)",
            "title": {"text": unit.axis.replace("right", "up"), "standoff": 8, "font": {"size": 12}},
        },
        "shapes": [
            {
                "type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": limit, "y1": limit, "layer": "below",
                "line": {"dash": "dash", "width": 1.5, "color": "var(--fail)"},
            }
            for limit in limits
        ],
    }  # fmt: skip
