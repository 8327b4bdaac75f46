"""One question to an OpenAI-compatible server: bounded in time and size, asked again where that helps.

An answer is believed when it has the shape that was asked for; lm-eval reads what it is given, and of an
answer that is too short it makes a log-likelihood that is too good.
"""

from __future__ import annotations

import http.client
import json
import math
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from audit.errors import ModelError
from audit.hidden import without_secrets
from audit.records import Endpoint
from audit.web import answer

TIMEOUT = 300.0
"""Seconds that one answer may take."""
PATIENCE = 600.0
"""Seconds of waiting for a server that is busy or gone, over all tries of one question."""
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds before the next try, doubled each time; a server that names a time is given that."""
TRIES = 3
"""Of a question whose answer can't be read."""
MOST_BYTES = 2**26
"""Of an answer."""
BUSY, FAILED = {408, 425, 429, 502, 503, 504}, 500
"""Status codes after which asking again may help, and one after which it seldom does."""
_SHOWN = 500
"""Characters of what a server says that refuses."""
ROUNDING = 1e-3
"""Nats above 0 that a log-probability may have."""
PROBES = ("The quick brown fox jumps over the lazy dog.", "def f(x):\n    return x**2  # 12345")
"""Texts that a server is asked before, while and after it is audited."""
SAME = 0.3
"""Nats by which the log-likelihood of a probe may differ from before: what bfloat16 and another batch do."""


class _LaterError(Exception):
    """The next try may do."""

    def __init__(self, why: str, after: float = 0.0) -> None:
        super().__init__(why)
        self.after = after


class _UnreadableError(Exception):
    """It answered, but not what was asked."""


def scored(endpoint: Endpoint, asked: Mapping[str, Any], *, patience: float) -> dict[str, Any]:
    """The answer to prompts of token ids with the log-probabilities of each token.

    Raises ModelError where none is had in time, or it does not show each token's.
    """
    prompts = asked["prompt"]

    def check(found: Any) -> None:
        _check_scores(_choices(found, len(prompts)), prompts)

    return dict(_asked(endpoint, asked, patience, check))


def written(endpoint: Endpoint, asked: Mapping[str, Any], *, patience: float) -> dict[str, Any]:
    """The answer that goes on from each prompt. Raises ModelError where none is had in time."""

    def check(found: Any) -> None:
        _check_texts(_choices(found, len(asked["prompt"])))

    return dict(_asked(endpoint, asked, patience, check))


def anything(endpoint: Endpoint, asked: Mapping[str, Any]) -> Any:
    """The JSON that a server answers at once. Raises ModelError where it does not."""
    return _asked(endpoint, asked, 0.0, lambda found: None)


def log_likelihoods(
    endpoint: Endpoint, probes: Sequence[Sequence[int]], *, patience: float
) -> tuple[float, ...]:
    """Of each probe, nats, without its first token."""
    asked = {
        "model": endpoint.model, "prompt": [list(ids) for ids in probes], "temperature": 0, "max_tokens": 1,
        "logprobs": 1, "echo": True,
    }  # fmt: skip
    choices = sorted(scored(endpoint, asked, patience=patience)["choices"], key=lambda one: int(one["index"]))
    return tuple(
        sum(one["logprobs"]["token_logprobs"][1 : len(ids)]) for one, ids in zip(choices, probes, strict=True)
    )


def check_same(before: Sequence[float], now: Sequence[float], endpoint: Endpoint) -> None:
    """Raises ModelError where the probes' log-likelihoods are not what they were."""
    differ = max((abs(one - other) for one, other in zip(before, now, strict=False)), default=0.0)
    if not differ <= SAME:
        raise ModelError(
            f"{endpoint.url}: '{endpoint.model}' answers otherwise than when it was first asked: the "
            f"log-likelihood of a probe differs by {differ:.3g} nats (allowed: {SAME:g}). Was another model "
            "loaded? Serve the first one again and run the same command, or audit the new one under another "
            "--out."
        )


