"""The scorer answers as HFLM does, over families of models, or falls back to it and says why."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from families import SHARED, continued, family, questions, unrecognised
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

from audit import activations
from audit.harness.shared_prefix import SharedPrefixLM
from audit.harness.trie import build

WITHIN = 1e-3
"""Of HFLM's log-likelihoods in float32, nats."""
TEXT = "the cat sat on a mat and then it ran to the old house where nobody lives any more " * 4

Answers = list[tuple[float, bool]]


@pytest.fixture(scope="module", params=SHARED)
def model(request: pytest.FixtureRequest) -> Any:
    """A model of each family that can be scored as a trie."""
    return family(request.param)


def scorer(model: Any, tokenizer: Any, **options: Any) -> SharedPrefixLM:
    """Ours, with packs so small that every task takes several."""
    return SharedPrefixLM(pretrained=model, tokenizer=tokenizer, batch_size=1, pack_tokens=40, **options)


def hflm(model: Any, tokenizer: Any, **options: Any) -> HFLM:
    return HFLM(pretrained=model, tokenizer=tokenizer, batch_size=1, **options)


def instances(kind: str, arguments: list[tuple[str, ...]]) -> list[Instance]:
    return [Instance(kind, {}, one, index) for index, one in enumerate(arguments)]


def agree(ours: Answers, theirs: Answers) -> bool:
    assert [greedy for _, greedy in ours] == [greedy for _, greedy in theirs]
    assert [value for value, _ in ours] == pytest.approx([value for value, _ in theirs], abs=WITHIN)
    return True


def test_log_likelihoods_and_greedy_flags_are_hflms(model: Any, tokenizer: Any) -> None:
    requests, ours = questions(model), scorer(model, tokenizer)
    theirs = hflm(model, tokenizer)._loglikelihood_tokens(requests, disable_tqdm=True)
    assert {greedy for _, greedy in theirs} == {True, False}
    assert agree(ours._loglikelihood_tokens(requests, disable_tqdm=True), theirs)
    assert ours.fallback is None


def test_requests_longer_than_the_model_are_cut_as_hflm_cuts_them(model: Any, tokenizer: Any) -> None:
    requests = questions(model)
    ours, theirs = scorer(model, tokenizer, max_length=14), hflm(model, tokenizer, max_length=14)
    assert agree(
        ours._loglikelihood_tokens(requests, disable_tqdm=True),
        theirs._loglikelihood_tokens(requests, disable_tqdm=True),
    )
    assert ours.fallback is None


def test_rolling_log_likelihoods_are_hflms_over_several_windows(model: Any, tokenizer: Any) -> None:
    texts = [(TEXT,), ("the old house",), ("",), (TEXT[40:],)]
    requests = instances("loglikelihood_rolling", texts)
    ours, theirs = scorer(model, tokenizer, max_length=24), hflm(model, tokenizer, max_length=24)
    assert len(tokenizer(TEXT).input_ids) > 3 * 24
    assert ours.loglikelihood_rolling(requests, disable_tqdm=True) == pytest.approx(
        theirs.loglikelihood_rolling(requests, disable_tqdm=True), abs=WITHIN
    )
    assert ours.fallback is None


def test_texts_are_tokenised_as_hflm_tokenises_them(llama: Any, tokenizer: Any) -> None:
    pairs = [
        ("the cat sat on", " a mat"), ("the cat sat on", " the house"), ("the cat sat on ", "a mat"),
        ("", " the cat"), ("", "<|end|> the cat"), ("the", "re is"), ("the cat sat on", " a mat"),
    ]  # fmt: skip
    requests = instances("loglikelihood", pairs)
    assert agree(
        scorer(llama, tokenizer).loglikelihood(requests, disable_tqdm=True),
        hflm(llama, tokenizer).loglikelihood(requests, disable_tqdm=True),
    )


RECOGNISED = {
    "mamba": "MambaForCausalLM takes no position_ids",
    "bloom": "BloomForCausalLM takes no position_ids",
    "falcon_alibi": "ALiBi counts distances along the row",
    "gpt_neo": "local attention layers take no mask of ours",
}


