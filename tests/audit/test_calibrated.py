"""Methods that look at text: what they draw is in the log, and they do better than those that don't look."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from audit import AuditLog, load_config, run_audit
from audit.calibration import Calibrated, described, draw
from audit.errors import ConfigError
from audit.loading import linear_layers, load_model, load_tokenizer

WORDS = (
    "the", "cat", "sat", "on", "a", "mat", "and", "then", "it", "ran", "to", "old", "house", "where", "lives",
)  # fmt: skip


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four hundred documents, a blank line between them."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("text") / "calibration.txt"
    path.write_text("\n\n".join(" ".join(rng.choice(WORDS, 40)) for _ in range(400)))
    return path


def test_the_draw_depends_on_the_seed_alone(text: Path, tiny: Path) -> None:
    tokenizer = load_tokenizer(tiny)
    options = Calibrated(calibration=text, samples=16, sequence_length=32)
    tokens = draw(options, tokenizer)
    assert tokens.shape == (16, 32)
    assert len({row.tobytes() for row in tokens}) == 16
    np.testing.assert_array_equal(tokens, draw(options, tokenizer))
    other = draw(options.model_copy(update={"seed": 1}), tokenizer)
    assert not np.array_equal(tokens, other)
    assert described(options, tokens).sha256 != described(options, other).sha256


def test_json_lines_and_parquet_hold_the_same_text(text: Path, tiny: Path, tmp_path: Path) -> None:
    lines = tmp_path / "text.jsonl"
    lines.write_text("\n".join(json.dumps({"text": part}) for part in text.read_text().split("\n\n")))
    table = tmp_path / "text.parquet"
    pd.DataFrame({"id": range(400), "text": text.read_text().split("\n\n")}).to_parquet(table)
    first, *others = (
        draw(Calibrated(calibration=path, samples=8, sequence_length=16), load_tokenizer(tiny))
        for path in (text, lines, table)
    )
    for other in others:
        np.testing.assert_array_equal(first, other)


def test_bad_calibration_text_is_named(tiny: Path, tmp_path: Path) -> None:
    tokenizer, path = load_tokenizer(tiny), tmp_path / "short.txt"
    with pytest.raises(ConfigError, match="can't be read"):
        draw(Calibrated(calibration=path), tokenizer)
    path.write_text("the cat")
    with pytest.raises(ConfigError, match="0 stretches of 512; 128 are asked for"):
        draw(Calibrated(calibration=path), tokenizer)
    pd.DataFrame({"page": ["the cat"]}).to_parquet(tmp_path / "odd.parquet")
    with pytest.raises(ConfigError, match="parquet with the column `text`"):
        draw(Calibrated(calibration=tmp_path / "odd.parquet"), tokenizer)
    (tmp_path / "odd.jsonl").write_text('{"page": "the cat"}\n')
    with pytest.raises(ConfigError, match="the key `text`"):
        draw(Calibrated(calibration=tmp_path / "odd.jsonl"), tokenizer)


def test_a_library_that_is_missing_is_named_before_anything_is_made(
    tiny: Path, text: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.compressors.gptq.LIBRARY", "no-such-library")
    levels = [{"method": "gptq", "bits": 4, "calibration": str(text)}]
    with pytest.raises(ConfigError, match=r"pip install 'shrinkproof\[no-such-library\]'"):
        load_config({"model": str(tiny), "levels": levels})


# With llm-compressor


@pytest.fixture(scope="module")
def log(tiny: Path, text: Path, tmp_path_factory: pytest.TempPathFactory) -> AuditLog:
    pytest.importorskip("llmcompressor", reason="the extra llmcompressor is not installed")
    folder = tmp_path_factory.mktemp("calibrated")
    load_model(tiny, dtype="bfloat16").save_pretrained(folder / "model")
    load_tokenizer(tiny).save_pretrained(folder / "model")
    looked = {"calibration": str(text), "samples": 64, "sequence_length": 48}
    levels = [
        {"method": "rtn", "bits": 3, "group_size": 32, "name": "rtn-3"},
        {"method": "gptq", "bits": 3, "group_size": 32, "name": "gptq-3", **looked},
        "magnitude-50",
        {"method": "wanda", "name": "wanda-50", **looked},
        {"method": "sparsegpt", "name": "sparsegpt-50", **looked},
        {"method": "wanda", "pattern": "2:4", "name": "wanda-24", **looked},
    ]
    config = {
        "model": str(folder / "model"), "levels": levels, "suites": ["accuracy"], "limit": 4,
        "sequential": False, "dtype": "float32", "out": str(folder / "run"),
    }  # fmt: skip
    return run_audit(load_config(config))


def _error(log: AuditLog, text: Path, name: str) -> float:
    """Mean squared error of the logits on the calibration text's own kind of text."""
    tokenizer = load_tokenizer(Path(log.variants[0].path))
    options = Calibrated(calibration=text, samples=32, sequence_length=48, seed=7)
    ids = torch.from_numpy(draw(options, tokenizer))
    folders = {one.name: Path(one.path) for one in log.variants}
    with torch.inference_mode():
        before, after = (load_model(folders[one], dtype="float32")(ids).logits for one in ("original", name))
    return float((before - after).square().mean())


@pytest.mark.parametrize(
    ("looks", "does_not"),
    [("gptq-3", "rtn-3"), ("wanda-50", "magnitude-50"), ("sparsegpt-50", "wanda-50")],
)
def test_who_looks_at_text_does_better_on_it(log: AuditLog, text: Path, looks: str, does_not: str) -> None:
    assert _error(log, text, looks) < _error(log, text, does_not)


def test_the_log_says_what_was_looked_at(log: AuditLog) -> None:
    found = {one.name: one.calibration for one in log.variants}
    assert found["rtn-3"] is found["magnitude-50"] is None
    drawn = found["gptq-3"]
    assert drawn is not None
    assert (drawn.source, drawn.samples, drawn.sequence_length) == ("calibration.txt", 64, 48)
    assert drawn == found["wanda-50"]
    assert [one.reload_error for one in log.variants] == [0.0] * len(log.variants)


def test_the_zeros_are_where_the_pattern_says(log: AuditLog) -> None:
    sparsity = {one.name: one.sparsity for one in log.variants}
    assert sparsity["wanda-50"] == pytest.approx(0.5, abs=0.01)
    assert sparsity["sparsegpt-50"] == pytest.approx(0.5, abs=0.01)
    folder = next(one.path for one in log.variants if one.name == "wanda-24")
    for _, module in linear_layers(load_model(Path(folder), dtype="float32")):
        kept = (module.weight.detach().reshape(-1, 4) != 0).sum(1)
        assert int(kept.max()) <= 2
