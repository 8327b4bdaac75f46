"""The betting e-process."""

from __future__ import annotations

import doctest
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.statistics import eprocess

GOLDEN: dict[str, Any] = json.loads(
    (Path(__file__).parents[3] / "fixtures" / "golden" / "sequential.json").read_text(encoding="utf-8")
)["e_process"]
LOSSES = st.lists(st.sampled_from([-1, 0, 1]), max_size=300)
MARGINS = st.sampled_from([0.001, 0.03, 0.2, 0.9])


def test_the_golden_product_is_reproduced() -> None:
    e = eprocess.e_process(GOLDEN["losses"], GOLDEN["margin"], GOLDEN["stakes"])
    assert e[-1] == pytest.approx(GOLDEN["e"], abs=GOLDEN["tolerance"])


@given(MARGINS)
def test_without_data_it_is_1(margin: float) -> None:
    assert eprocess.e_process([], margin).tolist() == [1.0]


@given(LOSSES, MARGINS)
def test_it_is_never_negative_nor_nan_and_has_one_value_more_than_items(
    losses: list[int], margin: float
) -> None:
    e = eprocess.e_process(losses, margin)
    assert e.shape == (len(losses) + 1,)
    assert np.all(e >= 0)


@given(LOSSES, LOSSES, MARGINS)
def test_a_stake_rests_on_the_items_before_it_alone(
    past: list[int], future: list[int], margin: float
) -> None:
    stakes = eprocess.stakes_at_zero_drop(past, margin)
    assert eprocess.stakes_at_zero_drop([*past, *future], margin)[: len(past)].tolist() == stakes.tolist()


@pytest.mark.parametrize("discordance", [0.03, 0.1, 1.0])
def test_at_the_margin_it_does_not_grow_on_average(discordance: float) -> None:
    # All 3^7 courses of seven items with their probabilities: the mean, without a draw.
    margin = 0.03
    courses = np.array(list(itertools.product([-1, 0, 1], repeat=7)))
    shares = {
        1: (discordance + margin) / 2, -1: (discordance - margin) / 2, 0: 1 - discordance
    }  # fmt: skip
    weights = np.prod(np.vectorize(shares.get)(courses), axis=1)
    means = weights @ eprocess.e_process(courses, margin)
    np.testing.assert_allclose(means, 1.0, atol=1e-12)


@pytest.mark.parametrize("stake", [-0.1, 1 / 0.97, 2.0])
def test_a_stake_that_could_ruin_or_bets_the_other_way_is_refused(stake: float) -> None:
    with pytest.raises(ValueError, match="stake"):
        eprocess.e_process([0, 1], 0.03, stake)


def test_a_loss_beyond_1_is_refused() -> None:
    with pytest.raises(ValueError, match="loss"):
        eprocess.e_process([0, 1.5], 0.03)


def test_a_stake_of_nothing_wins_and_loses_nothing() -> None:
    assert eprocess.e_process([0, 1], 0.03, 0.0).tolist() == [1.0, 1.0, 1.0]


def test_stakes_are_kellys_for_the_flips_so_far_and_ten_items_before_the_first() -> None:
    # M / (d + M²): of five flips in ten, and after one in two more; of nearly none half of 1 / (1 − M)
    stakes = eprocess.stakes_at_zero_drop([0, 1, 0, 0], 0.2)
    kelly = [0.2 / (flips / items + 0.04) for flips, items in [(5, 10), (5, 11), (6, 12), (6, 13)]]
    assert stakes.tolist() == pytest.approx(kelly)
    assert eprocess.stakes_at_zero_drop([0] * 1000, 0.03)[-1] == pytest.approx(0.5 / 0.97)


def test_rows_are_processes_of_their_own() -> None:
    rows = np.array([[0, 1, -1, 0], [1, 1, 0, 0]])
    alone = [eprocess.e_process(row, 0.03) for row in rows]
    np.testing.assert_array_equal(eprocess.e_process(rows, 0.03), alone)


def test_a_model_that_never_changes_passes_and_one_that_loses_each_tenth_item_does_not() -> None:
    assert eprocess.items_to_pass([0] * 400, 0.03, 0.05) in range(90, 400)
    assert eprocess.items_to_pass([*[0] * 9, 1] * 100, 0.03, 0.05) is None


def test_the_first_passage_is_told() -> None:
    losses = [0] * 400
    reached = eprocess.items_to_pass(losses, 0.03, 0.05)
    assert reached is not None
    e = eprocess.e_process(losses, 0.03)
    assert e[reached - 1] < 20 <= e[reached]


def test_a_very_long_run_does_not_overflow() -> None:
    assert np.isfinite(eprocess.e_process(np.full(200_000, -1), 0.03)).all()


def test_the_examples_in_the_docstrings_hold() -> None:
    result = doctest.testmod(eprocess)
    assert result.attempted > 0
    assert result.failed == 0
