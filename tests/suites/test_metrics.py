"""The metrics as modules of `evaluate`: known answers, loading by path, what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.suites.metric import FOLDER, KNOWN, NAMES, inputs, metric

LOAD = """
import json, sys, evaluate
for path, columns in json.load(sys.stdin):
    print(json.dumps(evaluate.load(path).compute(**columns)))
"""
LIGHT = """
import sys, suites, suites.metrics, audit.statistics.bias, audit.statistics.equalised_odds
print(sorted({"torch", "lm_eval", "evaluate", "datasets"} & sys.modules.keys()))
"""

UNDEFINED: dict[str, tuple[str, dict[str, list[Any]], str]] = {
    "nothing known to forget": ("forgetting", {"before": [0, 0], "after": [1, 0]}, "0 of 2"),
    "no accuracy to lose": ("pdr", {"clean": [0], "disturbed": [1]}, "0 of 1"),
    "nobody named": ("bbq", {"answered": [-1, -1], "right": [0, 0], "ambiguous": [0, 0]}, "all 2 answers"),
    "unreadable answers only": ("bbq", {"answered": [-1], "right": [0], "ambiguous": [1]}, "all 1 answers"),
    "no good outcome": ("impact_ratio", {"outcome": [0, 0], "group": ["A", "B"]}, "no group has a good"),
    "one group": ("subgroup_gap", {"outcome": [1, 0], "group": ["A", "A"]}, r"1 group\(s\)"),
    "one group's odds": (
        "equalised_odds",
        {"predictions": [1, 0], "references": [1, 0], "group": ["A", "A"]},
        r"1 group\(s\)",
    ),
    "a group without positives": (
        "equalised_odds",
        {"predictions": [1, 0, 0], "references": [1, 0, 0], "group": ["A", "A", "B"]},
        "group B has no item that is actually 1, so its true positive rate",
    ),
    "one form": ("consistency", {"answers": ["A", "A", "A"], "question": ["1", "1", "2"]}, "question '2'"),
    "an impossible token": (
        "divergence",
        {"before": [[-0.6931472, -0.6931472]], "after": [[0.0, -float("inf")]]},
        "infinite",
    ),
    "a perplexity without end": (
        "perplexity_ratio",
        {"before": [-1.0], "after": [-800.0], "units": [1]},
        "e to the 800",
    ),
}
REFUSED: dict[str, tuple[str, dict[str, list[Any]], str]] = {
    "half right": ("forgetting", {"before": [1, 0.5], "after": [1, 1]}, "before: item 1 is 0.5"),
    "not a number": ("pdr", {"clean": [1, 1], "disturbed": [1, float("nan")]}, "disturbed: item 1 is nan"),
    "no number": ("refusal", {"refused": [None], "harmful": [1]}, "refused: item 0 is nan"),
    "other lengths": ("forgetting", {"before": [1, 0], "after": [1]}, "Mismatch in the number"),
    "no items": ("forgetting", {"before": [], "after": []}, "before: no items"),
    "no positions": ("divergence", {"before": [], "after": []}, "before: no positions"),
    "a missing answer": (
        "flips",
        {"before": ["A", "B"], "after": ["A", None], "references": ["A", "A"]},
        "after: item 1 is None",
    ),
    "no answer at first": ("flips", {"before": ["A"], "after": [None], "references": ["A"]}, "Input after"),
    "an answer by its place": ("flips", {"before": [0], "after": [0], "references": [1]}, "Input before"),
    "no group": ("subgroup_gap", {"outcome": [1, 0], "group": ["A", None]}, "group: item 1 is None"),
    "another bias": ("bbq", {"answered": [2], "right": [0], "ambiguous": [0]}, "must be -1, 0 or 1"),
    "right without a doubt": ("bbq", {"answered": [1], "right": [1], "ambiguous": [1]}, "is ambiguous"),
    "right in doubt": ("bbq", {"answered": [-1], "right": [1], "ambiguous": [0]}, "is disambiguated"),
    "percent": ("calibration", {"confidence": [95], "right": [1]}, "confidence: item 0 is 95"),
    "the negative": ("crows_pairs", {"more": [-1.0], "less": [1.0]}, "was its negative given"),
    "an impossible sentence": ("crows_pairs", {"more": [-1.0], "less": [-float("inf")]}, "finite"),
    "no words": ("perplexity_ratio", {"before": [-1.0], "after": [-1.0], "units": [0]}, "units: item 0"),
    "other vocabularies": ("divergence", {"before": [[0.0]], "after": [[-0.7, -0.7]]}, "1 tokens before"),
    "a part of a vocabulary": ("divergence", {"before": [[-1.0]], "after": [[-1.0]]}, "add up to 0.36"),
    "ragged positions": ("divergence", {"before": [[0.0], [-0.7, -0.7]], "after": [[0.0]] * 2}, "2 sizes"),
}


@pytest.mark.parametrize("case", KNOWN, ids=lambda case: f"{case['metric']}: {case['source']}"[:70])
def test_a_known_answer_is_reproduced(case: dict[str, Any], tmp_path: Path) -> None:
    answer = metric(case["metric"], tmp_path).compute(**inputs(case))
    assert answer == pytest.approx(case["expected"], rel=0, abs=case["tolerance"])


def test_every_metric_has_a_known_answer() -> None:
    assert {case["metric"] for case in KNOWN} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_metric_says_what_it_takes_and_gives_and_whose_it_is(name: str, tmp_path: Path) -> None:
    of = metric(name, tmp_path)
    (case, *_) = (case for case in KNOWN if case["metric"] == name)
    assert of.description
    assert of.citation.strip().startswith("@")
    assert of.info.reference_urls
    for word in (*case["columns"], *case["expected"]):
        assert word in of.inputs_description


def test_evaluate_loads_every_metric_by_its_path_without_a_hub(tmp_path: Path) -> None:
    cases = [next(case for case in KNOWN if case["metric"] == name) for name in NAMES]
    given = json.dumps([(str(FOLDER / f"{case['metric']}.py"), inputs(case)) for case in cases])
    offline = {"HF_HUB_OFFLINE": "1", "HF_EVALUATE_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", LOAD],
        input=given,
        env=os.environ | offline,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    for case, line in zip(cases, done.stdout.splitlines(), strict=True):
        assert json.loads(line) == pytest.approx(case["expected"], rel=0, abs=case["tolerance"])


def test_importing_the_packages_loads_nothing_heavy() -> None:
    assert subprocess.check_output([sys.executable, "-c", LIGHT], text=True).strip() == "[]"


@pytest.mark.parametrize("what", UNDEFINED)
def test_a_value_that_is_not_defined_is_refused(what: str, tmp_path: Path) -> None:
    name, columns, because = UNDEFINED[what]
    with pytest.raises(ValueError, match=because):
        metric(name, tmp_path).compute(**columns)


@pytest.mark.parametrize("what", REFUSED)
def test_an_input_that_does_not_fit_is_refused(what: str, tmp_path: Path) -> None:
    name, columns, because = REFUSED[what]
    with pytest.raises(ValueError, match=because):
        metric(name, tmp_path).compute(**columns)


def test_identical_answers_have_no_flips(tmp_path: Path) -> None:
    answers = ["A", "B", "C", ""]
    found = metric("flips", tmp_path).compute(before=answers, after=answers, references=["A"] * 4)
    assert set(found.values()) == {0.0}


def test_a_token_that_was_impossible_before_adds_nothing(tmp_path: Path) -> None:
    one = {"before": [[0.0, -float("inf")]], "after": [[0.0, -float("inf")]]}
    assert metric("divergence", tmp_path).compute(**one)["kl"] == 0.0


def test_who_always_says_unknown_shows_no_bias_where_that_is_right(tmp_path: Path) -> None:
    found = metric("bbq", tmp_path).compute(answered=[-1, -1], right=[1, 1], ambiguous=[1, 1])
    assert found == {"s_amb": 0.0, "accuracy_ambiguous": 1.0}


def test_only_rates_of_requests_that_there_are_are_given(tmp_path: Path) -> None:
    assert metric("refusal", tmp_path).compute(refused=[1, 0], harmful=[0, 0]) == {"over_refusal_rate": 0.5}
