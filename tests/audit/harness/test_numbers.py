"""NaN, infinities, impossible and unknown tokens: a number, or a sentence, and never a silent 0."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch
from families import VOCABULARY, family
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from test_measures import LARGE, SMALL, divergence, noisy, plain, scored, texts

from audit.errors import ModelError
from audit.harness import generation
from audit.harness.measures import LEAST_TAIL
from audit.harness.recorder import Recorder
from audit.harness.shared_prefix import SharedPrefixLM
from audit.harness.trie import UnaskableError
from audit.records import NotMeasured

ASKED = [
    ("the cat sat on", {"until": ["zzz"], "max_gen_toks": 4}),
    ("a mat", {"until": ["zzz"], "max_gen_toks": 4}),
]


def instances(kind: str, arguments: list[Any]) -> list[Instance]:
    return [Instance(kind, {}, one, index) for index, one in enumerate(arguments)]


def with_logits(model: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """A copy of the model whose output head says something else."""
    other = copy.deepcopy(model)
    other.lm_head.register_forward_hook(lambda _, __, logits: change(logits))
    return other


def at(token: int, value: float, vocabulary: int = VOCABULARY) -> torch.Tensor:
    """0 for all tokens but one."""
    row = torch.zeros(vocabulary)
    row[token] = value
    return row


# Generation

BROKEN = {
    "NaN everywhere": lambda logits: logits * math.nan,
    "NaN of one token": lambda logits: logits + at(7, math.nan),
    "one token infinite": lambda logits: logits + at(7, math.inf),
    "all tokens impossible": lambda logits: logits - math.inf,
}


@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("kwargs", [{}, {"num_beams": 1}], ids=["ours", "HFLM's"])
def test_no_answer_is_made_of_logits_that_are_no_numbers(
    llama: Any, tokenizer: Any, change: Callable[[Any], Any], kwargs: dict[str, Any]
) -> None:
    lm = SharedPrefixLM(pretrained=with_logits(llama, change), tokenizer=tokenizer, batch_size=2)
    asked = [(prompt, {**said, **kwargs}) for prompt, said in ASKED]
    assert (lm.completion(*asked[0]) is None) == bool(kwargs)
    with pytest.raises(ModelError, match=r"a logit of an answer's next token is (nan|-?inf):"):
        lm.generate_until(instances("generate_until", asked), disable_tqdm=True)


def test_a_model_that_generates_again_after_it_was_refused_is_not_watched_any_more(llama: Any) -> None:
    model = copy.deepcopy(llama)
    with pytest.raises(ModelError), generation.refusing_nan(model):
        generation._likeliest(torch.tensor([[math.nan]]))
    assert not model._forward_hooks


def test_a_token_that_is_impossible_is_no_reason_to_refuse_the_others(llama: Any, tokenizer: Any) -> None:
    model = with_logits(llama, lambda logits: logits + at(7, -math.inf))
    ours, theirs = (
        kind(pretrained=model, tokenizer=tokenizer, batch_size=1) for kind in (SharedPrefixLM, HFLM)
    )
    asked = instances("generate_until", ASKED)
    assert ours.generate_until(asked, disable_tqdm=True) == theirs.generate_until(asked, disable_tqdm=True)
    assert ours.generation_fallback is None


def test_a_model_whose_own_generate_computes_nan_does_not_agree(llama: Any) -> None:
    said = SimpleNamespace(logits=[torch.full((1, VOCABULARY), math.nan)])
    model = SimpleNamespace(generate=lambda *_, **__: said, get_input_embeddings=llama.get_input_embeddings)
    answer = generation.Generated(0, generation.Prompt([1, 2], 1, lambda _: False), [3], [1.0])
    model.device, model.hf_device_map = torch.device("cpu"), None
    assert math.isnan(generation.disagreement(model, answer))  # type: ignore[arg-type]


# Vocabularies


def test_a_token_that_the_tokenizer_has_not_counts_in_the_softmax_and_is_no_text(tokenizer: Any) -> None:
    larger = family("llama", VOCABULARY + 200)
    sure = with_logits(larger, lambda logits: logits + at(VOCABULARY + 100, 1e4, VOCABULARY + 200))
    pairs = instances("loglikelihood", [("the cat sat on", " a mat"), ("the", " house")])
    for model in (larger, sure):
        ours, theirs = (
            kind(pretrained=model, tokenizer=tokenizer, batch_size=1) for kind in (SharedPrefixLM, HFLM)
        )
        assert [one for one, _ in ours.loglikelihood(pairs, True)] == pytest.approx(
            [one for one, _ in theirs.loglikelihood(pairs, True)], rel=1e-5
        )
        asked = instances("generate_until", ASKED)
        assert ours.generate_until(asked, True) == theirs.generate_until(asked, True)
    assert [one for one, _ in ours.loglikelihood(pairs, True)][1] < -1e3  # what is said is not renormalised
    assert ours.generate_until(asked, True) == ["", ""]


def test_a_vocabulary_smaller_than_the_tokenizers_is_refused_where_it_shows(tokenizer: Any) -> None:
    smaller = family("llama", 2500)
    words = (tokenizer.decode([number]) for number in range(2500, VOCABULARY))
    rare = next(word for word in words if max(tokenizer(f"t{word}").input_ids) >= 2500 and word[0] == " ")
    lm = Recorder(pretrained=smaller, tokenizer=tokenizer, batch_size=1)
    known = lm.loglikelihood(instances("loglikelihood", [("t", "%")]))
    assert math.isfinite(known[0][0])
    for kind, asked in (("loglikelihood", ("t", rare)), ("generate_until", (rare, {"max_gen_toks": 2}))):
        with pytest.raises(ModelError, match=r"the tokenizer writes token \d+ \('.+'\), and the model knows"):
            getattr(lm, kind)(instances(kind, [asked]))


# Texts


@pytest.fixture(scope="module")
def with_bos(tiny: Any) -> Any:
    """The tiny model's tokenizer, where it begins each text with its one special token."""
    from tokenizers.processors import TemplateProcessing
    from transformers import AutoTokenizer

    found = AutoTokenizer.from_pretrained(tiny)
    found.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|end|> $A", special_tokens=[("<|end|>", found.eos_token_id)]
    )
    return found


