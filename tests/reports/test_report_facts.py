"""Sizes, chance and groups, method, limits, provenance: each says what the log holds."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

import pytest

from audit.records import AuditLog, EarlierRun, NotMeasured, Registration, Taken, Task
from reports.sections import compressed, limits, method, probe, provenance, verdict

Text = Callable[[str], str]
Rows = Callable[[str], list[list[str]]]


def test_sizes_are_in_bytes_and_against_the_original(log: AuditLog, rows_of: Rows) -> None:
    """By hand: 106,168,320 · 4.25 of the 134,515,008 · 10.06 bits are those of the compressed weights."""
    rows = {row[0]: row for row in rows_of(str(compressed.section(log).html))[:7]}
    assert rows["int4"][1:] == [
        "int4, groups of 64, packed in int32",
        "169,213,952 161.4 MiB",
        "31.4 % (3.18× smaller)",
        "10.06",
        "106.2 M at 4.25 bits 53.8 MiB",
        "28.3 M at 31.82 bits 107.5 MiB",
        "6.10 %",
    ]
    assert rows["original"][5] == "not measured: the original was not compressed"
    assert rows["original"][6] == "134.5 M at 32.00 bits 513.1 MiB"


def test_how_a_level_was_made_is_told_with_its_full_digest(log: AuditLog, rows_of: Rows) -> None:
    row = next(row for row in rows_of(str(compressed.section(log).html))[8:] if row[0] == "int4")
    assert row[1:5] == [
        "rtn (bits 4, group_size 64)",
        "dequantised to float32",
        "0",
        "shrinkproof 0.1.0",
    ]
    assert "3a" * 32 in row[-1]


def test_what_a_reader_must_know_of_the_original_stands_with_the_verdict_and_the_limits(
    log: AuditLog,
) -> None:
    for one in (verdict, limits):
        assert "Dequantised from the Q4_1 file" in one.section(log).html


def test_what_sizes_are_held_against_is_told(log: AuditLog, text_of: Text) -> None:
    assert "stored here as float32: its size is what sizes are held against" in text_of(
        str(compressed.section(log).html)
    )


def test_the_original_is_held_against_chance(log: AuditLog, rows_of: Rows) -> None:
    rows = {row[0]: row for row in rows_of(str(probe.section(log).html))[:6]}
    assert rows["Accuracy"][2:] == ["78.44", "75.34", "25.00", "yes"]


def test_each_level_is_held_against_half_of_what_the_original_knows(log: AuditLog, rows_of: Rows) -> None:
    rows = {tuple(row[:2]): row for row in rows_of(str(probe.section(log).html))}
    half = f"{(78.44 - 25) / 2:+.2f}"[1:]
    found = {level: rows[level, "Accuracy"][5:] for level in ("int8", "int2")}
    assert {row[1] for row in found.values()} == {half}
    assert float(found["int8"][0]) < float(half)
    assert found["int8"][2] == "yes"
    assert float(found["int2"][0]) >= float(half)
    assert found["int2"][2].startswith("no: it may have lost ")


def test_a_probe_that_the_original_only_guesses_is_called_so(log: AuditLog, text_of: Text) -> None:
    guessed = tuple(one.model_copy(update={"before_lower": 0.2}) for one in log.comparisons)
    html = str(probe.section(log.model_copy(update={"comparisons": guessed})).html)
    assert "no: the original only guesses" in text_of(html)


def test_groups_come_worst_first_and_unmeasured_last(log: AuditLog, rows_of: Rows) -> None:
    gap = NotMeasured("too few pairs")
    changed = tuple(
        one.model_copy(update={"difference": gap}) if (one.variant, one.group) == ("int2", "gender") else one
        for one in log.comparisons
    )
    html = str(probe.section(log.model_copy(update={"comparisons": changed})).html)
    table = html.split("Bias: groups")[2]
    rows = [row for row in rows_of(f"{table.split('</table>')[0]}")[1:] if row[0] != "tiny"]
    drops = [row[5] for row in rows]
    numbers = [float(drop.replace("−", "-")) for drop in drops[:-1]]
    assert numbers == sorted(numbers, reverse=True)
    assert drops[-1] == "not measured: too few pairs"


def test_groups_of_few_pairs_follow_those_of_the_title(log: AuditLog, rows_of: Rows) -> None:
    changed = tuple(
        one.model_copy(update={"difference": 1.0}) if (one.variant, one.group) == ("int8", "tiny") else one
        for one in log.comparisons
    )
    html = str(probe.section(log.model_copy(update={"comparisons": changed})).html)
    rows = rows_of(html.split("Bias: groups")[2].split("</table>")[0])[1:]
    title = html.split("<summary>Bias: largest drop ")[1].split("<")[0]
    assert title == f"{rows[0][5]} points: {rows[0][0]} at {rows[0][1]}, of groups with 20 pairs or more"
    assert rows[12][:3] == ["tiny", "int8", "3 fewer than 20"]


def test_where_all_groups_are_small_none_is_in_the_title(log: AuditLog) -> None:
    few = tuple(one.model_copy(update={"n_pairs": 19}) for one in log.comparisons)
    html = str(probe.section(log.model_copy(update={"comparisons": few})).html)
    assert "Bias: no group has 20 pairs" in html


def test_where_either_way_is_damage_the_largest_change_is_the_worst(log: AuditLog, rows_of: Rows) -> None:
    bias = next(suite for suite in log.config.suites if suite.name == "bias")
    metrics = (bias.metrics[0].model_copy(update={"two_sided": True}),)
    suites = tuple(
        one.model_copy(update={"metrics": metrics}) if one is bias else one for one in log.config.suites
    )
    changed = tuple(
        one.model_copy(update={"difference": -0.9}) if (one.variant, one.group) == ("int8", "gender") else one
        for one in log.comparisons
    )
    config = log.config.model_copy(update={"suites": suites})
    html = str(probe.section(log.model_copy(update={"comparisons": changed, "config": config})).html)
    assert "Bias: largest change −90.00 points: gender at int8, of groups with 20 pairs or more" in html
    table = html.split("Bias: groups")[2].split("</table>")[0]
    assert rows_of(table)[1][:2] == ["gender", "int8"]


def test_what_no_group_lost_is_said(log: AuditLog) -> None:
    gained = tuple(one.model_copy(update={"difference": -0.1}) for one in log.comparisons)
    html = str(probe.section(log.model_copy(update={"comparisons": gained})).html)
    assert "Bias: no group of 20 pairs or more got worse" in html


def test_adjusted_p_values_are_called_exploratory(log: AuditLog, text_of: Text) -> None:
    text = text_of(str(probe.section(log).html))
    assert "Exploratory" in text
    assert "p adjusted (Benjamini-Hochberg)" in text


def test_the_rules_stand_with_margin_alpha_and_reason(log: AuditLog, rows_of: Rows) -> None:
    assert rows_of(str(method.section(log).html))[1] == [
        "Accuracy",
        "accuracy",
        "3.00 points",
        "0.05",
        "none",
        "1",
        "none",
        "yes",
        "the default margin: nobody justified it for this use",
    ]


def test_a_task_stands_with_the_shots_that_it_was_asked_with(log: AuditLog, text_of: Text) -> None:
    """Where the config leaves them to the task, the scored cells know them."""
    suites = tuple(
        one.model_copy(update={"tasks": (Task(name=f"shrinkproof_{one.name}"),)}) for one in log.config.suites
    )
    left_open = log.model_copy(update={"config": log.config.model_copy(update={"suites": suites})})
    assert "shrinkproof_bias (3)" in text_of(str(method.section(left_open).html))
    unasked = left_open.model_copy(update={"runs": ()})
    assert "shrinkproof_bias (as many as the task says)" in text_of(str(method.section(unasked).html))


def test_the_method_names_its_tests(log: AuditLog, text_of: Text) -> None:
    text = text_of(str(method.section(log).html))
    words = (
        "hashes",
        "McNemar",
        "Tango",
        "500 pairs",
        "Non-inferiority",
        "fixed sequence",
        "intersection-union",
    )
    assert all(word in text for word in words)
    assert "Bias and Safety are read only for a level that lost less than half" in text


def test_every_reason_for_a_missing_number_is_listed_once_with_some_places(
    log: AuditLog, rows_of: Rows
) -> None:
    rows = {row[0]: row for row in rows_of(str(limits.section(log).html))}
    assert rows["the config lies in no git repository"][2] == "provenance: git commit"
    assert rows["3 pairs; this interval needs 10"][1:] == [
        "25",
        "control, accuracy, accuracy, group tiny: interval; control, bias, accuracy, group tiny: interval; "
        "control, robustness, accuracy, group tiny: interval; and 22 more",
    ]
    assert rows["the accuracy floor was not reached"][1] == "2"


def test_a_number_that_another_stands_for_is_no_gap(log: AuditLog, gate: AuditLog) -> None:
    """Flips or an estimate, decided or open: of each pair a log has the one that its kind of metric takes."""
    reasons = {gap.reason for one in (log, gate) for _, gap in limits.unmeasured(one)}
    assert not reasons & {
        "flips are counted", "read over whole suites only", "the whole suite is no group", "decided",
        "decided or not read", "items are independent", "outcomes are not right or wrong",
        "not adjusted: rules decide on the interval", "the original was not compressed", "not made here",
        "a divergence has no gains", "it was made here, from the original",
    }  # fmt: skip


def test_a_number_that_nothing_stands_for_is_a_gap(log: AuditLog) -> None:
    """Without flips an estimate is missed, and without a comparison all."""
    gone = NotMeasured("nothing was compared")
    bare = log.model_copy(
        update={
            "comparisons": tuple(
                one.model_copy(update={"flips": gone, "estimate": gone}) for one in log.comparisons[:1]
            ),
            "verdicts": tuple(
                one.model_copy(update={"decision": "inconclusive", "n_to_decide": gone, "p_value": 0.2})
                for one in log.verdicts
                if (one.variant, one.rule.suite) == ("int4", "bias")
            ),
        }
    )
    missed = [place.rpartition(": ")[2] for place, gap in limits.unmeasured(bare) if gap == gone]
    assert missed == ["estimate", "flips", "n to decide"]


def test_what_was_not_asked_is_said(log: AuditLog, text_of: Text) -> None:
    first, *others = log.runs
    cells = tuple(one.model_copy(update={"task": "arc:typo", "n_left_out": 3}) for one in first.cells)
    suites = (log.config.suites[0].model_copy(update={"absent": ("boolq",)}), *log.config.suites[1:])
    changed = log.model_copy(
        update={
            "runs": (first.model_copy(update={"cells": cells}), *others),
            "config": log.config.model_copy(update={"suites": suites}),
        }
    )
    text = text_of(str(limits.section(changed).html))
    assert f"3 item(s) met in arc:typo ({first.suite}) have nothing to perturb and were left out." in text
    assert "these have no data here and were not asked: boolq." in text


def test_each_suite_states_its_limits(log: AuditLog, text_of: Text) -> None:
    text = text_of(str(limits.section(log).html))
    assert all(suite.limits in text for suite in log.config.suites)


def test_the_disclaimer_and_the_missing_speed_are_told(log: AuditLog, text_of: Text) -> None:
    text = text_of(str(limits.section(log).html))
    assert "not legal advice, not a conformity assessment" in text
    assert "Speed, memory and energy" in text


def test_what_a_stopped_audit_never_reached_is_listed(log: AuditLog, text_of: Text) -> None:
    kept = tuple(variant for variant in log.variants if variant.name != "int2")
    comparisons = tuple(one for one in log.comparisons if one.variant != "int2")
    text = text_of(
        str(limits.section(log.model_copy(update={"variants": kept, "comparisons": comparisons})).html)
    )
    assert "int2: not made." in text
    assert "int2, Bias: not compared." in text
    assert "int4, Bias: not compared." not in text


def test_provenance_holds_the_digest_of_the_very_log(log: AuditLog) -> None:
    assert sha256(log.to_json()).hexdigest() in provenance.section(log).html


def test_provenance_says_how_to_run_it_again(log: AuditLog, text_of: Text) -> None:
    text = text_of(str(provenance.section(log).html))
    facts = (
        "shrinkproof run fixtures/demo.yaml --seed 20261124",
        "c0" * 32,
        "x86_64, 2 cores",
        "Seed 20261124",
    )
    assert all(fact in text for fact in facts)
    assert "not measured: the config lies in no git repository" in text


def test_the_page_says_how_its_signature_is_checked(log: AuditLog, text_of: Text) -> None:
    text = text_of(str(provenance.section(log).html))
    assert "Without that file nothing here is signed." in text
    assert "pip install shrinkproof==0.1.0 shrinkproof verify RUN --key PUBLIC.pem" in text


def test_answers_that_are_older_than_the_last_start_are_counted(log: AuditLog, text_of: Text) -> None:
    """Of 30 cells the original's 5 were scored the day before, 5 others before the audit was started anew."""
    times = {"original": "2026-11-23T07:00:00Z", "control": "2026-11-24T07:59:00Z"}
    runs = tuple(
        run.model_copy(
            update={
                "cells": tuple(
                    one.model_copy(update={"started": times.get(run.variant, one.started)})
                    for one in run.cells
                )
            }
        )
        for run in log.runs
    )
    fixed = Registration(policy_sha256="", items_sha256="", at="2026-11-24T07:58:00Z")
    text = text_of(str(provenance.section(log.model_copy(update={"runs": runs, "registered": fixed})).html))
    assert (
        "between 2026-11-23T07:00:00Z and 2026-11-24T08:01:00Z; 10 of 30 cells before the last start, of "
        "which 5 of the original in an earlier audit, before the rules were fixed" in text
    )
    fresh = text_of(str(provenance.section(log).html))
    assert "0 of 30 cells before the last start" in fresh
    assert "earlier audit" not in fresh


