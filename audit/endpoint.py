"""Whether a server can be asked what an audit asks, and reads the same text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from audit import server
from audit.errors import ModelError
from audit.loading import load_tokenizer
from audit.records import Endpoint


def check_endpoint(endpoint: Endpoint, original: Path, whose: str) -> tuple[float, ...]:
    """The log-likelihoods of the probes there.

    Raises ModelError where the server can't be reached, shows no log-probabilities of a prompt, or reads
    other text in the original's token ids.
    """
    tokenizer = load_tokenizer(original)
    probes = [tokenizer(text, add_special_tokens=False).input_ids for text in server.PROBES]
    try:
        for text, ids in zip(server.PROBES, probes, strict=True):
            _check_read(text, ids, endpoint)
        return server.log_likelihoods(endpoint, probes, patience=0.0)
    except ModelError as error:
        raise ModelError(f"{whose}: {error}") from None


def _check_read(text: str, ids: list[int], endpoint: Endpoint) -> None:
    shown = _echo(endpoint, ids)
    tokens, values = shown.get("tokens") or [], shown.get("token_logprobs") or []
    if len(values) < len(ids) or any(value is None for value in values[1 : len(ids)]):
        raise ModelError(
            f"{endpoint.url} shows {len(values)} log-probabilities of a prompt of {len(ids)} "
            "tokens. It has to echo the prompt with log-probabilities, as vLLM's completions do."
        )
    read = "".join(map(str, tokens[: len(ids)]))
    if read != text:
        raise ModelError(
            f"the original's tokens of {text!r} read {read!r} there. It has another tokenizer: "
            "serve the model that was made from this original."
        )


def _echo(endpoint: Endpoint, ids: list[int]) -> dict[str, Any]:
    """The log-probabilities that the server shows of a prompt."""
    asked = {
        "model": endpoint.model, "prompt": [ids], "temperature": 0, "max_tokens": 1, "logprobs": 1,
        "echo": True,
    }  # fmt: skip
    try:
        return dict(server.anything(endpoint, asked)["choices"][0]["logprobs"] or {})
    except (KeyError, IndexError, TypeError, ValueError):
        raise ModelError(f"{endpoint.url} answers otherwise than OpenAI's completions do.") from None
