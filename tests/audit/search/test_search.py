"""A whole search on the tiny model: what it must find, what the log must say, and what it must survive."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from audit import AuditLog, gate, load_config, read_log
from audit.cli import app
from audit.errors import ConfigError
from audit.goals import goal
from audit.harness import Scorer
from audit.records import HELD_OUT, Confirmation, NotMeasured, Search, Trial
from audit.reproduce import reproduce
from audit.search import proposals, search
from audit.search.yardstick import Yardstick
from audit.signing import verify
from audit.store import read_samples

WITHIN = "0.9MB"
"""What int8 is within as well."""
PLAN = {
    "trials": 9, "audits": 6, "tokens": 512, "bits": [2, 3, 4, 8], "group_sizes": [32], "symmetric": [True],
    "raised": [0, 0.25], "raised_by": [2], "methods": ["rtn"],
}  # fmt: skip


def settings(tiny: Path, out: Path, **changes: Any) -> dict[str, Any]:
    return {
        "model": str(tiny), "suites": ["accuracy"], "limit": 40, "holdout": 0.4, "threads": 1,
        "batch_size": 64, "rules": [{"suite": "accuracy", "margin": 0.15, "because": "a test"}],
        "search": PLAN,
        "out": str(out), "cache": f"{out}-cache", **changes,
    }  # fmt: skip


def searched(tiny: Path, out: Path, size: str = WITHIN, **changes: Any) -> AuditLog:
    return search(load_config(settings(tiny, out, **changes), goal=goal(size=size)))


@pytest.fixture(scope="module")
def folder(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One undisturbed search over seven levels."""
    out = tmp_path_factory.mktemp("search") / "run"
    searched(tiny, out)
    return out


@pytest.fixture(scope="module")
def log(folder: Path) -> AuditLog:
    return read_log(folder)


def found(log: AuditLog) -> Search:
    assert log.search is not None
    return log.search


def audited(log: AuditLog) -> list[Trial]:
    return [one for one in found(log).trials if isinstance(one.decision, str)]


def told(log: AuditLog) -> list[Any]:
    """The trials without what a clock put into them."""
    kept = [json.loads(one.model_dump_json()) for one in found(log).trials]
    for one in kept:
        one["proxy"].pop("seconds")
        one["audit"].pop("seconds")
    return kept


def test_the_smallest_level_that_passes_on_both_halves_of_the_items_is_found(log: AuditLog) -> None:
    winner = next(one for one in found(log).trials if one.name == found(log).winner)
    assert (winner.decision, winner.held_out, log.decision) == ("pass", "pass", "pass")
    smaller = [one for one in audited(log) if one.quantity < winner.quantity]
    assert all("pass" not in (one.held_out, one.decision) or one.held_out == "fail" for one in smaller)
    assert isinstance(log.confirmation, Confirmation)
    assert log.confirmation.variant == winner.name


def test_every_combination_of_a_small_plan_is_proposed_once(log: AuditLog) -> None:
    ways = {(one.level.options["bits"], "exceptions" in one.level.options) for one in found(log).trials}
    assert ways == {(2, False), (2, True), (3, False), (3, True), (4, False), (4, True), (8, False)}
    assert found(log).n_combinations == len(found(log).trials) == 7


def test_the_proxy_costs_less_than_an_audit_and_broken_levels_are_far(log: AuditLog) -> None:
    of_bits = {
        one.level.options["bits"]: one for one in found(log).trials if "exceptions" not in one.level.options
    }
    assert of_bits[2].divergence > of_bits[4].divergence > of_bits[8].divergence >= 0
    assert all(one.proxy.tokens <= 512 for one in found(log).trials)


def test_only_levels_that_were_audited_are_levels_of_the_log_the_largest_first(log: AuditLog) -> None:
    names = [level.name for level in log.config.levels]
    assert sorted(names) == sorted(one.name for one in audited(log))
    sizes = [variant.size_bytes for variant in log.variants[1:]]
    assert sizes == sorted(sizes, reverse=True)
    assert len(names) < len(found(log).trials)


