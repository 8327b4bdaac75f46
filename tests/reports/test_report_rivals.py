"""Candidates against each other on the page: places, ties, pairs, worst groups."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from audit.records import AuditLog, Duel, Flips, Interval, Level, ModelRef
from reports import html
from reports.sections.rivals import place, section, winner

Rows = Callable[[str], list[list[str]]]


def duel(against: str, variant: str, drop: float, p: float) -> Duel:
    """Of 100 pairs."""
    interval = Interval(lower=drop - 0.1, upper=drop + 0.1, confidence=0.9667, method="made up")
    lost = round(100 * max(drop, 0.0))
    flips = Flips(lost=lost, gained=lost - round(100 * drop), rate=abs(drop))
    return Duel.model_validate(
        {
            "against": against, "variant": variant, "suite": "accuracy", "metric": "acc", "group": None,
            "n_pairs": 100, "n_unpaired_before": 0, "n_unpaired_after": 0, "before": 0.8,
            "after": 0.8 - drop, "difference": drop, "interval": interval, "tango": interval, "p_value": p,
            "p_adjusted": p, "flips": flips, "chance": 0.25, "before_lower": 0.7, "after_lower": 0.6,
            "method": "made up",
        }
    )  # fmt: skip


# c is worse than a; b is told apart from neither
THREE = [duel("a", "b", 0.05, 0.4), duel("a", "c", 0.2, 0.001), duel("b", "c", 0.15, 0.06)]


@pytest.mark.parametrize(("name", "ranks"), [("a", (1, 2)), ("b", (1, 3)), ("c", (2, 3))])
def test_a_place_is_a_range_where_pairs_are_not_told_apart(name: str, ranks: tuple[int, int]) -> None:
    assert place(name, THREE, 3) == ranks


def test_where_all_are_told_apart_every_place_is_one() -> None:
    clear = [duel("a", "b", -0.2, 0.001), duel("a", "c", 0.2, 0.001), duel("b", "c", 0.4, 0.001)]
    assert [place(name, clear, 3) for name in "abc"] == [(2, 2), (1, 1), (3, 3)]


def test_the_better_one_is_the_one_that_lost_less() -> None:
    assert [winner(one) for one in THREE] == [None, "a", None]
    assert winner(duel("a", "b", -0.2, 0.001)) == "b"


def compared(log: AuditLog) -> AuditLog:
    """The log with three candidates in the place of its levels."""
    levels = tuple(
        Level(name=name, method="candidate", artefact=ModelRef(name=name, path="", digest="d"))
        for name in ("a", "b", "c")
    )
    names = {"int8": "a", "int4": "b", "int2": "c"}
    comparisons = tuple(
        one.model_copy(update={"variant": names[one.variant]}) for one in log.comparisons
        if one.variant in names
    )  # fmt: skip
    metric = log.config.suites[0].metrics[0].name
    duels = tuple(one.model_copy(update={"metric": metric}) for one in THREE)
    config = log.config.model_copy(update={"levels": levels})
    return log.model_copy(update={"config": config, "comparisons": comparisons, "duels": duels})


def test_places_and_pairs_stand_on_the_page(log: AuditLog, rows_of: Rows) -> None:
    rows = rows_of(str(section(compared(log)).html))
    assert ["Accuracy", "1 to 2", "1 to 3", "2 to 3"] in rows
    (pair,) = [row for row in rows if row[:2] == ["a", "c"]]
    assert pair[2:6] == ["80.00", "60.00", "20.00", "10.00 to 30.00"]
    assert pair[6:] == ["20 / 0", "0.0010", "100", "a"]


def test_without_two_candidates_the_page_has_no_such_part(log: AuditLog) -> None:
    assert not section(log).html
    assert "rivals" not in [one.id for one in html.drawn(log)]
