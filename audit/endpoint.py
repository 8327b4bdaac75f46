"""Whether a server can be asked what an audit asks, and reads the same text."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from audit.errors import ModelError
from audit.hidden import without_secrets
from audit.loading import load_tokenizer
from audit.records import Endpoint
from audit.web import answer

PROBES = ("The quick brown fox jumps over the lazy dog.", "def f(x):\n    return x**2  # 12345")
TIMEOUT = 60.0
"""Seconds."""
_READ, _SHOWN = 100_000, 500
"""Of the answer of a server that refuses: bytes and characters."""


def check_endpoint(endpoint: Endpoint, original: Path, whose: str) -> None:
    """Raises ModelError where the server can't be reached, shows no log-probabilities of a prompt, or reads
    other text in the original's token ids."""
    tokenizer = load_tokenizer(original)
    for text in PROBES:
        ids = tokenizer(text, add_special_tokens=False).input_ids
        shown = _echo(endpoint, ids, whose)
        tokens, values = shown.get("tokens") or [], shown.get("token_logprobs") or []
        if len(values) < len(ids) or any(value is None for value in values[1 : len(ids)]):
            raise ModelError(
                f"{whose}: {endpoint.url} shows {len(values)} log-probabilities of a prompt of {len(ids)} "
                "tokens. It has to echo the prompt with log-probabilities, as vLLM's completions do."
            )
        read = "".join(map(str, tokens[: len(ids)]))
        if read != text:
            raise ModelError(
                f"{whose}: the original's tokens of {text!r} read {read!r} there. It has another tokenizer: "
                "serve the model that was made from this original."
            )


def _echo(endpoint: Endpoint, ids: list[int], whose: str) -> dict[str, Any]:
    """The log-probabilities that the server shows of a prompt."""
    asked = {
        "model": endpoint.model, "prompt": [ids], "temperature": 0, "max_tokens": 1, "logprobs": 1,
        "echo": True,
    }  # fmt: skip
    headers = {
        "Content-Type": "application/json",
        "Authorization": f"Bearer {os.environ.get('OPENAI_API_KEY', '')}",
    }
    request = urllib.request.Request(endpoint.url, json.dumps(asked).encode(), headers)
    try:
        found: dict[str, Any] = answer(request, TIMEOUT)["choices"][0]["logprobs"]
    except urllib.error.HTTPError as error:
        said = without_secrets(error.read(_READ).decode(errors="replace"))[:_SHOWN]
        raise ModelError(f"{whose}: {endpoint.url} answers {error.code} {error.reason}: {said}") from None
    except OSError as error:
        raise ModelError(f"{whose}: {endpoint.url} can't be reached: {error}. Start the server.") from None
    except ValueError as error:
        raise ModelError(f"{whose}: {endpoint.url} answers what can't be read: {error}.") from None
    except (KeyError, IndexError, TypeError):
        raise ModelError(f"{whose}: {endpoint.url} answers otherwise than OpenAI's completions do.") from None
    return found or {}