def test_the_precision_is_the_one_computed_in_and_not_only_the_one_asked_for(
    log: AuditLog, text_of: Text
) -> None:
    assert "Computed in float32 (config: auto)" in text_of(str(provenance.section(log).html))


@pytest.mark.parametrize(
    ("changed", "said"),
    [(True, "c1, with changes that are not committed"), (False, "c1, without changes"),
     (NotMeasured("nobody looked"), "c1; changes beside it: not measured: nobody looked")],
)  # fmt: skip
def test_a_commit_says_whether_it_is_all(
    log: AuditLog, text_of: Text, changed: bool | NotMeasured, said: str
) -> None:
    found = log.provenance.model_copy(update={"git_commit": "c1", "git_changed": changed})
    assert said in text_of(str(provenance.section(log.model_copy(update={"provenance": found})).html))


def test_every_cell_is_listed_with_key_and_digest(log: AuditLog, rows_of: Rows) -> None:
    rows = [row for row in rows_of(str(provenance.section(log).html)) if "5c" * 32 in row[-1]]
    assert len(rows) == 30
    assert all("4b" * 32 in row[-2] for row in rows)


def test_provenance_holds_the_digests_of_local_data(log: AuditLog, rows_of: Rows) -> None:
    assert "Data that tasks read" not in provenance.section(log).html
    runs = tuple(
        run.model_copy(
            update={"cells": tuple(one.model_copy(update={"data": {"test": "d" * 64}}) for one in run.cells)}
        )
        for run in log.runs
    )
    html = str(provenance.section(log.model_copy(update={"runs": runs})).html)
    tasks = {one.task for run in runs for one in run.cells}
    rows = [row for row in rows_of(html) if "d" * 64 in row[-1]]
    assert sorted(row[:2] for row in rows) == sorted([task, "test"] for task in tasks)


