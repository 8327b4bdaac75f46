"""The scorer: an lm-eval LM that computes each distinct prefix token of a task once.

    python -m audit.harness.shared_prefix run --model shared-prefix --model_args pretrained=... --tasks ...

is lm-eval's own command line with this LM known to it. It is HFLM in all but how log-likelihoods and
greedy generations are computed: the same arguments, tokens, truncation and answers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from lm_eval.api.registry import register_model
from lm_eval.models.huggingface import HFLM
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

from audit.activations import unrounded
from audit.devices import input_device
from audit.errors import ModelError
from audit.harness import completions, generation
from audit.harness import trie as tries
from audit.harness.attention import MaskedModel, UnsupportedAttentionError, longest_supported, windows
from audit.harness.measures import Answers, Measured, answers, measure
from audit.harness.packs import logits_at
from audit.harness.trie import Encoded, Ints, Trie
from audit.memory import free_bytes, ran_out

TOLERANCE = {torch.float32: 1e-3, torch.float16: 0.05, torch.bfloat16: 0.3}
"""Of a request's log-likelihood against the plain forward, nats: beyond it a model is not believed."""
LONG = 1000.0
"""Nats of a log-likelihood, as of a long text, beyond which the tolerance grows with it, as rounding does."""
DECOY_TOKENS = 64
MOST_TOKENS = {"cpu": 384, "cuda": 4096}
"""More keeps neither device busier (docs/performance.md), and attention grows with it."""
FEWEST_TOKENS = 32
LOGITS_COPIES = 4
"""Float32 copies of the logits at once: as computed, log-softmax, its exponential, and one under way."""
MEMORY_SHARE = 0.25
"""Of the free memory, for one pack."""
AUTO_ROWS = 16
"""Of a generation, where the batch size is to be picked and memory suffices."""

_log = logging.getLogger(__name__)
_Found = TypeVar("_Found")


