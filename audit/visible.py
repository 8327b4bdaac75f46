"""Foreign text on a page, in a file or on a terminal: what hides in it is spelled out."""

from __future__ import annotations

import unicodedata

JOINERS = "\u200c\u200d"
"""Zero-width joiners carry meaning in Persian, Hindi and emoji, and reorder nothing."""


def visible(text: str) -> str:
    """Foreign text with its invisible and reordering characters spelled out.

    A bidi control in a model's answer could otherwise turn a wrong answer into one that looks right, and an
    escape in a name could write a verdict on the terminal.

    >>> visible("a\\u202eb")
    'a⟦U+202E⟧b'
    """
    return text.translate(_SPELLED)


class _Spelled(dict[int, str]):
    """What `str.translate` puts for a character, looked up once for each."""

    def __missing__(self, code: int) -> str:
        self[code] = chr(code) if _harmless(chr(code)) else f"⟦U+{code:04X}⟧"
        return self[code]


_SPELLED = _Spelled()


def _harmless(character: str) -> bool:
    """Whether a character shows itself; every category C* hides, and so do line separators."""
    category = unicodedata.category(character)
    return character in "\n\t" or character in JOINERS or not (category[0] == "C" or category in ("Zl", "Zp"))
