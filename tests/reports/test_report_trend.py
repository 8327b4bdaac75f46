"""The course of earlier audits: what is drawn, what can't be compared, and no test where there is none."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hostile import HOSTILE

from audit.records import AuditLog, History, NotMeasured, PastAudit
from audit.results import results_of
from reports.html import drawn
from reports.sections.trend import section

Text = Callable[[str], str]
Rows = Callable[[str], list[list[str]]]


def past(log: AuditLog, at: str, **changes: Any) -> PastAudit:
    """An audit that found what this one does, changed result by result."""
    policy = changes.pop("policy", log.config.policy_sha256)
    version = changes.pop("version", log.provenance.shrinkproof_version)
    return PastAudit(
        model="m", release=changes.pop("release", "ab" * 20), model_digest="d", finished=at, decision="fail",
        policy_sha256=policy, shrinkproof_version=version, log_sha256="e" * 64,
        results=tuple(one.model_copy(update=changes) for one in results_of(log)),
    )  # fmt: skip


def with_history(log: AuditLog, *audits: PastAudit, **changes: Any) -> AuditLog:
    told = {"folder": "runs", "n_found": len(audits), "audits": audits, "n_skipped": 0, "skipped": ()}
    return log.model_copy(update={"history": History.model_validate({**told, **changes})})


def figures(html: str) -> list[dict[str, Any]]:
    found = re.findall(r'<script type="application/json">(.*?)</script>', html, re.DOTALL)
    return [json.loads(one) for one in found]


def test_without_a_history_there_is_no_such_section(log: AuditLog) -> None:
    assert section(log).html == ""
    assert "trend" not in {one.id for one in drawn(log)}


def test_each_suite_has_a_plot_and_a_row_for_each_audit(log: AuditLog, rows_of: Rows) -> None:
    html = str(section(with_history(log, past(log, "2026-01-01"), past(log, "2026-02-01"))).html)
    assert len(figures(html)) == len(log.config.suites)
    first = rows_of(html)[1:4]
    assert [row[0] for row in first] == ["2026-01-01", "2026-02-01", "this audit"]
    assert all(row[2:4] == ["the same", "the same"] for row in first)
    int4 = next(one for one in results_of(log) if (one.level, one.suite) == ("int4", "accuracy"))
    assert isinstance(int4.drop, float)
    assert f"{100 * int4.drop:.2f} points" in first[0][5]
    assert "640 pairs" in first[0][5]


def test_controls_are_no_products_and_are_not_drawn(log: AuditLog) -> None:
    html = str(section(with_history(log, past(log, "2026-01-01"))).html)
    assert {trace["name"] for trace in figures(html)[0]["data"]} == {"int8", "int4", "int2", "magnitude-50"}


def test_what_was_asked_otherwise_is_hollow_joined_to_nothing_and_named(
    log: AuditLog, text_of: Text, rows_of: Rows
) -> None:
    other = past(log, "2026-01-01", asked_sha256="0" * 64)
    html = str(section(with_history(log, other, past(log, "2026-02-01"))).html)
    of_int8 = [trace for trace in figures(html)[0]["data"] if trace["name"] == "int8"]
    joined, hollow = of_int8
    assert (len(joined["x"]), joined["mode"], joined["marker"]["symbol"]) == (2, "lines+markers", "circle")
    assert (len(hollow["x"]), hollow["mode"]) == (1, "markers")
    assert hollow["marker"]["symbol"].endswith("-open")
    assert hollow["x"][0] < joined["x"][0]
    assert "Hollow marks asked or counted otherwise than this audit: 2026-01-01" in text_of(html)
    assert [row[2] for row in rows_of(html)[1:4]] == ["others", "the same", "the same"]


def test_other_rules_and_other_versions_are_named(log: AuditLog, text_of: Text) -> None:
    alike = text_of(str(section(with_history(log, past(log, "2026-02-01"))).html))
    assert "All of them asked the same items and judged by the same rules." in alike
    text = text_of(
        str(section(with_history(log, past(log, "2026-01-01", policy="1" * 64, version="0.0.9"))).html)
    )
    assert "Judged by other rules, so that a pass is not the same pass: 2026-01-01" in text
    assert "other versions of Shrinkproof: 0.0.9" in text


def test_intervals_are_those_of_each_audit_and_nothing_is_tested(log: AuditLog, text_of: Text) -> None:
    html = str(section(with_history(log, past(log, "2026-01-01"))).html)
    trace = figures(html)[0]["data"][0]
    int8 = next(one for one in results_of(log) if (one.level, one.suite) == ("int8", "accuracy"))
    assert not isinstance(int8.interval, NotMeasured)
    assert isinstance(int8.drop, float)
    assert trace["error_y"]["array"] == pytest.approx([100 * (int8.interval.upper - int8.drop)] * 2)
    text = text_of(html)
    assert "Nothing here is a test of one audit against another" in text
    assert not re.search(r"significant|improved|trend is", text)


def test_a_drop_that_was_not_measured_is_no_mark_and_says_why(log: AuditLog, text_of: Text) -> None:
    gap = past(log, "2026-01-01", drop=NotMeasured("too few pairs"), interval=NotMeasured("too few pairs"))
    html = str(section(with_history(log, gap)).html)
    assert all(len(trace["x"]) == 1 for trace in figures(html)[0]["data"])
    assert "not measured: too few pairs" in text_of(html)


def test_levels_that_this_audit_has_not_are_left_out_and_new_ones_have_no_past(
    log: AuditLog, rows_of: Rows
) -> None:
    before = past(log, "2026-01-01")
    results = tuple(
        one.model_copy(update={"level": "int3"}) if one.level == "int8" else one
        for one in before.results
        if one.level != "int4"
    )
    html = str(section(with_history(log, before.model_copy(update={"results": results}))).html)
    assert {trace["name"] for trace in figures(html)[0]["data"]} == {"int2", "magnitude-50"}


def test_runs_that_could_not_be_read_are_named_and_older_ones_counted(log: AuditLog, text_of: Text) -> None:
    text = text_of(
        str(
            section(
                with_history(log, past(log, "2026-01-01"), n_found=9, n_skipped=30, skipped=("runs/x: cut",))
            ).html
        )
    )
    assert "8 older ones are not shown" in text
    assert "30 runs in that folder could not be read" in text
    assert "runs/x: cut; and more" in text


def test_a_folder_without_audits_of_this_model_says_so(log: AuditLog, text_of: Text) -> None:
    found = section(with_history(log))
    assert not found.plots
    assert "0 earlier audits of this model" in text_of(str(found.html))
    assert "None of them measured" in text_of(str(found.html))


@pytest.mark.parametrize("text", HOSTILE)
def test_no_foreign_text_becomes_markup(log: AuditLog, text: str) -> None:
    hostile = past(log, text, release=text, version=text)
    told = with_history(log, hostile, folder=text, n_skipped=1, skipped=(text,))
    html = str(section(told).html)
    bare = re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)
    tags = {tag.lower() for tag in re.findall(r"<\s*([a-zA-Z][\w-]*)", bare)}
    assert tags <= {
        "p", "code", "strong", "h3", "figure", "div", "figcaption", "table", "caption", "thead", "tr", "th",
        "tbody", "td", "bdi", "span",
    }  # fmt: skip
    assert html.count("<script") == len(log.config.suites)
