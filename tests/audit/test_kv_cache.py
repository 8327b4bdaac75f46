"""The memory of keys and values, from the configs of well-known architectures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from audit.kv_cache import cache_shape
from audit.records import CacheShape, NotMeasured


def config(kind: str, **fields: Any) -> Any:
    import transformers

    return getattr(transformers, kind)(**fields)


def test_grouped_heads_share_their_keys_and_values() -> None:
    # Llama 3 8B: 32 layers, 8 key-value heads of 128: 128 KiB a token (Llama 3 herd of models, table 3)
    shape = cache_shape(
        config(
            "LlamaConfig", num_hidden_layers=32, num_attention_heads=32, num_key_value_heads=8,
            hidden_size=4096,
        )
    )  # fmt: skip
    assert isinstance(shape, CacheShape)
    assert shape.bytes_at(1) == 128 * 1024


def test_older_names_mean_the_same() -> None:
    # GPT-2 XL: 48 layers, 25 heads of 64
    shape = cache_shape(config("GPT2Config", n_layer=48, n_head=25, n_embd=1600))
    assert shape == CacheShape(full_layers=48, values_per_token=2 * 25 * 64)


def test_one_head_for_all_queries_counts_once() -> None:
    # Falcon 7B: 71 query heads of 64, one of keys and values
    shape = cache_shape(
        config("FalconConfig", num_hidden_layers=32, num_attention_heads=71, hidden_size=4544)
    )
    assert shape == CacheShape(full_layers=32, values_per_token=2 * 64)


def test_a_head_may_be_wider_than_its_share() -> None:
    # Gemma 7B: 16 heads of 256 in a width of 3072
    shape = cache_shape(
        config(
            "GemmaConfig", num_hidden_layers=28, num_attention_heads=16, num_key_value_heads=16,
            head_dim=256, hidden_size=3072,
        )
    )  # fmt: skip
    assert shape == CacheShape(full_layers=28, values_per_token=2 * 16 * 256)


def test_layers_with_a_window_keep_no_more_than_that() -> None:
    fields = {"num_hidden_layers": 4, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 16}
    shape = cache_shape(config("Gemma2Config", sliding_window=100, **fields))
    assert shape == CacheShape(full_layers=2, windowed_layers=2, window=100, values_per_token=2 * 4 * 16)


def test_a_window_for_all_layers_is_read_too() -> None:
    # Mistral 7B 0.1
    shape = cache_shape(config("MistralConfig", sliding_window=4096))
    assert shape == CacheShape(full_layers=0, windowed_layers=32, window=4096, values_per_token=2 * 8 * 128)


@pytest.mark.parametrize("kind", ["MambaConfig", "DeepseekV3Config", "JambaConfig", "RecurrentGemmaConfig"])
def test_what_keeps_something_else_is_not_counted(kind: str) -> None:
    assert isinstance(cache_shape(config(kind)), NotMeasured)


def test_the_count_is_what_the_tiny_model_really_keeps(tiny: Path) -> None:
    import torch

    from audit.loading import load_model

    model = load_model(tiny)
    with torch.inference_mode():
        cache = model(torch.arange(20).unsqueeze(0), use_cache=True).past_key_values
    kept = sum(layer.keys.numel() + layer.values.numel() for layer in cache.layers)
    shape = cache_shape(model.config)
    assert isinstance(shape, CacheShape)
    assert shape.bytes_at(20) == 2 * kept
