"""What a compressor touches: the linear layers but the output head, whatever a model family calls it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from audit.compressors import magnitude, rtn
from audit.loading import linear_layers, load_model
from audit.making import Making
from audit.progress import Silent
from audit.records import Record

HEADS = {"LlamaForCausalLM": "lm_head", "GPTNeoXJapaneseForCausalLM": "embed_out"}


@pytest.fixture(params=HEADS)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def model(family: str) -> Any:
    """An untrained model of the family, its head not tied to the embeddings."""
    import torch
    import transformers

    torch.manual_seed(0)
    kind = getattr(transformers, family)
    shape = {"vocab_size": 96, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = kind.config_class(**shape, bos_token_id=0, eos_token_id=0, tie_word_embeddings=False)
    return kind(config).eval()


@pytest.fixture
def witness() -> Any:
    import torch

    return torch.arange(8).unsqueeze(0)


def making(model: Any, options: Record, out: Path, witness: Any) -> Making[Any]:
    return Making(model, options, out, witness, None, out / "scratch", Silent())


def test_every_linear_layer_is_named_but_the_head(model: Any, family: str) -> None:
    import torch

    linear = {name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    assert {name for name, _ in linear_layers(model)} == linear - {HEADS[family]}


def test_the_quantised_checkpoint_says_that_the_head_is_not(
    model: Any, family: str, witness: Any, tmp_path: Path
) -> None:
    rtn.compress(making(model, rtn.Options(bits=4, group_size=32), tmp_path, witness))
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["quantization_config"]["ignore"] == [HEADS[family]]


def test_the_quantised_checkpoint_loads_with_the_head_that_it_had(
    model: Any, witness: Any, tmp_path: Path
) -> None:
    head = model.get_output_embeddings().weight.detach().clone()
    rtn.compress(making(model, rtn.Options(bits=2, group_size=32), tmp_path, witness))
    assert load_model(tmp_path).get_output_embeddings().weight.equal(head)  # type: ignore[no-untyped-call]


def test_pruning_leaves_the_head_without_a_zero(model: Any, witness: Any, tmp_path: Path) -> None:
    magnitude.compress(making(model, magnitude.Options(sparsity=0.5), tmp_path, witness))
    assert (model.get_output_embeddings().weight != 0).all()
