"""How a student was trained stands beside what it is: the curve, and the sentence under it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html import unescape
from itertools import takewhile
from typing import Any

import pytest

from audit.records import AuditLog, Calibration, Level, LossPoint, Training
from reports.html import render
from reports.sections import compressed

Rows = Callable[[str], list[list[str]]]
Text = Callable[[str], str]

CURVE = tuple(LossPoint(step=10 * n, divergence=8.0 / n, cross_entropy=4.0 + 1.0 / n) for n in range(1, 21))
TRAINING = Training(
    layers=(0, 6, 12, 17, 23, 29), teacher_layers=30, steps=200, batch_size=8, tokens=409_600,
    learning_rate=5e-4, temperature=2.0, mix=0.1, curve=CURVE,
)  # fmt: skip


def distilled(log: AuditLog, training: Training = TRAINING, **level: Any) -> AuditLog:
    """The log with its first product a distilled one."""
    options = {"layers": 6, "student": "/home/me/small", "calibration": "/home/me/<b>.txt"}
    student = Level(name="student", method="distil", options=options, **level)
    text = Calibration(source="<b>.txt", sha256="ab" * 32, samples=4096, sequence_length=256, seed=0)
    made = log.variants[1].model_copy(
        update={"name": "student", "level": student, "calibration": text, "training": training}
    )
    return log.model_copy(update={"variants": (log.variants[0], made)})


def _points(rows: list[list[str]]) -> list[list[str]]:
    """The table of the curve, without its header."""
    start = next(place for place, row in enumerate(rows) if row[:1] == ["Step"]) + 1
    return list(takewhile(lambda row: row[0].isdigit(), rows[start:]))


def _html(log: AuditLog) -> str:
    return str(compressed.section(log).html)


def test_the_curve_shows_both_losses_step_by_step(log: AuditLog) -> None:
    html = _html(distilled(log))
    (source,) = re.findall(r'<script type="application/json">(.*?)</script>', html, re.DOTALL)
    figure = json.loads(source)
    divergence, cross_entropy = figure["data"]
    assert divergence["x"] == cross_entropy["x"] == [point.step for point in CURVE]
    assert divergence["y"] == [point.divergence for point in CURVE]
    assert cross_entropy["y"] == [point.cross_entropy for point in CURVE]
    assert divergence["line"]["dash"] != cross_entropy["line"]["dash"]


def test_the_sentence_says_what_was_trained_on_what(log: AuditLog, text_of: Text) -> None:
    html = _html(distilled(log))
    said = text_of(html)
    for part in (
        "student is a student of the original. It started as 6 of the 30 layers: 1, 7, 13, 18, 24 and 30.",
        "trained on 1,048,576 tokens of <b>.txt, 200 steps of 2048 tokens, 409,600 in all",
        "90 % of its loss is the divergence of its distribution from the teacher's at temperature 2",
        "10 % the text's cross-entropy",
        "Learning rate: up to 0.0005.",
    ):
        assert " ".join(part.split()) in said
    assert "<b>" not in html
    assert "/home/me" not in html


def test_fresh_weights_and_another_teacher_are_said(log: AuditLog, text_of: Text) -> None:
    fresh = TRAINING.model_copy(update={"layers": ()})
    said = text_of(_html(distilled(log, fresh, after="magnitude-30")))
    assert "student is a student of magnitude-30. It started from random weights." in said


def test_the_plot_says_its_ends_in_words(log: AuditLog) -> None:
    found = re.search(
        r'<div class="plot" id="([^"]+)" role="img" aria-label="([^"]+)"', _html(distilled(log))
    )
    assert found
    assert found[1] == "plot-training-student"
    words = unescape(found[2])
    assert "from 8.000 to 0.4000, cross-entropy of the text from 5.000 to 4.050 nats" in words


def test_some_points_of_the_curve_stand_in_a_table(log: AuditLog, rows_of: Rows) -> None:
    table = _points(rows_of(_html(distilled(log))))
    assert table[0] == ["10", "8.000", "5.000"]
    assert table[-1] == ["200", "0.4000", "4.050"]
    assert len(table) == 8


def test_a_single_step_is_a_mark_and_a_row(log: AuditLog, rows_of: Rows) -> None:
    one = TRAINING.model_copy(update={"curve": CURVE[:1], "steps": 1, "tokens": 2048})
    html = _html(distilled(log, one))
    assert '"mode": "markers"' in html
    assert _points(rows_of(html))[-1] == ["10", "8.000", "5.000"]


def test_the_page_brings_what_draws_the_curve(log: AuditLog) -> None:
    assert compressed.section(distilled(log)).plots
    nothing_else = distilled(log).model_copy(update={"comparisons": (), "verdicts": ()})
    assert render(nothing_else).count(b'id="plotly"') == 1


def test_without_a_student_no_word_of_training(log: AuditLog, text_of: Text) -> None:
    section = compressed.section(log)
    assert not section.plots
    assert "student" not in text_of(str(section.html))


@pytest.mark.parametrize("curve", [1, 7, 8, 9, 200])
def test_the_table_never_has_more_rows_than_the_curve_has_points(
    log: AuditLog, rows_of: Rows, curve: int
) -> None:
    points = tuple(LossPoint(step=n + 1, divergence=1.0, cross_entropy=1.0) for n in range(curve))
    trained = distilled(log, TRAINING.model_copy(update={"curve": points}))
    steps = [int(row[0]) for row in _points(rows_of(_html(trained)))]
    assert steps == sorted(set(steps))
    assert (len(steps), steps[0], steps[-1]) == (min(curve, 8), 1, curve)
