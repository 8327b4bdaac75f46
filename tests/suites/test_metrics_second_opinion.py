"""The metrics against other people's programs, on made-up items."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fairlearn import metrics as fairlearn
from lm_eval.tasks.bbq import utils as lm_eval_bbq
from lm_eval.tasks.crows_pairs import utils as lm_eval_crows_pairs
from scipy.special import log_softmax
from scipy.stats import entropy
from sklearn.metrics import brier_score_loss

from tests.suites.metric import metric

ITEMS = 200


@pytest.fixture(params=[1, 2, 3])
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    return np.random.default_rng(request.param)


def bbq_answers(answered: Any, right: Any, ambiguous: Any) -> list[tuple[float, float, float, bool]]:
    """Right, biased, not unknown, disambiguated: what lm-eval logs of each item."""
    return [
        (float(good), float(state == 1), float(state != -1), not unclear)
        for state, good, unclear in zip(answered, right, ambiguous, strict=True)
    ]


def test_bbq_is_that_of_lm_eval(rng: np.random.Generator, tmp_path: Path) -> None:
    answered, ambiguous = rng.integers(-1, 2, ITEMS), rng.integers(0, 2, ITEMS)
    right = np.where(ambiguous == 1, answered == -1, (answered != -1) & (rng.random(ITEMS) < 0.7))
    right &= rng.random(ITEMS) < 0.9  # an unreadable answer counts as unknown, and as wrong
    logged = bbq_answers(answered, right, ambiguous)
    found = metric("bbq", tmp_path).compute(answered=answered, right=right, ambiguous=ambiguous)
    assert found == pytest.approx(
        {
            "s_amb": lm_eval_bbq.agg_amb_bias_scores(logged),
            "accuracy_ambiguous": lm_eval_bbq.agg_accuracy_amb([(one[0], one[3]) for one in logged]),
            "s_dis": lm_eval_bbq.agg_disamb_bias_scores(logged),
            "accuracy_disambiguated": lm_eval_bbq.agg_accuracy_disamb([(one[0], one[3]) for one in logged]),
        }
    )


def test_answers_against_every_stereotype_are_minus_one_where_lm_eval_has_none(tmp_path: Path) -> None:
    columns = {"answered": [0, 0], "right": [1, 1], "ambiguous": [0, 0]}
    assert lm_eval_bbq.agg_disamb_bias_scores(bbq_answers(**columns)) == 0.0
    assert metric("bbq", tmp_path).compute(**columns)["s_dis"] == -1.0


def test_crows_pairs_is_that_of_lm_eval_and_ties_are_apart(rng: np.random.Generator, tmp_path: Path) -> None:
    more, less = -rng.integers(1, 6, (2, ITEMS)).astype(float)
    theirs = [
        lm_eval_crows_pairs.process_results({}, [(one, False), (other, False)])["pct_stereotype"]
        for one, other in zip(more, less, strict=True)
    ]
    found = metric("crows_pairs", tmp_path).compute(more=more, less=less)
    assert found["stereotyped"] == pytest.approx(np.mean(theirs))
    assert found["tied"] == pytest.approx((more == less).mean())
    assert sum(found.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("subgroup_gap", fairlearn.demographic_parity_difference),
        ("impact_ratio", fairlearn.demographic_parity_ratio),
    ],
)
def test_group_rates_are_those_of_fairlearn(
    name: str, theirs: Any, rng: np.random.Generator, tmp_path: Path
) -> None:
    outcome, group = rng.integers(0, 2, ITEMS), rng.choice(["A", "B", "C"], ITEMS)
    (value,) = metric(name, tmp_path).compute(outcome=outcome, group=group).values()
    assert value == pytest.approx(theirs(outcome, outcome, sensitive_features=group))


def test_equalised_odds_are_those_of_fairlearn(rng: np.random.Generator, tmp_path: Path) -> None:
    actual, predicted = rng.integers(0, 2, (2, ITEMS))
    group = rng.choice(["A", "B", "C"], ITEMS)
    found = metric("equalised_odds", tmp_path).compute(predictions=predicted, references=actual, group=group)
    assert found["equalised_odds_difference"] == pytest.approx(
        fairlearn.equalized_odds_difference(actual, predicted, sensitive_features=group)
    )


def test_the_brier_score_is_that_of_sklearn(rng: np.random.Generator, tmp_path: Path) -> None:
    confidence, right = rng.random(ITEMS), rng.integers(0, 2, ITEMS)
    found = metric("calibration", tmp_path).compute(confidence=confidence, right=right)
    assert found["brier"] == pytest.approx(brier_score_loss(right, confidence))


def test_kl_is_that_of_scipy(rng: np.random.Generator, tmp_path: Path) -> None:
    before, after = log_softmax(rng.normal(size=(2, 20, 50)), axis=-1)
    kl = entropy(np.exp(before), np.exp(after), axis=-1)
    found = metric("divergence", tmp_path).compute(before=before, after=after)
    assert found["kl"] == pytest.approx(kl.mean())
    assert found["kl_p95"] == pytest.approx(np.percentile(kl, 95))
    assert found["top1_agreement"] == (before.argmax(1) == after.argmax(1)).mean()
