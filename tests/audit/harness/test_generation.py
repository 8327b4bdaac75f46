"""Greedy answers are those that HFLM gives one by one, and what prompts share is computed once."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from families import SHARED, family, unrecognised
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

from audit.harness import generation
from audit.harness.attention import MaskedModel, windows
from audit.harness.shared_prefix import SharedPrefixLM

WORDS = ["the", "cat", "sat", "on", "a", "mat", "and", "then", "it", "ran", "to", "old", "house", "where"]
ROWS = 3
MOST = 12

Request = tuple[str, dict[str, Any]]


def prompts(n: int = 10, shots: int = 60) -> list[str]:
    """Long texts that share their first words; no two of them are equally long."""
    rng = np.random.default_rng(0)
    shared = rng.choice(WORDS, shots)
    return [" ".join([*shared, *rng.choice(WORDS, 1 + 2 * more)]) for more in rng.permutation(n)]


def asked(**changes: Any) -> list[Request]:
    """A request for each prompt; they end at different times."""
    kwargs = {"until": ["zzz"], "do_sample": False, "temperature": 0.0, **changes}
    return [(prompt, {"max_gen_toks": 3 + place % 4 * 3, **kwargs}) for place, prompt in enumerate(prompts())]


def answers(lm: HFLM, requests: list[Request], advance: Callable[[float], None] | None = None) -> list[str]:
    if advance is not None:
        lm.advance = advance
    instances = [Instance("generate_until", {}, one, index) for index, one in enumerate(requests)]
    found: list[str] = lm.generate_until(instances, disable_tqdm=True)
    return found


def sharing(model: Any, tokenizer: Any, rows: int | str = ROWS, **options: Any) -> SharedPrefixLM:
    """Ours, with packs so small that the prompts take several."""
    return SharedPrefixLM(pretrained=model, tokenizer=tokenizer, batch_size=rows, pack_tokens=40, **options)


def one_by_one(model: Any, tokenizer: Any, requests: list[Request], **options: Any) -> list[str]:
    """The reference."""
    return answers(HFLM(pretrained=model, tokenizer=tokenizer, batch_size=1, **options), requests)


def same_as_one_by_one(model: Any, tokenizer: Any, requests: list[Request], **options: Any) -> bool:
    """And not because HFLM gave ours too."""
    theirs = one_by_one(model, tokenizer, requests, **options)
    with patch.object(HFLM, "generate_until", side_effect=AssertionError("HFLM was asked")):
        assert answers(sharing(model, tokenizer, **options), requests) == theirs
    return True


class Counter:
    """Counts tokens that are told of."""

    def __init__(self) -> None:
        self.tokens = 0

    def __call__(self, tokens: int) -> None:
        self.tokens += tokens


def fed(model: Any) -> Counter:
    """Counts the tokens that the model's forward is given from here on."""
    counter = Counter()
    model.register_forward_pre_hook(
        lambda _, positional, named: counter(named["input_ids"].numel()), with_kwargs=True
    )
    return counter


def new_tokens(model: Any, tokenizer: Any, prompt: str, most: int = MOST) -> list[int]:
    """Of the plain greedy continuation."""
    ids = tokenizer(prompt, return_tensors="pt").input_ids
    found: list[int] = model.generate(ids, max_new_tokens=most, do_sample=False)[0, ids.shape[1] :].tolist()
    return found


def distinct(tokenizer: Any, texts: list[str]) -> int:
    """How many distinct prefixes the texts have, in tokens."""
    tokens = [tuple(tokenizer(text).input_ids) for text in texts]
    return len({one[:length] for one in tokens for length in range(1, len(one) + 1)})


@pytest.mark.parametrize("name", SHARED)
def test_answers_are_hflms_whatever_the_family(name: str, tokenizer: Any) -> None:
    # A random model of one matrix for both ends repeats a token for ever
    model = family(name, tie_word_embeddings=False)
    assert len(set(one_by_one(model, tokenizer, asked()))) > 3
    assert same_as_one_by_one(model, tokenizer, asked())


def test_answers_of_a_trained_model_are_hflms(tiny: Path, tokenizer: Any) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny)
    assert same_as_one_by_one(model, tokenizer, asked(max_gen_toks=24, until=["\n", ". "]))


