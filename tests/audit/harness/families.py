"""Tiny models of many families, and requests that are hard on them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

VOCABULARY = 3000
WINDOW = 8
SPREAD = 0.3
"""Of all weights: at the usual .02 a random model says the same after every context."""

SHARED = ("llama", "qwen2", "gemma2", "gemma3", "mistral", "gpt2", "gpt_neox", "phi", "opt")
"""Families that are scored as a trie."""


def family(name: str, vocabulary: int = VOCABULARY, seed: int = 0, **changes: Any) -> Any:
    """A causal model with random weights, ready to be scored."""
    from transformers import AutoConfig, AutoModelForCausalLM

    ends = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
    config = AutoConfig.for_model(
        _MODEL_TYPES.get(name, name), vocab_size=vocabulary, **ends, **_shape(name), **changes
    )
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config).eval()
    for weights in model.parameters():
        torch.nn.init.normal_(weights, std=SPREAD)
    return model


_MODEL_TYPES = {"gemma3": "gemma3_text", "falcon_alibi": "falcon"}


def _shape(name: str) -> dict[str, Any]:
    llama = {
        "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
        "num_key_value_heads": 2,
    }  # fmt: skip
    windowed = {**llama, "head_dim": 8, "sliding_window": WINDOW}
    mixed = {**windowed, "layer_types": ["sliding_attention", "full_attention"]}
    gpt2 = {"n_embd": 32, "n_layer": 2, "n_head": 4}
    bloom = {"hidden_size": 32, "n_layer": 2, "n_head": 4}
    local = {"num_layers": 2, "num_heads": 4, "window_size": 4, "attention_types": [[["global", "local"], 1]]}
    return {
        "llama": llama, "qwen2": llama, "gemma2": mixed, "gemma3": mixed, "mistral": windowed, "gpt2": gpt2,
        "gpt_neox": llama, "phi": llama, "opt": {**llama, "word_embed_proj_dim": 32, "ffn_dim": 64},
        "bloom": bloom, "falcon_alibi": {**llama, "alibi": True},
        "mamba": {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 4},
        "gpt_neo": {"hidden_size": 32, **local},
    }[name]  # fmt: skip


def unrecognised() -> Any:
    """A model whose configuration does not tell of its local attention, which counts places in the row."""
    model = family("gpt_neo")
    model.config.attention_layers = []
    return model


def continued(model: Any, context: list[int], n_tokens: int) -> list[int]:
    """The model's own greedy continuation, by plain forwards."""
    ids = list(context)
    with torch.inference_mode():
        for _ in range(n_tokens):
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    return ids[len(context) :]


def questions(model: Any, n: int = 5, seed: int = 0) -> list[tuple[Any, list[int], list[int]]]:
    """Requests with shared shots, each question with answers of 1 to 4 tokens, one of them greedy.

    Contexts are longer than `WINDOW`; the last request is a prefix of the first.
    """
    rng = np.random.default_rng(seed)

    def some(n_tokens: int) -> list[int]:
        return [int(token) for token in rng.integers(1, VOCABULARY, n_tokens)]

    shots, requests = some(12), []
    for _ in range(n):
        context = shots + some(int(rng.integers(4, 10)))
        first = some(1)
        answers = [some(3), some(1), first, first + some(3), continued(model, context, 2)]
        requests += [(None, context, answer) for answer in answers]
    requests.append((None, requests[0][1][:-2], requests[0][1][-2:]))
    return requests