def test_a_level_that_was_not_audited_says_why(log: AuditLog) -> None:
    gaps = [one.decision.reason for one in found(log).trials if isinstance(one.decision, NotMeasured)]
    assert gaps
    assert all("passes" in reason or "does not pass" in reason for reason in gaps)


def test_an_audited_level_has_the_size_of_its_files(log: AuditLog) -> None:
    sizes = {variant.name: variant.size_bytes for variant in log.variants}
    for one in audited(log):
        assert one.quantity == sizes[one.name]


def test_nothing_is_chosen_by_the_items_held_out(folder: Path, log: AuditLog) -> None:
    def asked(held_out: bool) -> set[tuple[str, int]]:
        return {
            (row.task, row.doc_id)
            for run in log.all_runs
            for cell in run.cells
            if (cell.part == HELD_OUT) is held_out
            for row in read_samples(cell, root=folder).itertuples()
        }

    assert asked(True)
    assert not asked(True) & asked(False)


def test_the_tokens_of_an_audit_are_those_of_its_cells(log: AuditLog) -> None:
    for one in audited(log):
        of_cells = [cell.tokens for run in log.runs if run.variant == one.name for cell in run.cells]
        assert one.audit.tokens == sum(of_cells) > 0
    assert found(log).spent.tokens > sum(one.audit.tokens for one in audited(log))


def test_the_winner_shares_the_error_with_those_that_could_have_been_tried(log: AuditLog) -> None:
    assert isinstance(log.confirmation, Confirmation)
    assert log.confirmation.shared_by == 2
    assert {one.rule.alpha for one in log.confirmation.verdicts} == {0.025}


def test_a_search_is_judged_again_from_its_log_alone(folder: Path, log: AuditLog) -> None:
    again = gate(folder)
    assert (again.decision, again.verdicts, again.confirmation) == (
        log.decision,
        log.verdicts,
        log.confirmation,
    )


def test_the_numbers_of_a_search_follow_from_its_answers(folder: Path) -> None:
    assert [(one.what, one.because) for one in verify(folder) if one.finding == "lies"] == []


def test_the_same_command_again_finds_the_same_and_computes_nothing(
    tiny: Path, folder: Path, log: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Scorer, "score", lambda *_: pytest.fail("it was scored again"))
    assert told(searched(tiny, folder)) == told(log)


def test_the_command_line_goes_on_and_names_the_winner(
    tiny: Path, folder: Path, log: AuditLog, tmp_path: Path
) -> None:
    path = tmp_path / "audit.yaml"
    path.write_text(yaml.safe_dump({**settings(tiny, folder), "out": "elsewhere"}))
    done = CliRunner().invoke(app, ["search", str(path), "--size", WITHIN, "--out", str(folder)])
    assert done.exit_code == 0, done.output
    assert f"{found(log).winner}: {folder}/variants/{found(log).winner}" in done.output
    assert f"{len(found(log).trials)} levels proposed, {len(audited(log))} audited" in done.output
    assert (folder / "report.html").is_file()


@pytest.mark.parametrize("goals", [[], ["--size", "1GB", "--bits", "4"], ["--size", "much"]])
def test_a_command_without_one_goal_is_refused(tiny: Path, tmp_path: Path, goals: list[str]) -> None:
    path = tmp_path / "audit.yaml"
    path.write_text(yaml.safe_dump(settings(tiny, tmp_path / "run")))
    done = CliRunner().invoke(app, ["search", str(path), *goals])
    assert isinstance(done.exception, ConfigError)
    assert "--size" in str(done.exception)


def test_a_search_is_reproduced_from_its_log_alone(folder: Path, log: AuditLog, tmp_path: Path) -> None:
    found_again = reproduce(folder, tmp_path / "again")
    assert found_again.agrees
    assert told(read_log(tmp_path / "again")) == told(log)


