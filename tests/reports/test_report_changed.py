"""Items that changed: hostile text, shown as text."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from audit.records import AuditLog, Change, Run
from reports.sections import changed

CHANGE = Change(
    task="capitals",
    group=None,
    question="The capital of France is",
    target="Paris",
    before="Paris",
    after="Rome",
    before_scores=(-1.25, -3.5),
    after_scores=(-3.0, -2.5),
    choices=("Paris", "Rome"),
    kind="lost",
)


def test_each_block_says_how_many_of_how_many_it_shows(log: AuditLog, text_of: Callable[[str], str]) -> None:
    assert "int2: Accuracy showing 20 of 313 changed items" in text_of(str(changed.section(log).html))


def test_a_row_holds_question_answers_and_both_log_likelihoods(
    log: AuditLog, rows_of: Callable[[str], list[list[str]]]
) -> None:
    row = rows_of(_html(log, CHANGE))[1]
    assert row == [
        "▼ losta flip under accuracy capitals",
        "The capital of France is",
        "Paris",
        "Paris",
        "Rome",
        "Lead 2.25 → −0.50 Paris (right) −1.25 → −3.00 Rome −3.50 → −2.50",
    ]


def test_markup_in_an_answer_stays_text(log: AuditLog) -> None:
    html = _html(
        log, CHANGE.model_copy(update={"after": "</script><script>alert(1)</script><img src=http://x>"})
    )
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in html
    assert "<script" not in html
    assert "<img" not in html


def test_quotes_cannot_leave_an_attribute(log: AuditLog) -> None:
    level = '"><script>alert(1)</script>'
    comparisons = tuple(
        one.model_copy(update={"variant": level}) if one.variant == "int4" else one for one in log.comparisons
    )
    levels = tuple(
        one.model_copy(update={"name": level}) if one.name == "int4" else one for one in log.config.levels
    )
    config = log.config.model_copy(update={"levels": levels})
    html = str(changed.section(log.model_copy(update={"comparisons": comparisons, "config": config})).html)
    assert "&#34;&gt;&lt;script&gt;" in html
    assert "<script" not in html


def test_a_template_in_an_answer_is_not_run(log: AuditLog) -> None:
    assert "{{ 7 * 7 }}" in _html(log, CHANGE.model_copy(update={"after": "{{ 7 * 7 }}"}))


@pytest.mark.parametrize(
    "character", ["\u202e", "\u2066", "\u200b", "\x00", "\x07", "\x1b", "\u2028", "\ud800"]
)
def test_hidden_and_reordering_characters_are_spelled_out(log: AuditLog, character: str) -> None:
    html = _html(log, CHANGE.model_copy(update={"after": f"a{character}b"}))
    assert character not in html
    assert f"a⟦U+{ord(character):04X}⟧b" in html


def test_text_of_other_scripts_is_left_alone(log: AuditLog) -> None:
    words = "Париж パリ باريس می\u200cخواهم 👩\u200d🔬"
    assert words in _html(log, CHANGE.model_copy(update={"after": words}))


def test_a_very_long_answer_is_cut_with_a_note(log: AuditLog) -> None:
    html = _html(log, CHANGE.model_copy(update={"after": "x" * 20_000}))
    assert "… [cut here: 20,000 characters in all]" in html
    assert "x" * 601 not in html


def test_an_answer_written_freely_has_no_choices_to_score(log: AuditLog) -> None:
    free = CHANGE.model_copy(update={"choices": (), "before_scores": (), "after_scores": ()})
    assert "none: the answer was written freely" in _html(log, free)


def test_the_lead_is_over_the_likeliest_of_the_wrong_choices() -> None:
    three = CHANGE.model_copy(update={"choices": ("Paris", "Rome", "Oslo"), "target": "Rome"})
    assert changed.lead(three, (-1.0, -4.0, -2.5)) == -3.0
    assert changed.lead(three, (-9.0, -4.0, -7.0)) == 3.0


@pytest.mark.parametrize(
    "update", [{"target": "Lyon"}, {"choices": ("Paris",), "before_scores": (-1.0,), "after_scores": (-2.0,)}]
)
def test_a_lead_that_there_is_not_gives_its_reason(
    log: AuditLog, text_of: Callable[[str], str], update: dict[str, object]
) -> None:
    text = text_of(_html(log, CHANGE.model_copy(update=update)))
    assert "lead not measured: the right answer is not one of the choices, or the only one" in text


def test_each_block_names_the_files_with_all_items_of_both(log: AuditLog) -> None:
    html = _html(log, CHANGE)
    assert "<code>cells/int4/accuracy.parquet</code>" in html
    assert "<code>cells/original/accuracy.parquet</code>" in html
    assert "cells/int4/bias.parquet" not in html


def test_many_files_are_folded(log: AuditLog) -> None:
    def split(run: Run) -> Run:
        cell = run.cells[0]
        parts = [cell.model_copy(update={"path": f"{cell.path}-{part}"}) for part in range(4)]
        return run.model_copy(update={"cells": tuple(parts)})

    html = _html(log.model_copy(update={"runs": tuple(map(split, log.runs))}), CHANGE)
    assert '<a href="#files-int4-accuracy">4 files of int4: Accuracy</a>' in html
    assert '<a href="#files-original-accuracy">4 files of original: Accuracy</a>' in html
    folded = html[html.index('<details class="files">') :]
    assert '<dt id="files-int4-accuracy">' in folded
    assert folded.count("cells/int4/accuracy.parquet-") == 4
    assert "cells/int4/bias.parquet" not in folded


def test_scores_without_a_partner_are_said_and_not_dropped(log: AuditLog) -> None:
    html = _html(log, CHANGE.model_copy(update={"after_scores": (-3.0,)}))
    assert "−3.50 → not scored" in html


def test_nothing_changed_is_said(log: AuditLog) -> None:
    html = changed.section(log.model_copy(update={"comparisons": ()})).html
    assert "No answer changed" in html


def test_blocks_are_folded(log: AuditLog) -> None:
    assert not re.search(r"<details[^>]*\sopen", str(changed.section(log).html))


def _html(log: AuditLog, change: Change) -> str:
    """The section with one block of one item."""
    one = next(c for c in log.comparisons if c.group is None and c.variant == "int4")
    only = one.model_copy(update={"changed": (change,), "n_changed": 1})
    return str(changed.section(log.model_copy(update={"comparisons": (only,)})).html)
