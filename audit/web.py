"""One answer over HTTP, within bounds: of this size, in this time, and from the place that was named."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from typing import Any

from audit.bounded import json_of
from audit.hidden import SHORTEST

MOST = 256 << 20
"""Bytes of an answer: the log-probabilities of a prompt take about 200 for each of its tokens."""
_MOST_AT_ONCE = 1 << 20
_KEYS = ("Authorization", "Private-token")
"""Headers, as urllib spells them."""


class _Stay(urllib.request.HTTPRedirectHandler):
    """A redirect would take the key, and what is asked, to another place."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Refuse: the answer becomes an HTTPError."""


def answer(request: urllib.request.Request, seconds: float, most: int = MOST) -> Any:
    """The JSON that a server answers.

    Raises HTTPError for any answer but success, redirects too; OSError where there is none within so many
    seconds, however slowly it drips; ValueError for what is no JSON, or is longer than `most` bytes.
    """
    until = time.monotonic() + seconds
    with urllib.request.build_opener(_Stay).open(request, timeout=seconds) as stream:
        parts, length = [], 0
        while part := stream.read1(_MOST_AT_ONCE):
            parts.append(part)
            length += len(part)
            if length > most:
                raise ValueError(f"it answers more than {most:,} bytes")
            if time.monotonic() > until:
                raise TimeoutError(f"it takes more than {seconds:g} seconds to answer")
    return json_of(_without_key(b"".join(parts), request))


def _without_key(found: bytes, request: urllib.request.Request) -> bytes:
    """A server that repeats the key that it was given would have it in answers, logs and reports."""
    for header in _KEYS:
        key = request.get_header(header, "").rpartition(" ")[2]
        if len(key) >= SHORTEST:
            found = found.replace(key.encode(), b"(key)")
    return found