class KilledError(BaseException):
    """As a signal does it: no handler of errors sees it."""


@pytest.mark.parametrize("after", [0, 3])
def test_a_search_killed_in_the_middle_of_a_trial_goes_on_as_if_nothing_had_been(
    tiny: Path, tmp_path: Path, log: AuditLog, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    left, read = [after], Yardstick.reading

    def reading(self: Yardstick, *given: Any, **options: Any) -> Any:
        if options.get("stretches") is None:
            left[0] -= 1
            if left[0] < 0:
                raise KilledError
        return read(self, *given, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Yardstick, "reading", reading)
        with pytest.raises(KilledError):
            searched(tiny, tmp_path / "run")
    assert len(read_log(tmp_path / "run").variants) == 0
    assert read_log(tmp_path / "run").decision == "inconclusive"
    assert told(searched(tiny, tmp_path / "run")) == told(log)


def test_a_trial_whose_end_the_kill_cut_off_is_not_made_again(
    tiny: Path, tmp_path: Path, log: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, finish = [2], proposals._finish

    def killed(*given: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise KilledError
        finish(*given)

    with monkeypatch.context() as patch:
        patch.setattr(proposals, "_finish", killed)
        with pytest.raises(KilledError):
            searched(tiny, tmp_path / "run")
    assert told(searched(tiny, tmp_path / "run")) == told(log)


def test_without_a_level_within_the_goal_the_smallest_that_passes_is_named(
    tiny: Path, tmp_path: Path
) -> None:
    plan = {**PLAN, "bits": [8], "raised": [0]}
    log = searched(tiny, tmp_path / "run", size="0.5MB", search=plan)
    assert (found(log).winner, found(log).decision, log.decision) == (None, "fail", "fail")
    assert found(log).beyond == found(log).trials[0].name
    assert "none of 1 levels is within the goal" in found(log).because
    assert isinstance(log.confirmation, NotMeasured)


def test_a_chain_is_one_level_made_of_its_links(tiny: Path, tmp_path: Path) -> None:
    plan = {**PLAN, "bits": [8], "raised": [0], "methods": ["rtn", "heads"], "shares": [0.5], "audits": 3}
    log = searched(
        tiny,
        tmp_path / "run",
        search=plan,
        rules=[{"suite": "accuracy", "margin": 0.99, "because": "a test"}],
    )
    chain = next(one for one in audited(log) if one.level.through)
    (variant,) = (one for one in log.variants if one.name == chain.name)
    assert [link.method for link in (*chain.level.through, chain.level)] == ["heads", "rtn"]
    assert variant.parameters < log.variants[0].parameters
    assert variant.stored_as.startswith("int8")
    assert variant.parent == log.variants[0].digest
    assert [
        run.variant for run in log.runs if run.variant not in ("original", *map(_name, log.variants))
    ] == []


def _name(one: Any) -> str:
    return str(one.name)


def test_a_plan_that_can_not_be_made_says_what_is_wrong(tiny: Path, tmp_path: Path) -> None:
    plan = {**PLAN, "bits": [4], "raised": [0], "group_sizes": [48]}
    with pytest.raises(
        ConfigError, match=r"no level of this plan can be made: .*group_size 48 doesn't divide"
    ):
        searched(tiny, tmp_path / "run", search=plan)


def test_a_search_without_items_held_out_is_refused(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a holdout above 0"):
        searched(tiny, tmp_path / "run", holdout=0)


def test_items_and_rules_are_registered_before_anything_reads_a_prompt(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = []

    def prepared(*_: Any) -> None:
        there.append((tmp_path / "run" / "registration.json").is_file())
        raise ConfigError("far enough")

    monkeypatch.setattr("audit.search.proxies.prepare", prepared)
    with pytest.raises(ConfigError, match="far enough"):
        searched(tiny, tmp_path / "run")
    assert there == [True]