@pytest.mark.parametrize("bos", [False, True], ids=["no BOS", "BOS"])
def test_tokens_that_merge_over_the_boundary_are_scored_as_lm_eval_scores_them(
    llama: Any, tokenizer: Any, with_bos: Any, bos: bool
) -> None:
    encoder = with_bos if bos else tokenizer
    pairs = [
        ("the", "re is"),
        ("th", "e cat sat"),
        ("the cat ", "sat"),
        ("the cat sat on the hous", "e where"),
    ]
    alone = [encoder(context.rstrip()).input_ids for context, _ in pairs]
    whole = [encoder(context + answer).input_ids for context, answer in pairs]
    assert sum(one != both[: len(one)] for one, both in zip(alone, whole, strict=True)) >= 2
    assert (len(encoder("the").input_ids) == 2) == bos
    ours, theirs = (
        kind(pretrained=llama, tokenizer=encoder, batch_size=1) for kind in (SharedPrefixLM, HFLM)
    )
    asked = instances("loglikelihood", pairs)
    found, expected = ours.loglikelihood(asked, True), theirs.loglikelihood(asked, True)
    assert [one for one, _ in found] == pytest.approx([one for one, _ in expected], abs=1e-3)
    assert ours.fallback is None


@pytest.mark.parametrize(
    ("kind", "asked", "reason"),
    [
        ("loglikelihood", ("the cat", ""), "has an empty continuation"),
        ("loglikelihood", ("", ""), "has an empty continuation"),
        ("loglikelihood", ("", "<|end|>"), "has an empty continuation"),
        ("loglikelihood", ("th", "e"), "has an empty continuation"),
        ("loglikelihood", (" ", "cat"), "has an empty context"),
        ("loglikelihood_rolling", ("",), "has an empty text"),
        ("generate_until", ("", {}), "has an empty prompt"),
    ],
)
def test_what_would_be_a_silent_0_is_refused_before_it_is_asked(
    llama: Any, tokenizer: Any, kind: str, asked: tuple[Any, ...], reason: str
) -> None:
    good = {"loglikelihood": ("the", " cat"), "generate_until": ("the", {})}.get(kind, ("the cat",))
    lm = Recorder(pretrained=llama, tokenizer=tokenizer, batch_size=1)
    with pytest.raises(UnaskableError, match=f"request 1 {reason}"):
        lm.cost(instances(kind, [good, asked]))


