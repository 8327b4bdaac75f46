"""Candidates against each other: counts, correction, intervals that hold together."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import pytest

from audit.duels import duels
from audit.records import AuditLog, Duel, Flips, Interval, Level, ModelRef
from audit.statistics import tango
from audit.store import read_log, read_samples
from fixtures.made_up_results import run_folder

# R's contingencytables, McNemar: 59, 6, 16, 80; exact p .0524788
FIRST = [1.0] * 65 + [0.0] * 96
SECOND = [1.0] * 59 + [0.0] * 6 + [1.0] * 16 + [0.0] * 80


def candidates(log: AuditLog) -> AuditLog:
    """The levels as somebody's artefacts."""
    levels = tuple(
        Level(name=one.name, method="candidate", artefact=ModelRef(name=one.name, path="", digest="d"))
        for one in log.config.levels
    )
    return log.model_copy(update={"config": log.config.model_copy(update={"levels": levels})})


def held(folder: Path, *answers: Sequence[float]) -> tuple[Duel, ...]:
    """What comes of candidates with those outcomes, named as the made-up runs name levels."""
    names = ("int8", "int4", "control")
    run_folder(folder, {"original": answers[0], **dict(zip(names, answers, strict=False))})
    log = candidates(read_log(folder))
    return duels(log.runs, log.config, lambda cell, columns: read_samples(cell, columns, folder))


def test_a_pair_is_tested_item_by_item(tmp_path: Path) -> None:
    (one,) = held(tmp_path / "run", FIRST, SECOND)
    assert (one.against, one.variant, one.n_pairs) == ("int8", "int4", 161)
    assert one.flips == Flips(lost=6, gained=16, rate=22 / 161)
    assert one.difference == pytest.approx(-10 / 161)  # the other is right more often
    assert one.p_value == pytest.approx(0.0524788, abs=1e-7)
    assert one.p_adjusted == one.p_value


def test_p_is_adjusted_over_all_pairs_and_their_intervals_hold_together(tmp_path: Path) -> None:
    found = held(tmp_path / "run", FIRST, SECOND, FIRST)
    assert [(one.against, one.variant) for one in found] == list(combinations(["int8", "int4", "control"], 2))
    # Holm: the two of .0524788 by 3 and by 2, never below the one before; the equal pair has 1
    assert [one.p_adjusted for one in found] == pytest.approx([3 * 0.0524788, 1.0, 3 * 0.0524788], abs=1e-6)
    assert isinstance(found[0].interval, Interval)
    assert found[0].interval.confidence == pytest.approx(1 - 2 * 0.05 / 3)


def test_from_500_pairs_on_the_bounds_are_tangos_at_the_share_of_the_error(tmp_path: Path) -> None:
    many = [1.0] * 800 + [0.0] * 200, [1.0] * 770 + [0.0] * 30 + [1.0] * 25 + [0.0] * 175
    (one, *_) = held(tmp_path / "run", *many, many[0])
    assert isinstance(one.interval, Interval)
    assert one.interval.upper == pytest.approx(tango.upper_bound(30, 25, 1000, 0.05 / 3))
    assert one.interval.lower == pytest.approx(tango.lower_bound(30, 25, 1000, 0.05 / 3))


def test_one_candidate_meets_nobody(tmp_path: Path) -> None:
    assert held(tmp_path / "run", FIRST) == ()


def test_each_suite_is_a_family_of_its_own(tmp_path: Path) -> None:
    run_folder(tmp_path / "run", {"original": FIRST, "int8": FIRST, "int4": SECOND})
    log = candidates(read_log(tmp_path / "run"))
    again = log.config.suites[0].model_copy(update={"name": "again"})
    config = log.config.model_copy(update={"suites": (*log.config.suites, again)})
    runs = [*log.runs, *(run.model_copy(update={"suite": "again"}) for run in log.runs)]
    found = duels(runs, config, lambda cell, columns: read_samples(cell, columns, tmp_path / "run"))
    assert [one.suite for one in found] == ["arithmetic", "again"]
    assert {one.p_adjusted for one in found} == {found[0].p_value}
