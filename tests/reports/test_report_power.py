"""What could not be decided, and whether the items could have decided it."""

from __future__ import annotations

from collections.abc import Callable

from audit.records import AuditLog, BudgetVerdict, Interval
from reports.sections import power

Rows = Callable[[str], list[list[str]]]
Text = Callable[[str], str]


def test_each_open_rule_says_why_and_how_many_pairs_would_decide(log: AuditLog, rows_of: Rows) -> None:
    """Of 38 lost and 27 gained of 640 pairs, half of the 90 % interval is 1.645 · sqrt(65 − 121/640)/640."""
    row = next(row for row in _rows(log, rows_of) if row[:2] == ["magnitude-50", "Accuracy"])
    assert row[2:] == [
        "upper bound 3.79 ≥ margin 3.00; about 1840 items would decide",
        "640",
        "about 1840",
        "2.07 points",
        "3.00 points",
    ]


def test_a_decided_rule_is_not_open(log: AuditLog, rows_of: Rows) -> None:
    open_rules = {(row[0], row[1]) for row in _rows(log, rows_of) if len(row) == 7}
    assert ("int4", "Accuracy") not in open_rules
    assert ("int8", "Bias") not in open_rules


def test_a_rule_that_was_not_read_asks_for_no_items(log: AuditLog, rows_of: Rows) -> None:
    row = next(row for row in _rows(log, rows_of) if row[:2] == ["int2", "Bias"])
    assert row[4] == "no number: see why"


def test_where_enough_pairs_were_asked_the_drop_stands_in_the_way(gate: AuditLog, rows_of: Rows) -> None:
    row = next(row for row in _rows(gate, rows_of) if row[0] == "int4" and "KL divergence" in row[1])
    assert row[1].endswith("reported, does not block")
    assert row[4] == "about 16 the drop stands in the way"


def test_a_rule_whose_interval_is_wider_than_its_margin_could_not_have_passed(
    log: AuditLog, rows_of: Rows
) -> None:
    row = _reach(log, rows_of)["Accuracy"]
    assert row[1] == "640"
    assert row[4:] == [
        "0.77 to 3.47 points",
        "3.00 points",
        "no for int2: too few items for so many changes; yes for the others",
    ]


def test_an_interval_that_is_exactly_as_wide_as_the_margin_is_too_wide(log: AuditLog, rows_of: Rows) -> None:
    interval = Interval(lower=-0.03, upper=0.03, confidence=0.9, method="made up")
    comparisons = tuple(one.model_copy(update={"interval": interval}) for one in log.comparisons)
    row = _reach(log.model_copy(update={"comparisons": comparisons}), rows_of)["Accuracy"]
    assert row[6].startswith("no for int8, int4, int2 and magnitude-50: too few items for so many changes")


def test_a_suite_that_stopped_early_is_held_to_its_planned_pairs(log: AuditLog, rows_of: Rows) -> None:
    """3.47 points of int2 after 640 pairs are 2.45 after 1280, which is inside 3; 3.10 after 800 is not."""

    def planned(pairs: int) -> str:
        comparisons = tuple(one.model_copy(update={"n_planned": pairs}) for one in log.comparisons)
        return _reach(log.model_copy(update={"comparisons": comparisons}), rows_of)["Accuracy"][6]

    assert planned(1280) == "yes"
    assert planned(800).startswith("no for int2")


def test_looks_and_planned_pairs_stand_beside_those_asked(gate: AuditLog, rows_of: Rows) -> None:
    reach = _reach(gate, rows_of)
    assert reach["Bias"][1:4] == ["1200 to 2400", "2400", "2 to 4 of 4"]
    assert reach["Summaries"][1:4] == ["200", "800", "1 of 4"]


def test_where_all_was_decided_the_page_says_so_and_shows_the_reach(
    log: AuditLog, rows_of: Rows, text_of: Text
) -> None:
    verdicts = tuple(one.model_copy(update={"decision": "pass"}) for one in log.verdicts)
    decided = log.model_copy(update={"verdicts": verdicts})
    text = text_of(str(power.section(decided).html))
    assert "Nothing: every rule was decided on every level." in text
    assert "Rules that ended inconclusive" not in text
    assert set(_reach(decided, rows_of)) == {"Accuracy", "Bias", "Robustness", "Forgetting", "Safety"}


def test_what_was_never_judged_is_not_called_decided(log: AuditLog, text_of: Text) -> None:
    kept = tuple(one.model_copy(update={"decision": "pass"}) for one in log.verdicts if one.variant != "int2")
    stopped = log.model_copy(update={"verdicts": kept, "status": "stopped"})
    text = text_of(str(power.section(stopped).html))
    assert "Never judged, since the audit stopped: int2: Accuracy, Bias" in text
    assert "Nothing: every rule" not in text


def test_an_open_budget_is_open(gate: AuditLog, text_of: Text) -> None:
    one = gate.budgets[0].model_copy(update={"decision": "inconclusive", "because": "it was not measured"})
    assert isinstance(one, BudgetVerdict)
    text = text_of(str(power.section(gate.model_copy(update={"budgets": (one,)})).html))
    assert "int8, Size on disk: it was not measured" in text


def test_futility_is_explained_where_a_suite_stopped_early(gate: AuditLog, log: AuditLog) -> None:
    assert power.FUTILE in power.section(gate).html
    assert power.FUTILE not in power.section(log).html


def _rows(log: AuditLog, rows_of: Rows) -> list[list[str]]:
    return rows_of(str(power.section(log).html))


def _reach(log: AuditLog, rows_of: Rows) -> dict[str, list[str]]:
    """The rows of the table per rule, without its head."""
    table = (
        str(power.section(log).html).split("What the items of each rule could show")[-1].split("</table>")[0]
    )
    return {row[0]: row for row in rows_of(table)[1:]}
