"""Divergence, entropy and top tokens are those of the full distributions, from plain forwards."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch
from families import family
from numpy.typing import NDArray

from audit.harness.attention import MaskedModel, windows
from audit.harness.measures import TAIL_DRAWS, TOP_K, Divergence, Measured, answers, measure
from audit.harness.trie import Trie, build

PACK = 64
LARGE, SMALL = 3000, 50
"""Vocabularies: beyond the top tokens that are stored, and within them."""

Floats = NDArray[np.float64]


def noisy(model: Any, spread: float) -> Any:
    """The model after an imagined compression."""
    changed = copy.deepcopy(model)
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weights in changed.parameters():
            weights.add_(torch.randn(weights.shape, generator=rng) * spread)
    return changed


def texts(vocabulary: int) -> Trie:
    """Long continuations, and questions whose answers share their beginning: 258 positions."""
    rng = np.random.default_rng(0)

    def some(n_tokens: int) -> list[int]:
        return [int(token) for token in rng.integers(1, vocabulary, n_tokens)]

    requests = [(some(6), some(40)) for _ in range(6)]
    for _ in range(6):
        question, first = some(8), some(1)
        requests += [(question, first + some(1)), (question, first + some(2)), (question, some(1))]
    return build(requests, 100)


def plain(model: Any, trie: Trie, places: Any) -> Floats:
    """[positions, vocabulary] log-probabilities, request by request, with no trie."""
    found: dict[int, Floats] = {}
    for request in range(trie.n_requests):
        context, continuation = trie.encoded(request)
        with torch.inference_mode():
            logits = model(torch.tensor([[*context, *continuation]])).logits[0].double()
        rows = torch.log_softmax(logits, dim=-1).numpy()
        for target in np.flatnonzero(places.request == request):
            found[int(places.position[target])] = rows[len(context) - 1 + places.offset[target]]
    assert sorted(found) == list(range(len(found)))
    return np.stack([found[position] for position in range(len(found))])


def scored(model: Any, trie: Trie, original: Measured | None = None, pack_tokens: int = PACK) -> Measured:
    return measure(MaskedModel(model, windows(model), pack_tokens), trie, original)


def divergence(model: Any, trie: Trie, original: Measured) -> Divergence:
    found = scored(model, trie, original).divergence
    assert found is not None
    return found


class Pair:
    """An original and a variant of it: what we measured, and the full distributions."""

    def __init__(self, vocabulary: int, spread: float) -> None:
        self.trie = texts(vocabulary)
        self.model = family("llama", vocabulary)
        self.variant = noisy(self.model, spread)
        self.original = scored(self.model, self.trie)
        self.documents = self.original.owners(np.arange(self.trie.n_requests))
        self.found = divergence(self.variant, self.trie, self.original)
        self.p = plain(self.model, self.trie, self.original.places)
        self.q = plain(self.variant, self.trie, self.original.places)
        self.exact = scipy.stats.entropy(np.exp(self.p), np.exp(self.q), axis=1)


@pytest.fixture(scope="module", params=[0.02, 0.3], ids=["near", "far"])
def large(request: pytest.FixtureRequest) -> Pair:
    """A vocabulary with a tail; a variant close to its original, and one far from it."""
    return Pair(LARGE, request.param)


@pytest.fixture(scope="module")
def small() -> Pair:
    """A vocabulary no larger than the top."""
    return Pair(SMALL, 0.02)


def test_the_divergence_is_exact_where_the_top_is_the_whole_vocabulary(small: Pair) -> None:
    assert small.exact.mean() > 0.005
    assert small.found.kl == pytest.approx(small.exact, abs=1e-5)
    assert small.found.kl_lower == pytest.approx(small.exact, abs=1e-5)
    assert small.found.kl_error == pytest.approx(0, abs=1e-6)


def test_the_mean_divergence_is_within_its_error_of_the_exact_one(large: Pair) -> None:
    mean = large.found.mean(large.documents)
    assert mean.n_positions == len(large.exact) == 258
    assert large.original.tail is not None
    assert large.original.tail.mass.mean() > 0.1  # there is something to estimate
    assert abs(mean.kl - large.exact.mean()) < 4 * mean.kl_error < mean.kl


def test_the_tails_known_mass_takes_most_of_the_error_away() -> None:
    # The plain estimator, mass × mean of ln(p/q), has √mass·sd(ln p/q) of an error at 64 draws
    pair = Pair(LARGE, 0.02)
    tail = pair.original.tail
    assert tail is not None
    rows = np.arange(len(pair.p))[:, None]
    ratios = (pair.p - pair.q)[rows, tail.id]
    naive = tail.mass * ratios.std(axis=1, ddof=1) / np.sqrt(TAIL_DRAWS)
    assert pair.found.kl_error.mean() < naive.mean() / 5


@pytest.mark.parametrize("vocabulary", [LARGE, SMALL])
def test_a_token_that_no_model_allows_adds_nothing(vocabulary: int) -> None:
    trie, model = texts(vocabulary), family("llama", vocabulary)
    forbidden = torch.zeros(vocabulary)
    forbidden[7] = -torch.inf
    models = [model, noisy(model, 0.02)]
    for one in models:
        one.lm_head.register_forward_hook(lambda _, __, logits: logits + forbidden)
    original = scored(model, trie)
    p, q = (plain(one, trie, original.places) for one in models)
    found = divergence(models[1], trie, original)
    exact = scipy.stats.entropy(np.exp(p), np.exp(q), axis=1)
    assert np.isfinite(found.kl).all()
    assert abs(found.kl.mean() - exact.mean()) <= 4 * found.mean(np.arange(len(found.kl))).kl_error + 1e-5


def test_the_error_of_a_divergence_is_its_standard_deviation(large: Pair) -> None:
    away = large.found.kl - large.exact
    stated = np.sqrt((large.found.kl_error**2).mean())
    assert np.sqrt((away**2).mean()) == pytest.approx(stated, rel=0.2)
    assert abs(away.mean()) < 4 * stated / np.sqrt(len(away))


def test_the_lower_bound_is_the_divergence_with_the_tail_as_one_token(large: Pair) -> None:
    def coarse(logprobs: Floats) -> Floats:
        top = np.exp(np.take_along_axis(logprobs, large.original.positions.top_id.astype(int), axis=1))
        return np.column_stack([top, 1 - top.sum(axis=1)])

    expected = scipy.stats.entropy(coarse(large.p), coarse(large.q), axis=1)
    assert large.found.kl_lower == pytest.approx(expected, abs=1e-4)
    assert (large.found.kl_lower <= large.exact + 1e-5).all()


def test_the_lower_bound_holds_for_a_model_that_is_all_too_sure() -> None:
    trie, model = texts(LARGE), family("llama", LARGE)
    sure = copy.deepcopy(model)
    with torch.no_grad():
        sure.lm_head.weight.mul_(6)
    original = scored(model, trie)
    p, q = plain(model, trie, original.places), plain(sure, trie, original.places)
    exact = scipy.stats.entropy(np.exp(p), np.exp(q), axis=1)
    assert (divergence(sure, trie, original).kl_lower <= exact + 1e-4).all()


def test_entropy_is_that_of_the_full_distribution(large: Pair, small: Pair) -> None:
    for pair in (large, small):
        expected = scipy.stats.entropy(np.exp(pair.p), axis=1)
        assert pair.original.positions.entropy == pytest.approx(expected, abs=1e-4)


def test_top_tokens_are_the_likeliest_in_order(large: Pair) -> None:
    likeliest = np.argsort(-large.p, axis=1)[:, :TOP_K]
    assert (large.original.positions.top_id == likeliest).mean() > 0.999  # neighbours differ by rounding
    expected = np.take_along_axis(large.p, likeliest, axis=1)
    assert large.original.positions.top_logprob == pytest.approx(expected, abs=1e-4)


def test_a_small_vocabulary_is_stored_whole(small: Pair) -> None:
    assert np.sort(small.original.positions.top_id, axis=1).tolist() == [list(range(SMALL))] * len(small.p)


def test_the_tail_is_what_the_top_leaves(large: Pair) -> None:
    tail, top_id = large.original.tail, large.original.positions.top_id
    assert tail is not None
    assert tail.id.shape == (len(large.p), TAIL_DRAWS)
    assert not any(np.isin(drawn, top).any() for drawn, top in zip(tail.id, top_id, strict=True))
    assert tail.logprob == pytest.approx(np.take_along_axis(large.p, tail.id.astype(int), axis=1), abs=1e-4)
    top = np.exp(np.sort(large.p, axis=1)[:, -TOP_K:]).sum(axis=1)
    assert tail.mass == pytest.approx(1 - top, abs=1e-5)


def test_the_same_top_is_the_same_argmax(large: Pair) -> None:
    expected = large.p.argmax(axis=1) == large.q.argmax(axis=1)
    assert 0 < expected.mean() < 1
    assert large.found.same_top.tolist() == expected.tolist()


@pytest.mark.parametrize("vocabulary", [LARGE, SMALL])
def test_the_original_does_not_diverge_from_itself(vocabulary: int) -> None:
    trie, model = texts(vocabulary), family("llama", vocabulary)
    itself = divergence(model, trie, scored(model, trie))
    assert itself.same_top.all()
    for value in (itself.kl, itself.kl_error, itself.kl_lower):
        assert value == pytest.approx(0, abs=1e-9)


def test_the_original_agrees_with_itself_where_two_tokens_tie() -> None:
    # In bfloat16, which has 8 bits, ties are common
    trie, model = texts(LARGE), family("llama", LARGE)
    with torch.no_grad():
        model.lm_head.weight[: LARGE // 2] = model.lm_head.weight[LARGE // 2 :]
    assert divergence(model, trie, scored(model, trie)).same_top.all()


def test_measuring_gives_the_answers_of_scoring(large: Pair) -> None:
    alone = answers(MaskedModel(large.model, windows(large.model), PACK), large.trie)
    assert large.original.answers.logprob.tolist() == alone.logprob.tolist()
    assert large.original.answers.greedy.tolist() == alone.greedy.tolist()
    places = large.original.places
    expected = large.p[places.position, places.token]
    assert alone.logprob == pytest.approx(expected, abs=1e-4)
    assert alone.greedy.tolist() == (large.p.argmax(axis=1)[places.position] == places.token).tolist()


def test_log_probabilities_of_a_bfloat16_model_are_normalised_in_float32() -> None:
    trie, model = texts(SMALL), family("llama", SMALL).to(torch.bfloat16)
    total = np.exp(scored(model, trie).positions.top_logprob.astype(np.float64)).sum(axis=1)
    assert total == pytest.approx(1, abs=1e-5)


def test_a_measurement_does_not_depend_on_the_packs(large: Pair) -> None:
    for pack_tokens in (1, 17, 10_000):
        original = scored(large.model, large.trie, pack_tokens=pack_tokens)
        variant = scored(large.variant, large.trie, large.original, pack_tokens).divergence
        assert original.tail is not None
        assert large.original.tail is not None
        assert variant is not None
        assert original.positions.entropy == pytest.approx(large.original.positions.entropy, abs=1e-4)
        assert (original.tail.id == large.original.tail.id).mean() > 0.99  # the rest by rounding
        assert variant.kl == pytest.approx(large.found.kl, abs=1e-4)


def test_a_mean_divergence_adds_up_independent_errors() -> None:
    by_hand = Divergence(
        kl=np.array([0.1, 0.3]), kl_error=np.array([0.03, 0.04]), kl_lower=np.array([0.0, 0.1]),
        same_top=np.array([True, False]),
    ).mean(np.array([0, 1]))  # fmt: skip
    assert by_hand.n_positions == 2
    assert (by_hand.kl, by_hand.kl_lower, by_hand.same_top) == pytest.approx((0.2, 0.05, 0.5))
    assert by_hand.kl_error == pytest.approx(0.025)  # √(.03² + .04²) / 2


def test_a_measurement_comes_back_from_its_arrays(large: Pair) -> None:
    for measured in (large.original, replace(large.original, tail=None, divergence=large.found)):
        arrays = measured.to_arrays()
        again = Measured.of_arrays(arrays)
        assert again is not None
        assert (again.tail is None, again.divergence is None) == (
            measured.tail is None, measured.divergence is None,
        )  # fmt: skip
        assert all(np.array_equal(value, arrays[name]) for name, value in again.to_arrays().items())
        assert again.to_arrays().keys() == arrays.keys()


def test_no_arrays_are_no_measurement() -> None:
    assert Measured.of_arrays({}) is None
