"""The plot of drops: one mark and interval per level, against zero and the margin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any, Literal

from audit.records import Decision, Interval, NotMeasured
from reports.badge import WORDS
from reports.look import LOOK
from reports.units import Unit
from reports.wording import visible

Kind = Decision | Literal["not judged"]

SYMBOLS: dict[Kind, str] = {
    "pass": "circle",
    "fail": "x",
    "inconclusive": "diamond-open",
    "not judged": "square-open",
}
"""Shapes that can be told apart without colour."""

COLOURS: dict[Kind, str] = {
    "pass": "var(--pass)",
    "fail": "var(--fail)",
    "inconclusive": "var(--inconclusive)",
    "not judged": "var(--muted)",
}
"""Variables of page.css; page.js puts in what they stand for under the reader's colour scheme."""


FARTHEST = 1e12
"""Where the axis ends for what is larger or infinite: JSON has no infinity."""


@dataclass(frozen=True)
class Mark:
    """One row of the plot."""

    label: str
    drop: float | NotMeasured
    """On the scale of the log: positive is a loss."""
    interval: Interval | NotMeasured
    bounds: Interval | NotMeasured
    """Those that decide: the interval, or wider ones, which are drawn behind it."""
    kind: Kind


def forest(marks: Sequence[Mark], margins: Sequence[float], unit: Unit) -> dict[str, Any]:
    """A plotly figure as JSON data; margins as rules give them."""
    import plotly.graph_objects as go

    figure = go.Figure(
        data=[
            trace
            for kind in SYMBOLS
            if any(mark.kind == kind for mark in marks)
            for trace in (*_behind(marks, kind, unit), _trace(marks, kind, unit))
        ],
        layout=_layout(marks, margins, unit),
    )
    data: dict[str, Any] = figure.to_plotly_json()
    return data


def _trace(marks: Sequence[Mark], kind: Kind, unit: Unit) -> dict[str, Any]:
    """The marks of one decision, with their intervals."""
    shown = [
        (mark, mark.drop) for mark in marks if mark.kind == kind and not isinstance(mark.drop, NotMeasured)
    ]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "Not judged" if kind == "not judged" else WORDS[kind],
        "x": [_x(drop, unit) for _, drop in shown],
        "y": [_label(mark) for mark, _ in shown],
        "customdata": [_hover(mark, unit) for mark, _ in shown],
        "hovertemplate": "%{y}: %{customdata}<extra></extra>",
        "marker": {
            "symbol": SYMBOLS[kind],
            "size": 11,
            "color": COLOURS[kind],
            "line": {"width": 2, "color": COLOURS[kind]},
        },
        "error_x": _bars(shown, unit, COLOURS[kind], thickness=3, cap=0),
    }


def _behind(marks: Sequence[Mark], kind: Kind, unit: Unit) -> list[dict[str, Any]]:
    """The bounds that decide, thin, where they are others than the interval."""
    wide = [
        (replace(mark, interval=mark.bounds), mark.drop)
        for mark in marks
        if mark.kind == kind and mark.bounds != mark.interval and not isinstance(mark.drop, NotMeasured)
    ]
    if not wide:
        return []
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "showlegend": False,
            "hoverinfo": "skip",
            "x": [_x(drop, unit) for _, drop in wide],
            "y": [_label(mark) for mark, _ in wide],
            "marker": {"symbol": "line-ns", "size": 1, "color": COLOURS[kind]},
            "error_x": _bars(wide, unit, COLOURS[kind], thickness=1, cap=9),
        }
    ]


def _bars(
    shown: Sequence[tuple[Mark, float]], unit: Unit, colour: str, *, thickness: float, cap: int
) -> dict[str, Any]:
    return {
        "type": "data",
        "symmetric": False,
        "array": [_reach(mark, drop, unit, up=True) for mark, drop in shown],
        "arrayminus": [_reach(mark, drop, unit, up=False) for mark, drop in shown],
        "color": colour,
        "thickness": thickness,
        "width": cap,
    }


def _reach(mark: Mark, drop: float, unit: Unit, *, up: bool) -> float:
    """From the mark to one end of its interval, on the reader's scale; 0 draws no bar."""
    if isinstance(mark.interval, NotMeasured):
        return 0.0
    end, middle = _x(mark.interval.upper if up else mark.interval.lower, unit), _x(drop, unit)
    return max(end - middle if up else middle - end, 0.0)


