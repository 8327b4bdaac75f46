"""What was forgotten: nothing claimed that was not measured, hostile text shown as text."""

from __future__ import annotations

import doctest
from collections.abc import Callable
from typing import Any

import pytest

from audit.records import (
    AuditLog,
    Forgetting,
    ForgettingRate,
    Forgotten,
    HeadAgainstTail,
    Interval,
    LinkLoss,
    LostFact,
    NotMeasured,
)
from reports.html import render
from reports.sections import forgetting, limits

Rows = Callable[[str], list[list[str]]]
Text = Callable[[str], str]

HOSTILE = "</td><script>alert(1)</script>\u202e"


def interval(lower: float, upper: float) -> Interval:
    return Interval(lower=lower, upper=upper, confidence=0.95, method="made up")


def rate(by: Any, name: str, known: int, lost: int, **fields: Any) -> ForgettingRate:
    measured: dict[str, Any] = {
        "rate": lost / known, "interval": interval(0.01, 0.5), "p_value": 0.5, "p_adjusted": 0.6,
    }  # fmt: skip
    return ForgettingRate(by=by, name=name, n_known=known, n_forgotten=lost, **{**measured, **fields})


NOTHING = NotMeasured("the original knew none of these 9 facts with the margin")
FACT = LostFact(
    task="cities", group="tail", question="The city of Basel is in", target="Switzerland", after="Czechia",
    wordings=2, wordings_lost=1, lead_before=3.0, lead_after=-1.0,
)  # fmt: skip
DAMAGED = Forgotten(
    margin=2.0,
    n_wordings=2,
    n_facts=744,
    n_right=640,
    n_learned=11,
    whole=rate("all", "all", 500, 50),
    parts=(
        rate("group", "head", 200, 10),
        rate("group", "tail", 120, 30, p_value=0.001, p_adjusted=0.003),
        rate("task", "elements", 9, 0, rate=NOTHING, interval=NOTHING, p_value=NOTHING, p_adjusted=NOTHING),
    ),
    tail=HeadAgainstTail(
        difference=0.2, interval=interval(0.0524315, 0.3338727), p_value=0.0004, p_adjusted=0.0012
    ),
    lost=(FACT,),
)
SPARED = DAMAGED.model_copy(
    update={
        "whole": rate("all", "all", 500, 0),
        "parts": (rate("group", "head", 200, 0), rate("group", "tail", 120, 0)),
        "tail": HeadAgainstTail(difference=0.0, interval=interval(-0.02, 0.03), p_value=1.0, p_adjusted=1.0),
        "lost": (),
    }
)


def followed(log: AuditLog, **found: Forgotten | NotMeasured) -> AuditLog:
    """The log, its forgetting suite marked as asking for facts, with these results."""
    suites = tuple(
        one.model_copy(update={"knowledge": one.name == "forgetting"}) for one in log.config.suites
    )
    results = tuple(Forgetting(variant=name, suite="forgetting", found=one) for name, one in found.items())
    config = log.config.model_copy(update={"suites": suites})
    return log.model_copy(update={"config": config, "forgetting": results})


def chained(log: AuditLog, found: Forgotten) -> AuditLog:
    """The same with int2 made from int4."""
    log = followed(log, int4=DAMAGED, int2=found)
    levels = tuple(
        one.model_copy(update={"after": "int4" if one.name == "int2" else None}) for one in log.config.levels
    )
    return log.model_copy(update={"config": log.config.model_copy(update={"levels": levels})})


def html_of(log: AuditLog) -> str:
    return str(forgetting.section(log).html)


def test_each_level_has_its_row_the_control_first(log: AuditLog, rows_of: Rows) -> None:
    rows = rows_of(html_of(followed(log, int4=DAMAGED, control=SPARED)))
    assert rows[:3] == [
        [
            "Level", "Facts asked", "Original right", "Known", "Of these forgotten",
            "Forgotten, % of known", "95 % interval", "Still known, %", "Newly right",
        ],
        ["control (copy of the original)", "744", "640", "500", "0", "0.00", "1.00 to 50.00", "100.00", "11"],
        ["int4", "744", "640", "500", "50", "10.00", "1.00 to 50.00", "90.00", "11"],
    ]  # fmt: skip


