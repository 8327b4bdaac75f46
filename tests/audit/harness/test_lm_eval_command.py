"""lm-eval's own command line takes the scorer by its name and reports what it reports of `hf`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

TASKS = {"sums": 6 * 3, "lines": 6}
"""And how many requests each makes: items times answers."""


def local_tasks(folder: Path) -> Path:
    """A multiple-choice task with shots, and one of rolling log-likelihoods, over one JSON file."""
    folder.mkdir()
    rows = [{"q": f"{a} plus 1 is", "c": [str(a), str(a + 1), "a cat"], "y": 1} for a in range(6)]
    (folder / "items.jsonl").write_text("\n".join(map(json.dumps, rows)))
    data = {"dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(folder / "items.jsonl")}}}
    kinds = {
        "sums": {
            "output_type": "multiple_choice", "doc_to_text": "q", "doc_to_choice": "c", "doc_to_target": "y",
            "num_fewshot": 2, "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}],
        },
        "lines": {
            "output_type": "loglikelihood_rolling", "doc_to_text": "", "doc_to_target": "{{q}} {{c[2]}}",
            "metric_list": [{"metric": "word_perplexity"}, {"metric": "bits_per_byte"}],
        },
    }  # fmt: skip
    for name in TASKS:
        spec = {"task": name, "test_split": "test", "fewshot_split": "test", **data, **kinds[name]}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(spec))
    return folder


def command(tiny: Path, tasks: Path, out: Path) -> subprocess.Popen[bytes]:
    """lm-eval's `run` with our scorer, under way."""
    arguments = [
        sys.executable, "-m", "audit.harness.shared_prefix", "run", "--model", "shared-prefix",
        "--model_args", f"pretrained={tiny},dtype=float32", "--tasks", *TASKS, "--include_path", tasks,
        "--device", "cpu", "--batch_size", 4, "--log_samples", "--output_path", out,
    ]  # fmt: skip
    return subprocess.Popen([str(part) for part in arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def by_hf(tiny: Path, tasks: Path) -> dict[str, Any]:
    """What the same command does with `hf`; in this process, since lm-eval indexes its tasks for seconds."""
    from lm_eval.evaluator import simple_evaluate
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=str(tasks), include_defaults=False)
    found: dict[str, Any] = simple_evaluate(
        model="hf", model_args=f"pretrained={tiny},dtype=float32", tasks=list(TASKS), task_manager=manager,
        device="cpu", batch_size=4,
    )  # fmt: skip
    return found


def log_likelihoods(samples: Sequence[dict[str, Any]]) -> list[float]:
    """Of one task's samples, in the order of documents and answers."""
    ordered = sorted(samples, key=lambda sample: sample["doc_id"])
    values = [value for sample in ordered for (value,) in sample["resps"]]
    return [float(value[0] if isinstance(value, list | tuple) else value) for value in values]


def test_lm_evals_command_gives_the_same_results_as_with_hf(tiny: Path, tmp_path: Path) -> None:
    tasks = local_tasks(tmp_path / "tasks")
    with command(tiny, tasks, tmp_path / "out") as run:
        theirs = by_hf(tiny, tasks)
        _, complaint = run.communicate(timeout=300)
    assert run.returncode == 0, complaint.decode()[-2000:]
    (file,) = (tmp_path / "out").rglob("results_*.json")
    ours = json.loads(file.read_text())["results"]
    for task, n_requests in TASKS.items():
        numbers = {name: value for name, value in theirs["results"][task].items() if isinstance(value, float)}
        assert {name: ours[task][name] for name in numbers} == pytest.approx(numbers, rel=1e-5)
        (file,) = (tmp_path / "out").rglob(f"samples_{task}_*.jsonl")
        samples = [json.loads(line) for line in file.read_text().splitlines()]
        expected = log_likelihoods(theirs["samples"][task])
        assert len(expected) == n_requests
        assert log_likelihoods(samples) == pytest.approx(expected, abs=1e-3)
