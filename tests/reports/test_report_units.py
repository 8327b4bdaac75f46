"""Points, per cent, nats and plain numbers: each metric in its own unit, wherever it stands."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable

import pytest

from audit.records import AuditLog, Comparison, Interval, Metric, NotMeasured
from audit.scale import Scale
from reports.html import render
from reports.sections import changed, drops, probe, verdict
from reports.units import Unit
from reports.wording import points, signed

Text = Callable[[str], str]
Rows = Callable[[str], list[list[str]]]


@pytest.mark.parametrize(
    ("unit", "drop", "shown"),
    [
        (Unit("binary"), 0.0609, "a drop of 6.09 points"),
        (Unit("perplexity"), math.log(1.05), "a rise in perplexity of 5.00 %"),
        (Unit("perplexity"), math.log(0.5), "a rise in perplexity of −50.00 %"),
        (Unit("score"), -0.00214, "a drop of −0.0021"),
        (Unit("kl", 0.0005), 0.00012, "a divergence of 0.000120 nats"),
    ],
)
def test_a_drop_is_told_in_the_unit_of_its_metric(unit: Unit, drop: float, shown: str) -> None:
    assert unit.phrase(drop) == shown


@pytest.mark.parametrize(
    ("margin", "shown"), [(0.01, "0.0100"), (0.5, "0.500"), (2.0, "2.00"), (150.0, "150"), (None, "2.3457")]
)
def test_scores_have_as_many_digits_as_their_margin_asks_for(margin: float | None, shown: str) -> None:
    unit = Unit("score", margin)
    assert (unit.drop(2.34567) if margin is None else unit.margin(margin)) == shown


def test_a_perplexity_beyond_counting_is_no_number_and_no_crash(gate: AuditLog) -> None:
    huge = Interval(lower=800.0, upper=1e4, confidence=0.9, method="t")
    page = render(_changed(gate, "int2", "fluency", {"difference": 900.0, "interval": huge})).decode()
    figures = re.findall(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)
    assert all(json.loads(figure, parse_constant=pytest.fail) for figure in figures)
    assert "a rise in perplexity of more than can be counted" in page
    assert not re.search(r">[^<]*\binf\b", page.split("<script>")[0])


def test_a_table_shows_a_perplexity_as_it_is_and_its_drop_in_per_cent(gate: AuditLog, rows_of: Rows) -> None:
    one, article = _whole(gate, "int4", "fluency"), _article(gate, "Fluency")
    assert isinstance(one.difference, float)
    assert isinstance(one.interval, Interval)
    rows = rows_of(article)
    assert rows[0][2:6] == ["Before", "After", "Rise in perplexity, %", "90 % interval"]
    rise = [f"{100 * math.expm1(x):.2f}" for x in (one.difference, one.interval.lower, one.interval.upper)]
    row = next(row for row in rows if row[0] == "int4")
    assert row[2:6] == [f"{one.before:.2f}", f"{one.after:.2f}", rise[0], f"{rise[1]} to {rise[2]}"]


def test_a_table_of_what_is_not_right_or_wrong_has_no_flips(gate: AuditLog, rows_of: Rows) -> None:
    for title in ("Summaries", "Fluency"):
        head = rows_of(_article(gate, title))[0]
        assert not {"Lost / gained", "Flips, %", "McNemar p"} & set(head)
    assert "McNemar p" in rows_of(_article(gate, "Accuracy"))[0]


def test_the_plot_of_a_perplexity_is_in_per_cent_with_its_margin(gate: AuditLog) -> None:
    figure = _figures(_article(gate, "Fluency"))[0]
    one = _whole(gate, "int2", "fluency")
    assert isinstance(one.difference, float)
    assert [s["x0"] for s in figure["layout"]["shapes"] if s["type"] == "line"] == [pytest.approx(3.0)]
    seen = {label: x for trace in figure["data"] for label, x in zip(trace["y"], trace["x"], strict=True)}
    assert seen["int2"] == pytest.approx(100 * math.expm1(one.difference))
    assert "per cent" in figure["layout"]["xaxis"]["title"]["text"]


def test_the_bars_of_a_perplexity_end_where_interval_and_bounds_end(gate: AuditLog) -> None:
    figure = _figures(_article(gate, "Fluency"))[0]
    interval, bounds = _whole(gate, "int2", "fluency").interval, _bounds(gate, "int2", "fluency")
    traces = [trace for trace in figure["data"] if "int2" in trace["y"]]
    for trace, bar in zip(traces, (bounds, interval), strict=True):  # the thin one lies behind
        assert isinstance(bar, Interval)
        place = trace["y"].index("int2")
        end = trace["x"][place] + trace["error_x"]["array"][place]
        start = trace["x"][place] - trace["error_x"]["arrayminus"][place]
        assert end == pytest.approx(100 * math.expm1(bar.upper))
        assert start == pytest.approx(100 * math.expm1(bar.lower))


def test_metrics_of_other_units_and_each_score_have_plots_and_tables_of_their_own(gate: AuditLog) -> None:
    article = _article(_with_more_metrics(gate), "Accuracy")
    ids = re.findall(r'<div class="plot" id="([^"]+)"', article)
    names = ["accuracy", "accuracy-f1", "accuracy-bleu", "accuracy-bytes"]
    assert ids == [f"plot-drop-{name}" for name in names]
    axes = [figure["layout"]["xaxis"]["title"]["text"] for figure in _figures(article)]
    words = ("points", "own unit", "own unit", "perplexity")
    assert all(word in axis for word, axis in zip(words, axes, strict=True))


def test_scores_have_no_row_among_what_is_guessed(gate: AuditLog, text_of: Text, rows_of: Rows) -> None:
    html = str(probe.section(gate).html)
    assert {row[0] for row in rows_of(html.split("</table>")[0])[1:]} == {"Accuracy", "Bias"}
    assert "Summaries and Fluency: scores and perplexities have no rate of guessing to beat." in text_of(html)


def test_groups_of_a_perplexity_are_told_in_per_cent_and_worst_first(gate: AuditLog, rows_of: Rows) -> None:
    one = _whole(gate, "int4", "fluency")
    groups = tuple(
        one.model_copy(update={"group": name, "difference": drop, "interval": NotMeasured("few")})
        for name, drop in (("poems", math.log(1.5)), ("news", math.log(3)), ("code", NotMeasured("none")))
    )
    split = gate.model_copy(update={"comparisons": (*gate.comparisons, *groups)})
    html = str(probe.section(split).html)
    assert "Fluency: largest drop 200.00 %: news at int4, of groups with 20 pairs or more" in html
    table = html.split("Fluency: groups")[-1].split("</table>")[0]
    rows = rows_of(table)
    assert [(row[0], row[5]) for row in rows[1:]] == [
        ("news", "200.00"),
        ("poems", "50.00"),
        ("code", "not measured: none"),
    ]


def test_only_right_and_wrong_can_be_lost_or_gained(gate: AuditLog) -> None:
    counted = _changed(gate, "int4", "summaries", {"n_changed": 200})
    assert "Summaries" not in changed.section(counted).html


def test_the_matrix_gives_each_margin_and_bound_with_its_unit(gate: AuditLog, rows_of: Rows) -> None:
    html = str(verdict.section(gate).html)
    matrix = rows_of(html.split("Every rule on every level:")[-1].split("</table>")[0])
    assert matrix[0] == [
        "Level",
        "Accuracy (accuracy), margin 3.00 points",
        "Accuracy (KL divergence), margin 0.0500 nats",
        "Bias, margin 2.00 points",
        "Summaries, margin 0.0100",
        "Fluency, margin 3.00 %",
    ]
    rows = {row[0]: row for row in matrix}
    assert rows["int4"][5].startswith("Fail 4.70 (")
    ends = _bounds(gate, "int8", "fluency")
    lower, upper = (signed(100 * math.expm1(end), 2) for end in (ends.lower, ends.upper))
    assert rows["int8"][5].endswith(f"({lower} to {upper})")


@pytest.mark.parametrize(
    "fields",
    [
        ("flips", "chance", "before_lower", "after_lower", "tango", "p_value"),
        ("difference", "interval", "estimate"),
        ("interval",),
        ("before", "after"),
        ("divergence",),
    ],
)
def test_nothing_breaks_on_what_was_not_measured(gate: AuditLog, text_of: Text, fields: tuple[str]) -> None:
    update = dict.fromkeys(fields, NotMeasured("lost in a fire"))
    comparisons = tuple(one.model_copy(update=update) for one in gate.comparisons)
    page = render(gate.model_copy(update={"comparisons": comparisons})).decode()
    assert "lost in a fire" in text_of(page)


def _with_more_metrics(log: AuditLog) -> AuditLog:
    """The first suite with two scores and a perplexity besides."""
    suite, *others = log.config.suites
    more = (
        Metric(name="f1", kind="score", source="made up"),
        Metric(name="bleu", kind="score", source="made up"),
        Metric(name="bytes", kind="perplexity", source="made up"),
    )
    wider = suite.model_copy(update={"metrics": (*suite.metrics, *more)})
    added = tuple(
        one.model_copy(update={"metric": metric.name, "flips": NotMeasured("no flips")})
        for one in log.comparisons
        if one.suite == suite.name
        for metric in more
    )
    config = log.config.model_copy(update={"suites": (wider, *others)})
    return log.model_copy(update={"config": config, "comparisons": (*log.comparisons, *added)})


def _article(log: AuditLog, title: str) -> str:
    """The part of one suite."""
    parts = str(drops.section(log).html).split('<article class="drop"')[1:]
    return next(part for part in parts if f">{title}</h3>" in part)


def _figures(article: str) -> list[dict]:
    found = re.findall(r'<script type="application/json">(.*?)</script>', article, re.DOTALL)
    return [json.loads(one) for one in found]


def _bounds(log: AuditLog, level: str, suite: str) -> Interval:
    """Those that the verdict rests on."""
    verdict = next(one for one in log.verdicts if (one.variant, one.rule.suite) == (level, suite))
    assert isinstance(verdict.bounds, Interval)
    return verdict.bounds


def _whole(log: AuditLog, variant: str, suite: str) -> Comparison:
    return next(one for one in log.comparisons if (one.variant, one.suite) == (variant, suite))


def _changed(log: AuditLog, variant: str, suite: str, update: dict[str, object]) -> AuditLog:
    comparisons = tuple(
        one.model_copy(update=update) if (one.variant, one.suite) == (variant, suite) else one
        for one in log.comparisons
    )
    return log.model_copy(update={"comparisons": comparisons})


def test_a_drop_is_rounded_alike_in_a_reason_and_on_the_page() -> None:
    """1 of 800 is 0.125 points, which `format` makes 0.12 of; 3 of 800 would be 0.38 either way."""
    assert Scale("binary").pair(1 / 800, 0.03)[0] == Unit("binary").drop(1 / 800) == points(1 / 800) == "0.13"
