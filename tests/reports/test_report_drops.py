"""The plots, and the same numbers beside them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from html import unescape

from audit.records import AuditLog, Comparison, Flips, Interval, NotMeasured
from reports.sections import drops

Rows = Callable[[str], list[list[str]]]


def test_every_number_of_every_suite_comparison_stands_in_the_tables(log: AuditLog, rows_of: Rows) -> None:
    by_suite = _articles(log)
    for one in _wholes(log):
        row = next(row for row in rows_of(by_suite[one.suite]) if row[0] == one.variant)
        assert row[2:6] == [
            _points(one.before),
            _points(one.after),
            _signed(one.difference),
            f"{_signed(one.interval.lower)} to {_signed(one.interval.upper)}",
        ]
        assert row[6:8] == [f"{one.flips.lost} / {one.flips.gained}", _points(one.flips.rate)]
        assert row[8] == ("< 0.0001" if one.p_value < 0.0001 else f"{one.p_value:.4f}")
        assert row[11:] == [str(one.n_pairs), f"{one.n_unpaired_before} / {one.n_unpaired_after}"]


def test_the_row_holds_the_decision_and_the_p_of_the_verdict(log: AuditLog, rows_of: Rows) -> None:
    rows = {row[0]: row for row in rows_of(_articles(log)["bias"]) if "Pass" in row or "Inconclusive" in row}
    assert (rows["int8"][1], rows["int8"][9]) == ("Pass", "0.0123")
    assert (rows["int2"][1], rows["int2"][9]) == ("Inconclusive", "not read")


def test_how_far_the_probabilities_moved_stands_beside_the_drop(log: AuditLog, rows_of: Rows) -> None:
    rows = {row[0]: row for row in rows_of(_articles(log)["bias"]) if len(row) == 8}
    one = next(c for c in _wholes(log) if (c.suite, c.variant) == ("bias", "int8"))
    assert rows["int8"][1:] == [
        f"{one.divergence.kl:.4f}",
        "not measured: drawn by hand",
        "± 0.0001",
        "0.0000",
        "0.5000",
        "75.00",
        "840",
    ]


def test_a_divergence_that_one_level_lacks_gives_its_reason_once(log: AuditLog, rows_of: Rows) -> None:
    blind = _changed(log, "int8", "bias", {"divergence": NotMeasured("free generation")})
    rows = {row[0]: row for row in rows_of(_articles(blind)["bias"]) if len(row) == 8}
    assert rows["int8"][1:] == ["not measured: free generation", "", "", "", "", "", ""]


def test_a_divergence_that_no_level_has_is_one_line_and_no_table(log: AuditLog) -> None:
    reason = NotMeasured("free generation")
    blind = log.model_copy(
        update={"comparisons": tuple(c.model_copy(update={"divergence": reason}) for c in log.comparisons)}
    )
    article = _articles(blind)["bias"]
    assert "probabilities moved: not measured: free generation." in article
    assert "probabilities moved</caption>" not in article


def test_the_plot_holds_the_numbers_of_the_log(log: AuditLog) -> None:
    for suite, article in _articles(log).items():
        figure = _figure(article)
        seen = {
            label: (x, x - down, x + up)
            for trace in figure["data"]
            for label, x, down, up in zip(
                trace["y"],
                trace["x"],
                trace["error_x"]["arrayminus"],
                trace["error_x"]["array"],
                strict=True,
            )
        }
        for one in (c for c in _wholes(log) if c.suite == suite):
            expected = (one.difference, one.interval.lower, one.interval.upper)
            assert all(abs(a - 100 * b) < 1e-9 for a, b in zip(seen[one.variant], expected, strict=True))


def test_the_margin_is_drawn_where_the_rule_sets_it(log: AuditLog) -> None:
    lines = [
        shape for shape in _figure(_articles(log)["accuracy"])["layout"]["shapes"] if shape["type"] == "line"
    ]
    assert [line["x0"] for line in lines] == [3.0]


def test_decisions_differ_by_symbol_and_not_by_colour_alone(log: AuditLog) -> None:
    traces = [trace for article in _articles(log).values() for trace in _figure(article)["data"]]
    assert (
        len({trace["marker"]["symbol"] for trace in traces}) == len({trace["name"] for trace in traces}) == 3
    )


def test_each_plot_has_a_fixed_id_and_says_its_numbers_in_words(log: AuditLog) -> None:
    for suite, article in _articles(log).items():
        found = re.search(r'<div class="plot" id="([^"]+)" role="img" aria-label="([^"]+)"', article)
        assert found
        assert found[1] == f"plot-drop-{suite}"
        assert all(level in unescape(found[2]) for level in ("int8", "int4", "int2", "magnitude-50"))


def test_a_missing_drop_leaves_no_mark_and_gives_its_reason(log: AuditLog, rows_of: Rows) -> None:
    gap = NotMeasured("no pair was left")
    update = {"difference": gap, "interval": gap, "tango": gap, "flips": gap, "p_value": gap}
    articles = _articles(_changed(log, "int4", "safety", update))
    figure = _figure(articles["safety"])
    assert "int4" not in [label for trace in figure["data"] for label in trace["y"]]
    assert "not measured: see the table" in [note["text"] for note in figure["layout"]["annotations"]]
    row = next(row for row in rows_of(articles["safety"]) if row[0] == "int4")
    assert row.count("not measured: no pair was left") == 5


def test_other_methods_stand_beside_the_interval(log: AuditLog, rows_of: Rows) -> None:
    tango, other = (
        Interval(lower=-0.0125, upper=upper, confidence=0.9, method="Newcombe's method 10")
        for upper in (0.0275, 0.0375)
    )
    update = {"tango": tango, "sensitivity": (other,)}
    rows = rows_of(_articles(_changed(log, "int4", "safety", update))["safety"])
    row = next(row for row in rows if row[0] == "int4" and len(row) == 5)
    assert row[1:] == ["−1.19 to 1.81", "−1.25 to 2.75", "−1.25 to 3.75", "no: it is close (across, inside)"]


def test_methods_that_agree_are_said_to_be_on_the_same_side_of_the_margin(
    log: AuditLog, rows_of: Rows
) -> None:
    inside = Interval(lower=-0.01, upper=0.0299, confidence=0.9, method="Bonett-Price")
    rows = rows_of(_articles(_changed(log, "int4", "safety", {"sensitivity": (inside,)}))["safety"])
    assert next(row for row in rows if row[0] == "int4" and len(row) == 5)[4] == "yes: inside"


def test_unpaired_items_are_counted(log: AuditLog, rows_of: Rows) -> None:
    assert next(row for row in rows_of(_articles(log)["bias"]) if row[0] == "int4")[-1] == "2 / 0"


def test_the_control_is_a_line_and_no_mark(log: AuditLog) -> None:
    article = _articles(log)["accuracy"]
    assert "Control (control): the original against itself, computed otherwise: 0 flips of 640." in article
    assert "control" not in [label for trace in _figure(article)["data"] for label in trace["y"]]


def test_a_rule_of_another_alpha_is_said_to_decide_on_another_bound(log: AuditLog) -> None:
    rules = tuple(rule.model_copy(update={"alpha": 0.01}) for rule in log.config.rules)
    strict = log.model_copy(update={"config": log.config.model_copy(update={"rules": rules})})
    words = "A rule here has alpha 0.01: it decides on its own bound"
    assert words in _articles(strict)["accuracy"]
    assert words not in _articles(log)["accuracy"]


def test_a_suite_without_comparisons_is_named(log: AuditLog) -> None:
    kept = tuple(one for one in log.comparisons if one.suite != "safety")
    html = drops.section(log.model_copy(update={"comparisons": kept})).html
    assert "Safety: no level was compared with the original." in html


def _articles(log: AuditLog) -> dict[str, str]:
    """The part of each suite."""
    parts = str(drops.section(log).html).split('<article class="drop"')[1:]
    return dict(zip([suite.name for suite in log.config.suites], parts, strict=True))


def _figure(article: str) -> dict:
    found = re.search(r'<script type="application/json">(.*?)</script>', article, re.DOTALL)
    assert found
    return json.loads(found[1])


class _Whole(Comparison):
    """A comparison of which everything was measured."""

    before: float
    after: float
    difference: float
    interval: Interval
    flips: Flips
    p_value: float


def _wholes(log: AuditLog) -> list[_Whole]:
    found = [c for c in log.comparisons if c.group is None and c.variant != "control"]
    assert len(found) == 20
    return [_Whole(**{name: getattr(one, name) for name in Comparison.model_fields}) for one in found]


def _points(share: float) -> str:
    """A share times 100, ties away from zero."""
    return str(Decimal(str(round(100 * share, 10))).quantize(Decimal("0.01"), ROUND_HALF_UP))


def _signed(share: float) -> str:
    """A share in points with a true minus sign."""
    text = _points(share)
    return "0.00" if text == "-0.00" else text.replace("-", "−")


def _changed(log: AuditLog, variant: str, suite: str, update: dict[str, object]) -> AuditLog:
    comparisons = tuple(
        one.model_copy(update=update)
        if (one.variant, one.suite, one.group) == (variant, suite, None)
        else one
        for one in log.comparisons
    )
    return log.model_copy(update={"comparisons": comparisons})


def test_a_caption_begins_with_what_there_is_to_see(log: AuditLog) -> None:
    """289 of 640 pairs are 45.16 points."""
    captions = re.findall("<figcaption>(.*?)</figcaption>", str(drops.section(log).html))
    assert captions[0].startswith("Most at int2: a drop of 45.16 points. Inside the margin: int8.")


def test_a_caption_of_gains_alone_names_no_level_as_the_worst(log: AuditLog) -> None:
    gained = tuple(one.model_copy(update={"difference": -0.1}) for one in log.comparisons)
    html = str(drops.section(log.model_copy(update={"comparisons": gained})).html)
    assert "<figcaption>No level lost anything on balance." in html


def test_rates_over_fewer_pairs_are_said_to_be_so(log: AuditLog, gate: AuditLog) -> None:
    own = "before and after are over the pairs asked of each level"
    assert own in drops.section(gate).html
    assert own not in drops.section(log).html