def _asked(
    endpoint: Endpoint, asked: Mapping[str, Any], patience: float, check: Callable[[Any], None]
) -> Any:
    wait, end, unreadable = FIRST_WAIT, time.monotonic() + patience, 0
    while True:
        try:
            found = _once(endpoint, asked)
            check(found)
        except _UnreadableError as error:
            unreadable += 1
            if unreadable >= TRIES or not patience:
                raise ModelError(
                    f"{endpoint.url} answers what can't be read: {error}. See what the "
                    "server logs, and run the same command: finished cells are kept."
                ) from None
            pause = wait
        except _LaterError as error:
            pause = max(error.after, wait)
            if time.monotonic() + pause > end:
                waited = f"for {patience:g} seconds, " if patience else ""
                raise ModelError(
                    f"{endpoint.url} can't be reached: {waited}{error}. Start the server, or wait until it "
                    "takes requests, and run the same command: finished cells are kept."
                ) from None
        else:
            return found
        time.sleep(pause)
        wait = min(2 * wait, LONGEST_WAIT)


def _once(endpoint: Endpoint, asked: Mapping[str, Any]) -> Any:
    headers = {
        "Content-Type": "application/json",
        "Authorization": f"Bearer {os.environ.get('OPENAI_API_KEY', '')}",
    }
    try:
        request = urllib.request.Request(endpoint.url, json.dumps(asked).encode(), headers)
    except ValueError as error:
        raise ModelError(f"{endpoint.url} can't be reached: {error}.") from None
    try:
        return answer(request, TIMEOUT, MOST_BYTES)
    except urllib.error.HTTPError as error:
        told = without_secrets(error.read().decode(errors="replace"))[:_SHOWN]
        said = f"it answers {error.code} {error.reason}: {told}"
        if error.code in BUSY:
            raise _LaterError(said, _seconds(error.headers.get("Retry-After"))) from None
        if error.code == FAILED:
            raise _UnreadableError(said) from None
        raise ModelError(f"{endpoint.url}: {said}") from None
    except (OSError, http.client.HTTPException) as error:
        raise _LaterError(str(error)) from None
    except ValueError as error:
        raise _UnreadableError(str(error)) from None


def _seconds(told: str | None) -> float:
    try:
        return max(0.0, float(told or 0))
    except ValueError:  # a date, which needs both clocks to agree
        return 0.0


def _choices(found: Any, n: int) -> list[dict[str, Any]]:
    choices = found.get("choices") if isinstance(found, dict) else None
    if not isinstance(choices, list) or not all(isinstance(one, dict) for one in choices):
        raise _UnreadableError(f"no choices, but {str(found)[:80]!r}")
    if sorted(str(one.get("index")) for one in choices) != sorted(map(str, range(n))):
        raise _UnreadableError(f"{len(choices)} choices for {n} prompts, or not numbered from 0")
    return choices


def _check_texts(choices: Sequence[Mapping[str, Any]]) -> None:
    for one in choices:
        if not isinstance(one.get("text"), str):
            raise _UnreadableError(f"a choice without a text: {str(one)[:80]!r}")


def _check_scores(choices: Sequence[Mapping[str, Any]], prompts: Sequence[Sequence[int]]) -> None:
    for one in choices:
        shown, n = one.get("logprobs"), len(prompts[int(one["index"])])
        values, top = (
            (shown.get(name) if isinstance(shown, dict) else None) or []
            for name in ("token_logprobs", "top_logprobs")
        )
        if len(values) != n + 1 or len(top) != n + 1:
            raise _UnreadableError(
                f"{len(values)} log-probabilities and {len(top)} likeliest tokens, for a prompt of {n} "
                "tokens and one more"
            )
        for value, best in zip(values[1:], top[1:], strict=True):
            likeliest = max(best.values(), default=None, key=_number) if isinstance(best, dict) else None
            if not _number(value) <= ROUNDING or not _number(likeliest) >= _number(value) - ROUNDING:
                raise _UnreadableError(
                    f"{value!r} as a log-probability, the likeliest token's being {likeliest!r}"
                )


def _number(value: Any) -> float:
    """NaN of what is none, which no comparison holds for."""
    sound = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if sound else math.nan
