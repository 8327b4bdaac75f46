"""A trie has each distinct prefix once, and gives every request back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.harness.trie import Encoded, Trie, build

TOKENS = st.lists(st.integers(0, 3), min_size=1, max_size=5)
"""Few tokens and short texts: many requests then share prefixes, repeat, or contain one another."""
REQUESTS = st.lists(st.tuples(TOKENS, TOKENS), max_size=12)
MAX_LENGTHS = st.integers(5, 12)


def kept(request: Encoded, max_length: int) -> list[int]:
    """What HFLM keeps, counted from the right: `max_length` tokens to feed and the last, which is not fed."""
    whole = [*request[0], *request[1]]
    return whole[max(0, len(whole) - max_length - 1) :]


def text(trie: Trie, node: int) -> tuple[int, ...]:
    """The tokens from the root to the node."""
    return (*trie.token[trie.path(node)].tolist(), int(trie.token[node]))


@given(REQUESTS, MAX_LENGTHS)
def test_nodes_are_the_distinct_prefixes_of_what_is_fed(requests: list[Encoded], max_length: int) -> None:
    trie = build(requests, max_length)
    fed = [kept(request, max_length)[:-1] for request in requests]
    prefixes = {tuple(tokens[:n]) for tokens in fed for n in range(1, len(tokens) + 1)}
    texts = [text(trie, node) for node in range(len(trie))]
    assert len(texts) == len(prefixes)
    assert set(texts) == prefixes


@given(REQUESTS, MAX_LENGTHS)
def test_a_path_leads_from_the_root_to_the_parent(requests: list[Encoded], max_length: int) -> None:
    trie = build(requests, max_length)
    for node in range(len(trie)):
        path = [*trie.path(node).tolist(), node]
        assert [trie.depth[one] for one in path] == list(range(trie.depth[node] + 1))
        assert [trie.parent[one] for one in path] == [-1, *path[:-1]]


@given(REQUESTS, MAX_LENGTHS)
def test_a_subtree_is_an_interval(requests: list[Encoded], max_length: int) -> None:
    trie = build(requests, max_length)
    texts = [text(trie, node) for node in range(len(trie))]
    for node, prefix in enumerate(texts):
        below = [other for other, longer in enumerate(texts) if longer[: len(prefix)] == prefix]
        assert below == list(range(node, trie.end[node]))


@given(REQUESTS, MAX_LENGTHS)
def test_a_target_is_scored_by_the_prefix_before_it(requests: list[Encoded], max_length: int) -> None:
    trie = build(requests, max_length)
    scored = sorted(
        (request, offset, text(trie, node), target)
        for request, offset, node, target in zip(
            trie.request.tolist(), trie.offset.tolist(), trie.node.tolist(), trie.target.tolist(), strict=True
        )
    )
    expected = []
    for index, request in enumerate(requests):
        tokens, continuation = kept(request, max_length), request[1]
        for offset, target in enumerate(continuation):
            before = tokens[: len(tokens) - len(continuation) + offset]
            expected.append((index, offset, tuple(before), target))
    assert scored == expected
    assert trie.node.tolist() == sorted(trie.node.tolist())


@given(REQUESTS, MAX_LENGTHS)
def test_a_request_comes_back_as_it_was_after_its_cut(requests: list[Encoded], max_length: int) -> None:
    trie = build(requests, max_length)
    for index, request in enumerate(requests):
        tokens, continuation = kept(request, max_length), request[1]
        assert trie.encoded(index) == (tokens[: -len(continuation)], continuation)


@given(REQUESTS, MAX_LENGTHS)
def test_a_requests_depth_is_how_many_tokens_it_feeds(requests: list[Encoded], max_length: int) -> None:
    depths = build(requests, max_length).request_depths()
    assert depths.tolist() == [len(kept(request, max_length)) - 1 for request in requests]


def test_a_repeated_request_adds_targets_and_no_nodes() -> None:
    once, twice = build([([1, 2], [3, 4])], 9), build([([1, 2], [3, 4])] * 2, 9)
    assert len(once) == len(twice) == 3
    assert (len(once.target), len(twice.target)) == (2, 4)
    assert twice.encoded(0) == twice.encoded(1) == ([1, 2], [3, 4])


def test_a_request_that_begins_another_adds_no_nodes() -> None:
    trie = build([([1, 2, 3], [4, 5]), ([1], [2, 3])], 9)
    assert trie.token.tolist() == [1, 2, 3, 4]
    assert trie.encoded(1) == ([1], [2, 3])


def test_where_context_ends_makes_no_difference_to_the_nodes() -> None:
    trie = build([([1, 2, 3], [4]), ([1], [2, 3, 4])], 9)
    assert trie.token.tolist() == [1, 2, 3]
    assert trie.n_requests == 2


def test_answers_that_differ_in_their_last_token_are_scored_at_one_node() -> None:
    trie = build([([1, 2], [3]), ([1, 2], [4]), ([1, 2], [5])], 9)
    assert trie.node.tolist() == [1, 1, 1]
    assert trie.target.tolist() == [3, 4, 5]


def test_a_long_context_loses_its_beginning() -> None:
    trie = build([([1, 2, 3, 4, 5], [6, 7])], 3)
    assert trie.token.tolist() == [4, 5, 6]
    assert trie.encoded(0) == ([4, 5], [6, 7])


def test_a_continuation_as_long_as_the_model_takes_keeps_one_token_before_it() -> None:
    assert build([([1, 2, 3], [4, 5, 6])], 3).encoded(0) == ([3], [4, 5, 6])


def test_no_requests_make_an_empty_trie() -> None:
    trie = build([], 9)
    assert (len(trie), trie.n_requests, trie.node.tolist()) == (0, 0, [])


@pytest.mark.parametrize(
    ("request_", "complaint"),
    [
        (([], [1]), "request 1 has an empty context"),
        (([1], []), "request 1 has an empty continuation"),
        (([1], [1, 2, 3, 4]), "request 1 has a continuation of 4 tokens; the model takes 3"),
    ],
    ids=["no context", "no continuation", "long continuation"],
)
def test_a_request_that_cannot_be_scored_is_named(request_: Encoded, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        build([([1, 2], [3]), request_], 3)
