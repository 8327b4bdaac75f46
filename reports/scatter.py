"""The plot of what a level costs against what it lost, both of its worst rule."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from audit.records import Decision
from reports.badge import WORDS
from reports.forest import COLOURS, SYMBOLS
from reports.labels import places
from reports.look import LOOK
from reports.wording import MINUS, visible

FARTHEST = 1000.0
"""Margins: what lost more is drawn here, at the edge."""
WIDE = 8
"""An axis that spans more than so many times its least value is logarithmic."""
TICKS = (0.5, 1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Margins, on both sides of 0."""


@dataclass(frozen=True)
class Spot:
    """One level."""

    label: str
    x: float
    x_ends: tuple[float, float] | None
    """Of its interval."""
    loss: float
    """In margins."""
    loss_ends: tuple[float, float] | None
    kind: Decision
    told: str
    """Its numbers, for whoever points at it."""


@dataclass(frozen=True)
class Axis:
    """What is drawn from left to right."""

    title: str
    reference: float | None
    """Where the original lies."""
    reference_label: str


def scatter(spots: Sequence[Spot], axis: Axis, front: Sequence[Spot] = ()) -> dict[str, Any]:
    """A plotly figure as JSON data; the front, smallest first, as a step line."""
    import plotly.graph_objects as go

    window = _Window(spots, axis)
    traces = [_front(front, window)] if front else []
    traces += [_marks(spots, kind, window) for kind in WORDS if any(spot.kind == kind for spot in spots)]
    data: dict[str, Any] = go.Figure(data=traces, layout=_layout(window)).to_plotly_json()
    return data


def height(margins: float) -> float:
    """A loss's place on the axis: even up to one margin, beyond it by the logarithm.

    >>> height(0.5), height(-1.0), round(height(math.e), 6)
    (0.5, -1.0, 2.0)
    """
    capped = max(-FARTHEST, min(margins, FARTHEST))
    return capped if abs(capped) <= 1 else math.copysign(1 + math.log(abs(capped)), capped)


class _Window:
    """What part of the plane is shown."""

    def __init__(self, spots: Sequence[Spot], axis: Axis) -> None:
        self.axis = axis
        xs = [x for spot in spots for x in (spot.x, *(spot.x_ends or ()))]
        xs += [] if axis.reference is None else [axis.reference]
        self.log = min(xs) > 0 and max(xs) > WIDE * min(xs)
        ends = [self.at(x) for x in xs]
        air = 0.12 * (max(ends) - min(ends)) or 0.12 * abs(ends[0]) or 1.0
        self.x_range = min(ends) - air, max(ends) + air
        ys = [0.0, 1.0, *(height(y) for spot in spots for y in (spot.loss, *(spot.loss_ends or ())))]
        air = 0.08 * (max(ys) - min(ys))
        self.y_range = min(ys) - air, max(ys) + air
        self.text = dict(
            zip(
                (spot.label for spot in spots),
                places([spot.label for spot in spots], [self._share(spot) for spot in spots]),
                strict=True,
            )
        )
        """Of each mark, where its name stands; empty where there is no place for it."""

    def at(self, x: float) -> float:
        """A place on the axis, as plotly's ranges want it."""
        return math.log10(x) if self.log else x

    @property
    def right(self) -> float:
        """The largest x that is shown."""
        return 10 ** self.x_range[1] if self.log else self.x_range[1]

    def _share(self, spot: Spot) -> tuple[float, float]:
        (left, right), (low, high) = self.x_range, self.y_range
        return (self.at(spot.x) - left) / (right - left), (height(spot.loss) - low) / (high - low)


def _front(front: Sequence[Spot], window: _Window) -> dict[str, Any]:
    """From the smallest level to the right edge: what so much room has to cost."""
    heights = [height(spot.loss) for spot in front]
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "Front",
        "x": [*(spot.x for spot in front), window.right],
        "y": [*heights, heights[-1]],
        "line": {"shape": "hv", "color": "var(--link)", "width": 1.5},
        "hoverinfo": "skip",
    }