@register_model("shared-prefix")
class SharedPrefixLM(HFLM):  # type: ignore[misc]  # lm_eval ships no types
    """HFLM that shares prefixes; `fallback` says why not, where a model can't be scored so."""

    def __init__(self, *args: Any, pack_tokens: int | None = None, **others: Any) -> None:
        """As HFLM; `pack_tokens` bounds the tokens of one forward (None: picked by device and memory)."""
        super().__init__(*args, **others)
        self._wanted_pack_tokens = None if pack_tokens is None else int(pack_tokens)
        self.fitting: int | None = None
        """Tokens of a pack, where memory did not suffice for as many as were meant."""
        self._tries: dict[tuple[tuple[str, str], ...], Trie] = {}
        self._prompts: dict[tuple[str, int], list[int]] = {}
        self._cut_prompts: set[tuple[str, int]] = set()
        self.advance: Callable[[float], None] = lambda tokens: None
        """Told of tokens as they are computed."""
        self.swap(self._model)

    def swap(self, model: Any, shrink: int = 1) -> None:
        """Score another model of the same shape and tokenizer from here on; what was planned stays.

        Packs are `shrink` times smaller: that changes no answer but by rounding.
        """
        self._model = model
        self.fitting = None
        self._device = input_device(model)
        self._shrink = shrink
        self._proven_depth = 0
        self.fallback: str | None = None
        self.generation_fallback: str | None = None
        self._generation_proven = False
        self._windows: dict[str, int | None] = {}
        try:
            self._windows = windows(model)
        except UnsupportedAttentionError as why:
            self._fall_back(str(why))

    def masked(self, pack_tokens: int | None = None) -> MaskedModel:
        """The model in memory, with the packs that it was given or that fit now."""
        wanted = pack_tokens or self._wanted_pack_tokens or pick_pack_tokens(self._model)
        tokens = -(-wanted // self._shrink)
        return MaskedModel(self._model, self._windows, min(tokens, self.fitting or tokens))

    def plan(self, pairs: Sequence[tuple[str, str]]) -> Trie:
        """The trie of the (context, continuation) pairs, made once."""
        key = tuple(pairs)
        if key not in self._tries:
            self._tries[key] = tries.build(self._encoded(key), self.max_length)
        return self._tries[key]

    def measure(self, trie: Trie, original: Measured | None = None) -> Measured | None:
        """All that the model says of the trie; None where it can't be scored as one (see `fallback`)."""
        return self._trusted(trie, lambda masked: measure(masked, trie, original, self.advance))

    def _loglikelihood_tokens(
        self,
        requests: Sequence[tuple[Any, Sequence[int], Sequence[int]]],
        disable_tqdm: bool = False,
        **others: Any,
    ) -> list[tuple[float, bool]]:
        if not self.fallback:
            trie = tries.build([(context, answer) for _, context, answer in requests], self.max_length)
            found = self._answered([text for text, _, _ in requests], trie)
            if not self.fallback:
                return found
        theirs: list[tuple[float, bool]] = super()._loglikelihood_tokens(
            requests, disable_tqdm=disable_tqdm, **others
        )
        return theirs

    def _answered(self, texts: Sequence[Any], trie: Trie) -> list[tuple[float, bool]]:
        """The answers of the trie's requests; none if the model turns out to be one for `fallback`."""
        answered = self._trusted(trie, lambda masked: answers(masked, trie, self.advance))
        if answered is None:
            return []
        found = per_request(answered, trie)
        for text, answer in zip(texts, found, strict=True):
            if text is not None:  # None: a window of a rolling request, which counts as a whole
                self.cache_hook.add_partial("loglikelihood", text, answer)
        return found

    def _trusted(self, trie: Trie, work: Callable[[MaskedModel], _Found]) -> _Found | None:
        """The work, with packs that fit the device's memory; None if the model is one for `fallback`."""
        self._check_known((trie.token, trie.target))
        while not self.fallback:
            masked = self.masked()
            try:
                self.prove(trie)
                if not self.fallback:
                    return work(masked)
            except UnsupportedAttentionError as why:
                self._fall_back(str(why))
            except (RuntimeError, MemoryError) as error:
                if not ran_out(error) or not self._halved(masked):
                    raise
        return None

    def _halved(self, masked: MaskedModel) -> bool:
        """Make packs half as large; False where they are as small as they get."""
        if masked.pack_tokens < 2 * FEWEST_TOKENS:
            return False
        self.fitting = masked.pack_tokens // 2
        _log.warning("out of memory: packs of %d tokens from here on", self.fitting)
        return True

    def loglikelihood(self, requests: Any, disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """As HFLM; requests that were planned are not tokenised again."""
        if not self.fallback and not self.enable_thinking:  # the latter is an error, which HFLM explains
            pairs = [request.args for request in requests]
            found = self._answered(pairs, self.plan(pairs))
            if not self.fallback:
                return found
        theirs: list[tuple[float, bool]] = super().loglikelihood(requests, disable_tqdm=disable_tqdm)
        return theirs

    def loglikelihood_rolling(self, requests: Any, disable_tqdm: bool = False) -> list[float]:
        """As HFLM, all windows of all texts at once."""
        if self.fallback:
            theirs: list[float] = super().loglikelihood_rolling(requests, disable_tqdm=disable_tqdm)
            return theirs
        texts = [request.args[0] for request in requests]
        windows_of = [self._rolling_windows(text) for text in texts]
        flat = [(None, *window) for windows in windows_of for window in windows]
        found = iter(self._loglikelihood_tokens(flat, disable_tqdm=disable_tqdm, override_bs=1))
        totals = [sum(next(found)[0] for _ in windows) for windows in windows_of]
        for text, total in zip(texts, totals, strict=True):
            self.cache_hook.add_partial("loglikelihood_rolling", (text,), total)
        return totals

    def _rolling_windows(self, text: str) -> list[Encoded]:
        return [
            make_disjoint_window(window)
            for window in get_rolling_token_windows(
                token_list=self.tok_encode(text),
                prefix_token=self.prefix_token_id,
                max_seq_len=self.max_length,
                context_len=1,
            )
        ]

    def generate_until(self, requests: Any, disable_tqdm: bool = False) -> list[str]:
        """As HFLM at batch size 1; greedy requests share prefixes and grow `batch_size` at a time."""
        found = self._generated([request.args for request in requests])
        rest = [index for index in range(len(requests)) if index not in found]
        if rest:
            with generation.refusing_nan(self._model):
                theirs = super().generate_until(
                    [requests[index] for index in rest], disable_tqdm=disable_tqdm
                )
            found.update(zip(rest, theirs, strict=True))
        return [found[index] for index in range(len(requests))]

    def _generated(self, asked: Sequence[tuple[str, dict[str, Any]]]) -> dict[int, str]:
        """The answers by request; those lack that are not greedy, or all once the model is seen to differ."""
        read = [self.completion(*pair) for pair in asked]
        self._check_known(one.prompt.tokens for one in read if one is not None)
        if not self._generates():
            return {}
        chosen = [(index, one) for index, one in enumerate(read) if one is not None]
        prompts = [one.prompt for _, one in chosen]
        longest = max((len(one.tokens) + one.most for one in prompts), default=1)
        rows = self.batch_size if isinstance(self.batch_size, int) else pick_rows(self._model, longest)
        found: dict[int, str] = {}
        masked = self.masked()
        while chosen:
            prompts = [one.prompt for _, one in chosen]
            try:
                for answer in generation.generate(masked, prompts, rows, self.advance):
                    if not self._agrees(answer):
                        return found
                    index, one = chosen[answer.index]
                    found[index] = completions.text(self, answer.tokens, one.until)
                    self.cache_hook.add_partial("generate_until", asked[index], found[index])
            except (RuntimeError, MemoryError) as error:
                if not ran_out(error) or not (self._halved(masked) or rows > 1):
                    raise
                rows, masked = max(1, rows // 2), self.masked()
            chosen = [one for one in chosen if one[0] not in found]
        return found

    def completion(self, context: str, gen_kwargs: dict[str, Any]) -> completions.Completion | None:
        """The request as it will be generated; None if HFLM will have to."""
        return completions.completion(self, self._prompt, context, gen_kwargs, longest_supported(self._model))

    def _prompt(self, context: str, most: int) -> list[int]:
        """Its tokens, cut from the left to leave room for `most` new ones; tokenised once."""
        key = (context, most)
        if key not in self._prompts:
            ids, _ = self.tok_batch_encode([context], truncation=self.truncation)
            self._prompts[key] = ids[0, -(self.max_length - most) :].tolist()
            if ids.shape[1] > self.max_length - most:
                self._cut_prompts.add(key)
        return self._prompts[key]

    def _generates(self) -> bool:
        """Whether this model's greedy decoding is known to be ours; says why not, once."""
        if self.fallback or self.generation_fallback:
            return False
        reason = generation.unsupported(self._model)
        if self.mixed_precision_dtype is not None:
            reason = "mixed precision is asked for"
        if reason:
            self._leave_generation(reason)
        return reason is None

    def _agrees(self, answer: generation.Generated) -> bool:
        """Hold a new model's answers against its own `generate`, until one was longer than a token."""
        if self._generation_proven:
            return True
        error = generation.disagreement(self._model, answer)
        if not error <= TOLERANCE.get(self._model.dtype, 1e-3):
            self._leave_generation(f"its logits differ by {error:.3g} from those of its own `generate`")
            return False
        self._generation_proven = len(answer.tokens) > 1
        return True

    def _leave_generation(self, reason: str) -> None:
        self.generation_fallback = reason
        _log.warning("%s generates by lm-eval's HFLM: %s", type(self._model).__name__, reason)

    def _encoded(self, pairs: Sequence[tuple[str, str]]) -> list[Encoded]:
        """As `TemplateLM.loglikelihood` encodes them; each distinct context once."""
        encode: Callable[..., list[int]] = super().tok_encode
        known: dict[str, list[int]] = {}

        def remembered(text: str, **options: Any) -> list[int]:
            if options or text not in known:
                ids = encode(text, **options)
                if options:
                    return ids
                known[text] = ids
            return known[text]

        self.tok_encode = remembered
        try:
            return [self._encode(context, answer) for context, answer in pairs]
        finally:
            del self.tok_encode

    def _encode(self, context: str, answer: str) -> Encoded:
        if context:
            encoded: Encoded = self._encode_pair(context, answer)
            return encoded
        ids = self.tok_encode(answer, add_special_tokens=False)
        return (ids[:1], ids[1:]) if ids[:1] == [self.prefix_token_id] else ([self.prefix_token_id], ids)

    def prove(self, trie: Trie) -> None:
        """Hold a few requests of a new model, or deeper ones than before, against the plain forward.

        They are taken from the deepest trie that is planned, so that one proof does for all.
        """
        deepest = max([trie, *self._tries.values()], key=Trie.longest)
        if self.fallback or trie.longest() <= self._proven_depth:
            return
        limit = longest_supported(self._model)
        if limit is not None and deepest.longest() > limit:
            self._fall_back(f"beyond {limit} tokens its rotary frequencies depend on the longest request")
            return
        probe = _probe(deepest, self.max_length)
        try:
            with unrounded(self._model):
                together = answers(self.masked(-(-2 * len(probe) // 3)), probe)
                real = range(probe.n_requests - 1)
                alone = [_plain(self._model, *probe.encoded(request)) for request in real]
        except UnsupportedAttentionError as why:
            self._fall_back(str(why))
            return
        found = per_request(together, probe)
        error = np.max(  # and not `max`, which passes over a NaN
            [
                abs(one - other) / max(1.0, abs(one) / LONG)
                for one, (other, _) in zip(alone, found, strict=False)  # without the decoy's
            ]
        )
        if not error <= TOLERANCE.get(self._model.dtype, 1e-3):  # NaN is no agreement either
            self._fall_back(f"as a trie its log-likelihoods differ by {error:.3g} from the plain forward's")
        self._proven_depth = deepest.longest()

    def _check_known(self, texts: Iterable[Sequence[int] | Ints]) -> None:
        """Raises ModelError for a token that the model has no place for: on a GPU that ends the process."""
        known = self._model.config.get_text_config().vocab_size
        largest = max((int(np.max(ids)) for ids in texts if len(ids)), default=0)
        if largest >= known:
            raise ModelError(
                f"the tokenizer writes token {largest} ({self.tokenizer.convert_ids_to_tokens(largest)!r}), "
                f"and the model knows {known}: its vocabulary is the smaller one. Take both from the same "
                "checkpoint."
            )

    def _fall_back(self, reason: str) -> None:
        self.fallback = reason
        _log.warning("%s is scored by lm-eval's HFLM: %s", type(self._model).__name__, reason)


def per_request(answers: Answers, trie: Trie) -> list[tuple[float, bool]]:
    """Log-likelihood (nats) and greedy flag of each request, in their order."""
    total = np.bincount(trie.request, weights=answers.logprob, minlength=trie.n_requests)
    greedy = np.ones(trie.n_requests, dtype=bool)
    np.logical_and.at(greedy, trie.request, answers.greedy)
    return list(zip(total.tolist(), greedy.tolist(), strict=True))


def pick_pack_tokens(model: Any) -> int:
    """Tokens of one forward: what keeps the device busy, or fewer where memory is short.

    Answers don't depend on it beyond rounding, so a run on a fuller machine says the same.
    """
    most = MOST_TOKENS["cuda" if input_device(model).type == "cuda" else "cpu"]
    fitting = int(MEMORY_SHARE * _free(model)) // bytes_per_token(model)
    return max(FEWEST_TOKENS, min(most, fitting))


def bytes_per_token(model: Any) -> int:
    """Of a pack whose tokens are all scored: logits and what is made of them, and the activations."""
    config = model.config.get_text_config()
    logits = LOGITS_COPIES * config.vocab_size
    activations = 4 * config.hidden_size + 3 * getattr(config, "intermediate_size", 4 * config.hidden_size)
    return int(4 * (logits + activations))


def pick_rows(model: Any, longest: int) -> int:
    """Rows of a generation whose keys and values fit, each of `longest` tokens."""
    config = model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    bytes_per_row = 2 * config.num_hidden_layers * heads * width * model.dtype.itemsize * longest
    return max(1, min(AUTO_ROWS, int(MEMORY_SHARE * _free(model)) // int(bytes_per_row)))


def _free(model: Any) -> int:
    """Bytes; none where the system does not tell, which makes packs as small as they get."""
    return free_bytes(str(input_device(model))) or 0


def _probe(trie: Trie, max_length: int) -> Trie:
    """The deepest request, its neighbour, the shallowest, and a decoy.

    The decoy is another answer to the deepest request and, by its token 0, comes before it in the row: a
    model that counts distances along the row, and not along the branch, gives itself away in the others.
    Its own log-likelihood proves nothing: a broken model finds it so unlikely that rounding shows.
    """
    depths = trie.request_depths()
    deepest = int(depths.argmax())
    neighbour = deepest - 1 if deepest else min(1, trie.n_requests - 1)
    chosen = [trie.encoded(request) for request in {deepest, neighbour, int(depths.argmin())}]
    context, _ = trie.encoded(deepest)
    decoy = [0, *context[-DECOY_TOKENS:]][: max_length + 1 - len(context)]
    return tries.build([*chosen, (context, decoy)], max_length)


def _plain(model: Any, context: Sequence[int], continuation: Sequence[int]) -> float:
    """Log-likelihood of one request by itself, with no mask, position or cache of ours."""
    fed = [*context, *continuation][:-1]
    scored = np.arange(len(context) - 1, len(fed))
    logits = logits_at(model, {"input_ids": torch.tensor([fed], device=input_device(model))}, scored)
    logprobs = torch.log_softmax(logits, dim=-1, dtype=torch.float32).cpu()
    return float(logprobs.gather(-1, torch.tensor(continuation)[:, None]).double().sum())


if __name__ == "__main__":
    from lm_eval.__main__ import cli_evaluate

    cli_evaluate()