def test_white_space_is_a_text_like_any(llama: Any, tokenizer: Any) -> None:
    pairs = instances("loglikelihood", [("the cat", " "), ("the cat", "\n")])
    ours, theirs = (kind(pretrained=llama, tokenizer=tokenizer, batch_size=1) for kind in (Recorder, HFLM))
    assert ours.cost(pairs)
    found = [one for one, _ in ours.loglikelihood(pairs)]
    assert found == pytest.approx([one for one, _ in theirs.loglikelihood(pairs, True)], abs=1e-3)
    assert max(found) < 0


def test_items_longer_than_the_model_takes_are_counted(llama: Any, tokenizer: Any) -> None:
    lm = Recorder(pretrained=llama, tokenizer=tokenizer, batch_size=1, max_length=16)
    long = "the cat sat on a mat " * 4
    scored = instances("loglikelihood", [("the", " cat"), (long, " cat"), (long, " mat")])
    lm.cost(scored)
    assert lm.cut(scored) == [1, 2]
    written = instances("generate_until", [(long, {"max_gen_toks": 4}), ("the", {"max_gen_toks": 4})])
    lm.cost(written)
    assert lm.cut(written) == [0]


def test_an_item_that_just_fits_is_not_cut(llama: Any, tokenizer: Any) -> None:
    pairs = instances("loglikelihood", [("the cat sat on", " a mat")])
    n = len(tokenizer("the cat sat on a mat").input_ids)
    cut = []
    for longest in (n - 1, n - 2):  # the last token is scored and not fed
        lm = Recorder(pretrained=llama, tokenizer=tokenizer, batch_size=1, max_length=longest)
        lm.cost(pairs)
        cut.append(lm.cut(pairs))
    assert cut == [[], [0]]


# Divergence


def test_a_divergence_that_is_infinite_is_not_measured_and_says_where() -> None:
    trie, model = texts(SMALL), family("llama", SMALL)
    original = scored(model, trie)
    missing = with_logits(model, lambda logits: logits + at(7, -math.inf, SMALL))
    found = divergence(missing, trie, original)
    documents = original.owners(np.arange(trie.n_requests))
    assert np.isposinf(found.kl).all()  # the top is the whole vocabulary
    assert found.mean(documents) == NotMeasured(
        f"at {len(found.kl)} of {len(found.kl)} positions the variant rules out what is possible to the "
        "original: the divergence is infinite there"
    )


@pytest.mark.parametrize("times", [100, 1000])
def test_an_original_that_is_all_but_certain_diverges_by_a_number(times: float) -> None:
    trie, model = texts(LARGE), family("llama", LARGE)
    certain = copy.deepcopy(model)
    with torch.no_grad():
        certain.lm_head.weight.mul_(times)
    original = scored(certain, trie)
    assert original.tail is not None
    assert original.tail.mass.max() < LEAST_TAIL
    p, q = plain(certain, trie, original.places), plain(model, trie, original.places)
    exact = scipy.stats.entropy(np.exp(p), np.exp(q), axis=1)
    found = divergence(model, trie, original)
    assert found.kl == pytest.approx(exact, abs=1e-3)
    assert (found.kl_lower <= found.kl + 1e-4).all()


def test_a_tail_of_impossible_tokens_alone_adds_nothing() -> None:
    trie, model = texts(LARGE), family("llama", LARGE)
    forbidden = torch.full((LARGE,), -math.inf)
    forbidden[:40] = 0
    narrow, wide = with_logits(model, lambda logits: logits + forbidden), noisy(model, 0.02)
    original = scored(narrow, trie)
    p, q = plain(narrow, trie, original.places), plain(wide, trie, original.places)
    exact = scipy.stats.entropy(np.exp(p), np.exp(q), axis=1)
    assert divergence(wide, trie, original).kl == pytest.approx(exact, abs=1e-4)