def _marks(spots: Sequence[Spot], kind: Decision, window: _Window) -> dict[str, Any]:
    """The marks of one decision, with their intervals and names."""
    shown = [spot for spot in spots if spot.kind == kind]
    error_y = _bars([(height(s.loss), s.loss_ends and tuple(map(height, s.loss_ends))) for s in shown], kind)
    return {
        "type": "scatter",
        "mode": "markers+text",
        "name": WORDS[kind],
        "x": [spot.x for spot in shown],
        "y": [height(spot.loss) for spot in shown],
        "text": [_name(spot) if window.text[spot.label] else "" for spot in shown],
        "textposition": [window.text[spot.label] or "middle right" for spot in shown],
        "textfont": {"size": 12, "color": "var(--ink)"},
        "cliponaxis": False,
        "customdata": [f"{_name(spot)}: {escape(visible(spot.told))}" for spot in shown],
        "hovertemplate": "%{customdata}<extra></extra>",
        "marker": {
            "symbol": SYMBOLS[kind],
            "size": 11,
            "color": COLOURS[kind],
            "line": {"width": 2, "color": COLOURS[kind]},
        },
        "error_y": error_y,
        **(
            {"error_x": _bars([(s.x, s.x_ends) for s in shown], kind)} if any(s.x_ends for s in shown) else {}
        ),
    }


def _name(spot: Spot) -> str:
    return escape(visible(spot.label), quote=False)


def _bars(middles: Sequence[tuple[float, tuple[float, ...] | None]], kind: Decision) -> dict[str, Any]:
    """The intervals around marks; none has no bar."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [0.0 if ends is None else max(ends[1] - middle, 0.0) for middle, ends in middles],
        "arrayminus": [0.0 if ends is None else max(middle - ends[0], 0.0) for middle, ends in middles],
        "color": COLOURS[kind],
        "thickness": 1.5,
        "width": 4,
    }


def _layout(window: _Window) -> dict[str, Any]:
    quiet = {
        "fixedrange": True,
        "showline": False,
        "ticks": "",
        "automargin": True,
        "gridcolor": "var(--line)",
    }
    low, high = window.y_range
    ticks = [side * tick for tick in (0, *TICKS) for side in (1, -1) if low <= height(side * tick) <= high]
    small = {"size": 12}
    reference = window.axis.reference
    return {
        **LOOK,
        "height": 420,
        "margin": {"l": 8, "r": 16, "t": 30, "b": 8},
        "xaxis": {
            **quiet,
            "type": "log" if window.log else "linear",
            "range": list(window.x_range),
            "zeroline": False,
            "nticks": 6,
            "title": {"text": window.axis.title, "standoff": 8, "font": small},
        },
        "yaxis": {
            **quiet,
            "range": [low, high],
            "tickvals": [height(tick) for tick in sorted(set(ticks))],
            "ticktext": [f"{tick:g}".replace("-", MINUS) for tick in sorted(set(ticks))],
            "zeroline": True,
            "zerolinecolor": "var(--muted)",
            "zerolinewidth": 1.5,
            "title": {"text": "worst drop in margins", "standoff": 8, "font": small},
        },
        "shapes": [*_margin(high), *([] if reference is None else [_upright(reference)])],
        "annotations": [
            _note("margin", x=1, xref="paper", xanchor="right", y=1, yanchor="bottom"),
            *([] if reference is None else [_above(window, reference)]),
        ],
    }


def _margin(top: float) -> list[dict[str, Any]]:
    """The margin as a dashed line, and what is lost beyond it tinted."""
    across = {"xref": "paper", "x0": 0, "x1": 1, "layer": "below"}
    return [
        {
            **across,
            "type": "rect",
            "y0": 1,
            "y1": top,
            "fillcolor": "var(--fail)",
            "opacity": 0.07,
            "line": {"width": 0},
        },
        {
            **across,
            "type": "line",
            "y0": 1,
            "y1": 1,
            "line": {"dash": "dash", "width": 1.5, "color": "var(--fail)"},
        },
    ]


def _upright(x: float) -> dict[str, Any]:
    return {
        "type": "line",
        "x0": x,
        "x1": x,
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "layer": "below",
        "line": {"dash": "dot", "width": 1.5, "color": "var(--muted)"},
    }


def _above(window: _Window, x: float) -> dict[str, Any]:
    """The name of the original's line, over the plot."""
    return _note(
        window.axis.reference_label, x=window.at(x), xanchor="center", yref="paper", y=1, yanchor="bottom"
    )


def _note(text: str, **place: Any) -> dict[str, Any]:
    return {"text": text, "showarrow": False, "font": {"size": 12, "color": "var(--muted)"}, **place}
