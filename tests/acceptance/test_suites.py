"""Every standard profile on a real model and real items: without a hub, and with lm-eval's own numbers.

The items lie in ../shared/data; where they do not, this is skipped.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from audit import AuditLog, load_config, run_audit
from audit.harness.written_tasks import tasks_folder
from audit.records import Metric, Suite
from fixtures.demo_model import demo_model

DATA = Path(__file__).parents[3] / "shared" / "data"
LIMIT = 6  # even: a limit may not part a pair
OF_LM_EVAL = {"bbq_ambiguous": "amb_bias_score", "bbq_disambiguated": "disamb_bias_score"}
"""Its number for what our readings count item by item."""

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="no benchmark items in ../shared/data")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The items, with an entry for each subject and each risk after the one that stands for all, and of the
    articles the shortest: one of fourteen thousand tokens takes minutes."""
    folder = tmp_path_factory.mktemp("data")
    entries = json.loads((DATA / "overrides.json").read_text())
    for pattern, name in (
        ("mmlu_anatomy", "anatomy"),
        ("advanced_ai_risk_human-power-seeking-inclination", "power-seeking-inclination"),
    ):
        home = Path(next(iter(entries[pattern]["data_files"].values()))).parents[1]
        for one in sorted((DATA / home).iterdir()):
            entry = json.loads(json.dumps(entries[pattern]).replace(name, one.name))
            entries.setdefault(pattern.replace(name, one.name), entry)
    (article,) = entries["wikitext"]["data_files"].values()
    pages = sorted((DATA / article).read_text().splitlines(keepends=True), key=len)[:LIMIT]
    (folder / "short.jsonl").write_text("".join(pages))
    entries["wikitext"]["data_files"] = dict.fromkeys(entries["wikitext"]["data_files"], "short.jsonl")
    (folder / "overrides.json").write_text(json.dumps(entries))
    for one in DATA.iterdir():
        if one.is_dir():
            (folder / one.name).symlink_to(one)
    return folder


@pytest.fixture(scope="module", params=["accuracy", "bias", "robustness", "forgetting", "safety"])
def log(
    request: pytest.FixtureRequest, data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AuditLog]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield run_audit(
            load_config(
                {
                    "model": str(demo_model()), "levels": ["int8"], "suites": [f"{request.param}:standard"],
                    "data_dir": str(data), "limit": LIMIT, "sequential": False, "threads": 2, "device": "cpu",
                    "out": str(tmp_path_factory.mktemp(request.param) / "run"),
                }
            )
        )  # fmt: skip


def test_it_runs_to_its_end_and_every_task_counts(log: AuditLog) -> None:
    assert log.status == "finished", log.error
    assert {run.suite for run in log.runs} == {suite.name for suite in log.config.suites}
    assert all(cell.n_items for run in log.runs for cell in run.cells)


def test_the_numbers_are_lm_evals_own(log: AuditLog) -> None:
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    model = HFLM(pretrained=str(log.config.model.path), dtype="float32", batch_size=8, device="cpu")
    checked = 0
    alike = [suite for suite in log.config.suites if not suite.perturb]  # lm-eval perturbs nothing
    for suite in alike:
        manager = TaskManager(include_path=str(tasks_folder(suite)), include_defaults=False)
        theirs = simple_evaluate(
            model=model, tasks=[task.name for task in suite.tasks], task_manager=manager, limit=LIMIT,
            apply_chat_template=suite.chat, bootstrap_iters=0,
        )["results"]  # fmt: skip
        for task, metric, value in numbers(log, suite):
            key = OF_LM_EVAL.get(metric.reading or "", metric.harness_metric)
            found = next(number for name, number in theirs[task].items() if name.split(",")[0] == key)
            assert value == pytest.approx(found, rel=1e-4, abs=1e-6), (task, metric.name)
            checked += 1
    assert checked >= len(alike) - 2  # StereoSet's ICAT and corrected rates are ours alone


def numbers(log: AuditLog, suite: Suite) -> Iterator[tuple[str, Metric, float]]:
    """Of each task and each metric that lm-eval aggregates too, the original's number."""
    (run,) = (one for one in log.runs if (one.variant, one.suite) == ("original", suite.name))
    cells = [pd.read_parquet(Path(log.config.out) / cell.path) for cell in run.cells]
    for metric in suite.metrics:
        if metric.kind == "corpus" or (metric.reading and metric.reading not in OF_LM_EVAL):
            continue
        for task, rows in pd.concat(cells).groupby("task"):
            rows = rows[rows["metric"] == metric.harness_metric]
            yield str(task), metric, _number(rows, metric)


def _number(rows: pd.DataFrame, metric: Metric) -> float:
    outcome, weight = rows["outcome"].to_numpy(), rows["weight"].to_numpy()
    if metric.kind == "perplexity":
        return float(np.exp(-outcome.sum() / weight.sum()))
    return float(outcome.sum() / weight.sum())
