"""The model card: what the hub's own library reads back from it."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import logs
import pytest
import yaml
from hostile import HOSTILE
from huggingface_hub import EvalResult, ModelCard
from huggingface_hub.repocard_data import model_index_to_eval_results
from markdown_it import MarkdownIt

from audit.records import AuditLog
from reports.model_card import render
from reports.reading import log_sha256

Change = Callable[[AuditLog], AuditLog]


def _metadata(log: AuditLog) -> dict[str, Any]:
    _, block, _ = render(log).decode().split("---\n", 2)
    found = yaml.safe_load(block)
    assert isinstance(found, dict)
    return found


def _results(log: AuditLog, level: str) -> list[EvalResult]:
    (entry,) = [one for one in _metadata(log)["model-index"] if one["name"].endswith(f" {level}")]
    return model_index_to_eval_results([entry])[1]


@pytest.mark.parametrize(
    "change",
    [
        lambda log: log,
        logs.passing,
        logs.stopped,
        logs.unjudged,
        logs.ruleless,
        logs.unmeasured,
        *(lambda log, text=text: logs.hostile(log, text) for text in HOSTILE),
    ],
)
@pytest.mark.parametrize("name", ["log", "gate"])
def test_the_hub_library_reads_it_and_writes_the_same_metadata(
    request: pytest.FixtureRequest, name: str, change: Change
) -> None:
    log = change(request.getfixturevalue(name))
    card = ModelCard(render(log).decode(), ignore_metadata_errors=False)
    assert card.data.to_dict()["tags"] == _metadata(log)["tags"]
    assert "# " in card.text


def test_every_product_has_an_entry_with_every_suite(log: AuditLog) -> None:
    names = [entry["name"] for entry in _metadata(log)["model-index"]]
    title = "SmolLM2-135M-Instruct"
    assert names == [f"{title} int8", f"{title} int4", f"{title} int2", f"{title} magnitude-50"]
    assert [one.dataset_type for one in _results(log, "int4")] == [
        f"shrinkproof_{suite.name}" for suite in log.config.suites
    ]


def test_a_value_is_the_artefacts_own_and_its_worth_stands_beside_it(log: AuditLog) -> None:
    first = _results(log, "int4")[0]
    assert first.task_type == "text-generation"
    assert first.metric_type == "accuracy"
    assert first.metric_value == pytest.approx(0.784375 - 39 / 640)
    assert first.metric_args is not None
    assert first.metric_args["original"] == 0.784375
    assert first.metric_args["drop"] == pytest.approx(39 / 640)
    assert first.metric_args["n_pairs"] == 640
    assert first.metric_args["margin"] == 0.03
    assert first.metric_args["decision"] == "fail"
    lower, upper = first.metric_args["drop_interval"]
    assert lower < 39 / 640 < upper


def test_nothing_is_called_verified(log: AuditLog) -> None:
    assert "verif" not in render(log).decode().split("---\n", 2)[1]


def test_what_was_not_measured_is_no_result_and_its_reason_stands_below(log: AuditLog) -> None:
    unmeasured = logs.unmeasured(log)
    assert "model-index" not in _metadata(unmeasured)
    assert "\n- nobody looked\n" in render(unmeasured).decode()


def test_an_interval_that_is_missing_says_why(log: AuditLog) -> None:
    gap = logs.GONE
    comparisons = tuple(one.model_copy(update={"interval": gap}) for one in log.comparisons)
    first = _results(log.model_copy(update={"comparisons": comparisons}), "int4")[0]
    assert first.metric_args is not None
    assert first.metric_args["drop_interval"] == "not measured: nobody looked"


def test_a_model_of_the_hub_is_the_base_and_a_folder_is_none(log: AuditLog) -> None:
    assert "base_model" not in _metadata(log)
    model = log.config.model.model_copy(update={"name": "org/small@main", "revision": "c" * 40})
    config = log.config.model_copy(update={"model": model})
    assert _metadata(log.model_copy(update={"config": config}))["base_model"] == "org/small"


def test_the_tables_hold_what_was_compressed_and_what_came_of_it(log: AuditLog) -> None:
    rows = _rows(render(log).decode())
    assert ["int4", "Fail", "int4, groups of 64, packed in int32", "10.06", "161.4\xa0MiB"] in [
        row[:5] for row in rows
    ]
    (result,) = [row for row in rows if row[0] == "int4" and row[2:4] == ["78.44 %", "72.34 %"]]
    assert result[4] == "6.09 points"
    assert result[6:] == ["3.00 points", "640", "Fail"]


def test_every_weight_file_is_pinned(log: AuditLog) -> None:
    weights = log.variants[2].model_copy(update={"files": {"model.safetensors": "ef" * 32}})
    log = log.model_copy(update={"variants": (*log.variants[:2], weights, *log.variants[3:])})
    card = render(log).decode()
    assert ["int8", "model.safetensors", "ef" * 32] in _rows(card)
    assert ["int8", "all of them", "2a" * 32] in _rows(card)
    assert f"`{log_sha256(log)}`" in card


@pytest.mark.parametrize("text", [*HOSTILE, "a: [b\n---\nc", "*a*: | `b`"])
def test_hostile_names_change_neither_metadata_nor_tables(log: AuditLog, text: str) -> None:
    hostile = logs.hostile(log, text)
    assert list(_metadata(hostile)) == list(_metadata(log))
    assert len(_rows(render(hostile).decode())) == len(_rows(render(log).decode())) + len(log.variants)


def _rows(card: str) -> list[list[str]]:
    """The cells of all tables."""
    html = MarkdownIt("commonmark").enable("table").render(card.split("---\n", 2)[2])
    assert not re.findall(r"<(a|img|script)\b", html)
    rows = [
        re.findall(r"<td[^>]*>(.*?)</td>", row, re.S) for row in re.findall(r"<tr>(.*?)</tr>", html, re.S)
    ]
    return [[unescape(re.sub(r"<[^>]*>", "", cell)) for cell in row] for row in rows if row]
