"""Each statistic of a whole set: its known answer, and that it adds up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sacrebleu

from audit import registry
from audit.corpus.of_sums import OfSums
from audit.errors import ConfigError
from suites.metrics.consistency import Consistency

FILE = Path(__file__).parents[3] / "fixtures" / "golden" / "corpus.json"
GOLDEN: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
NAMES = registry.names("audit.corpus_statistics")


def statistic(name: str) -> OfSums:
    found = registry.corpus_statistic(name)
    assert isinstance(found, OfSums)
    return found


def told(confidence: list[float], right: list[int]) -> pd.DataFrame:
    """Answers of two choices."""
    scores = [np.log([1 - sure, sure]) for sure in confidence]
    return pd.DataFrame({"scores": scores, "outcome": np.array(right, dtype=float)})


def grouped(right: list[int], of: list[int]) -> pd.DataFrame:
    rows = [
        (f"g{g}", float(i < good))
        for g, (good, n) in enumerate(zip(right, of, strict=True))
        for i in range(n)
    ]
    return pd.DataFrame(rows, columns=["group", "outcome"])


@pytest.mark.parametrize("name", ["ece", "brier"])
def test_a_calibration_has_its_known_answer(name: str) -> None:
    known = GOLDEN["calibration"]
    value = statistic(name)(told(known["confidence"], known["right"]))
    assert value == pytest.approx(known[name], abs=known["tolerance"])


@pytest.mark.parametrize("known", GOLDEN["groups"], ids=lambda known: known["source"])
@pytest.mark.parametrize("name", ["gap", "impact_ratio"])
def test_a_gap_between_groups_has_its_known_answer(name: str, known: dict[str, Any]) -> None:
    value = statistic(name)(grouped(known["right"], known["of"]))
    assert value == pytest.approx(known[name], abs=known["tolerance"])


def test_bleu_is_that_of_sacrebleu() -> None:
    rows = pd.DataFrame(GOLDEN["bleu"])
    expected = sacrebleu.corpus_bleu(list(rows["answer"]), [list(rows["target"])]).score
    assert 0 < expected < 100
    assert statistic("bleu")(rows) == pytest.approx(expected)


def forms(*questions: str) -> pd.DataFrame:
    """A letter for each form's answer; a word for each question."""
    rows = [("t", str(number), letter) for number, word in enumerate(questions) for letter in word]
    return pd.DataFrame(rows, columns=["task", "pair", "answer"])


def test_a_question_fails_when_one_of_its_forms_is_answered_otherwise() -> None:
    """One of three fails, however many forms it has; a second opinion: one less the unanimous."""
    rows = forms("aaaaaa", "aab", "bb")
    assert statistic("failure_rate")(rows) == pytest.approx(1 / 3)
    told = Consistency().compute(answers=list(rows["answer"]), question=list(rows["pair"]))
    assert told is not None
    assert statistic("failure_rate")(rows) == pytest.approx(1 - told["unanimity"])


def test_a_question_in_one_form_neither_fails_nor_counts() -> None:
    assert statistic("failure_rate")(forms("ab", "aa", "c")) == 0.5
    assert np.isnan(statistic("failure_rate")(forms("c", "d")))


def test_forms_belong_to_a_question() -> None:
    with pytest.raises(ValueError, match="`pair_by` tells"):
        statistic("failure_rate")(forms("ab").assign(pair=None))


@pytest.mark.parametrize("name", ["gap", "impact_ratio"])
def test_an_item_without_a_group_is_in_none(name: str) -> None:
    rows = grouped([3, 1], [4, 4])
    stray = pd.DataFrame({"group": [None, None], "outcome": [0.0, 0.0]})
    assert statistic(name)(pd.concat([rows, stray])) == statistic(name)(rows)


@pytest.mark.parametrize("name", ["gap", "impact_ratio"])
def test_one_group_has_no_gap(name: str) -> None:
    with pytest.raises(ValueError, match=r"1 group\(s\)"):
        statistic(name)(grouped([1], [2]))


def test_a_ratio_to_no_good_outcome_at_all_is_not_defined() -> None:
    assert np.isnan(statistic("impact_ratio")(grouped([0, 0], [2, 2])))


def test_a_resample_that_leaves_one_group_has_no_gap() -> None:
    gap = statistic("gap")
    assert np.isnan(gap.of(gap.terms(grouped([1, 1], [2, 2]))[:2].sum(axis=0)))


def test_calibration_needs_choices_and_right_or_wrong() -> None:
    with pytest.raises(ValueError, match="no choices"):
        statistic("ece")(told([0.9], [1]).assign(scores=[np.array([])]))
    with pytest.raises(ValueError, match="neither 0 nor 1"):
        statistic("brier")(told([0.9], [1]).assign(outcome=[0.5]))


@pytest.mark.parametrize("name", NAMES)
def test_sums_of_several_sets_at_once_give_the_statistic_of_each(name: str) -> None:
    rows = {
        "ece": lambda: told([0.95, 0.85, 0.55, 0.6], [1, 0, 1, 0]),
        "brier": lambda: told([0.95, 0.85, 0.55, 0.6], [1, 0, 1, 0]),
        "bleu": lambda: pd.DataFrame(GOLDEN["bleu"]),
        "failure_rate": lambda: forms("aa", "ab"),
        "icat": lambda: pd.DataFrame(
            {"scores": [(-1.0, -2.0, -3.0), (-2.0, -1.0, -1.5)], "choices": [("a", "b", "c")] * 2}
        ),
    }.get(name, lambda: grouped([3, 1], [4, 4]))()
    one = statistic(name)
    sums = one.terms(rows).sum(axis=0)
    assert one.of(np.stack([sums, 2 * sums])) == pytest.approx([one(rows), one(pd.concat([rows, rows]))])


def test_an_unknown_statistic_is_named_with_a_hint() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'ece'"):
        registry.corpus_statistic("eec")
