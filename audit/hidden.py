"""Keys that this process was given, kept out of what it says.

Nothing of ours prints one. But a server that refuses a key may repeat it in its answer, and a library may put
what it was asked into its error: so whatever becomes an error of ours goes through here.
"""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Mapping

_NAMES = re.compile(r"TOKEN|KEY|SECRET|PASSW|CREDENTIAL|AUTH", re.IGNORECASE)
SHORTEST = 8
"""Characters: what is shorter may be a word."""
_USER = re.compile(r"(?<=://)[^\s/@'\"]+@")
"""Name and password in a URL."""


def without_secrets(text: str, environment: Mapping[str, str] | None = None) -> str:
    """The text with the values of variables that are named like secrets replaced by their names.

    A text may be JSON, where each character has several spellings.

    >>> without_secrets("no such key: sk-123456", {"OPENAI_API_KEY": "sk-123456"})
    'no such key: (OPENAI_API_KEY)'
    >>> without_secrets(r"no such key: \\u0073k-123456", {"OPENAI_API_KEY": "sk-123456"})
    'no such key: (OPENAI_API_KEY)'
    >>> without_secrets("https://me:pass@host/v1 is down", {})
    'https://(user)@host/v1 is down'
    """
    text = _USER.sub("(user)@", text)
    for name, value in (os.environ if environment is None else environment).items():
        if len(value) >= SHORTEST and _NAMES.search(name):
            text = text.replace(value, f"({name})")
            if "\\" in text:
                text = f"({name})".join(_spellings(value).split(text))
    return text


@functools.cache
def _spellings(secret: str) -> re.Pattern[str]:
    """The secret in JSON, or in Python's spelling of that, where a backslash is two."""
    return re.compile("".join(rf"(?:{re.escape(one)}|\\{{1,2}}(?:{_escape(one)}))" for one in secret))


def _escape(one: str) -> str:
    """What may stand behind the backslash."""
    short = "/" if one == "/" else json.dumps(one)[2:-1]
    return "|".join([f"u(?i:{ord(one):04x})", *([re.escape(short)] if short else [])])
