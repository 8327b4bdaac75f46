"""The scorer of an audit: answers lm-eval, and keeps what else the pass over the logits showed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lm_eval.models.utils import normalize_gen_kwargs

from audit.harness import generation
from audit.harness.measures import Measured
from audit.harness.shared_prefix import SharedPrefixLM, per_request
from audit.harness.trie import UnaskableError

KINDS = ("loglikelihood", "loglikelihood_rolling", "generate_until")
"""Of lm-eval's requests."""


class Recorder(SharedPrefixLM):
    """Between `listen` and the next one it scores one task."""

    def __init__(self, *args: Any, **others: Any) -> None:
        super().__init__(*args, **others)
        self.rows: int = self.batch_size_per_gpu
        """Of a batch of HFLM's."""
        self.listen(None, lambda tokens: None)

    def listen(self, original: Measured | None, advance: Callable[[float], None]) -> None:
        """Begin a task: what to hold the answers against, and who is told of tokens as they are done."""
        self._original, self.advance = original, advance
        # What one task does not fit into is no matter of the next
        self.fitting, self.batch_size_per_gpu = None, self.rows
        self.measured: Measured | None = None

    def release(self) -> None:
        """Let go of the model, before the next one is loaded."""
        self._model = None

    def fewer_rows(self) -> bool:
        """Let HFLM take half as many at once, where it is asked; False where that is no way out."""
        if not (self.fallback or self.generation_fallback) or self.batch_size_per_gpu < 2:
            return False
        self.batch_size_per_gpu //= 2
        return True

    def cost(self, requests: Sequence[Any]) -> int:
        """Tokens that a run of the requests computes at most; those to be scored are planned by it.

        Raises UnaskableError for a request of which no number could be had.
        """
        of_kind = {kind: [one.args for one in requests if one.request_type == kind] for kind in KINDS}
        for index, (text,) in enumerate(of_kind["loglikelihood_rolling"]):
            if not text:
                raise UnaskableError(
                    index, "has an empty text, whose log-likelihood of 0 is the best there is"
                )
        for index, (prompt, _) in enumerate(of_kind["generate_until"]):
            if not prompt.strip() and not self.tok_encode(prompt):
                raise UnaskableError(index, "has an empty prompt, and the model nothing to go on from")
        prompts = [found.prompt for args in of_kind["generate_until"] if (found := self.completion(*args))]
        return (
            (len(self.plan(of_kind["loglikelihood"])) if of_kind["loglikelihood"] else 0)
            + sum(len(self.tok_encode(text)) for (text,) in of_kind["loglikelihood_rolling"])
            + len(generation.trie_of(prompts))
            + sum(prompt.most for prompt in prompts)
        )

    def cut(self, requests: Sequence[Any]) -> list[int]:
        """Those of the planned requests that were longer than the model takes, and lost their beginning."""
        scored = [one.args for one in requests if one.request_type == "loglikelihood"]
        trie = self.plan(scored) if scored else None
        return [
            index for index, one in enumerate(requests) if (trie and index in trie.cut) or self._is_cut(one)
        ]

    def _is_cut(self, request: Any) -> bool:
        """Of a prompt to go on from."""
        if request.request_type != "generate_until":
            return False
        context, gen_kwargs = request.args
        most = normalize_gen_kwargs(gen_kwargs, self.max_gen_toks)["max_gen_toks"]
        return (context, most) in self._cut_prompts

    def loglikelihood(self, requests: Any, disable_tqdm: bool = True) -> list[tuple[float, bool]]:
        """As HFLM, without its own progress bar: ours counts over the whole audit."""
        trie = self.plan([request.args for request in requests])
        self.measured = self.measure(trie, self._original)
        if self.measured is not None:
            return per_request(self.measured.answers, trie)
        quiet_hook = self.cache_hook
        self.set_cache_hook(Counter(self.advance, len(trie) / len(requests)))
        try:
            return super().loglikelihood(requests, disable_tqdm=disable_tqdm)
        finally:
            self.set_cache_hook(quiet_hook)

    def generate_until(self, requests: Any, disable_tqdm: bool = True) -> list[str]:
        """As SharedPrefixLM, without a progress bar of its own."""
        return super().generate_until(requests, disable_tqdm=disable_tqdm)


class Counter:
    """lm-eval's hook for response caches, told of each answered request as it is answered."""

    def __init__(self, advance: Callable[[float], None], tokens: float) -> None:
        self._advance, self._tokens = advance, tokens

    def add_partial(self, kind: str, request: Any, response: Any) -> None:
        """One more request is answered."""
        self._advance(self._tokens)
