"""Known answers from papers and other software, as data files."""

from __future__ import annotations

import doctest
import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from audit.records import Estimate
from audit.statistics import correction, estimates, mcnemar, tango

GOLDEN = Path(__file__).parents[3] / "fixtures" / "golden"
FILES = ("paired.json", "sensitivity.json", "estimates.json", "power.json", "independent.json")
CASES: list[dict[str, Any]] = [
    case for file in FILES for case in json.loads((GOLDEN / file).read_text(encoding="utf-8"))
]
SIZES: dict[str, Any] = json.loads((GOLDEN / "score_test_size.json").read_text(encoding="utf-8"))

# Holm and Benjamini-Hochberg both illustrate their methods on these (Benjamini & Hochberg 1995, section 3.2).
THROMBOLYSIS = [
    *(0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344),
    *(0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0),
]


def argument(written: Any) -> Any:
    """An input that JSON can't hold: a random generator, or the estimate of paired differences.

    The t of R, whose answers these are, knows of no skewness.
    """
    match written:
        case {"seed": seed}:
            return np.random.default_rng(seed)
        case {"paired_mean": d}:
            return estimates.paired_mean(d).model_copy(update={"skewness": 0.0})
    return written


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['function']}{case['input']}"[:80])
def test_a_known_answer_is_reproduced(case: dict[str, Any]) -> None:
    module, function = case["function"].split(".")
    given = [argument(one) for one in case["input"]]
    answer = getattr(importlib.import_module(f"audit.statistics.{module}"), function)(*given)
    if isinstance(answer, Estimate):
        answer = (answer.value / answer.standard_error, answer.degrees_of_freedom)
    np.testing.assert_allclose(answer, case["expected"], rtol=0, atol=case["tolerance"])


@pytest.mark.parametrize(
    "row", SIZES["rows"], ids=lambda row: f"n{row['n']}d{row['discordance']}M{row['margin']}"
)
def test_the_score_test_has_the_size_and_power_of_the_exact_enumeration(row: dict[str, Any]) -> None:
    n, d, margin = row["n"], row["discordance"], row["margin"]
    discordant = np.arange(n + 1)[binom.pmf(np.arange(n + 1), n, d) > 1e-12]
    most_lost = []
    for m in discordant:
        lost = np.arange(m + 1)
        most_lost.append(int((tango.score(lost, m - lost, n, margin) < -1.6448536269514722).sum()) - 1)

    def probability(drop: float) -> float:
        tails = binom.cdf(most_lost, discordant, 0.5 * (1 + drop / d))
        return float((binom.pmf(discordant, n, d) * tails).sum())

    assert probability(margin) == pytest.approx(row["size"], abs=SIZES["tolerance"])
    assert probability(0.0) == pytest.approx(row["power"], abs=SIZES["tolerance"])


@pytest.mark.parametrize(
    "module",
    [
        "bias",
        "correction",
        "equalised_odds",
        "estimates",
        "mcnemar",
        "median",
        "paired_ratio",
        "power",
        "proportions",
        "sensitivity",
        "tango",
    ],
)
def test_the_examples_in_the_docstrings_hold(module: str) -> None:
    result = doctest.testmod(importlib.import_module(f"audit.statistics.{module}"))
    assert result.attempted > 0
    assert result.failed == 0


def test_benjamini_hochberg_rejects_four_of_their_own_fifteen() -> None:
    assert sum(p <= 0.05 for p in correction.benjamini_hochberg(THROMBOLYSIS)) == 4


def test_holm_rejects_three_of_the_same_fifteen() -> None:
    assert sum(p <= 0.05 for p in correction.holm(THROMBOLYSIS)) == 3


def test_no_adjusted_p_value_is_above_1() -> None:
    assert correction.holm([0.9, 0.8]) == (1.0, 1.0)


def test_of_as_many_lost_as_gained_the_table_seen_counts_half() -> None:
    # C(10, 5) / 2^10, once in each tail
    assert mcnemar.mid_p(5, 5) == 1 - 0.5 * 252 / 1024
