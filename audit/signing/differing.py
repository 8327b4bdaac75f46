"""Where two files or two JSON values first differ, in words."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],]|[^\s{}\[\],":]+')
_SHOWN = 60
"""Characters of a value."""


def first_byte(found: bytes, honest: bytes) -> str:
    """Where `found` leaves `honest`: the offset, and of JSON the path, of other text the line.

    >>> first_byte(b'{"a":[1,3]}', b'{"a":[1,2]}')
    'first differs at byte 8 (from 0), in a.1'
    """
    short = min(len(found), len(honest))
    at = next((place for place in range(short) if found[place] != honest[place]), short)
    return f"first differs at byte {at:,} (from 0){_within(honest, at)}"


def first_unlike(one: Any, other: Any, path: str = "") -> tuple[str, Any, Any] | None:
    """The path, and both values, where two JSON values first differ; None where they are the same.

    What is missing on a side is shown as None.

    >>> first_unlike({"a": [1, 2]}, {"a": [1, 3]})
    ('a.1', 2, 3)
    """
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        keys: Sequence[Any] = sorted({*one, *other})
        pairs = [(key, one.get(key), other.get(key)) for key in keys]
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = [(key, *values) for key, values in enumerate(zip(one, other, strict=True))]
    else:
        # In JSON true is not 1
        return (
            None if one == other and isinstance(one, bool) == isinstance(other, bool) else (path, one, other)
        )
    found = (first_unlike(left, right, f"{path}.{key}" if path else str(key)) for key, left, right in pairs)
    return next((unlike for unlike in found if unlike is not None), None)


def shown(value: Any) -> str:
    """A JSON value, cut to what a line has room for."""
    text = json.dumps(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _within(honest: bytes, at: int) -> str:
    """What a reader calls the place; nothing in a binary file."""
    try:
        text = honest.decode()
        before = len(honest[:at].decode(errors="ignore"))
    except ValueError:
        return ""
    try:
        json.loads(text)
    except ValueError:
        return f", line {text.count(chr(10), 0, before) + 1}"
    path = _path(text, before)
    return f", in {path}" if path else ""


def _path(text: str, offset: int) -> str:
    """The keys that lead to a place of a JSON text."""
    keys: list[str | int | None] = []
    for token in _TOKEN.finditer(text):
        if token.start() > offset:
            break
        word = token.group()
        if word in ("{", "["):
            keys.append(None if word == "{" else 0)
        elif word in ("}", "]"):
            keys.pop()
        elif word == ",":
            keys[-1] = keys[-1] + 1 if isinstance(keys[-1], int) else None
        elif keys and keys[-1] is None:
            keys[-1] = json.loads(word)
    return ".".join(str(key) for key in keys if key is not None)
