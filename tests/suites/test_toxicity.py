"""Toxicity of continuations, corrected for the classifier's errors, and the gender of BOLD's professions."""

from __future__ import annotations

import doctest
import importlib
import json
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from audit import AuditLog, load_config, run_audit
from audit.errors import ConfigError
from audit.harness.tasks import load_tasks
from audit.records import AuditConfig, Interval, Suite
from reports.sections import limits
from suites import toxicity
from suites.bias.bold import mean_polarity, polarity
from suites.rogan_gladen import Accuracy, counted
from suites.toxicity import ACCURACY, CLASSIFIER, THRESHOLD, corrected, toxic

ITEMS = Path(__file__).parents[3] / "shared" / "data" / "realtoxicityprompts" / "items.jsonl"
TOXIC, HARMLESS = "You are a fucking idiot.", "They walked along the river."

PROMPTS = ["The old house", "Then the cat", "A man said", "On the mat"]
ROWS: dict[str, list[dict[str, Any]]] = {
    "realtoxicityprompts": [
        {
            "filename": f"{n}.txt", "begin": 0, "end": 9, "challenging": False,
            "prompt": {"text": text, "toxicity": 0.1, "threat": None},
            "continuation": {"text": " end.", "toxicity": None if n else 0.9},
            "subset": ("toxic", "nontoxic")[n % 2],
        }
        for n, text in enumerate(PROMPTS)
    ],
    "bold": [
        {"domain": domain, "group": group, "entity": entity, "prompt": f"{text} "}
        for text, (domain, group, entity) in zip(
            PROMPTS,
            [("profession", "nursing", "Nurse"), ("profession", "sewing", "Glove"),
             ("profession", "sewing", "Needle"), ("race", "Asian_Americans", "Ming-Na")],
            strict=True,
        )
    ],
}  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Items in the official columns."""
    for name, rows in ROWS.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "overrides.json").write_text("{}")
    return tmp_path


def config(tiny: Path, data: Path, *suites: str, **others: object) -> AuditConfig:
    return load_config(
        {
            "model": str(tiny), "levels": ["control"], "data_dir": str(data), "sequential": False,
            "suites": suites or ("safety:standard", "bias:full"), **others,
        }
    )  # fmt: skip


# The rate


def test_the_rate_is_that_of_rogan_and_gladen() -> None:
    # Sensitivity .9, specificity .95; told .415 means (.415 + .95 − 1) / .85 = .429412
    known = Accuracy(0.9, 0.95, 0.85)
    told = np.repeat([1.0, 0.0], [415, 585])
    assert np.mean([known.corrected(one) for one in told]) == pytest.approx(0.429412, abs=5e-7)


def test_what_the_labels_leave_open_makes_a_drop_larger() -> None:
    drops = [
        known.corrected(1.0) - known.corrected(0.0)
        for known in (Accuracy(0.9, 0.95, 0.85), Accuracy(0.9, 0.95, 0.75))
    ]
    assert drops == [pytest.approx(1 / 0.85), pytest.approx(1 / 0.75)]


def test_the_divisor_is_bounded_by_clopper_and_pearson() -> None:
    # Their 95 % intervals: 13 of 16 from .54354 (Agresti), 95 of 100 from .8872
    known = counted(positives=(13, 16), negatives=(95, 100))
    assert (known.sensitivity, known.specificity) == (0.8125, 0.95)
    assert known.least == pytest.approx(0.54354 + 0.88717 - 1, abs=1e-4)


@pytest.mark.parametrize("module", ["suites.rogan_gladen", "suites.bias.bold"])
def test_the_examples_hold(module: str) -> None:
    found = doctest.testmod(importlib.import_module(module))
    assert found.attempted
    assert not found.failed


# The classifier


def test_the_classifier_tells_profanity() -> None:
    assert toxic([TOXIC, HARMLESS, ""]) == [True, False, False]


def test_the_extra_installs_the_version_whose_errors_are_known() -> None:
    assert version(CLASSIFIER.distribution) == CLASSIFIER.version
    wanted = f"{CLASSIFIER.distribution}=={CLASSIFIER.version}; extra == '{CLASSIFIER.extra}'"
    assert wanted in [one.replace('"', "'") for one in requires("shrinkproof") or ()]


def test_the_errors_are_counted_as_they_are_written_down() -> None:
    if not ITEMS.is_file():
        pytest.skip("no RealToxicityPrompts in ../shared/data")
    rows = [json.loads(line)["continuation"] for line in ITEMS.read_text().splitlines()]
    rows = [row for row in rows if row["toxicity"] is not None]
    told = np.array(toxic([row["text"] for row in rows]))
    labels = np.array([row["toxicity"] >= THRESHOLD for row in rows])
    found = counted(
        positives=(int(told[labels].sum()), int(labels.sum())),
        negatives=(int((~told[~labels]).sum()), int((~labels).sum())),
    )
    assert found == ACCURACY


def not_installed(distribution: str) -> str:
    raise PackageNotFoundError(distribution)


@pytest.mark.parametrize("found", [not_installed, lambda _: "1.0"], ids=["none", "another version"])
def test_without_the_classifier_the_rest_is_measured_and_the_report_says_so(
    tiny: Path, data: Path, monkeypatch: pytest.MonkeyPatch, found: Any, log: AuditLog
) -> None:
    monkeypatch.setattr("audit.suite_entry.version", found)
    (data / "xstest").mkdir()
    (data / "xstest" / "items.jsonl").write_text('{"prompt": "Hi", "type": "t", "label": "safe"}\n')
    settings = config(tiny, data, "safety:standard")
    assert [suite.name for suite in settings.suites] == ["safety-over-refusal"]
    html = str(limits.section(log.model_copy(update={"config": settings})).html)
    assert "Toxicity is not measured: it needs alt-profanity-check 1.9.1" in html
    assert "shrinkproof[toxicity]" in html
    with pytest.raises(ConfigError, match=r"BOLD is not measured: .* pip install 'shrinkproof\[toxicity\]'"):
        config(tiny, data, "bias:full")


# The tasks


def part(settings: AuditConfig, name: str) -> Suite:
    return next(suite for suite in settings.suites if suite.name == name)


@pytest.fixture
def log(tiny: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AuditLog:
    """Of both suites, with a classifier that calls some of the tiny model's words toxic."""
    monkeypatch.setattr(toxicity, "toxic", by_length)
    return run_audit(config(tiny, data, out=str(tmp_path / "run")))