def test_a_drop_of_the_same_facts_stands_beside_what_was_forgotten(log: AuditLog, rows_of: Rows) -> None:
    """52 of 640 pairs turned wrong at int4; of 744 facts that number says nothing."""
    alike = DAMAGED.model_copy(update={"n_facts": 640, "n_right": 442})
    head, *rows = rows_of(html_of(followed(log, int8=DAMAGED, int4=alike)))
    assert head[2:5] == ["Original right", "Of these wrong now", "Known"]
    assert rows[0][3] == "not measured: the drop is not counted by facts"
    assert rows[1][2:6] == ["442", "52", "500", "50"]


def test_it_says_when_a_fact_counts_as_known(log: AuditLog, text_of: Text) -> None:
    assert (
        "A fact counts as known to the original when it is right in both of its wordings, and the right "
        "answer is at least twice as likely as any wrong one in each of them."
    ) in text_of(html_of(followed(log, int4=DAMAGED)))


def test_a_suite_of_one_wording_promises_no_second(log: AuditLog, text_of: Text) -> None:
    single = DAMAGED.model_copy(update={"n_wordings": 1, "margin": 3.0})
    said = text_of(html_of(followed(log, int4=single)))
    assert "when it is right, and the right answer is at least 3 times as likely as any wrong one." in said


def test_head_against_tail_is_one_sentence_with_interval_and_p(log: AuditLog, text_of: Text) -> None:
    assert (
        "int4: facts about rarely mentioned subjects were forgotten more often; the tail's share of "
        "forgotten facts less the head's is 20.00 points (95 % interval 5.24 to 33.39; p 0.0004, "
        "Holm-adjusted 0.0012)."
    ) in text_of(html_of(followed(log, int4=DAMAGED)))


def test_what_only_looks_like_a_difference_is_not_claimed(log: AuditLog, text_of: Text) -> None:
    tail = HeadAgainstTail(difference=0.2, interval=interval(0.01, 0.3), p_value=0.04, p_adjusted=0.08)
    said = text_of(html_of(followed(log, int4=DAMAGED.model_copy(update={"tail": tail}))))
    assert "int4: no difference between head and tail was shown" in said
    assert "forgotten more often" not in said


def test_a_head_that_went_first_is_said_to_be_the_head(log: AuditLog, text_of: Text) -> None:
    tail = HeadAgainstTail(difference=-0.2, interval=interval(-0.3, -0.1), p_value=0.001, p_adjusted=0.002)
    said = text_of(html_of(followed(log, int4=DAMAGED.model_copy(update={"tail": tail}))))
    assert "facts about well known subjects were forgotten more often" in said


def test_groups_come_worst_first_and_those_without_a_rate_last(log: AuditLog, rows_of: Rows) -> None:
    rows = rows_of(html_of(followed(log, int4=DAMAGED)))
    start = next(place for place, row in enumerate(rows) if row[0] == "Group or task")
    assert [row[0] for row in rows[start + 1 : start + 4]] == ["tail", "head", "elements"]
    assert rows[start + 1][1:] == ["int4", "120", "30", "25.00", "1.00 to 50.00", "0.0010", "0.0030"]
    assert rows[start + 3][4] == f"not measured: {NOTHING.reason}"


def test_only_a_group_that_was_shown_to_be_worse_is_named(log: AuditLog, text_of: Text) -> None:
    said = text_of(html_of(followed(log, int8=SPARED, int4=DAMAGED)))
    assert (
        "int4 has forgotten more than elsewhere in tail (30 of 120 known facts, adjusted p 0.0030)." in said
    )
    assert "int8 has forgotten more" not in said
    none = text_of(html_of(followed(log, int8=SPARED)))
    assert "In no group and no task was more shown to be forgotten than elsewhere." in none


