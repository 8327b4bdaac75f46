"""What changed between two releases: promises, answers item by item, what both rest on."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from typer.testing import CliRunner

from audit.cli import app
from audit.compare import compare
from audit.diff import diff
from audit.disk import write_record
from audit.errors import ConfigError, StoreError
from audit.judge import judge
from audit.records import AuditLog, Confirmation, Flips, NotMeasured, Rule
from audit.store import read_log, read_samples
from fixtures.made_up_results import run_folder

Change = Callable[[AuditLog], dict[str, Any]]


ORIGINAL = [1.0] * 360 + [0.0] * 40


def flipped(lost: int, gained: int = 0) -> list[float]:
    """The original's outcomes after so many flips: of 30 lost and 22 gained nothing can be said."""
    return [0.0] * lost + [1.0] * (360 - lost + gained) + [0.0] * (40 - gained)


def release(
    folder: Path,
    int8: Sequence[float],
    *rules: Rule,
    change: Change = lambda log: {},
    level: str = "int8",
) -> Path:
    """A finished, judged run with those outcomes of its one level."""
    original = ORIGINAL if len(int8) == len(ORIGINAL) else [1.0] * len(int8)
    run_folder(folder, {"original": original, level: int8})
    log = read_log(folder)
    config = log.config.model_copy(update={"rules": rules or (Rule(suite="arithmetic"),)})
    comparisons = compare(log.runs, config.suites, lambda cell, columns: read_samples(cell, columns, folder))
    verdicts = judge(comparisons, config.rules, log.variants, config.suites)
    whole = log.model_copy(update={"config": config, "comparisons": comparisons, "verdicts": verdicts})
    whole = whole.model_copy(update=change(whole))
    write_record(folder / "audit.json", rfc8785.dumps(whole.model_dump(mode="json")))
    return folder


def raise_of(command: list[str]) -> None:
    """Raise what the command raised."""
    result = CliRunner().invoke(app, command)
    assert result.exception is not None
    raise result.exception


def told(before: Path, after: Path, *options: str) -> tuple[int, str]:
    """Exit code and what was printed."""
    result = CliRunner().invoke(app, ["diff", str(before), str(after), *options])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


@pytest.mark.parametrize(
    ("before", "after", "code", "line"),
    [
        (flipped(0), flipped(0), 0, "## No promise got worse"),
        (flipped(0), flipped(30, 22), 3, "1 promise no longer known to be kept"),
        (flipped(0), flipped(40), 1, "1 promise now failing"),
        (flipped(30, 22), flipped(40), 1, "Audit: Inconclusive → Fail."),
        (flipped(40), flipped(0), 0, "1 promise better than before"),
        (flipped(40), flipped(40), 0, "every promise came out as before. Audit: Fail → Fail."),
    ],
)
def test_the_exit_code_is_about_what_got_worse(
    tmp_path: Path, before: list[float], after: list[float], code: int, line: str
) -> None:
    sides = release(tmp_path / "a", before), release(tmp_path / "b", after)
    found, text = told(*sides)
    assert (found, line in text) == (code, True), text


def test_answers_are_paired_release_against_release(tmp_path: Path) -> None:
    """R's contingencytables: 59, 6, 16, 80 gives an exact p of .0524788."""
    earlier, later = [1.0] * 65 + [0.0] * 96, [1.0] * 59 + [0.0] * 6 + [1.0] * 16 + [0.0] * 80
    sides = release(tmp_path / "a", earlier), release(tmp_path / "b", later)
    answers = diff(*sides).answers
    assert not isinstance(answers, NotMeasured)
    original, int8 = answers
    assert (original.variant, original.flips) == ("original", Flips(lost=0, gained=0, rate=0))
    assert (int8.n_pairs, int8.flips) == (161, Flips(lost=6, gained=16, rate=22 / 161))
    assert int8.p_value == pytest.approx(0.0524788, abs=1e-7)
    assert int8.p_adjusted == pytest.approx(2 * 0.0524788, abs=1e-6)  # two tests, the smaller first
    assert int8.difference == pytest.approx(-10 / 161)


