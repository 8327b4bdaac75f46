"""What lm-eval's own command logged, read back: recorded files, and what can be wrong with them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from audit.errors import ConfigError, StoreError
from audit.harness.logged import find_logged
from audit.harness.samples import SHOWN_CHARACTERS
from fixtures.made_up_results import DATE, RECORDED, lm_eval_log, recorded

BEFORE = RECORDED / "before"


def values(samples: pd.DataFrame, metric: str) -> list[float]:
    return samples[samples["metric"] == metric]["outcome"].tolist()


def read_one(folder: Path, **changes: Any) -> pd.Series:
    """The first sample of a log whose every line has the changes."""
    return find_logged(lm_eval_log(folder, [1], **changes)).read("sums").samples.iloc[0]


def test_every_task_of_a_recorded_run_is_found_with_the_models_name() -> None:
    run = find_logged(BEFORE)
    assert list(run.files) == ["capitals", "sentences", "sums"]
    assert run.model == "coin-0"


@pytest.mark.parametrize(
    ("task", "metric"),
    [
        ("capitals", "exact_match,strict"), ("capitals", "exact_match,loose"), ("sentences", "acc"),
        ("sums", "acc"), ("sums", "acc_norm"),
    ],
)  # fmt: skip
def test_the_mean_of_the_items_is_what_lm_eval_reports(task: str, metric: str) -> None:
    (results,) = BEFORE.rglob("results_*.json")
    name, _, filter_name = metric.partition(",")
    reported = json.loads(results.read_text())["results"][task][f"{name},{filter_name or 'none'}"]
    plain = name if filter_name in ("", "strict") else metric
    assert np.mean(values(find_logged(BEFORE).read(task).samples, plain)) == pytest.approx(reported)


def test_version_shots_and_direction_are_those_of_the_results() -> None:
    task = find_logged(BEFORE).read("sentences")
    assert (task.version, task.num_fewshot, task.lower_is_better) == ("1", 0, {"perplexity"})
    assert find_logged(BEFORE).read("sums").version == "2"


def test_without_its_results_a_log_is_read_and_what_they_would_say_is_not_known(tmp_path: Path) -> None:
    run = find_logged(lm_eval_log(tmp_path / "org__name", [1, 0]))
    task = run.read("sums")
    assert (task.version, task.num_fewshot, task.lower_is_better) == (None, None, frozenset())
    assert run.model == "org__name"


def test_the_hashes_are_lm_evals() -> None:
    first = find_logged(BEFORE).read("sums").samples.iloc[0]
    line = recorded("sums")
    for key in ("doc_hash", "prompt_hash", "target_hash"):
        assert first[key] == line[key]


def test_a_choice_shows_question_choices_target_answer_and_scores() -> None:
    first, line = find_logged(BEFORE).read("sums").samples.iloc[0], recorded("sums")
    assert (first["question"], first["choices"], first["target"]) == ("0 + 1 =", ("0", "1"), "1")
    scores = tuple(float(score) for score, _ in line["filtered_resps"])
    assert first["scores"] == scores
    assert first["answer"] == first["choices"][scores.index(max(scores))]


def test_a_generation_shows_what_was_written_and_no_choices() -> None:
    first = find_logged(BEFORE).read("capitals").samples.iloc[0]
    assert first["question"] == "The capital of France is"
    assert (first["choices"], first["target"], first["answer"], first["scores"]) == ((), "Paris", "lol", ())


def test_a_continuation_is_the_answer_when_greedy_decoding_gives_it(tmp_path: Path) -> None:
    line = recorded("sentences")
    same = {key: line[key] for key in ("arguments", "target")}
    greedy = read_one(tmp_path / "a", **same, filtered_resps=[["-0.5", "True"]])
    other = read_one(tmp_path / "b", **same, filtered_resps=[["-0.5", "False"]])
    assert (greedy["answer"], other["answer"]) == (" mat", "(something else)")
    assert greedy["scores"] == (-0.5,)


def test_where_the_contexts_are_the_choices_they_are_shown_as_such(tmp_path: Path) -> None:
    asked = {
        "gen_args_0": {"arg_0": "Ann", "arg_1": " left"},
        "gen_args_1": {"arg_0": "Bob", "arg_1": " left"},
    }
    row = read_one(
        tmp_path / "a", arguments=asked, target="left", filtered_resps=[["-2", "False"], ["-1", "False"]]
    )
    assert (row["choices"], row["target"], row["answer"]) == (("Ann", "Bob"), "left", "Bob")
    assert row["question"] == "After which of them is “left” likelier?"


def test_mutual_information_asks_twice_and_the_choices_are_shown_once(tmp_path: Path) -> None:
    calls = [("0 + 1 =", " 0"), ("0 + 1 =", " 1"), ("", " 0"), ("", " 1")]
    asked = {f"gen_args_{i}": {"arg_0": a, "arg_1": b} for i, (a, b) in enumerate(calls)}
    row = read_one(
        tmp_path / "a", arguments=asked,
        filtered_resps=[["-2", "False"], ["-1", "False"], ["-4", "False"], ["-3", "False"]],
        metrics=["acc", "acc_mutual_info"], acc_mutual_info=1,
    )  # fmt: skip
    assert (row["choices"], row["scores"]) == (("0", "1"), (-2.0, -1.0))


@pytest.mark.parametrize(
    "answers", [[" 1", " 0"], [" 1"], [{"until": []}]], ids=["choices", "one", "written"]
)
def test_of_a_long_prompt_the_end_is_kept(answers: list[Any], tmp_path: Path) -> None:
    prompt = "shot " * SHOWN_CHARACTERS + "0 + 1 ="
    asked = {f"gen_args_{i}": {"arg_0": prompt, "arg_1": answer} for i, answer in enumerate(answers)}
    row = read_one(tmp_path / "a", arguments=asked)
    assert len(row["question"]) == SHOWN_CHARACTERS
    assert row["question"].endswith("0 + 1 =")


def test_lines_of_older_versions_without_filter_and_metrics_are_read(tmp_path: Path) -> None:
    folder = lm_eval_log(tmp_path / "a", [1, 0])
    (file,) = folder.iterdir()
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    for line in lines:
        del line["filter"], line["metrics"]
    file.write_text("\n".join(map(json.dumps, lines)))
    assert values(find_logged(folder).read("sums").samples, "acc_norm") == [1, 0]


def test_a_metric_that_is_no_number_of_an_item_is_left_out(tmp_path: Path) -> None:
    odd = {"f1": [1, 0], "brier": float("nan"), "word_perplexity": [-1.0, 2, 3]}
    log = lm_eval_log(tmp_path / "a", [1], metrics=["acc", *odd], **odd)
    assert set(find_logged(log).read("sums").samples["metric"]) == {"acc"}


def test_the_newest_file_of_each_task_counts(tmp_path: Path) -> None:
    lm_eval_log(tmp_path, [0, 0], date="2026-11-25T00-00-00.000001")
    lm_eval_log(tmp_path, [1, 1], date="2026-11-24T23-59-59.999999")
    lm_eval_log(tmp_path, [1], task="older_one", date="2025-01-01T00-00-00")
    run = find_logged(tmp_path)
    assert list(run.files) == ["older_one", "sums"]
    assert values(run.read("sums").samples, "acc") == [0, 0]


def test_a_file_alone_is_that_task_alone() -> None:
    (file,) = BEFORE.rglob("samples_sums_*.jsonl")
    assert list(find_logged(file).files) == ["sums"]


def test_samples_in_the_named_folder_come_before_those_below_it(tmp_path: Path) -> None:
    lm_eval_log(tmp_path, [1])
    lm_eval_log(tmp_path / "another", [0, 0])
    assert len(find_logged(tmp_path).read("sums").samples) == 2  # acc and acc_norm of one item


def test_several_models_are_listed_to_choose_from() -> None:
    with pytest.raises(ConfigError, match=r"several models.*after/coin-1, .*before/coin-0"):
        find_logged(RECORDED)


def test_a_folder_without_samples_says_how_they_are_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Run lm-eval with --log_samples"):
        find_logged(tmp_path)


def test_a_file_of_another_name_says_which_names_are_read(tmp_path: Path) -> None:
    file = Path(shutil.copy(next(BEFORE.rglob("samples_sums_*.jsonl")), tmp_path / "mine.jsonl"))
    with pytest.raises(ConfigError, match=r"mine\.jsonl is not named .* samples_<task>_<date>\.jsonl"):
        find_logged(file)


def with_second_line(folder: Path, line: str) -> Path:
    lm_eval_log(folder, [1, 1, 1])
    file = folder / f"samples_sums_{DATE}.jsonl"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0], line, lines[2]]))
    return folder


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"doc_id": 1, "do', r"line 2 is not JSON: .* Was the file cut or edited\?"),
        ("[1, 2]", "line 2 is no sample as lm-eval logs it: no JSON object"),
        (
            json.dumps({**recorded("sums"), "doc_id": "first"}),
            "line 2 is no sample as lm-eval logs it: invalid literal",
        ),
        (
            json.dumps({key: value for key, value in recorded("sums").items() if key != "arguments"}),
            "line 2 is no sample as lm-eval logs it: no 'arguments'",
        ),
        (
            json.dumps({key: value for key, value in recorded("sums").items() if key != "prompt_hash"}),
            r"line 2 has no prompt_hash, .* since 0\.4\.3: evaluate again",
        ),
        (
            json.dumps({**recorded("sums"), "filtered_resps": [["nan", "False"], ["-1", "False"]]}),
            "line 2: a log-likelihood is NaN",
        ),
    ],
)  # fmt: skip
def test_a_broken_line_is_named_by_file_and_number(line: str, words: str, tmp_path: Path) -> None:
    run = find_logged(with_second_line(tmp_path, line))
    with pytest.raises(StoreError, match=rf"samples_sums_{DATE}\.jsonl, {words}"):
        run.read("sums")


def test_blank_lines_are_no_samples(tmp_path: Path) -> None:
    run = find_logged(with_second_line(tmp_path, "  "))
    assert values(run.read("sums").samples, "acc") == [1, 1]


def test_an_endless_log_likelihood_keeps_the_item_and_drops_the_scores(tmp_path: Path) -> None:
    row = read_one(tmp_path / "a", filtered_resps=[["-inf", "False"], ["-1", "False"]])
    assert (row["outcome"], row["scores"], row["answer"]) == (1, (), "1")
