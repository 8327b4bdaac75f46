"""The parts of a search by themselves: goals, plans, proposals, the order of audits, the outcome."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from audit import load_config, search_space
from audit.errors import ConfigError
from audit.goals import goal
from audit.records import Budget, Decision, Level, NotMeasured, SearchPlan, Spent, Trial
from audit.search.audits import Audits, candidates
from audit.search.order import Candidate, next_audit, why_closed
from audit.search.outcome import outcome
from audit.search.proposals import Proposals

SIZE = Budget(quantity="size_bytes", at_most=100, because="a test")


def plan(**changes: Any) -> SearchPlan:
    return SearchPlan(**{"goal": SIZE, "methods": ("rtn",), **changes})


# Goals


@pytest.mark.parametrize(
    ("given", "quantity", "at_most"),
    [
        ({"size": "100MB"}, "size_bytes", 100e6),
        ({"size": "96 MiB"}, "size_bytes", 96 * 2**20),
        ({"memory": "1.5GB"}, "least_memory_bytes", 1.5e9),
        ({"bits": 5.5}, "bits_per_weight", 5.5),
        ({"speed": 1.25}, "decode_latency_ratio", 0.8),
    ],
)
def test_a_goal_is_a_budget(given: dict[str, Any], quantity: str, at_most: float) -> None:
    found = goal(**given)
    assert (found.quantity, found.at_most) == (quantity, at_most)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, r"given none.*--size 100MB"),
        ({"size": "1GB", "bits": 4}, r"given --size and --bits"),
        ({"size": "100"}, r"--size 100: a number of bytes with its unit"),
        ({"size": "0MB"}, r"--size 0MB"),
        ({"speed": -1}, r"--speed -1: above 0"),
        ({"bits": float("nan")}, r"--bits nan: above 0"),
    ],
)
def test_what_is_no_goal_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        goal(**given)


# Plans


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"methods": ["rtm"]}, r"No method named 'rtm'\. Did you mean 'rtn'"),
        ({"methods": ["magnitude"]}, r"'magnitude' stores its zeros"),
        ({"methods": ["layers"]}, r"'layers' looks at text, and none is named"),
        ({"methods": []}, r"search: methods"),
        ({"bits": [1]}, r"bits: 1 is no width"),
        ({"shares": [1.0]}, r"shares: \[1\.0\]"),
        ({"raised_by": [0]}, r"raised_by"),
        ({"trials": 0}, r"search: trials: .*given 0"),
        ({"tirals": 3}, r"'tirals'"),
    ],
)
def test_what_can_not_be_searched_is_refused(tiny: Path, entry: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config({"model": str(tiny), "suites": ["accuracy"], "search": entry}, goal=SIZE)


def test_a_level_without_a_speed_of_its_own_is_no_way_to_one(tiny: Path) -> None:
    with pytest.raises(ConfigError, match=r"made by rtn .* no speed of their own"):
        load_config({"model": str(tiny), "search": {"methods": ["rtn"]}}, goal=goal(speed=1.5))


def test_a_search_has_no_levels_but_the_controls_that_are_named(tiny: Path) -> None:
    entries = {"model": str(tiny), "suites": ["accuracy"]}
    assert load_config(entries, goal=SIZE).levels == ()
    named = load_config({**entries, "levels": ["control", "int4"]}, goal=SIZE)
    assert [level.name for level in named.levels] == ["control"]


def test_the_search_of_a_config_is_no_matter_of_other_commands(tiny: Path) -> None:
    config = load_config({"model": str(tiny), "search": {"trials": 3}})
    assert config.search is None
    assert config.holdout == 0


def test_memory_is_that_of_the_devices_context(tiny: Path) -> None:
    entries = {"model": str(tiny), "suites": ["accuracy"], "device_profile": "server"}
    config = load_config(entries, goal=goal(memory="1GB"))
    assert config.search is not None
    assert config.search.goal.context == 32768


def test_candidates_have_no_place_in_a_search(tiny: Path) -> None:
    with pytest.raises(ConfigError, match="leave `candidates:` out"):
        load_config({"model": str(tiny), "candidates": [str(tiny)]}, goal=SIZE)


# Levels


def test_more_bits_go_to_the_parts_that_the_divergence_hangs_on_most() -> None:
    shape = search_space.Shape(2, (("a.*", 10), ("b.*", 30), ("c.*", 60)))
    chosen = {"quantise": "rtn", "bits": 4, "group_size": 32, "symmetric": True, "raised_by": 2}
    (quarter,) = search_space.links(plan(), {**chosen, "raised": 0.25}, shape)
    assert quarter.options["exceptions"] == "a.*=6 b.*=6"
    (tenth,) = search_space.links(plan(), {**chosen, "raised": 0.1}, shape)
    assert tenth.options["exceptions"] == "a.*=6"
    (none,) = search_space.links(plan(), {**chosen, "raised": 0.0}, shape)
    assert "exceptions" not in none.options


def test_a_level_that_cuts_comes_before_one_that_rounds() -> None:
    calibrated = plan(methods=("rtn", "layers"), calibration="text.txt", calibration_sha256="0" * 64)
    chosen = {
        "cut": "layers", "share": 0.1, "then quantise": "rtn", "bits": 4, "group_size": 32,
        "symmetric": False,
    }  # fmt: skip
    cut, rounded = search_space.links(calibrated, chosen, search_space.Shape(30, ()))
    assert (cut.method, cut.options["remove"]) == ("layers", 3)
    assert cut.files == {"calibration": "0" * 64}
    assert (rounded.method, rounded.options["symmetric"]) == ("rtn", False)


def test_all_combinations_are_counted() -> None:
    """By hand: 2 widths below 8 with 1 + 2 ways to raise, and 8 bits with none; times 2 group sizes."""
    small = plan(bits=(3, 4, 8), group_sizes=(32, 64), symmetric=(True,), raised=(0.0, 0.5), raised_by=(1, 2))
    assert len(list(search_space.combinations(small))) == (2 * (1 + 2) + 1) * 2


# Proposals


def _sizes(folder: Path, of: SearchPlan, seed: int, upto: int) -> list[str]:
    """What is proposed where fewer bits are smaller and farther."""
    found = Proposals(folder, of, seed)
    while len(found.finished()) < upto and (one := found.next()) is not None:
        bits, group = float(one.chosen["bits"]), float(one.chosen["group_size"] or 1000)
        one.tell((bits + 16 / group, 2.0**-bits + group / 1e5), {"chosen": one.chosen})
    return [repr(one["chosen"]) for one in found.finished()]


def test_one_seed_gives_the_same_proposals_whether_killed_or_not(tmp_path: Path) -> None:
    whole = _sizes(tmp_path / "a", plan(trials=20), 7, 20)
    _sizes(tmp_path / "b", plan(trials=20), 7, 13)
    Proposals(tmp_path / "b", plan(trials=20), 7).next()  # asked, and never told
    assert _sizes(tmp_path / "b", plan(trials=20), 7, 20) == whole
    assert _sizes(tmp_path / "c", plan(trials=20), 8, 20) != whole


def test_nothing_is_proposed_twice(tmp_path: Path) -> None:
    found = _sizes(tmp_path, plan(bits=(3, 4), trials=25), 7, 25)
    assert len(set(found)) == 25


def test_a_missing_optuna_is_named_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ConfigError, match=r"pip install 'shrinkproof\[search\]'"):
        Proposals(tmp_path, plan(), 1)


# Order


def candidate(name: str, quantity: float, divergence: float, decision: Decision | None = None) -> Candidate:
    return Candidate(name, quantity, divergence, decision)


FRONT = [candidate(name, size, 8 / size) for name, size in zip("abcdefg", range(1, 8), strict=True)]


def test_the_middle_of_the_front_is_audited_first_and_what_is_beaten_is_not() -> None:
    beaten = candidate("x", 4.5, 7.9)
    chosen = next_audit([*FRONT, beaten], 100)
    assert chosen is not None
    assert chosen.name == "d"


@pytest.mark.parametrize(("decision", "then"), [("pass", "b"), ("fail", "f"), ("inconclusive", "f")])
def test_an_audit_closes_half_of_what_was_open(decision: Decision, then: str) -> None:
    known = [one._replace(decision=decision) if one.name == "d" else one for one in FRONT]
    chosen = next_audit(known, 100)
    assert chosen is not None
    assert chosen.name == then


@pytest.mark.parametrize("least", range(1, 9))
def test_the_smallest_that_passes_is_found_with_few_audits(least: int) -> None:
    """Where passing follows the divergence, as binary search finds a place among seven: three at most."""
    known, audits = list(FRONT), 0
    while chosen := next_audit(known, 100):
        audits += 1
        decision: Decision = "pass" if chosen.quantity >= least else "fail"
        known = [one._replace(decision=decision) if one == chosen else one for one in known]
    assert audits <= 3
    passing = [one.quantity for one in known if one.decision == "pass"]
    assert min(passing, default=8) == least


def test_what_is_within_the_goal_comes_first() -> None:
    chosen = next_audit(FRONT, 3)
    assert chosen is not None
    assert chosen.name == "b"
    assert next_audit(FRONT[3:], 3, beyond=False) is None
    assert next_audit(FRONT[3:], 3) is not None


def test_a_level_passed_over_says_because_of_which() -> None:
    known = [
        candidate("a", 1, 8),
        candidate("b", 2, 4, "fail"),
        candidate("c", 3, 2, "pass"),
        candidate("d", 4, 1),
    ]
    assert why_closed(known[0], known) == "b is as close to the original or closer, and does not pass"
    assert why_closed(known[3], known) == "c passes and is no larger"


# Outcome


def trial(
    number: int, size: float, decision: Any = None, held_out: Any = None, divergence: float = 1.0
) -> Trial:
    return Trial(
        number=number, level=Level(name=f"{number:02}-x", method="rtn", searched=True), quantity=size,
        divergence=divergence, proxy=Spent(), decision=decision or NotMeasured("not audited"),
        held_out=held_out or NotMeasured("not tried"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("trials", "winner", "beyond", "decision"),
    [
        ([trial(1, 90, "pass", "pass"), trial(2, 80, "fail")], "01-x", None, "pass"),
        ([trial(1, 90, "pass", "fail"), trial(2, 80, "fail")], None, None, "inconclusive"),
        ([trial(1, 90, "fail"), trial(2, 80)], None, None, "fail"),
        ([trial(1, 90, "inconclusive"), trial(2, 80, "fail")], None, None, "inconclusive"),
        ([trial(1, 90), trial(2, 120)], None, None, "inconclusive"),
        ([trial(1, 120, "pass"), trial(2, 110, "pass"), trial(3, 105, "fail")], None, "02-x", "fail"),
        ([trial(1, 120, "pass"), trial(2, 90, "fail")], None, "01-x", "fail"),
    ],
)
def test_the_outcome_is_about_what_is_within_the_goal(
    trials: list[Trial], winner: str | None, beyond: str | None, decision: Decision
) -> None:
    found = outcome(trials, SIZE)
    assert (found.winner, found.beyond, found.decision) == (winner, beyond, decision)


# After an unlucky winner

UNLUCKY = trial(1, 80, "pass", "inconclusive", divergence=0.16)


def best(trials: list[Trial]) -> Trial | None:
    nothing: Any = None
    return Audits(nothing, plan(), nothing, (), nothing)._best(trials)


def test_after_an_unlucky_winner_one_half_as_far_is_tried_next() -> None:
    near, closer = trial(2, 82, "pass", divergence=0.14), trial(3, 90, "pass", divergence=0.08)
    assert best([UNLUCKY, near, closer]) == closer
    assert best([UNLUCKY, near]) == near
    assert best([near, closer]) == near
    assert best([UNLUCKY]) is None


def test_what_is_beyond_the_goal_is_no_winner() -> None:
    assert best([trial(1, 101, "pass")]) is None


def test_a_level_that_a_lucky_one_kept_from_being_audited_is_open_again() -> None:
    near, passed_over = trial(2, 82, "pass", divergence=0.14), trial(3, 85, divergence=0.04)
    assert next_audit(candidates([trial(1, 80, "pass", divergence=0.16), near, passed_over]), 100) is None
    chosen = next_audit(candidates([UNLUCKY, near, passed_over]), 100)
    assert chosen is not None
    assert chosen.name == passed_over.name
