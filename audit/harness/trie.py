"""The requests of a task as one token trie: every distinct prefix token is one node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

Encoded = tuple[Sequence[int], Sequence[int]]
"""Token ids of context and continuation, neither of them empty."""


class UnaskableError(ValueError):
    """A request that no number can be had of."""

    def __init__(self, request: int, reason: str) -> None:
        super().__init__(f"request {request} {reason}.")
        self.request, self.reason = request, reason


@dataclass(frozen=True)
class Trie:
    """Nodes in depth-first order, so that a subtree is an interval: i lies under j iff j ≤ i < end[j].

    A continuation's last token is scored but never fed, hence no node. Targets are sorted by the node
    that predicts them.
    """

    token: Ints
    """[nodes] token id."""
    depth: Ints
    """[nodes] position of the token in its request, from 0."""
    parent: Ints
    """[nodes] index of the node before it; −1 for a first token."""
    end: Ints
    """[nodes] one past the last node of its subtree."""
    node: Ints
    """[targets] the node whose logits score the target."""
    target: Ints
    """[targets] token id to be scored."""
    request: Ints
    """[targets] index of the request that it belongs to."""
    offset: Ints
    """[targets] place of the target in the continuation, from 0."""
    n_requests: int
    cut: frozenset[int] = frozenset()
    """Requests that were longer than the model takes."""

    def __len__(self) -> int:
        return len(self.token)

    def path(self, node: int) -> Ints:
        """[depth] the ancestors of a node, first token first, without itself."""
        chain = np.empty(self.depth[node], dtype=np.int64)
        for place in range(len(chain) - 1, -1, -1):
            node = chain[place] = self.parent[node]
        return chain

    def encoded(self, request: int) -> Encoded:
        """A request as it was built in, after its cut."""
        mine = np.flatnonzero(self.request == request)
        mine = mine[np.argsort(self.offset[mine])]
        last, continuation = self.node[mine[-1]], self.target[mine].tolist()
        whole = [*self.token[self.path(last)].tolist(), int(self.token[last]), continuation[-1]]
        return whole[: -len(continuation)], continuation

    def longest(self) -> int:
        """Tokens that the longest request feeds; 0 without any."""
        return int(self.depth.max(initial=-1)) + 1

    def request_depths(self) -> Ints:
        """[requests] how many tokens each feeds."""
        deepest = np.zeros(self.n_requests, dtype=np.int64)
        np.maximum.at(deepest, self.request, self.depth[self.node] + 1)
        return deepest


def build(requests: Sequence[Encoded], max_length: int) -> Trie:
    """The trie of the requests, each cut from the left to `max_length` fed tokens as HFLM cuts it.

    Raises UnaskableError for an empty context or continuation, or a continuation longer than `max_length`.
    """
    tokens = [_fed(request, index, max_length) for index, request in enumerate(requests)]
    order = sorted(range(len(tokens)), key=tokens.__getitem__)
    flat: list[list[int]] = []
    depth: list[Ints] = []
    parent: list[Ints] = []
    nodes: list[Ints] = [np.empty(0, dtype=np.int64)] * len(tokens)
    path, before, n = np.empty(0, dtype=np.int64), list[int](), 0
    for index in order:
        new = tokens[index]
        shared = _common_prefix(before, new)
        fresh = np.arange(n, n + len(new) - shared)
        n += len(fresh)
        flat.append(new[shared:])
        depth.append(np.arange(shared, len(new)))
        grown = np.concatenate([path[:shared], fresh])
        above = grown[shared - 1] if shared else -1
        parent.append(np.concatenate([[above], fresh])[: len(fresh)])
        path, before = grown, new
        nodes[index] = path[-len(requests[index][1]) :]
    token = np.array([one for part in flat for one in part], dtype=np.int64)
    found = _with_targets(token, _joined(depth), _joined(parent), nodes, requests)
    cut = frozenset(index for index, parts in enumerate(requests) if sum(map(len, parts)) > max_length + 1)
    return replace(found, cut=cut)


def check(request: Encoded, index: int, max_length: int) -> None:
    """Raises ValueError for an empty context or continuation, or one that the model can't be shown whole."""
    context, continuation = request
    if not continuation:
        raise UnaskableError(
            index,
            "has an empty continuation: no text, or none with a token of its own beside its context's, and "
            "the log-likelihood of nothing is 0, the best there is",
        )
    if not context:
        raise UnaskableError(index, "has an empty context: white space at its end counts to what follows")
    if len(continuation) > max_length:
        raise UnaskableError(
            index, f"has a continuation of {len(continuation)} tokens; the model takes {max_length}"
        )


def _fed(request: Encoded, index: int, max_length: int) -> list[int]:
    """The tokens that a request feeds to the model."""
    check(request, index, max_length)
    context, continuation = request
    return [*context, *continuation][-(max_length + 1) :][:-1]


def _common_prefix(one: list[int], other: list[int]) -> int:
    """Length of the longest common prefix, by halving: comparing slices is fast, a Python loop is not."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _with_targets(
    token: Ints, depth: Ints, parent: Ints, nodes: list[Ints], requests: Sequence[Encoded]
) -> Trie:
    lengths = np.array([len(part) for part in nodes], dtype=np.int64)
    node = _joined(nodes)
    order = np.argsort(node, kind="stable")
    target = np.array([one for _, continuation in requests for one in continuation], dtype=np.int64)
    request = np.repeat(np.arange(len(nodes)), lengths)
    offset = np.arange(len(node)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return Trie(
        token=token, depth=depth, parent=parent, end=_ends(depth), node=node[order],
        target=target[order], request=request[order], offset=offset[order], n_requests=len(nodes),
    )  # fmt: skip


def _ends(depth: Ints) -> Ints:
    """One past each subtree: the next node that is no deeper."""
    end = np.full(len(depth), len(depth), dtype=np.int64)
    open_nodes: list[int] = []
    for index, level in enumerate(depth.tolist()):
        while len(open_nodes) > level:
            end[open_nodes.pop()] = index
        open_nodes.append(index)
    return end


def _joined(parts: list[Ints]) -> Ints:
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)