def by_length(texts: list[str]) -> list[bool]:
    return [len(text) % 2 == 1 for text in texts]


def rows_of(log: AuditLog, suite: str) -> pd.DataFrame:
    (run,) = (one for one in log.runs if (one.variant, one.suite) == ("original", suite))
    return pd.concat([pd.read_parquet(Path(log.config.out) / cell.path) for cell in run.cells])


def test_every_prompt_is_continued_and_counted_by_its_subset(log: AuditLog) -> None:
    rows = rows_of(log, "safety-toxicity").sort_values("doc_id")
    assert list(rows["question"]) == PROMPTS
    assert list(rows["group"]) == ["toxic", "nontoxic"] * 2
    assert list(rows["outcome"]) == [corrected(float(one)) for one in by_length(list(rows["answer"]))]


def test_a_prompt_is_asked_as_it_is_for_20_greedy_tokens(tiny: Path, data: Path) -> None:
    (task,) = load_tasks(part(config(tiny, data), "safety-toxicity"), limit=None, seed=1)
    task.build(limit=None)
    prompt, settings = task.open(1)[0].args
    assert prompt in PROMPTS
    assert settings == {"until": [], "max_gen_toks": 20, "do_sample": False}


def test_where_no_continuation_changes_the_drop_has_bounds(log: AuditLog) -> None:
    found = {
        one.suite: one.interval for one in log.comparisons if one.group is None and one.metric == "toxicity"
    }
    assert isinstance(found["safety-toxicity"], Interval)
    assert isinstance(found["bias-bold"], Interval)


def test_bold_counts_toxicity_everywhere_and_gender_at_professions(log: AuditLog) -> None:
    rows = rows_of(log, "bias-bold").sort_values("doc_id")
    of_toxicity, of_gender = (rows[rows["metric"] == name] for name in ("toxic", "gender_polarity"))
    assert list(of_toxicity["question"]) == PROMPTS
    assert list(of_toxicity["outcome"]) == [
        corrected(float(one)) for one in by_length(list(of_toxicity["answer"]))
    ]
    assert list(of_toxicity["group"]) == ["nursing", "sewing", "sewing", "Asian_Americans"]
    assert list(of_gender["group"]) == ["nursing", "sewing", "sewing"]
    found = zip(of_gender["outcome"], of_gender["weight"], strict=True)
    assert list(found) == [polarity(answer) for answer in of_gender["answer"]]


@pytest.mark.parametrize(
    ("suite", "document", "text", "expected"),
    [
        ("safety-toxicity", 0, TOXIC, {"toxic": 1.0}),
        ("safety-toxicity", 0, HARMLESS, {"toxic": 0.0}),
        ("bias-bold", 0, "She knits.", {"toxic": 0.0, "gender_polarity": (-1.0, 1.0)}),
        ("bias-bold", 3, "She knits.", {"toxic": 0.0, "gender_polarity": None}),
    ],
)
def test_a_continuation_is_told(
    tiny: Path, data: Path, suite: str, document: int, text: str, expected: dict[str, object]
) -> None:
    (task,) = load_tasks(part(config(tiny, data), suite), limit=None, seed=1)
    assert task.task.process_results(task.task.eval_docs[document], [text]) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("He said that his boys helped her.", (1.0, 1.0)),
        ("she’s a girl, like Him", (-1.0, 1.0)),
        ("men and women", (0.0, 1.0)),
        ("The manager's theme here: other sheets.", (0.0, 0.0)),
    ],
)
def test_a_text_has_the_gender_of_most_of_its_gendered_words(
    text: str, expected: tuple[float, float]
) -> None:
    assert polarity(text) == expected


def test_polarity_is_male_less_female_over_texts_with_gendered_words() -> None:
    texts = ["he", "he", "she", "the sea"]
    assert mean_polarity([*map(polarity, texts), None]) == pytest.approx(1 / 3)  # (2 − 1) / 3
    assert np.isnan(mean_polarity([None, (0.0, 0.0)]))


@pytest.mark.parametrize("changed", ["version", "counts"])
def test_another_classifier_or_other_counts_of_its_errors_tell_anew(
    log: AuditLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    suites = log.config.suites
    if changed == "version":
        other = CLASSIFIER.model_copy(update={"version": "2"})
        suites = tuple(suite.model_copy(update={"needs": (other,)}) for suite in suites)
    else:
        monkeypatch.setattr("audit.registry.reading_source", lambda _: "ACCURACY = counted(…)")
    again = run_audit(log.config.model_copy(update={"suites": suites, "out": str(tmp_path / "again")}))
    before, after = ({cell.key for run in one.runs for cell in run.cells} for one in (log, again))
    assert not before & after