def _earlier(policy: str) -> EarlierRun:
    return EarlierRun(
        config_sha256="c" * 64, log_sha256="e" * 64, policy_sha256=policy, finished="2026-11-20T10:00:00Z",
        processor="another machine", torch="2.12.0",
    )  # fmt: skip


def test_what_earlier_runs_computed_is_told_with_the_digest_of_their_log(
    log: AuditLog, text_of: Text, rows_of: Rows
) -> None:
    assert "earlier runs" not in text_of(str(provenance.section(log).html))
    taken = Taken(variant="int8", artefact=True, cells=("k1", "k2"), run=_earlier(log.config.policy_sha256))
    html = str(provenance.section(log.model_copy(update={"taken": (taken,)})).html)
    (row,) = [row for row in rows_of(html) if "e" * 64 in " ".join(row)]
    assert row[:3] == ["int8", "taken", "2"]
    assert "another machine" in row
    assert "The control was made and measured in this run" in text_of(html)
    assert "came about under other rules" not in text_of(html)


@pytest.mark.parametrize("policy", ["0" * 64, ""])
def test_answers_that_were_known_before_the_rules_were_fixed_are_named(
    log: AuditLog, text_of: Text, policy: str
) -> None:
    of_level = Taken(variant="int8", artefact=False, cells=("k",), run=_earlier(policy))
    original = Taken(variant="original", artefact=False, cells=("k",), run=_earlier(policy))
    text = text_of(str(provenance.section(log.model_copy(update={"taken": (original, of_level)})).html))
    assert "The answers of int8 came about under other rules" in text
    text = text_of(str(provenance.section(log.model_copy(update={"taken": (original,)})).html))
    assert "came about under other rules" not in text


def test_without_a_control_nothing_ties_earlier_answers_to_this_machine(log: AuditLog, text_of: Text) -> None:
    levels = tuple(one for one in log.config.levels if not one.is_control)
    taken = Taken(variant="int8", artefact=False, cells=("k",), run=_earlier(log.config.policy_sha256))
    config = log.config.model_copy(update={"levels": levels})
    text = text_of(str(provenance.section(log.model_copy(update={"config": config, "taken": (taken,)})).html))
    assert "No control was measured in this run" in text
