"""The plot of a search: what each proposed level saves, against how far it is from the original."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Literal

from reports.forest import COLOURS, SYMBOLS
from reports.look import LOOK
from reports.wording import visible

Kind = Literal["pass", "fail", "inconclusive", "not judged"]
NAMES: Mapping[Kind, str] = {
    "pass": "Audited: passes",
    "fail": "Audited: fails",
    "inconclusive": "Audited: open",
    "not judged": "Not audited",
}
LEAST = 1e-6
"""Nats: what is nearer is drawn here, since the axis is logarithmic."""


@dataclass(frozen=True)
class Spot:
    """One proposed level."""

    name: str
    x: float
    """Of the goal's quantity, in the axis's unit."""
    divergence: float
    kind: Kind
    winner: bool
    told: str
    """Its numbers, for whoever points at it."""


def figure(spots: Sequence[Spot], front: Sequence[Spot], axis: str, goal: float) -> dict[str, Any]:
    """A plotly figure as JSON data; the front, smallest first, as a step line, the goal as a dashed one."""
    import plotly.graph_objects as go

    traces = [_front(front)] if len(front) > 1 else []
    traces += [_marks(spots, kind) for kind in NAMES if any(spot.kind == kind for spot in spots)]
    data: dict[str, Any] = go.Figure(data=traces, layout=_layout(axis, goal)).to_plotly_json()
    return data


def _height(spot: Spot) -> float:
    return max(spot.divergence, LEAST)


def _front(front: Sequence[Spot]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "Front",
        "x": [spot.x for spot in front],
        "y": [_height(spot) for spot in front],
        "line": {"shape": "hv", "color": "var(--link)", "width": 1.5},
        "hoverinfo": "skip",
    }


def _marks(spots: Sequence[Spot], kind: Kind) -> dict[str, Any]:
    shown = [spot for spot in spots if spot.kind == kind]
    return {
        "type": "scatter",
        "mode": "markers+text",
        "name": NAMES[kind],
        "x": [spot.x for spot in shown],
        "y": [_height(spot) for spot in shown],
        "text": [escape(visible(spot.name), quote=False) if spot.winner else "" for spot in shown],
        "textposition": "top right",
        "textfont": {"size": 12, "color": "var(--ink)"},
        "cliponaxis": False,
        "customdata": [f"{escape(visible(spot.name))}: {escape(visible(spot.told))}" for spot in shown],
        "hovertemplate": "%{customdata}<extra></extra>",
        "marker": {
            "symbol": SYMBOLS[kind],
            "size": [15 if spot.winner else 10 for spot in shown],
            "color": COLOURS[kind],
            "line": {"width": 2, "color": COLOURS[kind]},
        },
    }


def _layout(axis: str, goal: float) -> dict[str, Any]:
    quiet = {
        "fixedrange": True, "showline": False, "ticks": "", "automargin": True, "gridcolor": "var(--line)",
        "zeroline": False,
    }  # fmt: skip
    small = {"size": 12}
    return {
        **LOOK,
        "height": 420,
        "margin": {"l": 8, "r": 16, "t": 30, "b": 8},
        "xaxis": {**quiet, "nticks": 6, "title": {"text": axis, "standoff": 8, "font": small}},
        "yaxis": {
            **quiet,
            "type": "log",
            "exponentformat": "power",
            "title": {"text": "KL from the original, nats a token", "standoff": 8, "font": small},
        },
        "shapes": [
            {
                "type": "line", "x0": goal, "x1": goal, "yref": "paper", "y0": 0, "y1": 1, "layer": "below",
                "line": {"dash": "dash", "width": 1.5, "color": "var(--muted)"},
            }
        ],
        "annotations": [
            {
                "text": "goal", "x": goal, "yref": "paper", "y": 1, "yanchor": "bottom", "showarrow": False,
                "font": {"size": 12, "color": "var(--muted)"},
            }
        ],
    }  # fmt: skip