def _x(drop: float, unit: Unit) -> float:
    """A drop's place on the axis; a broken model's perplexity may lie beyond what can be drawn."""
    return min(unit.scale.shown(drop), FARTHEST)


def _hover(mark: Mark, unit: Unit) -> str:
    drop = mark.drop if isinstance(mark.drop, NotMeasured) else unit.phrase(mark.drop)
    return escape(visible(f"{drop}, interval {unit.interval(mark.interval)}"))


def _label(mark: Mark) -> str:
    """The row's name; plotly reads HTML-like tags in text, so they are escaped."""
    return escape(visible(mark.label), quote=False)


def _layout(marks: Sequence[Mark], margins: Sequence[float], unit: Unit) -> dict[str, Any]:
    lines = [(unit.scale.shown(unit.limit(margin)), unit.margin(margin)) for margin in margins]
    low, high = _range(marks, [x for x, _ in lines], unit)
    quiet = {"fixedrange": True, "showline": False, "ticks": "", "automargin": True}
    return {
        **LOOK,
        "height": 130 + 38 * len(marks),
        "margin": {"l": 8, "r": 16, "t": 34, "b": 8},
        "xaxis": {
            **quiet,
            "range": [low, high],
            "zeroline": True,
            "zerolinecolor": "var(--muted)",
            "zerolinewidth": 1.5,
            "gridcolor": "var(--line)",
            "title": {
                "text": unit.axis,
                "standoff": 8,
                "font": {"size": 12},
            },
        },
        "yaxis": {
            **quiet,
            "type": "category",
            "range": [len(marks) - 0.5, -0.5],
            "categoryorder": "array",
            "categoryarray": [_label(mark) for mark in marks],
            "showgrid": False,
            "ticksuffix": "  ",
        },
        "shapes": [
            *_margin_shapes([x for x, _ in lines], high),
            *(_margin_shapes([x for x, _ in lines], low, side=-1) if unit.two_sided else []),
        ],
        "annotations": [
            _note(0.0, "no change", "right"),
            *(_note(x, f"margin {text}", "left") for x, text in lines),
            *_missing(marks),
        ],
    }


def _range(marks: Sequence[Mark], margins: Sequence[float], unit: Unit) -> tuple[float, float]:
    """The x axis on the reader's scale: every interval, zero and the margins, with air on both sides."""
    ends = [0.0, *margins, *(-margin for margin in margins if unit.two_sided)]
    for mark in marks:
        if not isinstance(mark.drop, NotMeasured):
            ends.append(_x(mark.drop, unit))
        for bar in (mark.interval, mark.bounds):
            if isinstance(bar, Interval):
                ends += [_x(bar.lower, unit), _x(bar.upper, unit)]
    air = 0.08 * (max(ends) - min(ends)) or 1.0
    return min(ends) - air, max(ends) + air


def _line(x: float) -> dict[str, Any]:
    return {
        "type": "line",
        "x0": x,
        "x1": x,
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "layer": "below",
        "line": {"dash": "dash", "width": 1.5, "color": "var(--fail)"},
    }


def _margin_shapes(margins: Sequence[float], end: float, side: int = 1) -> list[dict[str, Any]]:
    """Each margin as a dashed line, and what fails tinted from the strictest to the end of the axis.

    `side` −1 is that of the gains, where a change either way is damage.
    """
    if not margins:
        return []
    beyond = {
        "type": "rect",
        "x0": side * min(margins),
        "x1": end,
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "layer": "below",
        "fillcolor": "var(--fail)",
        "opacity": 0.07,
        "line": {"width": 0},
    }
    return [beyond, *(_line(side * margin) for margin in margins)]


def _note(x: float, text: str, anchor: str) -> dict[str, Any]:
    return {
        "x": x,
        "xanchor": anchor,
        "yref": "paper",
        "y": 1,
        "yanchor": "bottom",
        "text": text,
        "showarrow": False,
        "font": {"size": 12, "color": "var(--muted)"},
    }


def _missing(marks: Sequence[Mark]) -> list[dict[str, Any]]:
    """A word where a mark would be, so that a gap is never mistaken for zero."""
    return [
        {
            "x": 0,
            "y": _label(mark),
            "xanchor": "left",
            "xshift": 8,
            "text": "not measured: see the table",
            "showarrow": False,
            "font": {"color": "var(--muted)"},
        }
        for mark in marks
        if isinstance(mark.drop, NotMeasured)
    ]
