"""Bias scores where the published examples say nothing: ties, one side alone."""

from __future__ import annotations

import pytest

from audit.statistics import bias, equalised_odds


def test_who_always_goes_against_the_stereotype_has_the_lowest_score() -> None:
    assert bias.s_dis([bias.COUNTER_BIASED] * 3 + [bias.UNKNOWN]) == -1


def test_a_sentence_as_likely_as_another_wins_over_neither() -> None:
    assert bias.preferred([-1.0], [-1.0], [-1.0]).tolist() == [[0.0, 0.0]]


def test_false_alarms_in_one_group_alone_are_unequal_odds() -> None:
    # All positives are found in both groups; of two negatives one is called positive in b
    truth, told = [1, 0, 0, 1, 0, 0], [1, 0, 0, 1, 1, 0]
    assert equalised_odds.difference(truth, told, ["a"] * 3 + ["b"] * 3) == 0.5


@pytest.mark.parametrize(("truth", "rate"), [(0, "true positive rate"), (1, "false positive rate")])
def test_a_group_that_shows_only_one_kind_has_no_rate_of_the_other(truth: int, rate: str) -> None:
    with pytest.raises(ValueError, match=rate):
        equalised_odds.difference([1, 0, truth], [1, 0, 1], ["a", "a", "b"])
