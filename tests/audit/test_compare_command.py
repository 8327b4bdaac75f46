"""Two results that exist already: found, paired, tested, judged, or refused with the way out."""

from __future__ import annotations

import io
import json
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from audit import load_config, run_audit
from audit.console import print_side_by_side
from audit.errors import ConfigError, ShrinkproofError, StoreError
from audit.records import Comparison, Estimate, Flips, NotMeasured
from audit.side_by_side import ALL_TASKS, SideBySide, compare_existing
from fixtures.made_up_results import RECORDED, digest, lm_eval_log, run_folder

GOLDEN = json.loads((Path(__file__).parents[2] / "fixtures" / "golden" / "paired.json").read_text())
# R's `sleep`, hours gained by two drugs: paired t = -4.062128
SLEEP = {
    "before": [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0],
    "after": [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4],
}
BEFORE, AFTER = str(RECORDED / "before"), str(RECORDED / "after")


def golden(function: str, *given: float) -> float:
    """The known answer of that function for that input."""
    (found,) = (one for one in GOLDEN if one["function"] == function and one["input"] == list(given))
    return float(found["expected"])


def outcomes(both: int, lost: int, gained: int, neither: int) -> tuple[list[int], list[int]]:
    """Outcomes before and after with those counts."""
    before = [1] * (both + lost) + [0] * (gained + neither)
    after = [1] * both + [0] * lost + [1] * gained + [0] * neither
    return before, after


def logs(folder: Path, before: Sequence[float], after: Sequence[float], **changes: Any) -> tuple[str, str]:
    """Two logs of lm-eval's with those outcomes."""
    sides = {"before": before, "after": after}
    before_at, after_at = (
        str(lm_eval_log(folder / side, values, **changes)) for side, values in sides.items()
    )
    return before_at, after_at


def flips(comparison: Comparison) -> tuple[int, int]:
    assert isinstance(comparison.flips, Flips)
    return comparison.flips.lost, comparison.flips.gained


def printed(found: SideBySide, width: int = 200) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    print_side_by_side(console, found)
    return console.export_text()


# The numbers


def test_mcnemars_p_of_two_logs_is_that_of_the_textbook(tmp_path: Path) -> None:
    found = compare_existing(*logs(tmp_path, *outcomes(794, 150, 86, 570)))
    assert found.whole.p_value == pytest.approx(golden("mcnemar.exact_p", 150, 86), abs=5e-10)
    assert found.whole.difference == pytest.approx(0.04)
    assert found.decision == "fail"


def test_the_noninferiority_p_and_interval_are_tangos(tmp_path: Path) -> None:
    found = compare_existing(*logs(tmp_path, *outcomes(700, 30, 25, 245)), margin=0.02)
    assert found.verdict.p_value == pytest.approx(
        golden("tango.noninferiority_p", 30, 25, 1000, 0.02), abs=5e-8
    )
    interval = found.whole.interval
    assert not isinstance(interval, NotMeasured)
    assert interval.lower == pytest.approx(golden("tango.lower_bound", 30, 25, 1000, 0.05), abs=5e-7)
    assert interval.upper == pytest.approx(golden("tango.upper_bound", 30, 25, 1000, 0.05), abs=5e-7)
    assert found.decision == "pass"


def test_identical_results_have_a_p_of_1_and_pass(tmp_path: Path) -> None:
    before, _ = logs(tmp_path, *outcomes(400, 0, 0, 100))
    found = compare_existing(before, before, margin=0.02)
    assert (found.whole.p_value, flips(found.whole), found.decision) == (1.0, (0, 0), "pass")
    assert found.verdict.p_value == pytest.approx(golden("tango.noninferiority_p", 0, 0, 500, 0.02), abs=5e-8)


def test_the_margin_and_alpha_given_are_those_that_judge(tmp_path: Path) -> None:
    sides = logs(tmp_path, *outcomes(700, 30, 25, 245))
    assert compare_existing(*sides, margin=0.02, alpha=0.02).decision == "inconclusive"
    assert compare_existing(*sides, margin=0.015).decision == "inconclusive"