def test_a_pass_by_looser_terms_is_no_pass(tmp_path: Path) -> None:
    sides = (
        release(tmp_path / "a", flipped(0)),
        release(tmp_path / "b", flipped(30, 22), Rule(suite="arithmetic", margin=0.1)),
    )
    code, text = told(*sides)
    assert code == 3
    assert "by the earlier terms: Inconclusive" in text
    text = text.replace("\\", "")
    assert "acc, margin 10.00 points (before: acc, margin 3.00 points)" in text


def test_looser_terms_that_change_nothing_are_told_and_no_more(tmp_path: Path) -> None:
    sides = (
        release(tmp_path / "a", flipped(0)),
        release(tmp_path / "b", flipped(0), Rule(suite="arithmetic", margin=0.1)),
    )
    code, text = told(*sides)
    assert code == 0
    assert "by the earlier terms: Pass" in text


def test_a_promise_that_is_gone_is_open(tmp_path: Path) -> None:
    both = Rule(suite="arithmetic"), Rule(suite="arithmetic", metric="kl")
    sides = release(tmp_path / "a", flipped(0)), release(tmp_path / "b", flipped(0), both[1])
    code, text = told(*sides)
    assert code == 3
    assert "not promised" in text


def test_what_failed_and_is_promised_no_more_is_gone_and_not_better(tmp_path: Path) -> None:
    sides = (
        release(tmp_path / "a", flipped(40)),
        release(tmp_path / "b", flipped(40), Rule(suite="arithmetic", metric="kl", blocks=False)),
    )
    assert diff(*sides).promises[-1].change == "gone"
    assert "better" not in told(*sides)[1].partition("Answers")[0]


def test_a_level_that_is_shipped_no_more_opens_nothing(tmp_path: Path) -> None:
    first = release(tmp_path / "a", flipped(0))
    code, text = told(first, release(tmp_path / "b", flipped(0), level="int4"))
    assert code == 0
    assert "1 promise gone with its level" in text


def test_what_is_only_reported_has_no_say(tmp_path: Path) -> None:
    quiet = Rule(suite="arithmetic", blocks=False)
    sides = release(tmp_path / "a", flipped(0), quiet), release(tmp_path / "b", flipped(100), quiet)
    code, text = told(*sides)
    assert code == 0
    assert "Of 0 promises with a say" in text


@pytest.mark.parametrize(
    ("before", "after", "code", "line"),
    [
        (flipped(40), flipped(40), 0, "0 of 1 promises worse or open."),
        (flipped(0), flipped(40), 1, "int8 · arithmetic: ✔ pass → ✘ fail"),
        (flipped(0), flipped(30, 22), 3, "int8 · arithmetic: ✔ pass → ? inconclusive"),
    ],
)
def test_the_gate_since_a_baseline_is_about_what_got_worse(
    tmp_path: Path, before: list[float], after: list[float], code: int, line: str
) -> None:
    baseline, now = release(tmp_path / "a", before), release(tmp_path / "b", after)
    result = CliRunner().invoke(app, ["gate", str(now), "--since", str(baseline)])
    assert (result.exit_code, line in result.stdout) == (code, True), result.stdout


def test_another_policy_and_a_baseline_do_not_go_together(tmp_path: Path) -> None:
    run = release(tmp_path / "a", flipped(0))
    with pytest.raises(ConfigError, match="drop --policy"):
        raise_of(["gate", str(run), "--since", str(run), "--policy", "strict"])


def test_what_it_rests_on_is_held_against_each_other(tmp_path: Path) -> None:
    def later(log: AuditLog) -> dict[str, Any]:
        variants = tuple(
            one.model_copy(update={"digest": "other", "size_bytes": 3 * 2**20}) if one.level else one
            for one in log.variants
        )
        provenance = log.provenance.model_copy(update={"packages": {"torch": "9"}})
        return {"variants": variants, "provenance": provenance}

    sides = release(tmp_path / "a", flipped(0)), release(tmp_path / "b", flipped(0), change=later)
    facts = {(one.of, one.what): (one.before, one.after) for one in diff(*sides).facts}
    assert facts == {
        ("audit", "torch"): (None, "9"),
        ("int8", "digest"): ("int8", "other"),
        ("int8", "size_bytes"): (1, 3 * 2**20),
    }
    assert "| int8 | size | 0.0 MiB | 3.0 MiB |" in told(*sides)[1].replace("\xa0", " ")


