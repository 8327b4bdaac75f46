"""Promises of a vendor's card about scores: three outcomes, one family a card, and what has no share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import pytest
from cards import ACC, candidates

from audit import load_config, run_audit
from audit.records import Cell, CheckedRecovery, Interval, Metric, NotMeasured, RecoveryClaim
from audit.recovery import asked_whole, recoveries
from audit.statistics import paired_ratio
from audit.store import read_samples

BEFORE = [1.0] * 800 + [0.0] * 200


def after(lost: int, gained: int) -> list[float]:
    return [0.0] * lost + [1.0] * (800 - lost + gained) + [0.0] * (200 - gained)


def checked(
    folder: Path, outcomes: Mapping[str, Sequence[float]], *claims: RecoveryClaim, **suite: object
) -> tuple[CheckedRecovery, ...]:
    log = candidates(folder, outcomes, *claims, **suite)
    return recoveries(log.runs, log.config, lambda cell, columns: read_samples(cell, columns, folder))


@pytest.mark.parametrize(
    ("lost", "gained", "outcome"), [(60, 10, "refuted"), (20, 10, "undecided"), (4, 30, "held up")]
)
def test_a_claim_is_refuted_holds_up_or_is_left_open(
    lost: int, gained: int, outcome: str, tmp_path: Path
) -> None:
    (one,) = checked(tmp_path / "run", {"original": BEFORE, "int4": after(lost, gained)}, ACC)
    assert (one.variant, one.n_pairs, one.outcome) == ("int4", 1000, outcome)
    assert one.before == pytest.approx(0.8)
    assert one.ratio == pytest.approx((800 - lost + gained) / 800)
    assert isinstance(one.interval, Interval)
    assert (one.interval.lower, one.interval.upper) == paired_ratio.of_flips(800 - lost, lost, gained, 0.05)


def test_the_claims_of_a_card_are_one_family_whoever_else_is_there(tmp_path: Path) -> None:
    again = ACC.model_copy(update={"at_least": 0.9})
    found = checked(
        tmp_path / "run", {"original": BEFORE, "int4": after(26, 10), "int8": after(0, 0)}, ACC, again
    )
    assert [one.variant for one in found] == ["int4", "int4", "int8", "int8"]
    assert isinstance(found[0].interval, Interval)
    assert found[0].interval.confidence == pytest.approx(0.95)
    assert found[0].interval.upper == paired_ratio.of_flips(774, 26, 10, 0.05 / 2)[1]  # type: ignore[index]


def test_a_task_is_held_to_its_own_claim(tmp_path: Path) -> None:
    of_task, of_other = (ACC.model_copy(update={"task": task}) for task in ("sums", "products"))
    one, other = checked(tmp_path / "run", {"original": BEFORE, "int4": after(60, 10)}, of_task, of_other)
    assert (one.n_pairs, one.outcome) == (1000, "refuted")
    assert (other.n_pairs, other.outcome) == (0, "undecided")
    assert isinstance(other.interval, NotMeasured)
    assert "no item of the original has a partner" in other.interval.reason


SCORED = {"name": "acc", "source": "x", "kind": "score"}


def test_scores_are_held_by_fiellers_interval(tmp_path: Path) -> None:
    before = [i % 7 / 7 + 0.2 for i in range(300)]
    now = [0.8 * one + (i % 5 - 2) / 50 for i, one in enumerate(before)]
    (one,) = checked(
        tmp_path / "run", {"original": before, "int4": now}, ACC, metrics=(Metric.model_validate(SCORED),)
    )
    assert isinstance(one.interval, Interval)
    assert "Fieller" in one.interval.method
    assert (one.interval.lower, one.interval.upper) == paired_ratio.of_scores(before, now, None, 0.05)
    assert one.outcome == "refuted"


@pytest.mark.parametrize("size", [1, 20])
def test_clustered_flips_are_held_by_the_wider_interval_on_either_side(size: int, tmp_path: Path) -> None:
    now = after(26, 10)
    log = candidates(tmp_path / "run", {"original": BEFORE, "int4": now}, ACC)

    def read(cell: Cell, columns: Sequence[str]) -> pd.DataFrame:
        rows = read_samples(cell, columns, tmp_path / "run")
        return rows.assign(cluster=[str(n // size) for n in range(len(rows))])

    (one,) = recoveries(log.runs, log.config, read)
    of_flips = paired_ratio.of_flips(774, 26, 10, 0.05)
    of_clusters = paired_ratio.of_scores(BEFORE, now, [n // size for n in range(1000)], 0.05)
    assert not isinstance(of_flips, NotMeasured)
    assert not isinstance(of_clusters, NotMeasured)
    assert isinstance(one.interval, Interval)
    assert one.interval.lower == min(of_flips[0], of_clusters[0])
    assert one.interval.upper == max(of_flips[1], of_clusters[1])
    # Lost and gained lie side by side here, so that of whole clusters the interval is wider
    assert (one.interval.lower < of_flips[0] and one.interval.upper > of_flips[1]) == (size == 20)


@pytest.mark.parametrize(
    ("metric", "before", "said"),
    [
        ({"kind": "perplexity"}, [-9.0, -8.0], "a perplexity has no share"),
        ({"kind": "ratio"}, [1.0, 1.0], "a bias score"),
        ({"higher_is_better": False}, [1.0, 0.0], "better lower"),
        ({"kind": "score"}, [-1.0, 2.0], "below 0"),
        ({"kind": "score"}, [1.0, 2.0], "no score changed"),
        ({"kind": "score"}, [0.0, 0.0], "no score changed"),
        ({}, [0.0, 0.0], "no item right"),
        ({}, [0.5, 0.0], "neither 0 nor 1"),
    ],
)
def test_what_has_no_share_that_is_left_is_no_claim_to_decide(
    metric: dict[str, object], before: list[float], said: str, tmp_path: Path
) -> None:
    changed = Metric.model_validate({"name": "acc", "source": "x", **metric})
    (one,) = checked(tmp_path / "run", {"original": before, "int4": before}, ACC, metrics=(changed,))
    assert one.outcome == "undecided"
    assert isinstance(one.interval, NotMeasured)
    assert said in one.interval.reason


def test_what_a_card_is_about_never_stops_early(tmp_path: Path) -> None:
    log = candidates(tmp_path / "run", {"original": BEFORE, "int4": BEFORE}, ACC)
    assert asked_whole("int4", log.config) == {"arithmetic"}
    assert asked_whole("original", log.config) == set()


def test_an_audit_checks_the_card_and_asks_its_suite_whole(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "card.yaml").write_text("recovered:\n  - {suite: accuracy, at_least: 0.5}\n")
    vendor = {"model": str(tiny), "name": "vendor", "card": str(tmp_path / "card.yaml")}
    config = {
        "model": str(tiny), "levels": [], "candidates": [vendor, {"model": str(tiny), "name": "other"}],
        "suites": ["accuracy"], "limit": 60, "threads": 1, "out": str(tmp_path / "run"),
        "rules": [{"suite": "accuracy", "margin": 0.5, "because": "decided at the first look"}],
    }  # fmt: skip
    log = run_audit(load_config(config))
    (one,) = log.recoveries
    assert (one.variant, one.source, one.ratio, one.outcome) == ("vendor", "card.yaml", 1, "held up")
    asked = {comparison.variant: comparison for comparison in log.comparisons if comparison.group is None}
    assert one.n_pairs == asked["vendor"].n_pairs == asked["vendor"].n_planned
    assert asked["other"].n_pairs < one.n_pairs
    (contest,) = log.contests
    assert (contest.candidates, contest.n_contested) == (("vendor", "other"), 0)