@pytest.mark.parametrize("rows", [1, 4, "auto"])
def test_the_number_of_rows_changes_no_answer(rows: int | str, llama: Any, tokenizer: Any) -> None:
    ours = sharing(llama, tokenizer, rows)
    assert answers(ours, asked()) == one_by_one(llama, tokenizer, asked())
    assert ours.generation_fallback is None


def test_what_prompts_share_is_computed_once(tokenizer: Any) -> None:
    model = family("llama")
    ours, requests = sharing(model, tokenizer), asked()
    answers(ours, requests[:1])  # a new model is held against its own generate first
    counter, told = fed(model), Counter()
    answers(ours, requests, advance=told)
    generated = sum(kwargs["max_gen_toks"] for _, kwargs in requests)
    assert told.tokens == distinct(tokenizer, prompts()) + generated
    assert counter.tokens == told.tokens - len(requests)  # an answer's last token is not fed


def test_a_prompt_waits_uncomputed_until_a_row_is_free(llama: Any, tokenizer: Any) -> None:
    told, pack = Counter(), 8
    waiting = [generation.Prompt(tokenizer(one).input_ids, MOST, lambda tokens: False) for one in prompts()]
    first = next(generation.generate(MaskedModel(llama, windows(llama), pack), waiting, 1, told))
    assert told.tokens <= len(first.prompt.tokens) + pack + MOST


def test_a_stop_string_ends_an_answer_where_it_spans_tokens(llama: Any, tokenizer: Any) -> None:
    prompt, told = prompts()[0], Counter()
    third, fourth = tokenizer.batch_decode([[one] for one in new_tokens(llama, tokenizer, prompt)[2:4]])
    requests = [(prompt, {"until": third[-2:] + fourth[:2], "max_gen_toks": MOST})]
    ours = sharing(llama, tokenizer)
    assert answers(ours, requests, advance=told) == one_by_one(llama, tokenizer, requests)
    assert told.tokens == len(tokenizer(prompt).input_ids) + 4


def test_each_of_several_ends_of_text_ends_an_answer(tokenizer: Any) -> None:
    model, told = family("llama"), Counter()
    one, other = (new_tokens(model, tokenizer, prompt) for prompt in prompts()[:2])
    ends = [one[3], other[5]]
    model.generation_config.eos_token_id = ends
    requests = [(prompt, {"until": [], "max_gen_toks": MOST}) for prompt in prompts()[:2]]
    ours = sharing(model, tokenizer)
    assert answers(ours, requests, advance=told) == one_by_one(model, tokenizer, requests)
    lengths = [1 + min(answer.index(end) for end in ends if end in answer) for answer in (one, other)]
    assert max(lengths) < MOST
    assert told.tokens == distinct(tokenizer, prompts()[:2]) + sum(lengths)


def test_a_prompt_too_long_loses_its_beginning(llama: Any, tokenizer: Any) -> None:
    assert min(len(tokenizer(prompt).input_ids) for prompt in prompts()) > 40
    assert same_as_one_by_one(llama, tokenizer, asked(), max_length=40)


def test_requests_of_one_call_may_differ_in_their_settings(llama: Any, tokenizer: Any) -> None:
    settings: list[dict[str, Any]] = [
        {"max_gen_toks": 1}, {"max_new_tokens": 7, "until": " "}, {"max_tokens": 9},
        {"until": ["a", "the"], "max_gen_toks": 20, "temperature": 0}, {}, {"max_gen_toks": 5},
        {"temperature": 0.7, "do_sample": False, "max_gen_toks": 4},
    ]  # fmt: skip
    assert same_as_one_by_one(llama, tokenizer, list(zip(prompts(), settings, strict=False)))


def test_a_request_twice_is_answered_twice(llama: Any, tokenizer: Any) -> None:
    assert same_as_one_by_one(llama, tokenizer, [*asked(), *asked()[::-1]])