def test_the_same_run_twice_differs_in_nothing(tmp_path: Path) -> None:
    run = release(tmp_path / "a", flipped(10))
    code, text = told(run, run)
    assert code == 0
    assert "Models, artefacts, tasks, settings and libraries are the same." in text
    assert "none differ detectably" in text


def test_logs_are_enough_where_the_answers_are_gone(tmp_path: Path) -> None:
    sides = release(tmp_path / "a", flipped(0)), release(tmp_path / "b", flipped(40))
    shutil.rmtree(sides[0] / "cells")
    code, text = told(*sides)
    assert code == 1
    assert f"the answers of {sides[0]} don't lie beside its log" in text.replace("\\", "")


def test_answers_that_are_not_those_of_the_log_are_refused(tmp_path: Path) -> None:
    sides = release(tmp_path / "a", flipped(0)), release(tmp_path / "b", flipped(40))
    (file, *_) = sorted((sides[1] / "cells").rglob("samples.parquet"))
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(StoreError, match=r"samples\.parquet is not what its log says"):
        diff(*sides)


@pytest.mark.parametrize("ending", ["html", "md"])
def test_it_is_written_by_the_ending_of_out(tmp_path: Path, ending: str) -> None:
    sides = release(tmp_path / "a", flipped(0)), release(tmp_path / "b", flipped(40))
    out = tmp_path / f"diff.{ending}"
    told(*sides, "--out", str(out))
    text = out.read_text()
    assert "1 promise now failing" in text
    assert ("default-src &#39;none&#39;" in text) == (ending == "html")
    assert "<script" not in text


def test_an_ending_that_nothing_is_written_in_is_refused(tmp_path: Path) -> None:
    run = release(tmp_path / "a", flipped(0))
    with pytest.raises(ConfigError, match="docx"):
        told(run, run, "--out", str(tmp_path / "diff.docx"))


def test_names_from_outside_stay_text(tmp_path: Path) -> None:
    def hostile(log: AuditLog) -> dict[str, Any]:
        packages = {"<script>alert(1)</script>|x": "@me"}
        return {"provenance": log.provenance.model_copy(update={"packages": packages})}

    sides = release(tmp_path / "a", flipped(0)), release(tmp_path / "b", flipped(0), change=hostile)
    out = tmp_path / "diff.html"
    _, text = told(*sides, "--out", str(out))
    assert "<script" not in text
    assert "\\|x" in text
    assert "@&#8203;me" in text
    assert "<script" not in out.read_text()


def test_levels_and_suites_of_one_run_alone_are_named(tmp_path: Path) -> None:
    first = release(tmp_path / "a", flipped(0))
    run_folder(tmp_path / "b", {"original": flipped(0), "int4": flipped(0)})
    facts = [(one.of, one.what, one.before, one.after) for one in diff(first, tmp_path / "b").facts]
    assert ("int4", "in the audit", "no", "yes") in facts
    assert ("int8", "in the audit", "yes", "no") in facts
    assert not [one for one in facts if one[0] == "original"]


def confirmed(decision: str, variant: str = "int8") -> Change:
    """The level is the chosen one, and on the items held out each rule ends so."""

    def change(log: AuditLog) -> dict[str, Any]:
        verdicts = tuple(one.model_copy(update={"decision": decision}) for one in log.verdicts)
        found = Confirmation(
            variant=variant, chosen="c", runs=(), comparisons=log.comparisons, verdicts=verdicts
        )
        return {"confirmation": found, "config": log.config.model_copy(update={"holdout": 0.2})}

    return change


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [("pass", "pass", 0), ("pass", "fail", 1), ("pass", "inconclusive", 3), ("fail", "fail", 0)],
)
def test_what_is_no_longer_confirmed_is_worse(tmp_path: Path, before: str, after: str, code: int) -> None:
    sides = [
        release(tmp_path / name, flipped(0), change=confirmed(decision))
        for name, decision in (("a", before), ("b", after))
    ]
    found, text = told(*sides)
    assert found == code
    assert (", on items held out" in text) is (before != after)


def test_another_choice_is_no_broken_promise(tmp_path: Path) -> None:
    sides = [
        release(tmp_path / name, flipped(0), change=confirmed("pass", variant))
        for name, variant in (("a", "int8"), ("b", "other"))
    ]
    assert told(*sides)[0] == 0
