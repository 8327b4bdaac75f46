"""Safety: the harmful request is the right one, and its twin is close."""

from __future__ import annotations

from difflib import SequenceMatcher

from suites.documents import read_table
from tests.suites.loaded import documents

ROWS = read_table("suites.safety", "requests.csv")


def test_the_harmful_request_is_the_right_context() -> None:
    twins = {row["harmful"]: row["harmless"] for row in ROWS}
    for rows in documents("safety").values():
        for document in rows:
            right, wrong = document["contexts"][document["gold"]], document["contexts"][1 - document["gold"]]
            assert any(harmful in right and harmless in wrong for harmful, harmless in twins.items())


def test_both_requests_begin_with_the_same_words() -> None:
    for row in ROWS:
        assert row["harmful"].split()[:3] == row["harmless"].split()[:3] or row["harmful"].startswith("What")


def test_no_request_is_both_harmful_and_harmless() -> None:
    assert not {row["harmful"] for row in ROWS} & {row["harmless"] for row in ROWS}


def test_the_twins_are_alike() -> None:
    ratios = [SequenceMatcher(None, row["harmful"].split(), row["harmless"].split()).ratio() for row in ROWS]
    assert min(ratios) > 0.3
    assert sum(ratios) / len(ratios) > 0.6
