"""Size and speed against loss: which level stands where, and on the front."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest

from audit.records import (
    AuditLog,
    Conditions,
    Efficiency,
    Interval,
    Metric,
    NotMeasured,
    Rule,
    Speed,
)
from reports.held import held
from reports.labels import places
from reports.pareto import front
from reports.scatter import height
from reports.sections import tradeoff

Rows = Callable[[str], list[list[str]]]
Text = Callable[[str], str]
SIMULATED = NotMeasured("it was computed dequantised")


def test_a_level_stands_at_the_rule_that_it_strains_most(log: AuditLog, rows_of: Rows) -> None:
    """39 of 640 pairs lost on balance are 6.09 points, and 6.09 / 3 is 2.03."""
    row = _row(log, "int4", rows_of)
    assert row[5] == "Accuracy"
    assert row[6].startswith("6.09 points")
    assert row[7] == "3.00 points"
    assert row[8].startswith("2.03×")


def test_sizes_stand_beside_the_originals(log: AuditLog, rows_of: Rows) -> None:
    """538 090 408 / 222 298 112 is 2.4206."""
    assert _row(log, "int8", rows_of)[2:5] == ["222,298,112", "2.42×", "13.22"]


def test_a_rule_that_does_not_block_places_no_level(log: AuditLog, rows_of: Rows) -> None:
    rules = tuple(rule.model_copy(update={"blocks": rule.suite != "accuracy"}) for rule in log.config.rules)
    assert _row(_with_rules(log, rules), "int4", rows_of)[5] == "Forgetting"


def test_margins_make_rules_of_all_units_comparable(gate: AuditLog, rows_of: Rows) -> None:
    """ln(1.047) / ln(1.03) is 1.55: more than the 0.7 of the margin in ROUGE."""
    row = _row(gate, "int4", rows_of)
    assert row[5:8] == ["Fluency", "4.70 % 4.12 to 5.30", "3.00 %"]
    assert float(row[8].split("×")[0]) == pytest.approx(math.log(1.047) / math.log(1.03), abs=0.01)


def test_a_change_either_way_counts_by_its_size(gate: AuditLog) -> None:
    """The sign of a gain is damage where the rule holds both ways."""
    first = gate.config.suites[0]
    both = first.model_copy(
        update={"metrics": (Metric(name="accuracy", kind="score", two_sided=True, source="made up"),)}
    )
    config = gate.config.model_copy(update={"suites": (both, *gate.config.suites[1:])})
    interval = Interval(lower=-0.09, upper=-0.03, confidence=0.9, method="made up")
    verdict = next(one for one in gate.verdicts if one.variant == "int8" and one.metric == "accuracy")
    comparisons = tuple(
        one.model_copy(update={"difference": -0.06, "interval": interval})
        if (one.variant, one.suite) == ("int8", "accuracy")
        else one
        for one in gate.comparisons
    )
    seen = held(gate.model_copy(update={"config": config, "comparisons": comparisons}), verdict)
    assert seen.in_margins == pytest.approx(2.0)
    assert seen.ends_in_margins == pytest.approx((1.0, 3.0))


def test_the_front_holds_what_no_other_beats() -> None:
    """By hand: c is larger than b and loses more; d and e are equal."""
    points = {"c": (3.0, 6.0), "a": (1.0, 9.0), "b": (2.0, 5.0), "d": (4.0, 1.0), "e": (4.0, 1.0)}
    assert front(points) == ["a", "b", "d", "e"]


def test_the_front_goes_down_in_steps_from_the_smallest_level(log: AuditLog) -> None:
    figure = _figures(_passing(log, "int4"))[0]
    line = next(trace for trace in figure["data"] if trace["name"] == "Front")
    assert line["line"]["shape"] == "hv"
    assert line["x"][:2] == pytest.approx([169_213_952 / 2**20, 222_298_112 / 2**20])
    assert line["y"][0] > line["y"][1] == line["y"][2]


def test_the_front_goes_through_no_level_that_does_not_pass(log: AuditLog, rows_of: Rows) -> None:
    """int4 is smaller than int8 and loses more, by rules that it fails."""
    line = next(trace for trace in _figures(log)[0]["data"] if trace["name"] == "Front")
    assert line["x"][:-1] == pytest.approx([222_298_112 / 2**20])
    assert _row(log, "int4", rows_of)[9] == "no: does not pass"
    assert _row(_passing(log, "int4"), "int4", rows_of)[9] == "yes"


def test_who_is_beaten_is_named_with_the_one_that_beats_it(
    log: AuditLog, rows_of: Rows, text_of: Text
) -> None:
    """magnitude-50 is as large as the original and loses more than int8 does, and int4."""
    both = _passing(log, "magnitude-50")
    assert _row(both, "magnitude-50", rows_of)[9] == "no: beaten by int8"
    assert _row(log, "magnitude-50", rows_of)[9] == "no: does not pass, beaten by int8"
    said = "In both, by the numbers alone, told apart or not: magnitude-50 is beaten by int8."
    assert said in text_of(str(tradeoff.section(log).html))


def test_time_is_a_third_way_to_be_on_the_front(log: AuditLog, rows_of: Rows, text_of: Text) -> None:
    passing = _passing(log, "int4", "magnitude-50")
    quick = passing.model_copy(update={"efficiency": (_timed("int8", 1.25), _timed("magnitude-50", 0.5))})
    assert [_row(quick, name, rows_of)[-2:] for name in ("int8", "magnitude-50", "int4")] == [
        ["yes", "yes"], ["no: beaten by int8", "yes"], ["yes", "not ranked"],
    ]  # fmt: skip
    text = text_of(str(tradeoff.section(quick).html))
    assert "On the front of bytes, loss and time together: int8 and magnitude-50." in text
    slow = passing.model_copy(update={"efficiency": (_timed("int8", 1.25), _timed("magnitude-50", 2.0))})
    assert _row(slow, "magnitude-50", rows_of)[-1] == "no: beaten by int8"
    text = text_of(str(tradeoff.section(slow).html))
    assert "together: int8. In all three: magnitude-50 is beaten by int8." in text


def test_a_level_with_a_rule_that_was_not_read_is_not_ranked(
    log: AuditLog, rows_of: Rows, text_of: Text
) -> None:
    """int2 is the smallest, but its bias and safety are unknown: it may have lost more than is seen."""
    row = _row(log, "int2", rows_of)
    assert row[8].startswith("at least 15.05×")
    assert row[9] == "not ranked"
    assert "Bias and Safety: int2 fails the accuracy floor" in text_of(str(tradeoff.section(log).html))


def test_a_level_without_a_size_is_listed_with_the_reason(log: AuditLog, text_of: Text) -> None:
    served = NotMeasured("no file was seen")
    log = _with_variant(log, "int8", size_bytes=served)
    text = text_of(str(tradeoff.section(log).html))
    assert "int8 has no place by size. Its size: not measured: no file was seen." in text
    assert "int8" not in json.dumps(_figures(log)[0]["data"])


def test_a_level_without_any_drop_is_listed_with_the_reason(log: AuditLog, text_of: Text) -> None:
    kept = tuple(one for one in log.verdicts if one.variant != "int8")
    text = text_of(str(tradeoff.section(log.model_copy(update={"verdicts": kept})).html))
    assert "int8 has no place. Its worst drop: not measured: Accuracy, Bias" in text


def test_overlapping_intervals_are_said(log: AuditLog, text_of: Text) -> None:
    text = text_of(str(tradeoff.section(_passing(log, "magnitude-50")).html))
    assert "magnitude-50 is off the front by point estimates alone: the intervals overlap." in text


def test_levels_that_are_equal_in_both_are_said(log: AuditLog, text_of: Text) -> None:
    twin = "magnitude-50"
    int8 = next(one for one in log.variants if one.name == "int8")
    log = _with_variant(log, twin, size_bytes=int8.size_bytes)
    source = {one.suite: one for one in log.comparisons if one.variant == "int8" and one.group is None}
    comparisons = tuple(
        source[one.suite].model_copy(update={"variant": twin})
        if one.variant == twin and one.group is None
        else one
        for one in log.comparisons
    )
    log = _passing(log.model_copy(update={"comparisons": comparisons}), "int4", twin)
    text = text_of(str(tradeoff.section(log).html))
    assert "Equal in both: int8 and magnitude-50." in text
    assert "On the front: int4, int8 and magnitude-50." in text


def test_the_smallest_of_the_levels_that_pass_is_named(log: AuditLog, text_of: Text) -> None:
    both = _passing(log, "int4")
    named, than = "The smallest level that passes is", "than the original, which is stored here as float32"
    assert f"{named} int8 (2.42× smaller {than})." in text_of(str(tradeoff.section(log).html))
    assert f"{named} int4 (3.18× smaller {than})." in text_of(str(tradeoff.section(both).html))


def test_the_control_is_no_product(log: AuditLog) -> None:
    assert "control" not in str(tradeoff.section(log).html)


def test_each_bar_is_the_interval_over_the_margin(log: AuditLog) -> None:
    failed = next(trace for trace in _figures(log)[0]["data"] if trace["name"] == "Fail")
    place = failed["text"].index("int4")
    comparison = next(
        one for one in log.comparisons if (one.variant, one.suite, one.group) == ("int4", "accuracy", None)
    )
    assert isinstance(comparison.interval, Interval)
    top = failed["y"][place] + failed["error_y"]["array"][place]
    assert top == pytest.approx(1 + math.log(comparison.interval.upper / 0.03))


def test_bytes_that_span_more_than_eight_times_have_a_log_axis(log: AuditLog) -> None:
    assert _figures(log)[0]["layout"]["xaxis"]["type"] == "linear"
    tiny = _with_variant(log, "int8", size_bytes=538_090_408 // 9)
    assert _figures(tiny)[0]["layout"]["xaxis"]["type"] == "log"


@pytest.mark.parametrize(
    ("margins", "place"), [(0.5, 0.5), (1.0, 1.0), (math.e, 2.0), (-math.e, -2.0), (1e9, 1 + math.log(1000))]
)
def test_the_scale_is_even_to_one_margin_and_logarithmic_beyond(margins: float, place: float) -> None:
    assert height(margins) == pytest.approx(place)


def test_names_beside_marks_do_not_cover_each_other() -> None:
    spots = [(0.5, 0.5), (0.52, 0.5), (0.5, 0.53)]
    assert len(set(places(["gptq-4", "awq-4", "rtn-4"], spots))) == 3


def test_a_name_at_the_right_edge_stands_left_of_its_mark() -> None:
    assert places(["magnitude-50"], [(0.98, 0.5)]) == ["top left"]


def test_measured_speed_has_a_plot_and_a_column(log: AuditLog, rows_of: Rows) -> None:
    timed = log.model_copy(update={"efficiency": (_timed("int8", 1.25), _timed("int4", SIMULATED))})
    size, speed = _figures(timed)
    assert tradeoff.section(timed).title == "Size and speed against loss"
    assert speed["data"][0]["x"] == [1.25]
    assert speed["data"][0]["error_x"]["array"] == [pytest.approx(0.05)]
    assert _row(timed, "int8", rows_of)[5] == "1.250 1.200 to 1.300"
    assert _row(timed, "int4", rows_of)[5] == "not measured: it was computed dequantised"
    assert size["layout"]["xaxis"]["title"]["text"].startswith("size on disk")


def test_the_fastest_of_the_levels_that_pass_is_named(log: AuditLog, text_of: Text) -> None:
    timed = log.model_copy(update={"efficiency": (_timed("int8", 1.25), _timed("int4", 0.5))})
    told = "Of those that pass, int8 decodes fastest: it takes 1.250 of the original's time."
    assert told in text_of(str(tradeoff.section(timed).html))


def test_speed_that_nobody_measured_has_no_plot(log: AuditLog, text_of: Text) -> None:
    assert len(_figures(log)) == 1
    section = tradeoff.section(log)
    assert section.title == "Size against loss"
    assert "speed" not in text_of(str(section.html)).lower()


def test_the_plot_is_told_to_those_who_cannot_see_it(log: AuditLog) -> None:
    html = str(tradeoff.section(log).html)
    spoken = unescape(re.findall(r'aria-label="([^"]*)"', html)[0])
    assert (
        "int4: 161.4\xa0MiB (3.18× smaller); 2.03× of the margin: a drop of 6.09 points in Accuracy, fail"
        in spoken
    )
    assert "On the front: int8." in spoken


def test_a_stopped_audit_has_a_warning_and_no_plot(log: AuditLog) -> None:
    section = tradeoff.section(
        log.model_copy(update={"comparisons": (), "verdicts": (), "status": "stopped"})
    )
    assert "No level has both a size and a drop." in section.html
    assert not section.plots


def test_markup_in_a_levels_name_stays_text(log: AuditLog) -> None:
    hostile = "<b>int8</b>"
    renamed = log.model_copy(
        update={
            "config": log.config.model_copy(
                update={
                    "levels": tuple(
                        one.model_copy(update={"name": hostile}) if one.name == "int8" else one
                        for one in log.config.levels
                    )
                }
            ),
            **{
                field: tuple(
                    one.model_copy(update={"variant": hostile}) if one.variant == "int8" else one
                    for one in getattr(log, field)
                )
                for field in ("comparisons", "verdicts")
            },
        }
    )
    renamed = _with_variant(renamed, "int8", name=hostile)
    section = tradeoff.section(renamed)
    assert "<b>" not in section.html
    assert any(
        "&lt;b&gt;int8" in name for trace in _figures(renamed)[0]["data"] for name in trace.get("text", [])
    )


def _passing(log: AuditLog, *names: str) -> AuditLog:
    """The log with these levels passing every rule."""
    verdicts = tuple(
        one.model_copy(update={"decision": "pass"}) if one.variant in names else one for one in log.verdicts
    )
    return log.model_copy(update={"verdicts": verdicts})


def _row(log: AuditLog, level: str, rows_of: Rows) -> list[str]:
    """The level's row of the table."""
    return next(row for row in rows_of(str(tradeoff.section(log).html)) if row[0] == level)


