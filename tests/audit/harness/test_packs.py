"""Any trie, cut into packs of any size, is scored as its requests are one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from families import family, questions
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.harness.attention import MaskedModel, windows
from audit.harness.measures import Answers, answers
from audit.harness.packs import bounds, scored_packs
from audit.harness.trie import Encoded, Trie, build

PACK_SIZES = (1, 3, 17, 64, 10_000)
FEW_TOKENS = 6
"""A vocabulary in which random requests share their beginnings."""


def one_by_one(model: Any, trie: Trie) -> np.ndarray[Any, Any]:
    """[requests] log-likelihoods from plain forwards, nats."""
    found = []
    for request in range(trie.n_requests):
        context, continuation = trie.encoded(request)
        ids = torch.tensor([*context, *continuation])
        with torch.inference_mode():
            logprobs = torch.log_softmax(model(ids[None, :-1]).logits[0], dim=-1)
        places = torch.arange(len(context) - 1, len(ids) - 1)
        found.append(float(logprobs[places, ids[places + 1]].sum()))
    return np.array(found)


def summed(found: Answers, trie: Trie) -> np.ndarray[Any, Any]:
    return np.bincount(trie.request, weights=found.logprob, minlength=trie.n_requests)


@pytest.fixture(scope="module", params=["llama", "gemma3", "gpt2"])
def model(request: pytest.FixtureRequest) -> Any:
    """Rotary positions, sliding windows, learned positions."""
    return family(request.param)


@pytest.fixture(scope="module", params=["llama", "gemma3"])
def few(request: pytest.FixtureRequest) -> Any:
    """A model of few tokens, with and without a sliding window."""
    return family(request.param, vocabulary=FEW_TOKENS)


def test_the_size_of_packs_changes_no_answer(model: Any) -> None:
    trie = build([request[1:] for request in questions(model)], 1000)
    expected = one_by_one(model, trie)
    found = [answers(MaskedModel(model, windows(model), size), trie) for size in PACK_SIZES]
    for one in found:
        assert summed(one, trie) == pytest.approx(expected, abs=1e-4)
        assert one.greedy.tolist() == found[0].greedy.tolist()
    assert 0 < found[0].greedy.mean() < 1


TOKENS = st.lists(st.integers(0, FEW_TOKENS - 1), min_size=1, max_size=12)


@settings(max_examples=40)
@given(st.lists(st.tuples(TOKENS, TOKENS), min_size=1, max_size=6), st.integers(1, 60))
def test_any_trie_is_scored_as_its_requests_one_by_one(
    few: Any, requests: list[Encoded], pack_tokens: int
) -> None:
    trie = build(requests, 1000)
    found = answers(MaskedModel(few, windows(few), pack_tokens), trie)
    assert summed(found, trie) == pytest.approx(one_by_one(few, trie), abs=1e-4)


@given(st.integers(0, 500), st.integers(1, 600))
def test_packs_follow_one_another_and_are_as_few_as_their_size_allows(n_nodes: int, size: int) -> None:
    found = bounds(n_nodes, size)
    assert [node for start, stop in found for node in range(start, stop)] == list(range(n_nodes))
    assert len(found) == -(-n_nodes // size)
    lengths = {stop - start for start, stop in found}
    assert max(lengths, default=0) <= size
    assert max(lengths, default=0) - min(lengths, default=0) <= 1


def test_a_pack_attends_to_itself_and_to_the_path_before_it(llama: Any) -> None:
    trie = build([request[1:] for request in questions(llama)], 1000)
    seen: list[tuple[int, int]] = []

    def look(_: Any, __: Any, arguments: dict[str, Any]) -> None:
        seen.append(tuple(arguments["attention_mask"].shape[-2:]))

    handle = llama.register_forward_pre_hook(look, with_kwargs=True)
    try:
        list(scored_packs(MaskedModel(llama, windows(llama), 17), trie))
    finally:
        handle.remove()
    assert seen == [
        (stop - start, int(trie.depth[start]) + stop - start) for start, stop in bounds(len(trie), 17)
    ]


def test_packs_tell_of_all_their_tokens(llama: Any) -> None:
    trie, told = build([request[1:] for request in questions(llama)], 1000), list[int]()
    answers(MaskedModel(llama, windows(llama), 17), trie, told.append)
    assert sum(told) == len(trie)
    assert len(told) == -(-len(trie) // 17)


def test_the_output_head_is_left_as_it_was(llama: Any) -> None:
    trie = build([request[1:] for request in questions(llama)], 1000)
    answers(MaskedModel(llama, windows(llama), 17), trie)
    assert llama(torch.tensor([[1, 2, 3]])).logits.shape[1] == 3
