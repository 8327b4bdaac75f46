"""Keys that this process was given, kept out of what it says.

Nothing of ours prints one. But a server that refuses a key may repeat it in its answer, and a library may put
what it was asked into its error: so whatever becomes an error of ours goes through here.
"""

from __future__ import annotations

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

    >>> without_secrets("no such key: sk-123456", {"OPENAI_API_KEY": "sk-123456"})
    'no such key: (OPENAI_API_KEY)'
    >>> without_secrets("https://me:pass@host/v1 is down", {})
    'https://(user)@host/v1 is down'
    """
    text = _USER.sub("(user)@", text)
    for name, value in (os.environ if environment is None else environment).items():
        if len(value) >= SHORTEST and _NAMES.search(name):
            text = text.replace(value, f"({name})")
    return text