def test_where_lower_is_better_a_rise_is_the_loss(tmp_path: Path) -> None:
    results = {"higher_is_better": {"sums": {"acc": False}}}
    sides = logs(tmp_path, *outcomes(10, 0, 40, 50), results=results)
    assert flips(compare_existing(*sides).whole) == (40, 0)


def test_where_one_side_alone_says_that_lower_is_better_it_is(tmp_path: Path) -> None:
    before, after = outcomes(10, 0, 40, 50)
    results = {"higher_is_better": {"sums": {"acc": False}}}
    sides = lm_eval_log(tmp_path / "a", before), lm_eval_log(tmp_path / "b", after, results=results)
    assert flips(compare_existing(*map(str, sides)).whole) == (40, 0)


def test_a_metric_that_is_better_lower_in_some_tasks_alone_is_refused(tmp_path: Path) -> None:
    before, _ = logs(tmp_path, [1, 0], [1, 0], results={"higher_is_better": {"sums": {"acc": False}}})
    lm_eval_log(Path(before), [1, 0], task="other")
    with pytest.raises(ConfigError, match=r"lower in others. Restrict it by --task"):
        compare_existing(before, before)


def test_items_pair_whatever_the_order_and_numbers_of_the_lines(tmp_path: Path) -> None:
    before = str(lm_eval_log(tmp_path / "a", [1, 0, 1, 1, 0]))
    backwards = {
        "doc_hash": lambda i: digest(f"doc {4 - i}"), "prompt_hash": lambda i: digest(f"prompt {4 - i}"),
    }  # fmt: skip
    found = compare_existing(before, str(lm_eval_log(tmp_path / "b", [0, 1, 1, 0, 1], **backwards)))
    assert (found.whole.n_pairs, flips(found.whole)) == (5, (0, 0))


def test_copies_of_an_item_pair_one_by_one(tmp_path: Path) -> None:
    same = {"doc_hash": digest("doc"), "prompt_hash": digest("prompt")}
    found = compare_existing(*logs(tmp_path, [1, 1, 0], [1, 0, 0], **same))
    assert (found.whole.n_pairs, flips(found.whole)) == (3, (1, 0))


def test_unpaired_items_are_counted_and_leave_it_inconclusive(tmp_path: Path) -> None:
    found = compare_existing(*logs(tmp_path, [1] * 900, [1] * 600))
    assert (found.whole.n_pairs, found.whole.n_unpaired_before, found.whole.n_unpaired_after) == (600, 300, 0)
    assert found.decision == "inconclusive"
    assert "without a partner: 300" in found.verdict.because


# Several tasks


def test_several_tasks_are_compared_each_and_judged_together() -> None:
    found = compare_existing(BEFORE, AFTER, tasks=["sums", "sentences"])
    assert [one.suite for one in found.tasks] == ["sentences", "sums"]
    assert (found.whole.suite, found.whole.n_pairs) == (ALL_TASKS, 11)
    assert [one.n_pairs for one in found.tasks] == [3, 8]
    assert len(found.task_verdicts) == 2


def test_the_p_of_single_tasks_is_adjusted_over_them(tmp_path: Path) -> None:
    for task, lost in (("a", 8), ("b", 0)):
        before, after = outcomes(50, lost, 0, 50)
        logs(tmp_path, before, after, task=task)
    first, second = compare_existing(str(tmp_path / "before"), str(tmp_path / "after")).tasks
    assert first.p_value == pytest.approx(2 / 2**8)
    assert first.p_adjusted == pytest.approx(4 / 2**8)
    assert second.p_adjusted == 1


def test_a_pass_is_not_claimed_where_a_task_is_missing_on_one_side(tmp_path: Path) -> None:
    before, after = logs(tmp_path, *outcomes(400, 0, 0, 200))
    lm_eval_log(tmp_path / "before", [1, 0], task="crashed")
    found = compare_existing(before, after)
    assert found.before.tasks_only_here == ("crashed",)
    assert found.decision == "inconclusive"
    assert "crashed only in" in found.verdict.because
    assert "choose by --task" in found.verdict.because


