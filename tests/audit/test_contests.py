"""All candidates at once: who answered what, which items tell them apart, and one test over all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest
from cards import candidates
from statsmodels.stats.contingency_tables import cochrans_q

from audit.contests import MOST_CONTESTED, contests
from audit.records import Cell, Contest, Metric, NotMeasured, Omnibus
from audit.store import read_samples

ONE = [1.0] * 30 + [0.0] * 30
OTHER = [1.0] * 20 + [0.0] * 20 + [1.0] * 20
THIRD = [0.0] * 10 + [1.0] * 50


def held(folder: Path, *answers: Sequence[float], **suite: object) -> Contest:
    names = ("int8", "int4", "control")
    log = candidates(folder, {"original": answers[0], **dict(zip(names, answers, strict=False))}, **suite)
    (one,) = contests(log.runs, log.config, lambda cell, columns: read_samples(cell, columns, folder))
    return one


def test_the_omnibus_test_is_over_the_items_that_all_answered(tmp_path: Path) -> None:
    one = held(tmp_path / "run", ONE, OTHER, THIRD[:50])
    assert one.candidates == ("int8", "int4", "control")
    assert one.n_items == 50
    other = cochrans_q(pd.DataFrame({0: ONE[:50], 1: OTHER[:50], 2: THIRD[:50]}).to_numpy())
    assert isinstance(one.omnibus, Omnibus)
    assert one.omnibus.statistic == pytest.approx(other.statistic)
    assert one.p_value == one.p_adjusted == pytest.approx(other.pvalue)


def test_contested_items_come_by_pattern_and_say_who_is_right(tmp_path: Path) -> None:
    one = held(tmp_path / "run", ONE, OTHER, THIRD)
    # 0-9: TTF, 20-29: TFT, 30-39: FFT, 40-59: FTT; items 10-19 are right for all
    assert one.n_contested == 50
    assert len(one.contested) == MOST_CONTESTED
    assert [item.right for item in one.contested[:4]] == [
        (True, True, False), (True, False, True), (False, False, True), (False, True, True),
    ]  # fmt: skip
    assert [item.original_right for item in one.contested[:4]] == [True, True, False, False]
    assert one.contested[0].answers == ("1", "1", "1")


def test_those_that_tell_more_pairs_apart_come_first(tmp_path: Path) -> None:
    # of four, two against two tells four pairs apart, one against three three
    from audit.contests import _most_telling

    right = pd.DataFrame([[1, 1, 1, 0], [1, 1, 1, 1], [1, 0, 1, 0], [0, 1, 1, 1]]).to_numpy() == 1
    assert _most_telling(right, pd.Series(["t"] * 4)).tolist() == [2, 0, 3]


def test_no_more_are_kept_than_a_report_shows(tmp_path: Path) -> None:
    one = held(tmp_path / "run", [1.0] * 200, [0.0] * 200)
    assert one.n_contested == 200
    assert len(one.contested) == MOST_CONTESTED


def clustered(cell: Cell, columns: Sequence[str], folder: Path) -> pd.DataFrame:
    samples = read_samples(cell, root=folder)
    return samples.assign(cluster=[f"c{number // 4}" for number in range(len(samples))])[[*columns]]


def test_clustered_items_are_tested_by_clusters(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    log = candidates(folder, {"original": ONE, "int8": ONE, "int4": OTHER})
    (one,) = contests(log.runs, log.config, lambda cell, columns: clustered(cell, columns, folder))
    assert isinstance(one.omnibus, Omnibus)
    assert one.omnibus.method == "Hotelling's T², as an F, by clusters"
    assert one.omnibus.denominator == 14  # of 15 clusters


def test_scores_have_a_test_and_no_contested_items(tmp_path: Path) -> None:
    metric = Metric(name="acc", source="x", kind="score")
    one = held(tmp_path / "run", [0.1 * (i % 7) for i in range(60)], ONE, metrics=(metric,))
    assert isinstance(one.omnibus, Omnibus)
    assert isinstance(one.n_contested, NotMeasured)
    assert one.contested == ()


@pytest.mark.parametrize("kind", ["perplexity", "ratio"])
def test_what_is_no_number_of_an_item_is_refused(kind: str, tmp_path: Path) -> None:
    metric = Metric.model_validate({"name": "acc", "source": "x", "kind": kind})
    one = held(tmp_path / "run", ONE, OTHER, metrics=(metric,))
    assert isinstance(one.omnibus, NotMeasured)
    assert f"a {kind} is no number of an item" in one.omnibus.reason


def test_p_is_adjusted_over_suites(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    log = candidates(folder, {"original": ONE, "int8": ONE, "int4": OTHER, "control": THIRD})
    again = log.config.suites[0].model_copy(update={"name": "again"})
    config = log.config.model_copy(update={"suites": (*log.config.suites, again)})
    runs = [*log.runs, *(run.model_copy(update={"suite": "again"}) for run in log.runs)]
    one, other = contests(runs, config, lambda cell, columns: read_samples(cell, columns, folder))
    assert one.p_adjusted == other.p_adjusted == pytest.approx(2 * one.p_value)  # type: ignore[operator]


def test_one_candidate_has_no_contest(tmp_path: Path) -> None:
    log = candidates(tmp_path / "run", {"original": ONE, "int8": ONE})
    assert (
        contests(log.runs, log.config, lambda cell, columns: read_samples(cell, columns, tmp_path / "run"))
        == ()
    )
