"""Data sets of a hub, as `datasets` keeps them here: their commit is in the log, and can be asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import datasets
import pytest
import yaml

from audit import load_config
from audit.errors import ConfigError, EvaluationError
from audit.harness.tasks import LoadedTask, load_tasks, tasks_of
from audit.records import Metric, Suite, Task

NAME = "allenai/ai2_arc"
COMMIT = "ab" * 20
OTHER = "cd" * 20
ITEMS = [
    {"id": str(n), "question": f"What is {n}?", "answerKey": "A",
     "choices": {"text": ["a number", "a cook"], "label": ["A", "B"]}}
    for n in range(3)
]  # fmt: skip


@pytest.fixture
def cache(tmp_path: Path, leave_in_cache: Callable[..., None]) -> Path:
    """A task whose data set was loaded once, before the network was lost."""
    leave_in_cache(NAME, "ARC-Easy", COMMIT, {"test": ITEMS})
    task = {
        "task": "arc_again", "dataset_path": NAME, "dataset_name": "ARC-Easy", "test_split": "test",
        "output_type": "multiple_choice", "doc_to_text": "question", "doc_to_choice": "{{choices.text}}",
        "doc_to_target": 0, "num_fewshot": 0, "metric_list": [{"metric": "acc"}],
    }  # fmt: skip
    (tmp_path / "arc_again.yaml").write_text(yaml.safe_dump(task))
    return tmp_path


def load(folder: Path, commit: str | None = None) -> LoadedTask:
    suite = Suite(
        name="arc", title="ARC", question="Does it?", tasks=(Task(name="arc_again"),),
        metrics=(Metric(name="accuracy", source="lm-eval"),), include_path=str(folder),
        revisions={NAME: commit} if commit else {},
    )  # fmt: skip
    (task,) = load_tasks(suite, limit=None, seed=1)
    return task


def test_the_commit_that_was_read_is_kept(cache: Path) -> None:
    assert load(cache).data == {NAME: COMMIT}


def test_a_pinned_commit_is_read_or_nothing_is(cache: Path) -> None:
    assert load(cache, COMMIT).data == {NAME: COMMIT}
    with pytest.raises(EvaluationError, match=rf"at commit {OTHER}, but what was loaded last is {COMMIT}\."):
        load(cache, OTHER)


def test_lm_eval_is_told_the_commit_and_only_then(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    load_dataset = datasets.load_dataset

    def recording(path: str, name: str | None = None, **others: object) -> object:
        asked.append(others.get("revision"))
        return load_dataset(path, name, **others)

    monkeypatch.setattr(datasets, "load_dataset", recording)
    for commit in (None, COMMIT, None):
        load(cache, commit)
    assert asked == [None, COMMIT, None]
    assert datasets.load_dataset is recording


def test_the_users_pin_is_stronger_than_the_tasks_own(cache: Path) -> None:
    task = yaml.safe_load((cache / "arc_again.yaml").read_text()) | {"dataset_kwargs": {"revision": OTHER}}
    (cache / "arc_again.yaml").write_text(yaml.safe_dump(task))
    with pytest.raises(EvaluationError, match=f"at commit {OTHER}"):
        load(cache)
    assert load(cache, COMMIT).data == {NAME: COMMIT}


def test_a_pin_that_no_task_reads_is_named(cache: Path, tiny: Path) -> None:
    suite = {"name": "arc", "tasks": ["arc_again"], "include_path": str(cache)}
    settings = {"model": str(tiny), "suites": [suite], "revisions": {"allenai/arc": COMMIT}}
    with pytest.raises(EvaluationError, match="no task here reads allenai/arc from a hub"):
        tasks_of(load_config(settings))


def test_a_tag_is_no_pin(tiny: Path) -> None:
    with pytest.raises(ConfigError, match=f"{NAME}: 'v1.0' is no commit. Give its 40 digits"):
        load_config({"model": str(tiny), "revisions": {NAME: "v1.0"}})