def test_a_task_chosen_passes_though_another_is_missing(tmp_path: Path) -> None:
    before, after = logs(tmp_path, *outcomes(400, 0, 0, 200))
    lm_eval_log(tmp_path / "before", [1, 0], task="crashed")
    found = compare_existing(before, after, tasks=["sums"])
    assert (found.decision, found.before.tasks_only_here) == ("pass", ())


# The metric


def test_acc_is_preferred_and_the_others_are_named() -> None:
    found = compare_existing(BEFORE, AFTER, tasks=["sentences"])
    assert (found.metric, found.other_metrics) == ("acc", ("perplexity",))


def test_without_acc_the_first_of_0_and_1_is_taken() -> None:
    found = compare_existing(BEFORE, AFTER, tasks=["capitals"])
    assert (found.metric, found.other_metrics) == ("exact_match", ("exact_match,loose",))


def test_a_metric_may_be_named_as_in_lm_evals_results() -> None:
    assert compare_existing(BEFORE, AFTER, tasks=["sums"], metric="acc_norm,none").metric == "acc_norm"


def test_a_perplexity_is_that_of_lm_evals_results() -> None:
    found = compare_existing(BEFORE, AFTER, tasks=["sentences"], metric="perplexity")
    for side, perplexity in ((BEFORE, found.whole.before), (AFTER, found.whole.after)):
        (results,) = Path(side).rglob("results_*.json")
        reported = json.loads(results.read_text())["results"]["sentences"]["perplexity,none"]
        assert perplexity == pytest.approx(reported)
    assert found.kind == "perplexity"
    assert isinstance(found.whole.difference, float)
    assert found.whole.difference < 0


def test_a_perplexity_per_word_weighs_documents_by_their_words(tmp_path: Path) -> None:
    logged = {"metrics": ["word_perplexity"], "word_perplexity": lambda i: [[-2.0, 1], [-4.0, 3]][i]}
    sides = logs(tmp_path, [0, 0], [0, 0], **logged)
    found = compare_existing(*sides, metric="word_perplexity")
    assert found.whole.before == pytest.approx(math.exp(6 / 4))


def test_a_score_is_compared_by_the_mean_of_its_differences(tmp_path: Path) -> None:
    logged = {side: {"metrics": ["hours"], "hours": values.__getitem__} for side, values in SLEEP.items()}
    before = lm_eval_log(tmp_path / "a", [0] * 10, **logged["before"])
    after = lm_eval_log(tmp_path / "b", [0] * 10, **logged["after"])
    found = compare_existing(str(before), str(after), metric="hours", margin=0.5)
    estimate = found.whole.estimate
    assert isinstance(estimate, Estimate)
    assert estimate.value / estimate.standard_error == pytest.approx(-4.062128, abs=5e-7)
    assert found.decision == "pass"
    assert "0.75" in printed(found)


def test_a_score_asks_for_a_margin_in_its_own_unit(tmp_path: Path) -> None:
    sides = logs(tmp_path, [0.5, 1], [0.25, 1])
    with pytest.raises(ConfigError, match="--metric acc_norm is no share of right answers: say by --margin"):
        compare_existing(*sides, metric="acc_norm")


# Run folders of ours


