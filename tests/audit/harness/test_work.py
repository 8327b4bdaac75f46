"""How much a scored task computes, counted and not timed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from families import VOCABULARY, family
from lm_eval.models.huggingface import HFLM
from torch.utils.flop_counter import FlopCounterMode

from audit.harness import shared_prefix
from audit.harness.shared_prefix import FEWEST_TOKENS, MOST_TOKENS, SharedPrefixLM, pick_pack_tokens
from audit.harness.trie import build

SHOTS, QUESTION, ANSWER, N_QUESTIONS, N_ANSWERS = 5 * 30, 25, 4, 20, 4
"""Tokens of five shots, a question and an answer; how many questions, and answers to each."""


@pytest.fixture(scope="module")
def requests() -> list[tuple[Any, list[int], list[int]]]:
    """Questions after the same shots; questions and answers differ from their first token on."""
    rng = np.random.default_rng(0)
    first = iter(rng.permutation(VOCABULARY).tolist())

    def some(n_tokens: int) -> list[int]:
        return [next(first), *rng.integers(0, VOCABULARY, n_tokens - 1).tolist()]

    shots = some(SHOTS)
    contexts = [shots + some(QUESTION) for _ in range(N_QUESTIONS)]
    return [(None, context, some(ANSWER)) for context in contexts for _ in range(N_ANSWERS)]


@pytest.fixture(scope="module")
def model() -> Any:
    """Eager, since torch doesn't count the CPU's fused attention."""
    return family("llama", attn_implementation="eager")


@pytest.fixture
def ours(model: Any, tokenizer: Any, requests: list[Any]) -> SharedPrefixLM:
    """The scorer, whose model has been proven: that is done once, not for each task."""
    lm = SharedPrefixLM(pretrained=model, tokenizer=tokenizer, batch_size=8, pack_tokens=256)
    lm.prove(build([request[1:] for request in requests], lm.max_length))
    assert lm.fallback is None
    return lm


@contextmanager
def watched(module: Any, look: Callable[[Any], None]) -> Iterator[None]:
    """Show the first argument of each forward of the module."""
    handle = module.register_forward_hook(lambda _, arguments, __: look(arguments[0]))
    try:
        yield
    finally:
        handle.remove()


def flops(lm: HFLM, requests: list[Any]) -> int:
    with FlopCounterMode(display=False) as counter:
        lm._loglikelihood_tokens(requests, disable_tqdm=True)
    return int(counter.get_total_flops())


def test_every_distinct_prefix_token_is_fed_once(ours: SharedPrefixLM, requests: list[Any]) -> None:
    fed: list[int] = []
    with watched(ours.model.get_input_embeddings(), lambda ids: fed.extend(ids.flatten().tolist())):
        ours._loglikelihood_tokens(requests, disable_tqdm=True)
    distinct = {
        tuple([*context, *answer][:n])
        for _, context, answer in requests
        for n in range(1, len(context) + len(answer))
    }
    assert len(fed) == len(distinct) == SHOTS + N_QUESTIONS * (QUESTION + N_ANSWERS * (ANSWER - 1))
    assert sorted(fed) == sorted(prefix[-1] for prefix in distinct)


def test_the_output_head_runs_on_scored_positions_alone(ours: SharedPrefixLM, requests: list[Any]) -> None:
    rows: list[int] = []
    with watched(ours.model.get_output_embeddings(), lambda hidden: rows.append(hidden[..., 0].numel())):
        ours._loglikelihood_tokens(requests, disable_tqdm=True)
    assert sum(rows) == N_QUESTIONS * (1 + N_ANSWERS * (ANSWER - 1))


def test_shared_shots_save_the_arithmetic_that_counting_tokens_says(
    ours: SharedPrefixLM, model: Any, tokenizer: Any, requests: list[Any]
) -> None:
    """A bound on HFLM's arithmetic over ours, from tokens, positions and the model's shape.

    A token costs 2 FLOPs for each weight of the layers, a position 2 for each of the head's; attention 4
    for each query, key, layer and unit of width (scores and values). All 80 rows have the same length L:
    HFLM pads nothing and runs head and full-square attention over 80 · L tokens. We feed shots once,
    questions once and answers without their last token; the head runs at a question's end, once for its
    answers, and on those answers; a token attends to no more than its pack and the path before it.
    """
    length = SHOTS + QUESTION + ANSWER - 1
    head = 2 * model.lm_head.weight.numel()
    layers = 2 * sum(weights.numel() for weights in model.model.layers.parameters() if weights.ndim == 2)
    per_key = 4 * model.config.num_hidden_layers * model.config.hidden_size
    theirs = len(requests) * length * (layers + head + per_key * length)
    fed = SHOTS + N_QUESTIONS * (QUESTION + N_ANSWERS * (ANSWER - 1))
    scored = N_QUESTIONS * (1 + N_ANSWERS * (ANSWER - 1))
    at_most = fed * (layers + per_key * (length + ours.masked().pack_tokens)) + scored * head
    assert theirs / at_most > 20  # 80 · 178 tokens against 890, and the head at 260 of them

    batches_of_eight = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=8)
    counted = flops(batches_of_eight, requests)
    assert counted == pytest.approx(theirs, rel=0.01)
    assert counted / flops(ours, requests) >= theirs / at_most


def test_a_model_is_proven_once_for_requests_no_deeper(ours: SharedPrefixLM, requests: list[Any]) -> None:
    def fed(asked: list[Any]) -> int:
        tokens: list[int] = []
        with watched(ours.model.get_input_embeddings(), lambda ids: tokens.append(ids.numel())):
            ours._loglikelihood_tokens(asked, disable_tqdm=True)
        return sum(tokens)

    def nodes(asked: list[Any]) -> int:
        return len(build([request[1:] for request in asked], ours.max_length))

    shorter = [(None, context[7:], answer) for _, context, answer in requests]
    deeper = [(None, [1, *context], answer) for _, context, answer in requests]
    assert fed(shorter) == nodes(shorter)
    assert fed(deeper) > nodes(deeper)
    assert fed(deeper) == nodes(deeper)


@pytest.mark.parametrize(
    ("free_bytes", "expected"), [(1 << 40, MOST_TOKENS["cpu"]), (0, FEWEST_TOKENS)], ids=["plenty", "none"]
)
def test_packs_are_bounded_by_the_device_and_by_memory(
    model: Any, monkeypatch: pytest.MonkeyPatch, free_bytes: int, expected: int
) -> None:
    monkeypatch.setattr(shared_prefix, "free_bytes", lambda device: free_bytes)
    assert pick_pack_tokens(model) == expected


def test_packs_shrink_with_memory(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    per_token = 4 * VOCABULARY  # one row of logits in float32 is the least that a token takes
    monkeypatch.setattr(shared_prefix, "free_bytes", lambda device: 128 * per_token)
    assert FEWEST_TOKENS <= pick_pack_tokens(model) < 128
