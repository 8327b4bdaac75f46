"""Numbers and foreign text in the form that the page shows.

What was not measured passes through unchanged, so that its reason reaches the page.
"""

from __future__ import annotations

import math
import re
from typing import overload

from audit.records import Flips, Interval, NotMeasured
from audit.rounding import rounded
from audit.visible import visible as visible

MINUS = "\u2212"
MANY = 10_000
"""From here on digits are grouped: 10,000."""


def signed(value: float, digits: int) -> str:
    """A number with a true minus sign, and no sign on a zero.

    >>> signed(-1.5, 2), signed(-0.001, 2)
    ('−1.50', '0.00')
    """
    return rounded(value, digits).replace("-", MINUS)


def rate(value: float, digits: int = 2) -> str:
    """A share as a percentage; the space before the sign doesn't break.

    >>> rate(0.8125), rate(0.8125, 0)
    ('81.25\xa0%', '81\xa0%')
    """
    return f"{signed(100 * value, digits)}\N{NO-BREAK SPACE}%"


@overload
def points(value: float) -> str: ...
@overload
def points(value: float | NotMeasured) -> str | NotMeasured: ...
def points(value: float | NotMeasured) -> str | NotMeasured:
    """A share or a difference of shares, times 100: percent or percentage points.

    >>> points(-0.0125)
    '−1.25'
    """
    return value if isinstance(value, NotMeasured) else signed(100 * value, 2)


def interval_points(interval: Interval | NotMeasured) -> str | NotMeasured:
    """Both ends of an interval of shares, times 100."""
    if isinstance(interval, NotMeasured):
        return interval
    return f"{points(interval.lower)} to {points(interval.upper)}"


def plain(value: float, figures: int = 4) -> str:
    """A number of any size with its significant figures, never as a power of ten.

    >>> plain(12.34567), plain(0.000123456), plain(123456.0), plain(0.0)
    ('12.35', '0.0001235', '123456', '0')
    """
    if value == 0:
        return "0"
    return signed(value, max(0, figures - 1 - math.floor(math.log10(abs(value)))))


def probability(value: float | NotMeasured) -> str | NotMeasured:
    """A p-value: four decimals, and below that only that it is smaller.

    >>> probability(0.00001), probability(0.0346897)
    ('< 0.0001', '0.0347')
    """
    if isinstance(value, NotMeasured):
        return value
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"


@overload
def count(value: int) -> str: ...
@overload
def count(value: int | NotMeasured) -> str | NotMeasured: ...
def count(value: int | NotMeasured) -> str | NotMeasured:
    """A whole number, its digits grouped when there are many."""
    if isinstance(value, NotMeasured):
        return value
    return f"{value:,}" if abs(value) >= MANY else str(value)


def lost_gained(flips: Flips | NotMeasured) -> str | NotMeasured:
    """How many answers turned wrong, and how many right."""
    return flips if isinstance(flips, NotMeasured) else f"{count(flips.lost)} / {count(flips.gained)}"


def compact(number: int) -> str:
    """A count of weights, to a tenth of a thousand, million or billion.

    >>> compact(0), compact(84_480), compact(106_168_320)
    ('0', '84.5\xa0k', '106.2\xa0M')
    """
    for size, sign in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number / size:.1f}\N{NO-BREAK SPACE}{sign}"
    return str(number)


def plural(number: int, noun: str) -> str:
    """A count with its noun.

    >>> plural(1, "rule"), plural(3, "rule")
    ('1 rule', '3 rules')
    """
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def mebibytes(size_bytes: int) -> str:
    """A size in MiB.

    >>> mebibytes(538_090_408)
    '513.2\xa0MiB'
    """
    return f"{size_bytes / 2**20:,.1f}\N{NO-BREAK SPACE}MiB"


def seconds(value: float | NotMeasured) -> str | NotMeasured:
    """A duration in seconds."""
    return value if isinstance(value, NotMeasured) else f"{value:,.1f}\N{NO-BREAK SPACE}s"


def listed(words: list[str]) -> str:
    """Words as in a sentence.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def short(digest: str) -> str:
    """The first 12 characters of a digest: enough to tell artefacts apart by eye."""
    return digest[:12]


def anchor(name: str) -> str:
    """A name as an HTML id; two names never give the same.

    >>> anchor("a b"), anchor("a-b")
    ('a_20_b', 'a-b')
    """
    return re.sub(r"[^A-Za-z0-9-]", lambda match: f"_{ord(match[0]):x}_", name)


def clipped(text: str, limit: int) -> str:
    """Text of at most `limit` characters, with a note of how long it was."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}… [cut here: {count(len(text))} characters in all]"


def ending(text: str, limit: int) -> str:
    """The last `limit` characters of a text on one line: a prompt asks at its end.

    >>> ending("Long ago.\\nWho was it?", 11), ending("Who?", 11)
    ('…Who was it?', 'Who?')
    """
    words = " ".join(text.split())
    return words if len(words) <= limit else f"…{words[-limit:]}"