def test_a_run_against_itself_pairs_everything(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", {"original": [1, 0, 1], "int4": [1, 1, 0]})
    found = compare_existing(f"{run}:int4", f"{run}:int4")
    assert (found.whole.n_pairs, found.whole.p_value, flips(found.whole)) == (3, 1.0, (0, 0))


def test_the_only_product_of_a_run_is_compared_with_its_original(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", {"original": [1, 0, 1], "control": [1, 0, 1], "int4": [1, 1, 0]})
    found = compare_existing(str(run), str(run))
    assert (found.before.given, found.after.given) == (f"{run}:original", f"{run}:int4")
    assert flips(found.whole) == (1, 1)


def test_an_original_alone_is_meant_on_either_side(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", {"original": [1, 0, 1]})
    found = compare_existing(str(run), str(run / "audit.json"))
    assert (found.before.name, found.after.name) == ("original", "original")


def test_among_several_products_the_user_has_to_choose(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", {"original": [1], "int8": [1], "int4": [1]})
    with pytest.raises(
        ConfigError, match=r"holds original, int8, int4\. Name the one that is meant: .*:int8"
    ):
        compare_existing(f"{run}:original", str(run))


def test_an_unknown_variant_is_named_with_a_hint(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", {"original": [1], "int4": [1]})
    with pytest.raises(ConfigError, match=r"No variant named 'int5'\. Did you mean 'int4'"):
        compare_existing(str(run), f"{run}:int5")


def test_a_run_pairs_with_a_log_of_lm_evals(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", {"original": [1, 0, 1]})
    results = {"versions": {"sums": 2}, "n-shot": {"sums": 0}}
    found = compare_existing(str(run), str(lm_eval_log(tmp_path / "log", [1, 1, 1], results=results)))
    assert (found.whole.n_pairs, flips(found.whole)) == (3, (0, 1))


def test_all_parts_of_a_run_are_read(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", {"original": [1, 0, 1], "int4": [1, 1, 0]}, part=1)
    found = compare_existing(str(run), str(run))
    assert (found.whole.n_pairs, found.before.note, found.after.note) == (3, "", "")


def test_a_variant_that_was_stopped_early_is_said_to_be_and_not_judged(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", {"original": [1] * 800, "int4": [1] * 400}, part=200)
    found = compare_existing(str(run), str(run))
    assert (found.whole.n_unpaired_before, found.decision) == (400, "inconclusive")
    assert re.search(f"int4 was stopped early.*`shrinkproof gate {run}`", printed(found))


def test_samples_that_are_gone_are_named(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", {"original": [1], "int4": [1]})
    shutil.rmtree(run / "cells")
    with pytest.raises(StoreError, match=r"samples\.parquet can't be read"):
        compare_existing(str(run), str(run))


# What is refused


def shots(count: int) -> dict[str, Any]:
    return {"versions": {"sums": 2.0}, "n-shot": {"sums": count}}


def test_another_number_of_shots_is_refused(tmp_path: Path) -> None:
    before = lm_eval_log(tmp_path / "a", [1, 0], results=shots(0))
    after = lm_eval_log(tmp_path / "b", [1, 0], results=shots(5))
    with pytest.raises(ConfigError, match=r"'sums' has another number of few-shot examples .*: 0 and 5"):
        compare_existing(str(before), str(after))


def test_another_version_is_refused(tmp_path: Path) -> None:
    before = lm_eval_log(tmp_path / "a", [1, 0], results={"versions": {"sums": 1}})
    after = lm_eval_log(tmp_path / "b", [1, 0], results={"versions": {"sums": 2}})
    with pytest.raises(ConfigError, match="'sums' has another version before than after: 1 and 2"):
        compare_existing(str(before), str(after))


def test_what_only_one_side_says_is_no_difference(tmp_path: Path) -> None:
    before = lm_eval_log(tmp_path / "a", [1, 0], results=shots(5))
    after = lm_eval_log(tmp_path / "b", [1, 0])
    assert compare_existing(str(before), str(after)).whole.n_pairs == 2


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("doc_hash", r"Its documents differ, 1 of 4 are the same \(another data set, split"),
        ("prompt_hash", r"Its prompts differ, 1 of 4 are the same \(other few-shot examples"),
        ("target_hash", r"Its targets differ, 1 of 4 are the same \(other right answers"),
    ],
)
def test_fewer_than_half_paired_is_refused_with_what_differs(key: str, words: str, tmp_path: Path) -> None:
    hashes = {
        "doc_hash": lambda i: digest(f"doc {i}" if i == 0 else f"other {i}"),
        "prompt_hash": lambda i: digest(f"prompt {i}" if i == 0 else f"other {i}"),
        "target_hash": lambda i: digest("1" if i == 0 else f"other {i}"),
    }
    before = lm_eval_log(tmp_path / "a", [1, 0, 1, 0])
    after = lm_eval_log(tmp_path / "b", [1, 0, 1, 0], **{key: hashes[key]})
    with pytest.raises(ConfigError, match=f"'sums' was not asked alike: .*{words}"):
        compare_existing(str(before), str(after))


def test_a_task_that_was_asked_otherwise_is_refused_with_those_that_pair(tmp_path: Path) -> None:
    before, after = logs(tmp_path, [1, 0], [1, 0])
    lm_eval_log(tmp_path / "before", [1, 0], task="other")
    lm_eval_log(tmp_path / "after", [1, 0], task="other", prompt_hash=digest("changed"))
    with pytest.raises(ConfigError, match=r"'other' was not asked alike: .* The others pair: --task sums\."):
        compare_existing(before, after)


def test_half_of_the_items_paired_is_enough(tmp_path: Path) -> None:
    other = {"doc_hash": lambda i: digest(f"doc {i}" if i < 2 else f"other {i}")}
    before = lm_eval_log(tmp_path / "a", [1, 0, 1, 0])
    after = lm_eval_log(tmp_path / "b", [1, 0, 1, 0], **other)
    assert compare_existing(str(before), str(after)).whole.n_pairs == 2


REFUSED: list[tuple[list[str], dict[str, Any], str]] = [
    (["nowhere", AFTER], {}, r"There is no nowhere\. Name a run folder"),
    ([BEFORE, str(RECORDED)], {}, "several models"),
    ([f"{BEFORE}:int4", AFTER], {}, r"no audit\.json, so it has no variant 'int4'"),
    ([BEFORE, AFTER], {}, r"no metric of 0 and 1 .*\(capitals: exact_match, .*; sums: acc, acc_norm\)"),
    ([BEFORE, AFTER], {"tasks": ["summs"]}, "No task named 'summs'. Did you mean 'sums'"),
    ([BEFORE, AFTER], {"tasks": ["sums"], "metric": "f1"}, r"no metric 'f1' .*\(sums: acc, acc_norm\)"),
    ([BEFORE, AFTER], {"tasks": ["sums"], "margin": 3.0}, "--margin 3: .*three points are 0.03"),
    ([BEFORE, AFTER], {"tasks": ["sums"], "margin": 0.0}, "--margin 0"),
    ([BEFORE, AFTER], {"tasks": ["sums"], "alpha": 0.5}, "--alpha 0.5"),
]


@pytest.mark.parametrize(("paths", "options", "words"), REFUSED)
def test_what_cannot_be_compared_is_refused_with_the_way_out(
    paths: list[str], options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ShrinkproofError, match=words):
        compare_existing(*paths, **options)


def test_no_task_in_common_is_refused_with_the_tasks_of_both(tmp_path: Path) -> None:
    after = lm_eval_log(tmp_path, [1], task="riddles")
    with pytest.raises(
        ConfigError, match=r"no task in common\. The first has capitals, .*; the second has riddles"
    ):
        compare_existing(BEFORE, str(after))


def test_a_task_without_a_sample_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no metric of 0 and 1 .*\(sums: none\)"):
        compare_existing(*logs(tmp_path, [], []))


# What is shown and written


def test_the_table_shows_every_number_of_the_comparison(tmp_path: Path) -> None:
    shown = printed(compare_existing(*logs(tmp_path, *outcomes(700, 30, 25, 245)), margin=0.02))
    (row,) = re.findall("^sums .*$", shown, re.MULTILINE)
    assert row.split() == [
        "sums", "1000", "73.0", "72.5", "+0.5", "-0.7", "…", "+1.8", "30/25", "5.5", "%", "0.59", "0.0258",
        "0/0", "✔", "pass",
    ]  # fmt: skip


def test_single_tasks_are_labelled_exploratory_and_the_whole_is_not() -> None:
    lines = printed(compare_existing(BEFORE, AFTER, tasks=["sums", "sentences"])).splitlines()
    of_tasks = [line for line in lines if line.startswith(("sums", "sentences"))]
    assert [line.count("exploratory") for line in of_tasks] == [1, 1]
    assert "exploratory" not in next(line for line in lines if line.startswith(ALL_TASKS))


def test_in_a_narrow_terminal_no_number_is_cut() -> None:
    found = compare_existing(BEFORE, AFTER, tasks=["sums", "sentences"])
    narrow = printed(found, width=80)
    assert max(map(len, narrow.splitlines()[:8])) <= 80
    assert "…" not in narrow.replace(" … ", "")
    assert set(re.findall(r"[\d./+-]+", printed(found))) == set(re.findall(r"[\d./+-]+", narrow))


def test_a_name_in_brackets_is_shown_as_it_is(tmp_path: Path) -> None:
    log = str(lm_eval_log(tmp_path / "[bold]run[/bold]", [1, 0]))
    assert "[bold]run[/bold]" in printed(compare_existing(log, log))


def test_what_is_written_reads_back_as_it_was(tmp_path: Path) -> None:
    found = compare_existing(BEFORE, AFTER, tasks=["sums"])
    found.write(tmp_path / "found.json")
    assert SideBySide.model_validate_json((tmp_path / "found.json").read_bytes()) == found


@pytest.mark.parametrize("place", ["", "nowhere/found.json"])
def test_a_place_that_cannot_be_written_is_named(place: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--out .*: name a file in a folder that exists"):
        compare_existing(BEFORE, AFTER, tasks=["sums"]).write(tmp_path / place)


# The command


def shrinkproof(*arguments: object) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", "from audit.cli import main; main()", "compare", *map(str, arguments)]
    return subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    ("counts", "code"),
    [((400, 0, 0, 200), 0), ((300, 60, 0, 240), 1), ((4, 0, 0, 2), 3)],
    ids=["pass", "fail", "inconclusive"],
)
def test_the_exit_code_is_the_verdict(counts: tuple[int, int, int, int], code: int, tmp_path: Path) -> None:
    done = shrinkproof(*logs(tmp_path, *outcomes(*counts)))
    assert done.returncode == code, done.stderr


def test_an_unusable_input_is_one_line_and_exits_with_2() -> None:
    done = shrinkproof("nowhere", AFTER)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_command_and_python_find_the_same(tmp_path: Path) -> None:
    out = tmp_path / "found.json"
    done = shrinkproof(
        BEFORE, AFTER, "--task", "sums", "--metric", "acc_norm", "--margin", 0.2, "--alpha", 0.1, "--out", out
    )
    assert done.returncode == 3, done.stderr
    assert "sums" in done.stdout
    found = compare_existing(BEFORE, AFTER, tasks=["sums"], metric="acc_norm", margin=0.2, alpha=0.1)
    assert out.read_bytes() == found.to_json()


def test_ten_thousand_items_take_seconds(tmp_path: Path) -> None:
    import time

    sides = logs(tmp_path, *outcomes(6000, 300, 250, 3450))
    started = time.monotonic()
    assert compare_existing(*sides).whole.n_pairs == 10_000
    assert time.monotonic() - started < 30


# A real model


def test_our_original_pairs_item_by_item_with_lm_evals_log_of_the_same_model(
    tiny: Path, tmp_path: Path
) -> None:
    tasks = shutil.copytree(RECORDED / "tasks", tmp_path / "tasks")
    for file in tasks.glob("*.yaml"):
        file.write_text(file.read_text().replace("tasks/", f"{tasks}/"))
    suites = [
        {"name": "choice", "tasks": ["sums", "sentences"], "include_path": str(tasks)},
        {"name": "written", "tasks": ["capitals"], "metric": "exact_match", "include_path": str(tasks)},
    ]
    run_audit(
        load_config(
            {
                "model": str(tiny), "levels": ["int4"], "suites": suites, "dtype": "float32", "device": "cpu",
                "out": str(tmp_path / "run"),
            }
        )
    )  # fmt: skip
    command = [
        sys.executable, "-m", "lm_eval", "run", "--model", "hf", "--model_args",
        f"pretrained={tiny},dtype=float32", "--tasks", "sums", "sentences", "capitals",
        "--include_path", tasks, "--batch_size", 4, "--device", "cpu", "--log_samples",
        "--output_path", tmp_path / "log",
    ]  # fmt: skip
    subprocess.run([str(part) for part in command], check=True, capture_output=True, timeout=600)
    for chosen, items in ((["sums", "sentences"], 11), (["capitals"], 3)):
        found = compare_existing(f"{tmp_path / 'run'}:original", str(tmp_path / "log"), tasks=chosen)
        assert (found.whole.n_pairs, found.whole.n_unpaired_before, found.whole.n_unpaired_after) == (
            items,
            0,
            0,
        )
        assert (flips(found.whole), found.whole.p_value) == ((0, 0), 1.0)
