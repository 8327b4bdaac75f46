"""A model behind an OpenAI-compatible server, asked by lm-eval's own client."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lm_eval.models.openai_completions import LocalCompletionsAPI

from audit import server
from audit.harness.measures import Measured
from audit.harness.trie import UnaskableError
from audit.records import AuditConfig, Endpoint

AT_ONCE = 1
"""Requests in flight: servers differ in what they take."""


class Served(LocalCompletionsAPI):  # type: ignore[misc]  # lm-eval ships no types
    """Prompts go as token ids of the original's tokenizer, so that every candidate reads the same."""

    measured: Measured | None = None
    """Nothing: a server shows no more than the log-probabilities of a prompt."""
    fallback = generation_fallback = fitting = None

    def __init__(self, endpoint: Endpoint, config: AuditConfig, probed: tuple[float, ...]) -> None:
        """`probed`: what it said of the probes when it was first asked; empty: that was not kept."""
        super().__init__(
            base_url=endpoint.url, model=endpoint.model, tokenizer=config.model.path,
            tokenizer_backend="huggingface", num_concurrent=AT_ONCE, seed=config.seed, revision=None,
            trust_remote_code=config.model.trust_remote_code, max_retries=1,
        )  # fmt: skip
        self._endpoint, self._probed = endpoint, probed

    def model_call(
        self, messages: Any, *, generate: bool = True, gen_kwargs: Mapping[str, Any] | None = None,
        **others: Any,
    ) -> dict[str, Any]:  # fmt: skip
        """As lm-eval's, but bounded, patient, and read before it is believed."""
        asked = self._create_payload(
            self.create_message(messages), generate=generate, gen_kwargs=dict(gen_kwargs or {}),
            seed=self._seed, eos=self.eos_string, **others,
        )  # fmt: skip
        answer = server.written if generate else server.scored
        return answer(self._endpoint, asked, patience=server.PATIENCE)

    def check_same(self) -> None:
        """Raises ModelError where it answers otherwise than when it was first asked."""
        if self._probed:
            probes = [self.tok_encode(text) for text in server.PROBES]
            now = server.log_likelihoods(self._endpoint, probes, patience=server.PATIENCE)
            server.check_same(self._probed, now, self._endpoint)

    def fewer_rows(self) -> bool:
        """It is not this machine's memory that a server takes."""
        return False

    def listen(self, original: Measured | None, advance: Callable[[float], None]) -> None:
        """Begin a task; tokens are told of when it is done, as part of a cell."""

    def cut(self, requests: Sequence[Any]) -> list[int]:
        """None that is known: the server takes what its own model takes."""
        return []

    def cost(self, requests: Sequence[Any]) -> int:
        """Tokens of the prompts. Raises UnaskableError for an answer without any, which would score 0."""
        for index, one in enumerate(requests):
            context, answer = (*one.args, "")[:2]
            if one.request_type == "loglikelihood" and not (
                self._encode_pair(context, answer)[1] if context else answer
            ):
                raise UnaskableError(index, "has an empty continuation")
        return sum(len(self.tok_encode("".join(map(str, one.args[:2])))) for one in requests)