@pytest.mark.parametrize("name", RECOGNISED)
def test_a_model_that_takes_no_tree_mask_is_recognised(name: str, tokenizer: Any) -> None:
    ours = scorer(family(name), tokenizer)
    assert ours.fallback is not None
    assert RECOGNISED[name] in ours.fallback


def test_a_model_that_cannot_be_recognised_is_found_by_its_numbers(tokenizer: Any) -> None:
    model = unrecognised()
    ours = scorer(model, tokenizer)
    assert ours.fallback is None
    ours._loglikelihood_tokens(questions(model), disable_tqdm=True)
    assert "its log-likelihoods differ by" in str(ours.fallback)


def test_frequencies_that_depend_on_the_longest_request_leave_a_model_to_hflm(tokenizer: Any) -> None:
    rope = {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 1e4}
    model = family("llama", rope_parameters=rope, max_position_embeddings=16)
    requests = questions(model)
    ours, theirs = scorer(model, tokenizer, max_length=200), hflm(model, tokenizer, max_length=200)
    assert max(len(context) + len(answer) for _, context, answer in requests) > 17
    found = ours._loglikelihood_tokens(requests, disable_tqdm=True)
    assert found == theirs._loglikelihood_tokens(requests, disable_tqdm=True)
    assert "beyond 16 tokens its rotary frequencies depend" in str(ours.fallback)


@pytest.mark.parametrize("name", [*RECOGNISED, None])
def test_a_model_that_falls_back_gets_hflms_own_numbers(name: str | None, tokenizer: Any) -> None:
    model = family(name) if name else unrecognised()
    requests, texts = questions(model), instances("loglikelihood_rolling", [(TEXT,), ("the old house",)])
    pairs = instances("loglikelihood", [("the cat sat on", " a mat"), (TEXT, " the cat"), (TEXT, " a")])
    theirs = hflm(model, tokenizer, max_length=24)

    def answered(lm: HFLM) -> list[Any]:
        return [
            lm.loglikelihood(pairs, disable_tqdm=True),
            lm._loglikelihood_tokens(requests, disable_tqdm=True),
            lm.loglikelihood_rolling(texts, disable_tqdm=True),
        ]

    assert answered(scorer(model, tokenizer, max_length=24)) == answered(theirs)


def test_each_way_in_finds_the_model_out_by_itself(tokenizer: Any) -> None:
    model = unrecognised()
    pairs = instances("loglikelihood", [(TEXT, " the cat"), (TEXT, " a")])
    texts = instances("loglikelihood_rolling", [(TEXT,)])
    theirs = hflm(model, tokenizer)
    first, second = scorer(model, tokenizer), scorer(model, tokenizer)
    assert first.loglikelihood(pairs, True) == theirs.loglikelihood(pairs, True)
    assert second.loglikelihood_rolling(texts, True) == theirs.loglikelihood_rolling(texts, True)
    assert first.fallback
    assert second.fallback


def test_nothing_is_measured_on_a_model_that_falls_back(tokenizer: Any) -> None:
    ours = scorer(unrecognised(), tokenizer)
    assert ours.measure(ours.plan([(TEXT, " the cat"), (TEXT, " a")])) is None
    assert ours.fallback


def test_a_reason_to_fall_back_is_logged(tokenizer: Any, caplog: pytest.LogCaptureFixture) -> None:
    scorer(family("mamba"), tokenizer)
    assert "MambaForCausalLM is scored by lm-eval's HFLM: MambaForCausalLM takes no" in caplog.text


def test_a_swapped_model_is_judged_anew(llama: Any, tokenizer: Any) -> None:
    requests, ours = questions(llama), scorer(llama, tokenizer)
    before = ours._loglikelihood_tokens(requests, disable_tqdm=True)
    ours.swap(unrecognised())
    ours._loglikelihood_tokens(requests, disable_tqdm=True)
    assert "differ" in str(ours.fallback)
    ours.swap(llama)
    assert ours._loglikelihood_tokens(requests, disable_tqdm=True) == before
    assert ours.fallback is None


