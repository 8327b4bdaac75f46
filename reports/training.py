"""How a student was trained on its teacher: what on, how long, and the loss on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from audit.records import AuditLog, LossPoint, Training, Variant
from reports.look import LOOK
from reports.tables import Column, Table
from reports.wording import anchor, count, listed, plain, rate

ROWS = 8
"""Of the table beside the curve, at most."""


@dataclass(frozen=True)
class Lesson:
    """One distilled level."""

    id: str
    said: str
    """What was trained on what, in a few sentences."""
    figure: dict[str, Any]
    spoken: str
    """The plot for those who can't see it."""
    table: Table


def lessons(log: AuditLog) -> list[Lesson]:
    """The levels that were trained, in the order of the log."""
    return [_lesson(one, one.training) for one in log.variants if one.training is not None]


def _lesson(variant: Variant, training: Training) -> Lesson:
    first, last = training.curve[0], training.curve[-1]
    return Lesson(
        id=f"plot-training-{anchor(variant.name)}",
        said=_said(variant, training),
        figure=_figure(training.curve),
        spoken=(
            f"Loss of {variant.name} over {count(training.steps)} steps. Divergence from the teacher from "
            f"{plain(first.divergence)} to {plain(last.divergence)}, cross-entropy of the text from "
            f"{plain(first.cross_entropy)} to {plain(last.cross_entropy)} nats a position. Table below."
        ),
        table=_table(variant, training.curve),
    )


def _said(variant: Variant, training: Training) -> str:
    teacher = (variant.level and variant.level.after) or "the original"
    if training.layers:
        places = listed([str(layer + 1) for layer in training.layers])
        start = f"It started as {len(training.layers)} of the {training.teacher_layers} layers: {places}."
    else:
        start = "It started from random weights."
    text = variant.calibration
    on = "" if text is None else f" on {count(text.samples * text.sequence_length)} tokens of {text.source}"
    first, last = training.curve[0], training.curve[-1]
    return (
        f"The divergence from the teacher went from {plain(first.divergence)} to {plain(last.divergence)} "
        f"nats a position. {variant.name} is a student of {teacher}. {start} It was trained{on}, "
        f"{count(training.steps)} steps of {count(training.tokens // training.steps)} tokens, "
        f"{count(training.tokens)} in all: {rate(1 - training.mix, 0)} of its loss is the divergence of its "
        f"distribution from the teacher's at temperature {training.temperature:g} (T² · KL), "
        f"{rate(training.mix, 0)} the text's cross-entropy. Learning rate: up to {training.learning_rate:g}. "
        "The losses are those of the text that it was trained on, before each step; what it lost on other "
        "text is what this report measures."
    )


def _figure(curve: tuple[LossPoint, ...]) -> dict[str, Any]:
    """A plotly figure as JSON data; the two lines can be told apart without colour."""
    import plotly.graph_objects as go

    lines = (
        ("T² · KL from the teacher", [point.divergence for point in curve], "var(--link)", "solid"),
        ("Cross-entropy of the text", [point.cross_entropy for point in curve], "var(--inconclusive)", "dot"),
    )
    traces = [
        {
            "type": "scatter",
            "mode": "lines" if len(curve) > 1 else "markers",
            "name": name,
            "x": [point.step for point in curve],
            "y": values,
            "line": {"color": colour, "dash": dash, "width": 2},
            "hovertemplate": "step %{x}: %{y:.4g} nats<extra>" + name + "</extra>",
        }
        for name, values, colour, dash in lines
    ]
    data: dict[str, Any] = go.Figure(data=traces, layout=_layout()).to_plotly_json()
    return data


def _layout() -> dict[str, Any]:
    axis = {
        "fixedrange": True, "showline": False, "ticks": "", "automargin": True, "gridcolor": "var(--line)",
        "zeroline": False, "rangemode": "tozero",
    }  # fmt: skip
    return {
        **LOOK,
        "height": 300,
        "margin": {"l": 8, "r": 16, "t": 12, "b": 8},
        "xaxis": {**axis, "title": {"text": "step", "standoff": 8, "font": {"size": 12}}},
        "yaxis": {**axis, "title": {"text": "nats a position", "standoff": 8, "font": {"size": 12}}},
    }


def _table(variant: Variant, curve: tuple[LossPoint, ...]) -> Table:
    """Some points of the curve, evenly spaced, the first and the last among them."""
    shown = min(len(curve), ROWS)
    places = [round(row * (len(curve) - 1) / max(1, shown - 1)) for row in range(shown)]
    columns = (
        Column("Step", numeric=True),
        Column("T² · KL from the teacher, nats", numeric=True),
        Column("Cross-entropy of the text, nats", numeric=True),
    )
    rows = [
        [count(point.step), plain(point.divergence), plain(point.cross_entropy)]
        for point in (curve[place] for place in places)
    ]
    return Table(f"Loss of {variant.name}: some points of the plot", columns, rows)