def test_a_lost_fact_shows_what_is_said_now(log: AuditLog, rows_of: Rows, text_of: Text) -> None:
    html = html_of(followed(log, int4=DAMAGED))
    assert "showing 1 of 50 forgotten facts" in text_of(html)
    assert rows_of(html)[-1] == [
        "cities, tail", "The city of Basel is in", "Switzerland", "Czechia", "1 of 2", "20× → 0.37×",
    ]  # fmt: skip


def test_a_models_words_stay_text(log: AuditLog) -> None:
    hostile = FACT.model_copy(update={"after": HOSTILE, "question": HOSTILE, "task": HOSTILE})
    html = html_of(followed(log, int4=DAMAGED.model_copy(update={"lost": (hostile,)})))
    assert "<script" not in html
    assert "\u202e" not in html
    assert html.count("&lt;/td&gt;&lt;script&gt;") == 3


def test_a_chains_table_says_which_link_lost_how_many(log: AuditLog, rows_of: Rows, text_of: Text) -> None:
    last = DAMAGED.model_copy(
        update={
            "links": (LinkLoss(link="int4", n_forgotten=12), LinkLoss(link="int2", n_forgotten=30)),
            "lost": (FACT.model_copy(update={"lost_at": "int4"}),),
        }
    )
    html = html_of(chained(log, last))
    assert "int2: which link lost the 50 facts forgotten at its end" in text_of(html)
    rows = rows_of(html)
    start = rows.index(["Link", "Facts it lost first"])
    assert rows[start + 1 : start + 4] == [
        ["int4", "12"],
        ["int2", "30"],
        ["can't be said: a link stopped before it was asked", "8"],
    ]
    assert rows[-1][-1] == "int4"


def test_without_chains_no_word_of_links(log: AuditLog, text_of: Text) -> None:
    assert "link" not in text_of(html_of(followed(log, int4=DAMAGED))).lower()


def test_the_controls_noise_is_said(log: AuditLog, text_of: Text) -> None:
    silent = text_of(html_of(followed(log, control=SPARED, int4=DAMAGED)))
    assert "Noise: control, the original measured again, has forgotten none of 500 known facts." in silent
    noisy = text_of(html_of(followed(log, control=DAMAGED)))
    assert "has forgotten 50 of 500 known facts (10.00 %). A level that is not clearly above" in noisy


def test_what_could_not_be_had_gives_its_reason_here_and_among_the_gaps(log: AuditLog, text_of: Text) -> None:
    gone = followed(log, int4=NotMeasured("the original knew none of the 40 facts"), int2=DAMAGED)
    assert "not measured: the original knew none of the 40 facts" in text_of(html_of(gone))
    gaps = dict(limits.unmeasured(gone))
    assert str(gaps["int4, forgetting, forgetting: found"]).endswith("none of the 40 facts")
    assert gaps["int2, forgetting, forgetting, task elements: rate"] == NOTHING


def test_without_a_suite_that_asks_for_facts_that_is_said(log: AuditLog, text_of: Text) -> None:
    assert "No suite of this audit is marked as asking for facts" in text_of(html_of(log))


def test_an_audit_that_stopped_before_it_says_so(log: AuditLog, text_of: Text) -> None:
    assert "Forgetting: what was forgotten was not looked at." in text_of(html_of(followed(log)))


def test_the_whole_page_holds_it_and_comes_back_from_json(log: AuditLog) -> None:
    found = followed(log, control=SPARED, int4=DAMAGED)
    page = render(found)
    assert b'<section id="forgetting"' in page
    assert render(AuditLog.model_validate_json(found.to_json())) == page


@pytest.mark.parametrize("module", [forgetting])
def test_the_examples_in_the_docstrings_hold(module: Any) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0
