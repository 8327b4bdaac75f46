"""A search in the report: who was proposed, who was audited, who won, what it took."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from audit.records import (
    AuditLog,
    Budget,
    BudgetVerdict,
    Confirmation,
    Level,
    NotMeasured,
    Search,
    SearchPlan,
    Sensitivity,
    Spent,
    Trial,
    Verdict,
)
from reports import html, markdown, reading
from reports.search_plot import Spot, figure
from reports.sections import search as of_search
from reports.sections import verdict as of_verdict
from reports.sections.confirmation import section as confirmation

Rows = Callable[[str], list[list[str]]]
Text = Callable[[str], str]
GOAL = Budget(quantity="size_bytes", at_most=150 * 2**20, because="a test")
SECONDS = 2.0


def trial(
    number: int, name: str, size: float, divergence: float | NotMeasured, decision: object,
    held: object = None,
) -> Trial:  # fmt: skip
    return Trial.model_validate(
        {
            "number": number, "level": Level(name=name, method="rtn", options={"bits": 4}, searched=True),
            "quantity": size, "divergence": divergence, "proxy": Spent(tokens=100, seconds=SECONDS),
            "decision": decision, "audit": Spent(tokens=1000) if isinstance(decision, str) else Spent(),
            "held_out": held or NotMeasured("it was not tried"),
        }
    )  # fmt: skip


@pytest.fixture
def searched(log: AuditLog) -> AuditLog:
    """The made-up log as if a search had proposed its int8 and int4, with two levels more; int8 won."""
    names, no_number = ("int8", "int4"), NotMeasured("it computes no numbers")
    trials = (
        trial(1, "int8", 140 * 2**20, 0.003, "pass", "pass"),
        trial(2, "int4", 90 * 2**20, 0.4, "pass", "inconclusive"),
        trial(3, "<b>int3</b>", 80 * 2**20, 0.9, NotMeasured("int4 is as close to the original")),
        trial(4, "int2", 70 * 2**20, no_number, no_number),
    )
    levels = tuple(
        level.model_copy(update={"searched": True}) for level in log.config.levels if level.name in names
    )
    by_name = {level.name: level for level in levels}
    variants = tuple(
        one.model_copy(update={"level": by_name.get(one.name)})
        for one in log.variants
        if one.level is None or one.name in names
    )
    verdicts = tuple(
        one.model_copy(update={"decision": "pass"}) for one in log.verdicts if one.variant in names
    )
    budgets = tuple(
        BudgetVerdict(variant=name, budget=GOAL, value=1.0, decision="pass", because="1 ≤ 2")
        for name in names
    )

    def asked(name: str, decision: str) -> Confirmation:
        said = tuple(
            Verdict.model_validate(
                {**one.model_dump(), "decision": decision,
                 "rule": one.rule.model_copy(update={"alpha": one.rule.alpha / 2})}
            )
            for one in verdicts
            if one.variant == name
        )  # fmt: skip
        compared = tuple(one for one in log.comparisons if one.variant == name)
        return Confirmation(
            variant=name, chosen="the smallest that passes", runs=(), comparisons=compared, verdicts=said,
            shared_by=2,
        )  # fmt: skip

    plan = SearchPlan(goal=GOAL, methods=("rtn",))
    config = log.config.model_copy(
        update={"levels": levels, "budgets": (GOAL,), "holdout": 0.3, "search": plan}
    )
    found = Search(
        text="prompts", n_tokens=100, sampler="TPE (optuna 5)", n_combinations=400, trials=trials,
        sensitivities=(Sensitivity(modules="model.layers.0.mlp.*", weights=10, divergence=0.2),),
        preparation=Spent(tokens=100), original=Spent(tokens=1000), held_out=Spent(tokens=500),
        unlucky=(asked("int4", "inconclusive"),), winner="int8", beyond=None, decision="pass",
        because="of 4 levels int8 is the smallest",
    )  # fmt: skip
    return log.model_copy(
        update={
            "config": config, "variants": variants, "verdicts": verdicts, "budgets": budgets, "search": found,
            "confirmation": asked("int8", "pass"),
            "runs": tuple(one for one in log.runs if one.variant in ("original", *names)),
            "comparisons": tuple(one for one in log.comparisons if one.variant in names),
        }
    )  # fmt: skip


def test_a_log_without_a_search_has_no_such_section(log: AuditLog) -> None:
    assert not of_search.section(log).html


def test_the_winner_is_named_first_and_decides_the_whole(searched: AuditLog) -> None:
    assert searched.decision == "pass"
    assert of_verdict.overall(searched) == "Of 4 levels int8 is the smallest."
    text = markdown.render(searched).decode()
    assert text.startswith("## Pass")
    assert "Of 4 levels int8 is the smallest." in text.splitlines()[2]


def test_levels_that_were_passed_over_have_no_say_in_the_whole(searched: AuditLog) -> None:
    verdicts = tuple(
        one.model_copy(update={"decision": "fail"}) if one.variant == "int4" else one
        for one in searched.verdicts
    )
    assert searched.model_copy(update={"verdicts": verdicts}).decision == "pass"


def test_only_the_winner_may_ship(searched: AuditLog) -> None:
    said = {level.name: reading.decision_on(searched, level) for level in searched.config.levels}
    assert said == {"int8": "pass", "int4": "inconclusive"}
    of_name = {level.name: level for level in searched.config.levels}
    assert "was tried on those held out" in of_verdict.sentence(searched, of_name["int4"])


def test_the_winner_is_confirmed_wherever_it_is_named(searched: AuditLog) -> None:
    (winner,) = (one for one in searched.config.levels if one.name == "int8")
    alone = reading.held_out(searched, winner)
    assert alone is not None
    assert reading.decision_on(alone, winner) == "pass"
    told = of_verdict.sentence(searched, winner)
    assert told.startswith("Yes")
    assert told.endswith("Confirmed on the items held out.")
    assert "Inconclusive" not in confirmation(searched).html


def test_the_matrix_says_who_was_tried_on_the_items_held_out(searched: AuditLog) -> None:
    table = of_verdict._matrix(searched)
    place = [column.title for column in table.columns].index("Items held out")
    said = {str(row[0]): str(row[place]) for row in table.rows}
    assert "Pass" in said["int8"]
    assert "did not pass" in said["int4"]
    neither = searched.search.model_copy(update={"unlucky": ()}) if searched.search else None
    table = of_verdict._matrix(searched.model_copy(update={"search": neither}))
    assert {str(row[0]): str(row[place]) for row in table.rows}["int4"] == "not asked"


def test_every_trial_is_in_the_table_with_why_it_went_no_further(searched: AuditLog) -> None:
    page = str(of_search.section(searched).html)
    assert "int4 is as close to the original" in page
    assert "it computes no numbers" in page
    assert "&lt;b&gt;int3&lt;/b&gt;" in page
    assert "<b>int3" not in page


def test_the_costs_add_up(searched: AuditLog) -> None:
    """By hand: 4 proxies of 100, 2 audits of 1000, and 100, 1000 and 500 around them."""
    assert searched.search is not None
    assert searched.search.spent == Spent(tokens=4 * 100 + 2 * 1000 + 1600, seconds=4 * SECONDS)
    page = str(of_search.section(searched).html)
    assert "4000" in page
    assert "50\N{NO-BREAK SPACE}%" in page or "50 %" in page


def test_the_front_goes_through_what_no_other_beats(searched: AuditLog) -> None:
    page = str(of_search.section(searched).html)
    (data,) = re.findall(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)
    traces = {one["name"]: one for one in json.loads(data)["data"]}
    assert traces["Front"]["x"] == [80.0, 90.0, 140.0]
    assert traces["Front"]["y"] == [0.9, 0.4, 0.003]
    assert traces["Not audited"]["x"] == [80.0]
    assert traces["Audited: passes"]["text"] == ["int8", ""]


def test_what_does_not_diverge_has_a_place_on_a_logarithmic_axis() -> None:
    spot = Spot("same", 1.0, 0.0, "pass", False, "the same")
    drawn = figure([spot], [spot], "Size", 1.0)
    assert all(height > 0 for one in drawn["data"] for height in one["y"])


def test_the_confirmation_says_how_the_error_is_shared(searched: AuditLog) -> None:
    page = str(confirmation(searched).html)
    assert "half of a rule’s error" in page
    assert "it was not judged there" not in page


def test_the_page_is_whole(searched: AuditLog) -> None:
    page = html.render(searched).decode()
    assert 'id="search"' in page
    assert "How it was found" in page


def test_a_level_without_a_place_in_the_plot_is_named_with_the_reason(
    searched: AuditLog, text_of: Text
) -> None:
    page = text_of(str(of_search.section(searched).html))
    assert "Not in the plot are levels without a divergence." in page
    assert "int2: it computes no numbers" in page.partition("Every level")[0]
    assert "int3>: " not in page.partition("Every level")[0]


def test_the_winner_stands_before_milder_levels(searched: AuditLog) -> None:
    assert searched.search is not None
    other = searched.search.model_copy(update={"winner": "int4"})
    changed = searched.model_copy(update={"search": other})
    page = str(of_verdict.section(changed).html)
    assert re.findall(r"<h4><bdi>(\w+)</bdi>", page) == ["int4", "int8"]
    assert [row[0] for row in of_verdict._matrix(changed).rows] == ["int4", "int8"]
    assert [level.name for level in reading.products(changed)] == ["int8", "int4"]  # mildest first
