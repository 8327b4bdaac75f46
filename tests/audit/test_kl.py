"""What a perplexity suite says of a level, against plain forwards of its checkpoint on the same tokens."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from made_up_articles import LEVELS, measured, parted
from transformers import AutoModelForCausalLM, AutoTokenizer, CompressedTensorsConfig

from audit.records import Divergence
from fixtures.methods.measured import Row
from fixtures.methods.text import Parted


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parted:
    return parted(tmp_path_factory.mktemp("articles"))


@pytest.fixture(scope="module")
def rows(tiny: Path, parts: Parted, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Row]:
    return measured(tiny, parts, tmp_path_factory.mktemp("audits"))


def pages(parts: Parted) -> list[str]:
    lines = (parts.tasks / "articles.jsonl").read_text().splitlines()
    return [json.loads(line)["page"] for line in lines]


def detokenised(page: str) -> str:
    """What lm-eval's detokenizer does to the marks that the made-up articles hold."""
    for mark, joined in ((" . ", ". "), (" , ", ", "), (" \n", "\n"), ("\n ", "\n"), (" 's", "'s")):
        page = page.replace(mark, joined)
    return page


@dataclass(frozen=True)
class Plain:
    """A checkpoint's full distributions, by the tokens that precede."""

    logprobs: dict[tuple[int, ...], torch.Tensor]
    total: float
    """Log-likelihood of all articles."""


def plain(folder: Path, texts: list[str]) -> Plain:
    packed = "quantization_config" in json.loads((folder / "config.json").read_text())
    how = {"quantization_config": CompressedTensorsConfig(dequantize=True)} if packed else {}
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **how)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    found, total = {}, 0.0
    for text in texts:
        ids = [tokenizer.bos_token_id, *tokenizer(text).input_ids]
        with torch.inference_mode():
            rows = model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
        for place, token in enumerate(ids[1:]):
            found[tuple(ids[: place + 1])] = rows[place]
            total += float(rows[place, token])
    return Plain(found, total)


@pytest.mark.parametrize("level", LEVELS)
def test_the_divergence_is_that_of_plain_forwards(level: str, rows: dict[str, Row], parts: Parted) -> None:
    row, texts = rows[level], [detokenised(page) for page in pages(parts)]
    p, q = (plain(Path(one.path), texts).logprobs for one in row.log.variants)
    kl = np.array([float((p[at].exp() * (p[at] - q[at])).sum()) for at in p])
    found = row.comparison.divergence
    assert isinstance(found, Divergence)
    assert found.n_positions == len(kl) > 300
    assert abs(found.kl - kl.mean()) <= 4 * found.kl_error + 1e-6
    assert found.kl_error < 0.05 * found.kl
    assert found.kl_p95 == pytest.approx(np.quantile(kl, 0.95), rel=0.05)
    assert row.kl_quantile(0.99) == pytest.approx(np.quantile(kl, 0.99), rel=0.05)
    assert found.same_top == np.mean([int(p[at].argmax()) == int(q[at].argmax()) for at in p])


@pytest.mark.parametrize("level", LEVELS)
def test_the_perplexity_is_that_of_plain_forwards(level: str, rows: dict[str, Row], parts: Parted) -> None:
    texts = [detokenised(page) for page in pages(parts)]
    # lm-eval splits at white space, so an article that begins and ends with some has two empty words more
    words = sum(len(page.split()) + 2 for page in pages(parts))
    for variant, value in zip(
        rows[level].log.variants, (rows[level].comparison.before, rows[level].comparison.after), strict=True
    ):
        assert value == pytest.approx(math.exp(-plain(Path(variant.path), texts).total / words), rel=1e-4)
