"""A model behind an OpenAI-compatible server, asked by lm-eval's own client."""

from __future__ import annotations

import copy
import json
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any

from lm_eval.models.openai_completions import LocalCompletionsAPI

from audit.harness.measures import Measured
from audit.harness.trie import UnaskableError
from audit.records import AuditConfig, Endpoint
from audit.web import answer

SECONDS = 300.0
"""That one answer may take, as with lm-eval."""
AT_ONCE = 1
"""Requests in flight: servers differ in what they take."""


class Served(LocalCompletionsAPI):  # type: ignore[misc]  # lm-eval ships no types
    """Prompts go as token ids of the original's tokenizer, so that every candidate reads the same."""

    measured: Measured | None = None
    """Nothing: a server shows no more than the log-probabilities of a prompt."""
    fallback = generation_fallback = None

    def __init__(self, endpoint: Endpoint, config: AuditConfig) -> None:
        super().__init__(
            base_url=endpoint.url, model=endpoint.model, tokenizer=config.model.path,
            tokenizer_backend="huggingface", num_concurrent=AT_ONCE, seed=config.seed, revision=None,
            trust_remote_code=config.model.trust_remote_code,
        )  # fmt: skip

    def model_call(
        self, messages: Any, *, generate: bool = True, gen_kwargs: Any = None, **others: Any
    ) -> Any:
        """One answer within bounds of size and time, from that server alone; lm-eval's has no such bounds."""
        asked = self._create_payload(
            self.create_message(messages), generate=generate, gen_kwargs=copy.deepcopy(gen_kwargs),
            seed=self._seed, eos=self.eos_string, **others,
        )  # fmt: skip
        headers = {"Content-Type": "application/json", **self.header}
        return answer(urllib.request.Request(self.base_url, json.dumps(asked).encode(), headers), SECONDS)

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
