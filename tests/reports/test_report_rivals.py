"""Candidates against each other on the page: places, ties, pairs, worst groups."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rival_logs import THREE, compared, contest, contested, duel, item

from audit.records import AuditLog, NotMeasured
from reports import html
from reports.sections.rivals import place, section, winner

Rows = Callable[[str], list[list[str]]]


@pytest.mark.parametrize(("name", "ranks"), [("a", (1, 2)), ("b", (1, 3)), ("c", (2, 3))])
def test_a_place_is_a_range_where_pairs_are_not_told_apart(name: str, ranks: tuple[int, int]) -> None:
    assert place(name, THREE, 3) == ranks


def test_where_all_are_told_apart_every_place_is_one() -> None:
    clear = [duel("a", "b", -0.2, 0.001), duel("a", "c", 0.2, 0.001), duel("b", "c", 0.4, 0.001)]
    assert [place(name, clear, 3) for name in "abc"] == [(2, 2), (1, 1), (3, 3)]


def test_the_better_one_is_the_one_that_lost_less() -> None:
    assert [winner(one) for one in THREE] == [None, "a", None]
    assert winner(duel("a", "b", -0.2, 0.001)) == "b"


def test_places_and_pairs_stand_on_the_page(log: AuditLog, rows_of: Rows) -> None:
    rows = rows_of(str(section(compared(log)).html))
    assert ["Accuracy", "1 to 2", "1 to 3", "2 to 3"] in rows
    (pair,) = [row for row in rows if row[:2] == ["a", "c"]]
    assert pair[2:6] == ["80.00", "60.00", "20.00", "10.00 to 30.00"]
    assert pair[6:] == ["20 / 0", "0.0010", "100", "a"]


def test_without_two_candidates_the_page_has_no_such_part(log: AuditLog) -> None:
    assert not section(log).html
    assert "rivals" not in [one.id for one in html.drawn(log)]


def test_before_the_pairs_stands_whether_there_is_any_difference(log: AuditLog, rows_of: Rows) -> None:
    html = str(section(contested(log, contest(log, 1, item("Where?", True, False, True)))).html)
    (row,) = [row for row in rows_of(html) if row[1:2] == ["yes"]]
    assert row == [
        "Accuracy", "yes", "0.0174", "0.0087", "Cochran's Q: 9.50 with 2 degrees of freedom", "100", "1",
    ]  # fmt: skip
    assert html.index("All candidates at once") < html.index("Accuracy: every pair")
    calm = str(section(contested(log, contest(log, 0, p_adjusted=0.2))).html)
    assert [row[1] for row in rows_of(calm) if row[2:3] == ["0.2000"]] == ["none is shown"]
    untested = contest(log, 0, omnibus=NotMeasured("3 items"), p_adjusted=NotMeasured("3 items"))
    (row,) = [row for row in rows_of(str(section(contested(log, untested)).html)) if "not tested" in row]
    assert "3 items" in row[2]


def test_each_contested_item_says_who_is_right_to_eyes_and_ears(log: AuditLog, rows_of: Rows) -> None:
    html = str(section(contested(log, contest(log, 7, item("Where is it?", True, False, True)))).html)
    assert "7 items of 100 on which candidates differ, 1 shown" in html
    (row,) = [row for row in rows_of(html) if row[0].startswith("Where is it?")]
    assert row[1:] == ["✓right", "✓right", "✗wrong", "✓right"]
    assert "Rome" in row[0]
    assert html.count('<span aria-hidden="true">✗</span>') == 2  # in the table, and beside the answer


def test_what_models_wrote_is_shown_as_text(log: AuditLog) -> None:
    html = str(
        section(contested(log, contest(log, 1, item("<i>", True, False, True, answer="<b>\u202e")))).html
    )
    assert "<b>" not in html
    assert "&lt;b&gt;⟦U+202E⟧" in html


def test_a_page_has_room_for_so_many_contested_items(log: AuditLog) -> None:
    many = [item("long " * 200, True, False, True, answer="x" * 600) for _ in range(1200)]
    html = str(section(contested(log, contest(log, 1200, *many))).html)
    shown = html.count('data-label="original"')
    assert 200 < shown < 600
    assert f"1200 items of 100 on which candidates differ, {shown} shown" in html


def test_a_log_from_before_contests_still_has_its_pairs(log: AuditLog) -> None:
    html = str(section(compared(log)).html)
    assert "every pair of candidates" in html
    assert "All candidates at once" not in html


def test_the_heads_of_pairs_are_in_plain_words_with_the_term_beside_them(log: AuditLog) -> None:
    html = str(section(compared(log)).html)
    for head in ("Candidate A", "How much worse B is (drop, points)", "Could it be chance? (p, Holm)"):
        assert f">{head}</th>" in html
    assert "intervals of 96.7\N{NO-BREAK SPACE}% each, so that all of them hold at 90" in html
    assert "The other" not in html