def _figures(log: AuditLog) -> list[dict[str, Any]]:
    """The data of the plots."""
    found = re.findall(
        r'<script type="application/json">(.*?)</script>', str(tradeoff.section(log).html), re.DOTALL
    )
    return [json.loads(one) for one in found]


def _with_variant(log: AuditLog, named: str, /, **update: object) -> AuditLog:
    variants = tuple(one.model_copy(update=update) if one.name == named else one for one in log.variants)
    return log.model_copy(update={"variants": variants})


def _with_rules(log: AuditLog, rules: tuple[Rule, ...]) -> AuditLog:
    new = dict(zip(log.config.rules, rules, strict=True))
    verdicts = tuple(one.model_copy(update={"rule": new[one.rule]}) for one in log.verdicts)
    config = log.config.model_copy(update={"rules": rules})
    return log.model_copy(update={"config": config, "verdicts": verdicts})


def _timed(name: str, ratio: float | NotMeasured) -> Efficiency:
    """A decode time with 0.05 on both sides."""
    decode: Speed | NotMeasured = SIMULATED
    if isinstance(ratio, float):
        interval = Interval(
            lower=ratio - 0.05, upper=ratio + 0.05, confidence=0.93, method="order statistics"
        )
        decode = Speed(
            tokens_per_second=32, original_tokens_per_second=40, latency_ratio=ratio, interval=interval
        )
    conditions = Conditions(
        device="cpu", processor="a slow one", threads=2, dtype="float32", batch=1, prompt_tokens=256,
        decode_tokens=32, rounds=8,
    )  # fmt: skip
    return Efficiency(
        variant=name, digest="d", conditions=conditions, load_seconds=1.0, peak_memory_bytes=2**29,
        runtime_bytes=2**28, prefill=decode, decode=decode,
    )  # fmt: skip