@pytest.mark.parametrize("other", [
    {"do_sample": True, "temperature": 1.0}, {"temperature": 0.5}, {"num_beams": 2},
    {"repetition_penalty": 1.3}, {"max_gen_toks": 0}, {"max_length": 90},
])  # fmt: skip
def test_what_is_not_greedy_goes_to_hflm(
    other: dict[str, Any], llama: Any, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests, expected = asked(), one_by_one(llama, tokenizer, asked())
    requests[4] = (requests[4][0], {"until": [], "max_gen_toks": 5, **other})
    given: list[Request] = []

    def theirs(_: HFLM, instances: list[Instance], **options: Any) -> list[str]:
        given.extend(one.args for one in instances)
        return ["HFLM's"] * len(instances)

    monkeypatch.setattr(HFLM, "generate_until", theirs)
    assert answers(sharing(llama, tokenizer), requests) == [*expected[:4], "HFLM's", *expected[5:]]
    assert given == [requests[4]]


@pytest.mark.parametrize("setting", [
    {"repetition_penalty": 1.5}, {"no_repeat_ngram_size": 1}, {"suppress_tokens": [5, 6]},
    {"forced_eos_token_id": 0}, {"min_new_tokens": 2}, {"num_beams": 2},
])  # fmt: skip
def test_a_generation_config_that_changes_logits_leaves_the_model_to_hflm(
    setting: dict[str, Any], llama: Any, tokenizer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    model = copy.deepcopy(llama)
    model.generation_config.update(**setting)
    ours = sharing(model, tokenizer)
    assert answers(ours, asked()[:2]) + answers(ours, asked()[2:4]) == one_by_one(
        model, tokenizer, asked()[:4]
    )
    assert ours.generation_fallback == f"its generation config sets {next(iter(setting))}"
    assert sum("generates by lm-eval's HFLM" in record.message for record in caplog.records) == 1


def test_a_generation_config_for_sampling_leaves_greedy_answers_to_us(llama: Any, tokenizer: Any) -> None:
    model = copy.deepcopy(llama)
    model.generation_config.update(do_sample=True, temperature=0.6, top_p=0.9, top_k=20)
    assert same_as_one_by_one(model, tokenizer, asked())


def test_a_model_whose_logits_are_not_ours_is_left_to_hflm(tokenizer: Any) -> None:
    model = unrecognised()
    ours = sharing(model, tokenizer)
    assert answers(ours, asked()) == one_by_one(model, tokenizer, asked())
    assert "its logits differ by" in str(ours.generation_fallback)


def test_frequencies_that_depend_on_the_longest_row_leave_long_requests_to_hflm(tokenizer: Any) -> None:
    rope = {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 1e4}
    lengths = sorted(len(tokenizer(prompt).input_ids) for prompt in prompts())
    model = family("llama", rope_parameters=rope, max_position_embeddings=lengths[4] + MOST)
    # One row at a time: lm-eval's own batches hang on the longest row too
    ours, told = sharing(model, tokenizer, 1, max_length=200), Counter()
    requests = asked(max_gen_toks=MOST)
    assert answers(ours, requests, advance=told) == one_by_one(model, tokenizer, requests, max_length=200)
    short = [prompt for prompt in prompts() if len(tokenizer(prompt).input_ids) <= lengths[4]]
    assert told.tokens == distinct(tokenizer, short) + MOST * len(short)


def test_an_answer_is_handed_to_lm_evals_cache_once(llama: Any, tokenizer: Any) -> None:
    kept: list[tuple[str, Request, str]] = []
    ours = sharing(llama, tokenizer)
    ours.cache_hook.add_partial = lambda *one: kept.append(one)
    found = answers(ours, asked())
    assert sorted(kept, key=str) == sorted(
        [("generate_until", one, answer) for one, answer in zip(asked(), found, strict=True)], key=str
    )


@pytest.mark.parametrize("kind", [int, str])
def test_thoughts_are_cut_off_as_hflm_cuts_them(kind: type, llama: Any, tokenizer: Any) -> None:
    token = new_tokens(llama, tokenizer, prompts()[0])[2]
    ending = token if kind is int else tokenizer.decode([token])
    assert same_as_one_by_one(llama, tokenizer, asked(), think_end_token=ending)


def test_a_row_leaves_nothing_to_the_next(llama: Any) -> None:
    import torch

    from audit.harness.row_cache import RowCache

    def layer(value: float) -> Any:
        return type("Layer", (), {name: torch.full((1, 2, 9, 4), value) for name in ("keys", "values")})

    cache = RowCache(2, [layer(0.0)])
    cache.admit([layer(float("nan"))], torch.arange(9))
    cache.release(0)
    cache.admit([layer(1.0)], torch.arange(2))
    assert cache.row_layers[0].keys[0].isfinite().all()


def test_no_requests_have_no_answers(llama: Any, tokenizer: Any) -> None:
    assert answers(sharing(llama, tokenizer), []) == []
