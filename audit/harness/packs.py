"""A trie through a model, pack by pack: each node is computed once, the head runs where it is scored.

Nodes are taken in depth-first order, so all that a pack needs of earlier packs are the ancestors of its
first node: one path, whose keys and values are kept. Within the pack a mask lets each token see its own
ancestors only (tree attention as in SpecInfer, Miao et al. 2024, here for scoring).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.devices import input_device
from audit.harness.attention import MaskedModel, UnsupportedAttentionError, masks
from audit.harness.trie import Ints, Trie

if TYPE_CHECKING:
    import torch
    from transformers import DynamicCache, PreTrainedModel


@dataclass(frozen=True)
class ScoredPack:
    """The logits of one pack at its scored nodes."""

    targets: slice
    """Its part of the trie's targets."""
    row: Ints
    """[targets of the pack] which row of `logits` scores each."""
    logits: torch.Tensor
    """[scored nodes, vocabulary], in the model's dtype and on its device."""
    n_tokens: int
    keys: Ints
    """The nodes whose keys and values `cache` holds, in its order: the pack's and their ancestors'."""
    cache: DynamicCache
    """Valid until the next pack is asked for."""


def bounds(n_nodes: int, pack_tokens: int) -> list[tuple[int, int]]:
    """First and one past the last node of each pack: as few as `pack_tokens` allows, of even size."""
    n_packs = -(-n_nodes // pack_tokens)
    edges = np.linspace(0, n_nodes, n_packs + 1).astype(int).tolist()
    return list(itertools.pairwise(edges))


def scored_packs(masked: MaskedModel, trie: Trie) -> Iterator[ScoredPack]:
    """The packs of `trie` in order, each forwarded once."""
    from transformers import DynamicCache

    cache = DynamicCache()
    path = np.empty(0, dtype=np.int64)
    for start, stop in bounds(len(trie), masked.pack_tokens):
        nodes = np.arange(start, stop)
        keys = np.concatenate([path, nodes])
        targets = slice(*np.searchsorted(trie.node, [start, stop]).tolist())
        scored, row = np.unique(trie.node[targets], return_inverse=True)
        inputs = {**_inputs(masked, trie, nodes, keys), masked.cache_name: cache}
        logits = logits_at(masked.model, inputs, scored - start)
        yield ScoredPack(targets, row, logits, n_tokens=stop - start, keys=keys, cache=cache)
        del logits
        if stop < len(trie):
            path = trie.path(stop)
            _keep(cache, np.searchsorted(keys, path))


def _inputs(masked: MaskedModel, trie: Trie, nodes: Ints, keys: Ints) -> dict[str, Any]:
    import torch

    def tensor(values: Ints) -> torch.Tensor:
        return torch.from_numpy(values).to(input_device(masked.model))

    query, key, position = tensor(nodes)[:, None], tensor(keys)[None], tensor(trie.depth[nodes])
    visible = (key <= query) & (query < tensor(trie.end[keys])[None])
    distance = position[:, None] - tensor(trie.depth[keys])[None]
    return {
        "input_ids": tensor(trie.token[nodes])[None],
        "position_ids": position[None],
        "attention_mask": masks(visible, distance, masked),
        "use_cache": True,
    }


def _keep(cache: Any, places: Ints) -> None:
    """Reduce the cache to the given places, in their order: the path to the next pack's first node."""
    import torch

    for layer in cache.layers:
        index = torch.from_numpy(places).to(layer.keys.device)
        layer.keys = layer.keys.index_select(-2, index)
        layer.values = layer.values.index_select(-2, index)


def logits_at(model: PreTrainedModel, inputs: Mapping[str, Any], places: Ints) -> torch.Tensor:
    """Logits at the given places of the one row, [places, vocabulary].

    A hook on the output head, and not a forward of our own, keeps what some models do to the logits
    after it (soft caps, scales); `logits_to_keep` is not known to all of them.

    Raises UnsupportedAttentionError where the logits don't come from that head.
    """
    import torch

    def select(_: Any, arguments: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        index = torch.from_numpy(places).to(arguments[0].device)
        return (arguments[0].index_select(1, index), *arguments[1:])

    head = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    handle = head.register_forward_pre_hook(select)
    try:
        with torch.inference_mode():
            logits: torch.Tensor = model(**inputs).logits[0]
    finally:
        handle.remove()
    if len(logits) != len(places):
        raise UnsupportedAttentionError("its logits don't come from its output embeddings")
    return logits
