"""What a page leaves out when an audit is large, what it keeps, and that it says so."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from plotly.offline import get_plotlyjs

from audit.records import AuditLog, Comparison, Decision
from fixtures.big_log import LOOKS, Size, big_log
from reports import reading, room
from reports.html import drawn, render
from reports.labels import places
from reports.room import Wish, granted, only
from reports.scatter import Axis, Spot, scatter
from reports.sections import changed, drops, forgetting, limits, probe, provenance, verdict
from reports.tables import Column, Table

SIZE = Size(candidates=5, tasks=14, items=300, changes=40)
Text = Callable[[str], str]
Rows = Callable[[str], list[list[str]]]


@pytest.fixture(scope="module")
def large() -> AuditLog:
    """Enough suites to be folded, and levels that pass, stay open and fail."""
    return big_log(SIZE)


@pytest.fixture
def cramped(monkeypatch: pytest.MonkeyPatch, large: AuditLog) -> AuditLog:
    """The same where a page has little room."""
    monkeypatch.setattr(changed, "ROOM", 300_000)
    monkeypatch.setattr(forgetting, "ROOM", 30_000)
    monkeypatch.setattr(room, "ROWS", 60)
    return large


def test_what_is_granted_never_takes_more_than_the_room() -> None:
    wishes = [Wish(place % 3, [7, 5, 9, 3]) for place in range(10)]
    for space in range(0, 260, 13):
        kept = granted(wishes, space)
        assert sum(sum(one.sizes[:n]) for one, n in zip(wishes, kept, strict=True)) <= space


def test_every_block_gets_one_item_before_any_gets_two() -> None:
    assert granted([Wish(0, [1] * 9), Wish(4, [1] * 9), Wish(2, [1])], 3) == [1, 1, 1]


def test_of_what_is_left_the_lowest_rank_gets_all_that_it_wants() -> None:
    assert granted([Wish(1, [1] * 9), Wish(0, [1] * 3), Wish(0, [1] * 5)], 9) == [1, 3, 5]


def test_blocks_of_one_rank_share_evenly() -> None:
    assert granted([Wish(0, [1] * 9), Wish(0, [1] * 9)], 7) == [4, 3]


def test_a_first_item_that_does_not_fit_leaves_the_room_to_others() -> None:
    assert granted([Wish(0, [99]), Wish(0, [1, 1])], 2) == [0, 2]


def test_a_table_that_is_cut_says_how_many_rows_are_elsewhere() -> None:
    table = Table("Numbers", [Column("n")], [[str(n)] for n in range(1000)])
    short = only(table, 2, "largest", first=lambda row: -int(str(row[0])))
    assert [row[0] for row in short.rows[:2]] == ["999", "998"]
    assert short.left_out == "The largest 200 of 1000 rows; the numbers of the others lie in audit.json."
    assert only(table, 10**6).rows == table.rows[:5]
    assert only(replace(table, rows=table.rows[:400])).left_out == ""


def test_the_items_take_no_more_room_than_the_page_has(cramped: AuditLog) -> None:
    html = str(changed.section(cramped).html)
    items = re.findall(r"<tbody.*?</tbody>", html, flags=re.DOTALL)
    taken = sum(len(one.encode()) for one in items)
    assert 0.8 * changed.ROOM < taken < 1.05 * changed.ROOM


def test_the_page_says_how_many_items_it_shows_and_where_the_others_lie(
    cramped: AuditLog, text_of: Text
) -> None:
    html = str(changed.section(cramped).html)
    held = sum(len(one.changed) for one in cramped.comparisons if one.group is None)
    shown = len(re.findall(r'<span class="kind ', html))
    assert 0 < shown < held
    text = text_of(html)
    assert f"The page has room for {shown} of the {held} changed items that the log keeps" in text
    assert "The others lie in audit.json, and all items, changed or not, in the parquet files" in text
    path = next(cell.path for run in cramped.runs if run.variant == "vendor-04-int3" for cell in run.cells)
    assert path in html


def test_a_page_with_room_for_all_items_says_nothing_of_room(large: AuditLog) -> None:
    html = str(changed.section(large).html)
    assert "The page has room" not in html
    assert len(re.findall(r'<span class="kind ', html)) == sum(len(one.changed) for one in large.comparisons)


def test_every_level_and_suite_keeps_an_item_and_failed_rules_keep_most(cramped: AuditLog) -> None:
    shown = _shown(cramped)
    wholes = [one for one in cramped.comparisons if one.group is None and one.changed]
    by_decision: dict[Decision, list[int]] = {"pass": [], "inconclusive": [], "fail": []}
    for one in wholes:
        number = shown[one.variant, one.suite]
        assert number >= 1
        decided = reading.verdict_on(cramped, one)
        assert decided is not None
        if one.variant != "control":
            by_decision[decided.decision].append(number)
    assert min(by_decision["fail"]) > max(by_decision["inconclusive"] + by_decision["pass"])


def test_lost_items_stand_before_gained_ones(cramped: AuditLog) -> None:
    html = str(changed.section(cramped).html)
    for body in re.findall(r"<tbody.*?</tbody>", html, flags=re.DOTALL):
        kinds = re.findall(r'<span class="kind (\w+)"', body)
        assert kinds == sorted(kinds, reverse=True)


def test_where_there_is_no_room_at_all_that_is_said(large: AuditLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changed, "ROOM", 0)
    assert "showing 0 of" in str(changed.section(large).html)
    assert "the page has no room for them" in str(changed.section(large).html)


def test_forgotten_facts_have_their_own_room(cramped: AuditLog, text_of: Text) -> None:
    html = str(forgetting.section(cramped).html)
    facts = re.findall(r'<details id="lost-.*?</details>', html, flags=re.DOTALL)
    assert 0.8 * forgetting.ROOM < sum(len(one.encode()) for one in facts) < 1.1 * forgetting.ROOM
    assert re.search(r"The page has no room for \d+ more facts? of audit\.json", text_of(html))


def test_facts_of_products_stand_before_those_of_the_control(cramped: AuditLog, text_of: Text) -> None:
    """The control is made to have forgotten what the worst candidate has."""
    worst = {one.suite: one.found for one in cramped.forgetting if one.variant == "vendor-04-int3"}
    as_bad = tuple(
        one.model_copy(update={"found": worst[one.suite]}) if one.variant == "control" else one
        for one in cramped.forgetting
    )
    text = text_of(str(forgetting.section(cramped.model_copy(update={"forgetting": as_bad})).html))
    product, control = (
        sum(map(int, re.findall(rf"{name}: facts that were forgotten showing (\d+) of", text)))
        for name in ("vendor-04-int3", "control")
    )
    assert product > control


def test_the_worst_groups_are_kept(cramped: AuditLog, rows_of: Rows) -> None:
    html = str(probe.section(cramped).html)
    tables = re.findall(r"<caption>([^<]*: groups)</caption>.*?</table>", html, flags=re.DOTALL)
    assert len(tables) == SIZE.tasks
    first = re.search(r"<caption>[^<]*: groups</caption>.*?</table>", html, flags=re.DOTALL)
    assert first
    rows = [row for row in rows_of(first[0]) if len(row) > 5][1:]
    drops_of = [float(row[5].replace("−", "-")) for row in rows]
    assert len(rows) == 5
    assert all(one >= other for one, other in pairwise(drops_of))
    all_drops = [100 * one.difference for one in cramped.comparisons
                 if one.group and one.suite == cramped.config.suites[0].name and one.variant != "control"
                 and isinstance(one.difference, float)]  # fmt: skip
    assert drops_of == [round(drop, 2) for drop in sorted(all_drops, reverse=True)[:5]]


def test_cells_of_a_large_audit_are_told_by_task(cramped: AuditLog, text_of: Text) -> None:
    cells = (SIZE.candidates + 2) * SIZE.tasks * LOOKS
    text = text_of(str(provenance.section(cramped).html))
    assert f"{cells} scored cells by task" in text
    assert f"All {cells} cells, with their keys and digests, lie in audit.json." in text


def test_suites_with_the_same_limits_state_them_once(large: AuditLog) -> None:
    assert str(limits.section(large).html).count("public for years") == 1


def test_a_level_without_a_pass_shows_its_worst_rules_and_folds_the_others(
    large: AuditLog, text_of: Text
) -> None:
    html = str(verdict.section(large).html)
    card = next(one for one in html.split('<li class="answer ') if "<bdi>vendor-04-int3</bdi>" in one)
    before, folded = card.split('<details class="passed">', 1)
    assert before.count('class="because"') == verdict.FEW
    assert re.search(r"\d+ more rules and budgets without a pass", folded)
    over = [float(one) for one in re.findall(r"([\d.]+) over the margin", text_of(before).split("Why")[0])]
    assert set(over) == {max(map(float, re.findall(r"([\d.]+) over the margin", text_of(card))))}


def test_more_rules_than_fit_across_go_down(large: AuditLog, rows_of: Rows) -> None:
    html = str(verdict.section(large).html)
    table = next(row for row in rows_of(html) if row[0] == "Rule")
    assert table[1:] == [level.name for level in reading.products(large)]
    rows = {row[0]: row for row in rows_of(html) if row[0].startswith("Accuracy, task 0, margin")}
    worst = rows["Accuracy, task 0, margin 3.00 points"][-1]
    assert worst.startswith("Fail")


def test_many_suites_are_folded_under_a_line_with_their_result(large: AuditLog, text_of: Text) -> None:
    html = str(drops.section(large).html)
    lines = re.findall(r'<details class="drop" id="[^"]+">\s*<summary>(.*?)</summary>', html, flags=re.DOTALL)
    assert len(lines) == SIZE.tasks
    suite = large.config.suites[0]
    counted = Counter(
        one.decision for one in large.verdicts if one.rule.suite == suite.name and one.variant != "control"
    )
    told = ", ".join(f"{counted[kind]} {kind}" for kind in ("pass", "fail", "inconclusive") if counted[kind])
    assert text_of(lines[0]).startswith(f"{suite.title} {told}; worst: vendor-04-int3, a drop of ")


def test_few_suites_are_not_folded(log: AuditLog) -> None:
    assert '<details class="drop"' not in str(drops.section(log).html)


def test_a_page_stays_as_small_as_it_was(cramped: AuditLog) -> None:
    """Beyond plotly.js: 84 comparisons with their groups, 300 kB of changed items; 1.18 MB when written."""
    own = len(render(cramped)) - len(get_plotlyjs().encode())
    assert own < 1_250_000


def test_a_page_of_many_levels_uses_no_id_twice(large: AuditLog) -> None:
    ids = re.findall(r'\sid="([^"]+)"', "".join(str(one.html) for one in drawn(large)))
    assert len(ids) == len(set(ids))


def _shown(log: AuditLog) -> Counter[tuple[str, str]]:
    """Items on the page, by level and suite."""
    found: Counter[tuple[str, str]] = Counter()
    wholes = {_anchor(one): one for one in log.comparisons if one.group is None}
    html = str(changed.section(log).html)
    for place, body in re.findall(r'class="part" id="([^"]+)"(.*?)</tbody>', html, flags=re.DOTALL):
        one = wholes[place]
        found[one.variant, one.suite] += body.count('<span class="kind ')
    return found


def _anchor(one: Comparison) -> str:
    return f"changed-{one.variant}-{one.suite}-{one.metric}"


def test_a_changed_copy_of_a_log_is_read_anew(log: AuditLog) -> None:
    level = log.config.levels[1]
    assert reading.verdicts_of(log, level)
    assert reading.verdicts_of(log.model_copy(update={"verdicts": ()}), level) == []
    digest = reading.log_sha256(log)
    assert reading.log_sha256(log.model_copy(update={"status": "stopped"})) != digest
    assert reading.log_sha256(log) == digest


def test_in_a_crowd_names_that_would_lie_on_others_are_left_out() -> None:
    names, spots = ["vendor-00-int8"] * 20, [(0.4 + 0.001 * place, 0.5) for place in range(20)]
    crowd = places(names, spots)
    assert 2 <= sum(map(bool, crowd)) < 20
    assert all(places(names[:5], spots[:5]))


def test_a_mark_without_a_name_is_named_when_it_is_pointed_at() -> None:
    spots = [Spot(f"level-{n:02}", 5.0, None, 0.5, None, "pass", "told") for n in range(20)]
    (marks,) = [one for one in scatter(spots, Axis("size", None, ""))["data"] if one["name"] == "Pass"]
    assert "" in marks["text"]
    assert all(told.startswith(f"level-{n:02}: ") for n, told in enumerate(marks["customdata"]))