def test_a_model_whose_activations_are_rounded_is_proven_without_the_rounding(
    llama: Any, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A hair moves a large model's answers by a code now and then; here it does so everywhere
    monkeypatch.setattr(activations, "per_token", lambda values: values + 0.1 * (1e7 * values).sin())
    rounded = copy.deepcopy(llama)
    activations.round_inputs(one for one in rounded.modules() if isinstance(one, torch.nn.Linear))
    requests = questions(llama)
    exact = scorer(llama, tokenizer)._loglikelihood_tokens(requests, disable_tqdm=True)
    ours = scorer(rounded, tokenizer)
    found = ours._loglikelihood_tokens(requests, disable_tqdm=True)
    assert ours.fallback is None
    assert max(abs(one - other) for (one, _), (other, _) in zip(found, exact, strict=True)) > 0.01


def test_a_model_that_computes_nan_falls_back(llama: Any, tokenizer: Any) -> None:
    broken = copy.deepcopy(llama)
    torch.nn.init.constant_(broken.model.norm.weight, float("nan"))
    ours = scorer(broken, tokenizer)
    ours._loglikelihood_tokens(questions(llama), disable_tqdm=True)
    assert "a request computes NaN" in str(ours.fallback)


CONTEXTS = [[1, 2, 3, 4, 5], [1, 2, 9, 4, 5], [1, 2, 7, 4], [1, 2, 8, 4], [9, 2, 8, 4], [9, 2]]
NAN_TOKEN = 7


@pytest.fixture
def partly_nan(llama: Any) -> Any:
    """A model that computes NaN of one token."""
    broken = copy.deepcopy(llama)
    with torch.no_grad():
        broken.get_input_embeddings().weight[NAN_TOKEN] = float("nan")
    return broken


def test_a_request_that_computes_nan_does_not_spoil_others(partly_nan: Any, tokenizer: Any) -> None:
    requests = [(None, context, [6]) for context in CONTEXTS]
    ours = scorer(partly_nan, tokenizer)
    found = ours._loglikelihood_tokens(requests, disable_tqdm=True)
    assert [math.isnan(value) for value, _ in found] == [NAN_TOKEN in context for context in CONTEXTS]
    assert "a request computes NaN" in str(ours.fallback)


def test_nothing_is_measured_where_a_request_computes_nan(partly_nan: Any, tokenizer: Any) -> None:
    ours = scorer(partly_nan, tokenizer)
    assert ours.measure(build([(context, [6]) for context in CONTEXTS], 100)) is None
    assert "a request computes NaN" in str(ours.fallback)


def test_a_model_whose_logits_come_from_elsewhere_falls_back(
    llama: Any, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = copy.deepcopy(llama)
    monkeypatch.setattr(other, "get_output_embeddings", lambda: torch.nn.Linear(1, 1))
    requests, ours = questions(llama), scorer(other, tokenizer)
    found = ours._loglikelihood_tokens(requests, disable_tqdm=True)
    assert "its logits don't come from its output embeddings" in str(ours.fallback)
    assert agree(found, hflm(llama, tokenizer)._loglikelihood_tokens(requests, disable_tqdm=True))


def on_small_device(model: Any, most: int, error: Exception | None = None) -> tuple[Any, list[int]]:
    """The model with memory for so many tokens at once, and a list that will tell what it was fed."""
    fed: list[int] = []

    def refuse(_: Any, __: Any, arguments: dict[str, Any]) -> None:
        fed.append(arguments["input_ids"].numel())
        if fed[-1] > most:
            raise error or torch.OutOfMemoryError("CUDA out of memory.")

    small = copy.deepcopy(model)
    small.register_forward_pre_hook(refuse, with_kwargs=True)
    return small, fed


def test_a_pack_too_large_for_the_memory_is_halved(llama: Any, tokenizer: Any) -> None:
    model, fed = on_small_device(llama, 45)
    ours = SharedPrefixLM(pretrained=model, tokenizer=tokenizer, batch_size=1, pack_tokens=160)
    requests = questions(llama)
    found = ours._loglikelihood_tokens(requests, disable_tqdm=True)
    assert agree(found, hflm(llama, tokenizer)._loglikelihood_tokens(requests, disable_tqdm=True))
    assert max(fed) > 45
    assert ours.fallback is None
    ours.measure(build([one[1:] for one in requests], 100))
    assert max(fed[-3:]) <= 40  # the size that fitted stays


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to")]
)
def test_a_cpu_says_otherwise_that_its_memory_does_not_suffice(
    llama: Any, tokenizer: Any, error: Exception
) -> None:
    model, _ = on_small_device(llama, 45, error)
    ours = SharedPrefixLM(pretrained=model, tokenizer=tokenizer, batch_size=1, pack_tokens=160)
    requests = questions(llama)
    found = ours._loglikelihood_tokens(requests, disable_tqdm=True)
    assert agree(found, hflm(llama, tokenizer)._loglikelihood_tokens(requests, disable_tqdm=True))
    assert ours.fitting == 40


def test_a_device_without_memory_for_the_smallest_pack_says_so(llama: Any, tokenizer: Any) -> None:
    model, _ = on_small_device(llama, 30)
    ours = SharedPrefixLM(pretrained=model, tokenizer=tokenizer, batch_size=1, pack_tokens=160)
    with pytest.raises(torch.OutOfMemoryError):
        ours.measure(build([one[1:] for one in questions(llama)], 100))


def test_planned_requests_are_not_tokenised_again(
    llama: Any, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = [("the cat sat on", " a mat"), ("the cat sat on", " the house")]
    ours = scorer(llama, tokenizer)
    ours.plan(pairs)

    def refused(*_: Any, **__: Any) -> list[int]:
        raise AssertionError("tokenised twice")

    monkeypatch.setattr(ours, "tok_encode", refused)
    assert len(ours.loglikelihood(instances("loglikelihood", pairs), disable_tqdm=True)) == 2


class Cache:
    """lm-eval's hook for response caches."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Any, Any]] = []

    def add_partial(self, kind: str, request: Any, response: Any) -> None:
        """Keep the answer."""
        self.seen.append((kind, tuple(request), response))


def test_answers_reach_lm_evals_cache_once_each(llama: Any, tokenizer: Any) -> None:
    pairs = [("the cat sat on", " a mat"), ("the cat sat on", " the house")]
    ours, cache = scorer(llama, tokenizer, max_length=24), Cache()
    ours.set_cache_hook(cache)
    answers = ours.loglikelihood(instances("loglikelihood", pairs), disable_tqdm=True)
    total = ours.loglikelihood_rolling(instances("loglikelihood_rolling", [(TEXT,)]), disable_tqdm=True)
    expected = [("loglikelihood", pair, answer) for pair, answer in zip(pairs, answers, strict=True)]
    assert cache.seen == [*expected, ("loglikelihood_rolling", (TEXT,), total[0])]


def test_requests_may_fill_a_model_to_its_last_position(tokenizer: Any) -> None:
    model = family("gpt2", n_positions=32)
    ours, theirs = scorer(model, tokenizer), hflm(model, tokenizer)
    rng = torch.Generator().manual_seed(0)
    context = torch.randint(1, 3000, (60,), generator=rng).tolist()
    requests = [(None, context[:size], continued(model, context[:20], 3)) for size in (60, 31, 30, 29, 1)]
    assert ours.max_length == 32
    assert agree(
        ours._loglikelihood_tokens(requests, disable_tqdm=True),
        theirs._loglikelihood_tokens(requests, disable_tqdm=True),
    )
    assert ours.fallback is None


def test_no_requests_have_no_answers(llama: Any, tokenizer: Any) -> None:
    ours = scorer(llama, tokenizer)
    assert ours._loglikelihood_tokens([], disable_tqdm=True) == []
    assert ours.loglikelihood([], disable_tqdm=True) == []
    assert ours.loglikelihood_rolling([], disable_tqdm=True) == []


def test_an_empty_text_has_log_likelihood_0(llama: Any, tokenizer: Any) -> None:
    requests = instances("loglikelihood_rolling", [("",)])
    assert scorer(llama, tokenizer).loglikelihood_rolling(requests, disable_tqdm=True) == [0]
